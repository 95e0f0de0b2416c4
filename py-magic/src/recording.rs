//! What the process does while somebody watches: files that it opens, asks for, lists and writes, programs that it
//! starts, connections that it makes. Told by the interpreter's audit events and, where that is possible, by native
//! code's own calls.

mod audit;
mod log;

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod interpose;

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
mod interpose {
    /// Native code is not seen on this system.
    pub(super) fn watch() -> bool {
        false
    }

    pub(super) fn follow() -> usize {
        0
    }
}

use std::collections::HashMap;
use std::path::Path;

use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;

use log::{Act, Event, Reader, Stamp};

/// Watches native code, too, from now on, and in objects that were loaded since the last call. `False` where that cannot
/// be done. Takes a few milliseconds at first, and then only where something was loaded.
#[pyfunction]
pub fn watch_native() -> PyResult<bool> {
    log::prepare().map_err(PyOSError::new_err)?;
    Ok(interpose::watch())
}

/// What the process does from now until `stop`, in all of its threads and in processes that fork off. There may be any
/// number at a time.
#[pyclass(module = "cacheness._cacheness")]
pub struct Recording {
    reader: Option<Reader>,
}

#[pymethods]
impl Recording {
    #[new]
    fn new() -> PyResult<Self> {
        audit::install();
        interpose::follow();
        let reader = Reader::begin().map_err(PyOSError::new_err)?;
        Ok(Self {
            reader: Some(reader),
        })
    }

    /// Ends the recording. Returns what was done, as `(what, to what)`, the first time that it was done. Files are told by
    /// absolute paths: `read`, `list` (a folder), `look` (asked for its state), `write` (it is not as it was before),
    /// `scratch` (made and gone again). Otherwise `subprocess`, `network`, `input`.
    ///
    /// Raises:
    ///     RuntimeError: not all of it is known, or the recording was stopped before.
    fn stop(&mut self, py: Python<'_>) -> PyResult<Vec<(&'static str, String)>> {
        let reader = self.reader.take();
        if interpose::follow() > 0 {
            return Err(PyRuntimeError::new_err(
                "native code was loaded by native code, and was not watched until now",
            ));
        }
        let events = py.detach(|| reader.and_then(Reader::end).map(told));
        events.ok_or_else(|| PyRuntimeError::new_err("more was done than could be recorded"))
    }
}

/// The events as they look at the end: a file that was opened to write to and is as it was before was only read.
fn told(events: Vec<Event>) -> Vec<(&'static str, String)> {
    let mut firsts: HashMap<String, &'static str> = HashMap::new();
    let mut found = Vec::new();
    for event in events {
        let subject = match event.act {
            Act::Process | Act::Network | Act::Input => event.subject,
            // Leaves `.` and doubled separators out.
            _ => match std::path::absolute(&event.subject) {
                Ok(path) => path.to_string_lossy().into_owned(),
                Err(_) => continue,
            },
        };
        let what = match event.act {
            // Opened to be synchronised, or to name files below it.
            Act::Read if Stamp::of(Path::new(&subject)).is_folder() => continue,
            Act::Read => "read",
            Act::List => "list",
            Act::Look => "look",
            Act::Process => "subprocess",
            Act::Network => "network",
            Act::Input => "input",
            Act::Write => match firsts.get(&subject) {
                Some(_) => continue,
                None => match change(&event.before, &Stamp::of(Path::new(&subject))) {
                    Some(what) => {
                        firsts.insert(subject.clone(), what);
                        what
                    }
                    None => continue,
                },
            },
        };
        found.push((what, subject));
    }
    found
}

/// What became of something that was opened to write to, made, moved or removed; `None` for a folder that is still there.
fn change(before: &Stamp, now: &Stamp) -> Option<&'static str> {
    if before.is_folder() && now.is_folder() {
        None
    } else if !before.exists() && !now.exists() {
        Some("scratch")
    } else if before == now {
        Some("read")
    } else {
        Some("write")
    }
}
