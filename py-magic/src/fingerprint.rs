//! Fingerprints of live Python values: one walk over the object graph, structure and content alike.
//!
//! Built-in types are read here, at the speed of their containers. Everything else is taken apart by a Python
//! callable (`cacheness.fingerprint`), which knows NumPy, pandas, functions and the pickle protocol, and hands
//! back plainer values.
//!
//! A walk also numbers the mutable objects that it meets, in an order that follows from the content alone. Two
//! graphs with one fingerprint therefore number their objects alike, so a number names "the same" object in
//! another process: that is how a restored cell mutates the objects that are there instead of copies.

use std::collections::HashMap;

use cacheness::{Digest, StableHasher};
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyInt, PyList,
    PyMemoryView, PySet, PyString, PyTuple,
};

/// Deeper nesting is refused: pickle could not store it either, and the stack is finite.
const MAX_DEPTH: u32 = 900;

/// Buffers of this size and up are hashed without the GIL, in bytes.
const DETACH: usize = 1 << 20;

mod mark {
    pub const NONE: u8 = 0;
    pub const BOOL: u8 = 1;
    pub const INT: u8 = 2;
    pub const BIG_INT: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const COMPLEX: u8 = 5;
    pub const STR: u8 = 6;
    pub const SURROGATES: u8 = 7;
    pub const BYTES: u8 = 8;
    pub const BUFFER: u8 = 9;
    pub const TUPLE: u8 = 10;
    pub const FROZENSET: u8 = 11;
    pub const REFERENCE: u8 = 12;
    pub const VALUE: u8 = 13;
    pub const TRACKED: u8 = 14;
}

/// Why a value has no fingerprint, and where in it that was found.
enum Fault {
    Python(PyErr),
    Unstable { path: Vec<String>, why: String },
}

impl Fault {
    fn unstable(why: impl Into<String>) -> Self {
        Self::Unstable {
            path: Vec::new(),
            why: why.into(),
        }
    }

    fn at(mut self, segment: impl FnOnce() -> String) -> Self {
        if let Self::Unstable { path, .. } = &mut self {
            path.push(segment());
        }
        self
    }
}

impl From<PyErr> for Fault {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<Fault> for PyErr {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Python(error) => error,
            Fault::Unstable { mut path, why } => {
                path.reverse();
                Python::attach(|py| unstable_error(py, &path.concat(), &why))
            }
        }
    }
}

/// `cacheness.errors.UnstableValueError(path, why)`.
fn unstable_error(py: Python<'_>, path: &str, why: &str) -> PyErr {
    let built = py
        .import("cacheness.errors")
        .and_then(|errors| errors.getattr("UnstableValueError"))
        .and_then(|class| class.call1((path, why)));
    match built {
        Ok(value) => PyErr::from_value(value),
        Err(error) => error,
    }
}

type Walked<T = ()> = Result<T, Fault>;

struct Tracked {
    object: Py<PyAny>,
    digest: Option<Digest>,
}

