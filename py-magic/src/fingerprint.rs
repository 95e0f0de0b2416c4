//! Fingerprints of live Python values: one walk over the object graph, structure and content alike.
//!
//! Built-in types are read here, at the speed of their containers. Everything else is taken apart by a Python
//! callable (`cacheness.fingerprint`), which knows NumPy, pandas, functions and the pickle protocol, and hands
//! back plainer values.
//!
//! A walk also numbers the mutable objects that it meets, in an order that follows from the content alone. Two
//! graphs with one fingerprint therefore number their objects alike, so a number names "the same" object in
//! another process: that is how a restored cell mutates the objects that are there instead of copies.

mod descent;
mod fault;
mod scalars;

use std::collections::HashMap;

use cacheness::{Digest, StableHasher};
use pyo3::prelude::*;

use descent::{Descent, Part};

struct Tracked {
    object: Py<PyAny>,
    digest: Option<Digest>,
}

/// One walk over some roots, usually the variables that a cell reads.
#[pyclass(module = "cacheness._cacheness")]
pub struct Walk {
    decompose: Py<PyAny>,
    objects: Vec<Tracked>,
    ordinals: HashMap<usize, u32>,
    /// Objects of the current root, by the order in which it meets them: what a back reference names.
    local: HashMap<usize, u32>,
    root: u64,
    aliases: StableHasher,
    aliased: bool,
    /// What the items of sets are sorted by, for each depth of sets around them. An item may be in many.
    sorted: HashMap<(usize, u32), (Py<PyAny>, SortKey)>,
}

/// A digest of an item of a set, and whether it stands for all of it.
type SortKey = (Digest, bool);

#[pymethods]
impl Walk {
    /// `decompose(value)` returns `(tag, parts, tracked)`, where `parts` is a tuple of plainer values or a
    /// dictionary of labelled ones, and `tracked` says that the value is mutable or that its identity matters;
    /// or it raises `TypeError` for a value without stable content.
    #[new]
    fn new(decompose: Py<PyAny>) -> Self {
        Self {
            decompose,
            objects: Vec::new(),
            ordinals: HashMap::new(),
            local: HashMap::new(),
            root: 0,
            aliases: StableHasher::new("aliases"),
            aliased: false,
            sorted: HashMap::new(),
        }
    }

    /// The digest of `value` (32 hexadecimal digits), independent of the other roots, and those of its labelled
    /// parts: the columns of a frame, the items of a dictionary, the attributes of an instance.
    fn add(&mut self, value: &Bound<'_, PyAny>) -> PyResult<(String, Vec<Part>)> {
        self.local.clear();
        self.root += 1;
        let (digest, parts) = Descent::new(self).digest(value)?;
        Ok((digest.to_string(), parts))
    }

    /// A digest of which objects several roots share, or `None` when they share nothing.
    fn aliases(&self) -> Option<String> {
        self.aliased
            .then(|| self.aliases.clone().finish().to_string())
    }

    fn __len__(&self) -> usize {
        self.len()
    }

    /// The number of a mutable object that the walk met.
    fn ordinal(&self, object: &Bound<'_, PyAny>) -> Option<u32> {
        self.ordinals.get(&address(object)).copied()
    }

    /// The mutable object with this number.
    fn object(&self, py: Python<'_>, ordinal: usize) -> Option<Py<PyAny>> {
        self.objects
            .get(ordinal)
            .map(|tracked| tracked.object.clone_ref(py))
    }

    /// The numbers of the objects whose content in the walk `after` is another than in this one. An object
    /// that `after` did not meet is counted as changed: nothing is known of it.
    fn changed(&self, after: &Walk) -> Vec<u32> {
        let changed = |tracked: &Tracked| {
            let now = after.ordinals.get(&(tracked.object.as_ptr() as usize));
            now.and_then(|&ordinal| after.objects[ordinal as usize].digest) != tracked.digest
        };
        let numbered = self.objects.iter().zip(0u32..);
        numbered
            .filter(|(tracked, _)| changed(tracked))
            .map(|(_, ordinal)| ordinal)
            .collect()
    }
}

impl Walk {
    /// How many mutable objects it met.
    fn len(&self) -> usize {
        self.objects.len()
    }

    /// A walk that met nothing yet and takes values apart as this one does. What it knows of sets is handed on, and
    /// comes back by [`keep_sorted`](Self::keep_sorted).
    fn scratch(&mut self, py: Python<'_>) -> Self {
        let mut scratch = Self::new(self.decompose.clone_ref(py));
        scratch.sorted = std::mem::take(&mut self.sorted);
        scratch
    }

    fn sorted(&self, item: &Bound<'_, PyAny>, depth: u32) -> Option<SortKey> {
        self.sorted
            .get(&(address(item), depth))
            .map(|(_, key)| *key)
    }

    fn keep_sorted(&mut self, scratch: Self, item: &Bound<'_, PyAny>, depth: u32, key: SortKey) {
        self.sorted = scratch.sorted;
        let kept = (item.clone().unbind(), key);
        self.sorted.insert((address(item), depth), kept);
    }

    fn decompose<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.decompose.bind(value.py()).call1((value,))
    }

    /// Which object of the current root this is, if the walk was there before.
    fn met(&self, value: &Bound<'_, PyAny>) -> Option<u32> {
        self.local.get(&address(value)).copied()
    }

    /// Numbers an object that the current root had not met.
    fn enlist(&mut self, value: &Bound<'_, PyAny>) -> u32 {
        let id = address(value);
        let local = self.local.len() as u32;
        self.local.insert(id, local);
        if let Some(&ordinal) = self.ordinals.get(&id) {
            self.aliased = true;
            self.aliases.u64(self.root);
            self.aliases.u64(u64::from(local));
            self.aliases.u64(u64::from(ordinal));
            return ordinal;
        }
        let ordinal = self.objects.len() as u32;
        self.ordinals.insert(id, ordinal);
        // The reference keeps the address from being used again while the walk is in use.
        self.objects.push(Tracked {
            object: value.clone().unbind(),
            digest: None,
        });
        ordinal
    }

    /// Keeps the digest of an object's content: the first, since a later root may name what it met
    /// before by a reference, and a walk over the same roots is compared with this one.
    fn settle(&mut self, ordinal: u32, digest: Digest) {
        if let Some(tracked) = self.objects.get_mut(ordinal as usize) {
            tracked.digest.get_or_insert(digest);
        }
    }
}

fn address(object: &Bound<'_, PyAny>) -> usize {
    object.as_ptr() as usize
}
