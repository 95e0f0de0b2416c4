//! Sees what native code opens, in this process, by standing between it and the C library.
//!
//! Rust in polars, C++ in Arrow, DuckDB and HDF5 call `open` and its like without telling Python. `watch` points the
//! slots through which they call to `wrappers`, which tell the log and then call on. Left alone are the interpreter,
//! whose audit events tell more, and this library itself, whose own reading is nobody's input.

mod elf;
mod wrappers;

use std::ffi::CStr;
use std::sync::Mutex;

use elf::{Known, Patch};

static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

/// Watches the objects that are loaded now, and lets `follow` go on with it. Whether that was possible: the lock is only
/// tried, so that a process that was forked meanwhile does not wait for ever.
pub(super) fn watch() -> bool {
    KNOWN.try_lock().is_ok_and(|mut known| {
        patch(known.get_or_insert_default());
        true
    })
}

/// Watches the objects that were loaded since the last time, if others are watched. Returns in how many of them something
/// was to be watched.
pub(super) fn follow() -> usize {
    KNOWN
        .try_lock()
        .ok()
        .map_or(0, |mut known| known.as_mut().map_or(0, patch))
}

fn patch(known: &mut Known) -> usize {
    if elf::is_current(known) {
        return 0;
    }
    let patch = Patch {
        substitute: &substitute,
        spared: &[
            pyo3::ffi::Py_IsInitialized as *const () as usize,
            watch as *const () as usize,
        ],
    };
    // SAFETY: each wrapper has the signature of the function that it calls on to.
    unsafe { elf::patch(known, &patch) }
}

fn substitute(object: &CStr, symbol: &CStr) -> Option<usize> {
    if symbol == c"dlsym" {
        // Others ask for what comes after themselves, which depends on who asks.
        let name = object.to_bytes().rsplit(|byte| *byte == b'/').next()?;
        let calls_by_name = name.starts_with(b"_ctypes.") || name.starts_with(b"_cffi_backend.");
        return calls_by_name.then_some(wrappers::dlsym as *const () as usize);
    }
    wrappers::find(symbol)
}