/// What one root was: its digest, and the digests of its labelled parts (the columns of a frame, the items of
/// a dictionary, the attributes of an instance).
type RootParts = (String, Vec<(Py<PyAny>, String)>);

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
    parts: Vec<(Py<PyAny>, String)>,
}

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
            parts: Vec::new(),
        }
    }

    /// The digest of `value` (32 hexadecimal digits), independent of the other roots, and those of its
    /// labelled parts.
    fn add(&mut self, value: &Bound<'_, PyAny>) -> PyResult<RootParts> {
        self.local.clear();
        self.parts.clear();
        self.root += 1;
        let mut hasher = StableHasher::new("value");
        self.value(&mut hasher, value, 0)?;
        let parts = std::mem::take(&mut self.parts);
        Ok((hasher.finish().to_string(), parts))
    }

    /// A digest of which objects several roots share, or `None` when they share nothing.
    fn aliases(&self) -> Option<String> {
        self.aliased
            .then(|| self.aliases.clone().finish().to_string())
    }

    fn __len__(&self) -> usize {
        self.objects.len()
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

fn address(object: &Bound<'_, PyAny>) -> usize {
    object.as_ptr() as usize
}

impl Walk {
    fn value(&mut self, h: &mut StableHasher, value: &Bound<'_, PyAny>, depth: u32) -> Walked {
        if depth > MAX_DEPTH {
            return Err(Fault::unstable(format!(
                "it is nested deeper than {MAX_DEPTH} levels"
            )));
        }
        if self.scalar(h, value)? {
            return Ok(());
        }
        if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            h.mark(mark::TUPLE);
            return self.items(
                h,
                tuple.iter_borrowed().map(|item| item.to_owned()),
                tuple.len(),
                depth,
            );
        }
        if let Ok(set) = value.cast_exact::<PyFrozenSet>() {
            h.mark(mark::FROZENSET);
            return self.unordered(h, set.iter(), depth);
        }
        if let Some(&local) = self.local.get(&address(value)) {
            h.mark(mark::REFERENCE);
            h.u64(u64::from(local));
            return Ok(());
        }
        if let Ok(list) = value.cast_exact::<PyList>() {
            return self.tracked(h, value, "list", |walk, h| {
                walk.items(h, list.iter(), list.len(), depth)
            });
        }
        if let Ok(dict) = value.cast_exact::<PyDict>() {
            return self.tracked(h, value, "dict", |walk, h| walk.labelled(h, dict, depth));
        }
        if let Ok(set) = value.cast_exact::<PySet>() {
            return self.tracked(h, value, "set", |walk, h| {
                walk.unordered(h, set.iter(), depth)
            });
        }
        if let Ok(bytes) = value.cast_exact::<PyByteArray>() {
            return self.tracked(h, value, "bytearray", |_, h| buffer(h, bytes));
        }
        self.other(h, value, depth)
    }

    /// Feeds an immutable built-in value; `false` when it is none.
    fn scalar(&self, h: &mut StableHasher, value: &Bound<'_, PyAny>) -> Walked<bool> {
        if value.is_none() {
            h.mark(mark::NONE);
        } else if let Ok(text) = value.cast_exact::<PyString>() {
            string(h, text)?;
        } else if let Ok(flag) = value.cast_exact::<PyBool>() {
            h.mark(mark::BOOL);
            h.bool(flag.is_true());
        } else if let Ok(int) = value.cast_exact::<PyInt>() {
            integer(h, int)?;
        } else if let Ok(float) = value.cast_exact::<PyFloat>() {
            h.mark(mark::FLOAT);
            h.f64(float.value());
        } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
            h.mark(mark::BYTES);
            h.digest(&Digest::of(bytes.as_bytes()));
        } else if let Ok(complex) = value.cast_exact::<PyComplex>() {
            h.mark(mark::COMPLEX);
            h.f64(complex.real());
            h.f64(complex.imag());
        } else if value.is_exact_instance_of::<PyMemoryView>() {
            buffer(h, value)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Numbers a mutable object, feeds its content to a digest of its own, and that digest to `h`.
    fn tracked(
        &mut self,
        h: &mut StableHasher,
        value: &Bound<'_, PyAny>,
        domain: &str,
        content: impl FnOnce(&mut Self, &mut StableHasher) -> Walked,
    ) -> Walked {
        let ordinal = self.enlist(value);
        let mut own = StableHasher::new(domain);
        content(self, &mut own)?;
        let digest = own.finish();
        if let Some(tracked) = self.objects.get_mut(ordinal as usize) {
            tracked.digest = Some(digest);
        }
        h.mark(mark::TRACKED);
        h.digest(&digest);
        Ok(())
    }

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

    fn items<'py>(
        &mut self,
        h: &mut StableHasher,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        len: usize,
        depth: u32,
    ) -> Walked {
        h.u64(len as u64);
        let mut fed = 0usize;
        for item in items {
            self.value(h, &item, depth + 1)
                .map_err(|fault| fault.at(|| format!("[{fed}]")))?;
            fed += 1;
        }
        // A list may have grown or shrunk under another thread; the digest must not pretend otherwise.
        h.u64(fed as u64);
        Ok(())
    }

    fn labelled(&mut self, h: &mut StableHasher, dict: &Bound<'_, PyDict>, depth: u32) -> Walked {
        h.u64(dict.len() as u64);
        let at_root = depth == 0;
        for (label, part) in dict.iter() {
            self.value(h, &label, depth + 1)
                .map_err(|fault| fault.at(|| "key".to_owned()))?;
            let mut own = StableHasher::new("part");
            self.value(&mut own, &part, depth + 1)
                .map_err(|fault| fault.at(|| subscript(&label)))?;
            let digest = own.finish();
            h.digest(&digest);
            if at_root {
                self.parts.push((label.unbind(), digest.to_string()));
            }
        }
        Ok(())
    }

    /// Items without an order of their own go in by the order of their digests. The digests are taken in a walk
    /// of their own, so that numbers follow from content, never from the order that hashing happened to give.
    fn unordered<'py>(
        &mut self,
        h: &mut StableHasher,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        depth: u32,
    ) -> Walked {
        let mut sorted = Vec::new();
        for item in items {
            let mut scratch = Walk::new(self.decompose.clone_ref(item.py()));
            let mut own = StableHasher::new("item");
            scratch
                .value(&mut own, &item, depth + 1)
                .map_err(|fault| fault.at(|| "{…}".to_owned()))?;
            sorted.push((own.finish(), item));
        }
        sorted.sort_by_key(|(digest, _)| *digest);
        let len = sorted.len();
        self.items(h, sorted.into_iter().map(|(_, item)| item), len, depth)
    }

    fn other(&mut self, h: &mut StableHasher, value: &Bound<'_, PyAny>, depth: u32) -> Walked {
        let py = value.py();
        let taken = self
            .decompose
            .bind(py)
            .call1((value,))
            .map_err(|error| refusal(py, error))?;
        let (tag, parts, tracked): (String, Bound<'_, PyAny>, bool) = taken.extract()?;
        let content = |walk: &mut Self, h: &mut StableHasher| {
            h.str(&tag);
            if let Ok(labelled) = parts.cast_exact::<PyDict>() {
                walk.labelled(h, labelled, depth)
            } else {
                let parts = parts.cast_exact::<PyTuple>().map_err(PyErr::from)?;
                for part in parts.iter_borrowed() {
                    walk.value(h, &part, depth + 1)?;
                }
                Ok(())
            }
        };
        if tracked {
            self.tracked(h, value, "object", content)
        } else {
            h.mark(mark::VALUE);
            content(self, h)?;
            // The number of parts belongs to the tag's meaning, but nothing enforces that: end explicitly.
            h.mark(mark::VALUE);
            Ok(())
        }
    }
}

