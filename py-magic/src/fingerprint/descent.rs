//! The way through one value, on a stack of its own: nesting is bounded by memory alone.

use cacheness::{Digest, StableHasher};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyDict, PyFrozenSet, PyList, PySet, PyTuple};

use super::fault::{Fault, Walked};
use super::{Walk, scalars};

/// Sets inside of sets are sorted by recursion.
const MOST_NESTED_SETS: u32 = 100;
/// How far the items of a set are looked into to sort them: objects beyond count as alike.
const SORTED_SETS: u32 = 1;
const SORTED_OBJECTS: usize = 256;
/// As many steps of a path are shown.
const SHOWN_STEPS: usize = 8;

mod mark {
    pub const TUPLE: u8 = 10;
    pub const FROZENSET: u8 = 11;
    pub const REFERENCE: u8 = 12;
    pub const VALUE: u8 = 13;
    pub const TRACKED: u8 = 14;
    pub const UNKNOWN: u8 = 15;
}

/// A labelled part of the root, and its digest.
pub type Part = (Py<PyAny>, String);

/// A container that is being read.
struct Frame<'py> {
    items: Items<'py>,
    at: usize,
    /// What to do when there is nothing left.
    end: End,
}

enum Items<'py> {
    List(Bound<'py, PyList>),
    Tuple(Bound<'py, PyTuple>),
    /// The parts of an object, which its tag explains.
    Parts(Bound<'py, PyTuple>),
    Sorted(Vec<Bound<'py, PyAny>>),
    /// Copied, since the dictionary may change while its parts are taken apart.
    Labelled {
        labels: Bound<'py, PyList>,
        parts: Bound<'py, PyList>,
    },
}

enum End {
    Nothing,
    Value,
    Tracked(u32),
}

/// One walk over one root.
pub struct Descent<'walk, 'py> {
    walk: &'walk mut Walk,
    frames: Vec<Frame<'py>>,
    /// What is open: the root, and every object and labelled part around the present place.
    hashers: Vec<StableHasher>,
    parts: Vec<Part>,
    /// How many sets this walk sorts the items of; 0 for a walk that counts.
    sorting: u32,
    /// Whether something was left out, as only walks that sort do.
    inexact: bool,
}

impl<'walk, 'py> Descent<'walk, 'py> {
    pub fn new(walk: &'walk mut Walk) -> Self {
        Self {
            walk,
            frames: Vec::new(),
            hashers: Vec::new(),
            parts: Vec::new(),
            sorting: 0,
            inexact: false,
        }
    }

    /// The digest of `root`, and those of its labelled parts.
    pub fn digest(mut self, root: &Bound<'py, PyAny>) -> Walked<(Digest, Vec<Part>)> {
        let digest = self.run(root, "value")?;
        Ok((digest, self.parts))
    }

    fn run(&mut self, root: &Bound<'py, PyAny>, domain: &str) -> Walked<Digest> {
        self.hashers.push(StableHasher::new(domain));
        let mut next = Some(root.clone());
        loop {
            if let Some(value) = next {
                self.enter(&value)
                    .map_err(|fault| fault.below(|| self.path()))?;
            } else {
                self.leave();
            }
            if self.frames.is_empty() {
                return Ok(self.close());
            }
            let advanced = self.advance();
            next = advanced.map_err(|fault| fault.below(|| self.path()))?;
        }
    }

    /// The next value in the innermost container that is more than a scalar; scalars are fed on the way.
    fn advance(&mut self) -> Walked<Option<Bound<'py, PyAny>>> {
        let (Some(frame), Some(hasher)) = (self.frames.last_mut(), self.hashers.last_mut()) else {
            return Ok(None);
        };
        loop {
            let at = frame.at;
            let item = match &frame.items {
                Items::List(list) if at < list.len() => list.get_item(at)?,
                Items::Tuple(tuple) | Items::Parts(tuple) if at < tuple.len() => {
                    tuple.get_item(at)?
                }
                Items::Sorted(items) if at < items.len() => items[at].clone(),
                Items::Labelled { .. } => return self.advance_labelled(),
                _ => return Ok(None),
            };
            frame.at += 1;
            if !scalars::feed(hasher, &item)? {
                return Ok(Some(item));
            }
        }
    }

    /// The same for labels and parts in turns.
    fn advance_labelled(&mut self) -> Walked<Option<Bound<'py, PyAny>>> {
        loop {
            let Some(Frame { items, at, .. }) = self.frames.last_mut() else {
                return Ok(None);
            };
            let Items::Labelled { labels, parts } = items else {
                return Ok(None);
            };
            let place = *at;
            let before = match place.checked_sub(2) {
                Some(before) if place.is_multiple_of(2) => Some(labels.get_item(before / 2)?),
                _ => None,
            };
            let item = match place % 2 {
                _ if place / 2 >= labels.len() => None,
                0 => Some(labels.get_item(place / 2)?),
                _ => Some(parts.get_item(place / 2)?),
            };
            *at += 1;
            if let Some(label) = before {
                self.close_part(&label);
            }
            if place % 2 == 1 {
                self.hashers.push(StableHasher::new("part"));
            }
            match item {
                Some(item) if scalars::feed(self.hasher(), &item)? => {}
                other => return Ok(other),
            }
        }
    }

    fn close_part(&mut self, label: &Bound<'py, PyAny>) {
        let digest = self.close();
        self.hasher().digest(&digest);
        if self.frames.len() == 1 {
            self.parts
                .push((label.clone().unbind(), digest.to_string()));
        }
    }

    /// Ends the innermost container.
    fn leave(&mut self) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        if let Items::List(_) | Items::Tuple(_) = frame.items {
            // A list may have grown or shrunk under another thread; the digest must not pretend otherwise.
            self.hasher().u64(frame.at as u64);
        }
        match frame.end {
            End::Nothing => {}
            End::Value => self.hasher().mark(mark::VALUE),
            End::Tracked(ordinal) => self.close_object(ordinal),
        }
    }

    fn close_object(&mut self, ordinal: u32) {
        let digest = self.close();
        self.walk.settle(ordinal, digest);
        self.hasher().mark(mark::TRACKED);
        self.hasher().digest(&digest);
    }

    fn hasher(&mut self) -> &mut StableHasher {
        if self.hashers.is_empty() {
            self.hashers.push(StableHasher::new("value"));
        }
        let last = self.hashers.len() - 1;
        &mut self.hashers[last]
    }

    fn close(&mut self) -> Digest {
        self.hashers
            .pop()
            .unwrap_or_else(|| StableHasher::new("value"))
            .finish()
    }

    /// Feeds a value, or what stands at its beginning; the rest follows from the frames.
    fn enter(&mut self, value: &Bound<'py, PyAny>) -> Walked {
        if scalars::feed(self.hasher(), value)? {
            return Ok(());
        }
        if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            self.hasher().mark(mark::TUPLE);
            self.hasher().u64(tuple.len() as u64);
            self.open(Items::Tuple(tuple.clone()), End::Nothing);
            return Ok(());
        }
        if let Ok(set) = value.cast_exact::<PyFrozenSet>() {
            self.hasher().mark(mark::FROZENSET);
            return self.unordered(set.iter().collect(), End::Nothing);
        }
        if let Some(local) = self.walk.met(value) {
            self.hasher().mark(mark::REFERENCE);
            self.hasher().u64(u64::from(local));
            return Ok(());
        }
        if !is_builtin(value) {
            return self.take_apart(value);
        }
        if self.is_too_far() {
            self.leave_out();
        } else if let Ok(list) = value.cast_exact::<PyList>() {
            let end = self.track(value, "list");
            self.hasher().u64(list.len() as u64);
            self.open(Items::List(list.clone()), end);
        } else if let Ok(dict) = value.cast_exact::<PyDict>() {
            let end = self.track(value, "dict");
            self.open_labelled(dict, end);
        } else if let Ok(set) = value.cast_exact::<PySet>() {
            let end = self.track(value, "set");
            return self.unordered(set.iter().collect(), end);
        } else {
            let ordinal = self.walk.enlist(value);
            self.hashers.push(StableHasher::new("bytearray"));
            scalars::buffer(self.hasher(), value)?;
            self.close_object(ordinal);
        }
        Ok(())
    }

    /// Whether objects do not count any more, in a walk that only sorts.
    fn is_too_far(&self) -> bool {
        self.sorting > SORTED_SETS || (self.sorting > 0 && self.walk.len() >= SORTED_OBJECTS)
    }

    fn leave_out(&mut self) {
        self.inexact = true;
        self.hasher().mark(mark::UNKNOWN);
    }

    fn open(&mut self, items: Items<'py>, end: End) {
        self.frames.push(Frame { items, at: 0, end });
    }

    /// Numbers a mutable object, whose content goes to a digest of its own.
    fn track(&mut self, value: &Bound<'py, PyAny>, domain: &str) -> End {
        let ordinal = self.walk.enlist(value);
        self.hashers.push(StableHasher::new(domain));
        End::Tracked(ordinal)
    }

    fn open_labelled(&mut self, dict: &Bound<'py, PyDict>, end: End) {
        let (labels, parts) = (dict.keys(), dict.values());
        self.hasher().u64(labels.len() as u64);
        self.open(Items::Labelled { labels, parts }, end);
    }

    /// What Rust cannot read: a tag and plainer parts.
    fn take_apart(&mut self, value: &Bound<'py, PyAny>) -> Walked {
        let py = value.py();
        let taken = self.walk.decompose(value);
        let taken = taken.map_err(|error| Fault::of_decomposer(py, error))?;
        let (tag, parts, tracked): (String, Bound<'py, PyAny>, bool) = taken.extract()?;
        if tracked && self.is_too_far() {
            self.leave_out();
            return Ok(());
        }
        let end = if tracked {
            self.track(value, "object")
        } else {
            self.hasher().mark(mark::VALUE);
            End::Value
        };
        self.hasher().str(&tag);
        if let Ok(labelled) = parts.cast_exact::<PyDict>() {
            self.open_labelled(labelled, end);
        } else {
            let parts = parts.cast_into_exact::<PyTuple>().map_err(PyErr::from)?;
            self.open(Items::Parts(parts), end);
        }
        Ok(())
    }

    /// Items without an order of their own go in by the order of their digests, so that numbers follow from
    /// content, never from the order that hashing happened to give. Items without mutable parts are their digest;
    /// of the others it only decides the order, and it may leave out what is far away: graphs that refer to
    /// themselves through sets would take for ever. Items that look alike then stay in the order they came in, which
    /// can cost a miss.
    fn unordered(&mut self, items: Vec<Bound<'py, PyAny>>, end: End) -> Walked {
        self.hasher().u64(items.len() as u64);
        let mut plain = Vec::new();
        let mut objects = Vec::new();
        for item in items {
            let (digest, exact) = self.sort_digest(&item)?;
            if exact {
                plain.push(digest);
            } else {
                objects.push((digest, item));
            }
        }
        if self.sorting >= SORTED_SETS && !objects.is_empty() {
            self.inexact = true;
            plain.extend(objects.drain(..).map(|(digest, _)| digest));
        }
        plain.sort_unstable();
        plain.iter().for_each(|digest| self.hasher().digest(digest));
        objects.sort_by_key(|(digest, _)| *digest);
        let objects = objects.into_iter().map(|(_, item)| item).collect();
        self.open(Items::Sorted(objects), end);
        Ok(())
    }

    /// A digest of an item of a set, and whether it stands for all of it.
    fn sort_digest(&mut self, item: &Bound<'py, PyAny>) -> Walked<(Digest, bool)> {
        let mut own = StableHasher::new("item");
        if scalars::feed(&mut own, item)? {
            return Ok((own.finish(), true));
        }
        let sorting = self.sorting + 1;
        if let Some(known) = self.walk.sorted(item, sorting) {
            return Ok(known);
        }
        if sorting > MOST_NESTED_SETS {
            return Err(Fault::unstable(format!(
                "sets are nested deeper than {MOST_NESTED_SETS} levels"
            )));
        }
        let mut scratch = self.walk.scratch(item.py());
        let mut descent = Descent::new(&mut scratch);
        descent.sorting = sorting;
        let found = descent.run(item, "item");
        let exact = !descent.inexact && descent.walk.len() == 0;
        let digest = found.map_err(|fault| fault.below(|| "{…}".to_owned()))?;
        self.walk
            .keep_sorted(scratch, item, sorting, (digest, exact));
        Ok((digest, exact))
    }

    /// Where the walk is, as a person would write it.
    fn path(&self) -> String {
        let steps: Vec<String> = self.frames.iter().filter_map(Frame::step).collect();
        match steps.len().checked_sub(SHOWN_STEPS) {
            Some(more) if more > 0 => {
                format!("{}… ({more} levels more)", steps[..SHOWN_STEPS].concat())
            }
            _ => steps.concat(),
        }
    }
}

impl Frame<'_> {
    fn step(&self) -> Option<String> {
        match &self.items {
            Items::List(_) | Items::Tuple(_) => Some(format!("[{}]", self.at.saturating_sub(1))),
            Items::Parts(_) => None,
            Items::Sorted(_) => Some("{…}".to_owned()),
            Items::Labelled { labels, .. } => {
                let place = self.at.saturating_sub(1);
                let label = labels.get_item(place / 2).ok()?;
                let text = subscript(&label);
                Some(if place.is_multiple_of(2) {
                    format!(" (the key {text})")
                } else {
                    text
                })
            }
        }
    }
}

/// Whether it is of a mutable built-in type.
fn is_builtin(value: &Bound<'_, PyAny>) -> bool {
    value.is_exact_instance_of::<PyList>()
        || value.is_exact_instance_of::<PyDict>()
        || value.is_exact_instance_of::<PySet>()
        || value.is_exact_instance_of::<PyByteArray>()
}

fn subscript(label: &Bound<'_, PyAny>) -> String {
    match label.repr() {
        Ok(text) if text.len().is_ok_and(|len| len < 80) => format!("[{text}]"),
        _ => "[…]".to_owned(),
    }
}