/// A `TypeError` of the decomposer says that the value has no stable content; anything else is a real error.
fn refusal(py: Python<'_>, error: PyErr) -> Fault {
    if error.is_instance_of::<PyTypeError>(py) {
        Fault::unstable(error.value(py).to_string())
    } else {
        Fault::Python(error)
    }
}

fn subscript(label: &Bound<'_, PyAny>) -> String {
    match label.repr() {
        Ok(text) if text.len().is_ok_and(|len| len < 80) => format!("[{text}]"),
        _ => "[…]".to_owned(),
    }
}

fn string(h: &mut StableHasher, text: &Bound<'_, PyString>) -> Walked {
    if let Ok(utf8) = text.to_str() {
        h.mark(mark::STR);
        h.str(utf8);
    } else {
        // Lone surrogates have no UTF-8.
        let bytes = text.call_method1("encode", ("utf-8", "surrogatepass"))?;
        h.mark(mark::SURROGATES);
        h.bytes(bytes.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes());
    }
    Ok(())
}

fn integer(h: &mut StableHasher, int: &Bound<'_, PyInt>) -> Walked {
    if let Ok(small) = int.extract::<i64>() {
        h.mark(mark::INT);
        h.i64(small);
    } else {
        let bits: usize = int.call_method0("bit_length")?.extract()?;
        let signed = PyDict::new(int.py());
        signed.set_item("signed", true)?;
        let bytes = int.call_method("to_bytes", (bits / 8 + 1, "little"), Some(&signed))?;
        h.mark(mark::BIG_INT);
        h.bytes(bytes.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes());
    }
    Ok(())
}

/// The bytes behind a C-contiguous buffer, with the size of its items.
fn buffer(h: &mut StableHasher, value: &Bound<'_, PyAny>) -> Walked {
    let view = PyUntypedBuffer::get(value)?;
    if !view.is_c_contiguous() {
        return Err(Fault::unstable("its memory is not contiguous"));
    }
    h.mark(mark::BUFFER);
    h.u64(view.item_size() as u64);
    let len = view.len_bytes();
    if len == 0 {
        h.digest(&Digest::of(&[]));
        return Ok(());
    }
    // SAFETY: the view is contiguous and holds the exporter's memory for `len` bytes until it is released below.
    // Another thread may write to it meanwhile, as it may to any array that is read without a lock; the digest
    // is then one of some mixture, which is what a reader of that array would see.
    let bytes =
        unsafe { std::slice::from_raw_parts(view.buf_ptr().cast::<u8>().cast_const(), len) };
    let digest = if len < DETACH {
        Digest::of(bytes)
    } else {
        value.py().detach(|| Digest::of(bytes))
    };
    h.digest(&digest);
    Ok(())
}
