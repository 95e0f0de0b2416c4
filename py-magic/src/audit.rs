//! What a run was seen to do, by the interpreter's audit events.
//!
//! A hook cannot be removed, so it is installed when it is first needed and does nothing but read a flag while
//! no run is observed.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

/// `(event, subject)`: an absolute path for events about files, otherwise whatever names what was done.
type Event = (&'static str, String);

static ACTIVE: AtomicBool = AtomicBool::new(false);
static EVENTS: Mutex<Vec<Event>> = Mutex::new(Vec::new());

type Hook = extern "C" fn(*const c_char, *mut pyo3::ffi::PyObject, *mut c_void) -> c_int;

unsafe extern "C" {
    // Exported by every CPython since 3.8, but not part of the limited API.
    fn PySys_AddAuditHook(hook: Hook, data: *mut c_void) -> c_int;
}

/// Begins to observe. Only one observation goes on at a time; another one is a `RuntimeError`.
#[pyfunction]
pub fn start_audit() -> PyResult<()> {
    static INSTALL: Once = Once::new();
    if ACTIVE.load(Ordering::Acquire) {
        return Err(PyRuntimeError::new_err("a run is already observed"));
    }
    events().clear();
    INSTALL.call_once(|| {
        // SAFETY: the hook is a static function and uses no data pointer; the GIL is held.
        unsafe { PySys_AddAuditHook(hook, std::ptr::null_mut()) };
    });
    ACTIVE.store(true, Ordering::Release);
    Ok(())
}

/// Ends the observation and returns what was seen, in order.
#[pyfunction]
pub fn stop_audit() -> Vec<Event> {
    ACTIVE.store(false, Ordering::Release);
    std::mem::take(&mut *events())
}

fn events() -> std::sync::MutexGuard<'static, Vec<Event>> {
    EVENTS.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn hook(event: *const c_char, args: *mut pyo3::ffi::PyObject, _: *mut c_void) -> c_int {
    if !ACTIVE.load(Ordering::Acquire) || event.is_null() || args.is_null() {
        return 0;
    }
    // SAFETY: the interpreter passes a NUL-terminated name that lives for the call.
    let name = unsafe { CStr::from_ptr(event) };
    let Some(kind) = kind(name.to_bytes()) else {
        return 0;
    };
    // SAFETY: audit hooks are called with the GIL held, and `args` is a tuple that is borrowed for the call.
    unsafe {
        let py = Python::assume_attached();
        if let Ok(args) = Bound::from_borrowed_ptr(py, args).cast_into::<PyTuple>() {
            // An event that cannot be read is about something else than a file with a name.
            if let Ok(Some(seen)) = read(kind, &args) {
                events().push(seen);
            }
        }
    }
    0
}

#[derive(Clone, Copy)]
enum Kind {
    Open,
    List,
    Make,
    Path(&'static str),
    Text(&'static str),
}

fn kind(event: &[u8]) -> Option<Kind> {
    Some(match event {
        b"open" => Kind::Open,
        b"os.listdir" | b"os.scandir" => Kind::List,
        b"sqlite3.connect" => Kind::Path("read"),
        b"os.remove" | b"os.rename" | b"os.rmdir" | b"os.truncate" => Kind::Path("write"),
        b"os.mkdir" => Kind::Make,
        b"subprocess.Popen" | b"os.system" | b"os.exec" | b"os.posix_spawn" => {
            Kind::Text("subprocess")
        }
        b"socket.connect" | b"socket.getaddrinfo" => Kind::Text("network"),
        b"builtins.input" => Kind::Text("input"),
        _ => return None,
    })
}

fn read(kind: Kind, args: &Bound<'_, PyTuple>) -> PyResult<Option<Event>> {
    Ok(match kind {
        Kind::Open => {
            let flags: i64 = args
                .get_item(2)
                .and_then(|flags| flags.extract())
                .unwrap_or(0);
            let event = if flags & WRITING != 0 {
                "write"
            } else {
                "read"
            };
            path(&args.get_item(0)?)?.map(|path| (event, path))
        }
        Kind::List if is_import_machinery(args.py()) => None,
        Kind::List => path(&args.get_item(0)?)?.map(|path| ("list", path)),
        // `exist_ok=True` tries to make what is there.
        Kind::Make => path(&args.get_item(0)?)?
            .filter(|path| !Path::new(path).exists())
            .map(|path| ("write", path)),
        Kind::Path(event) => path(&args.get_item(0)?)?.map(|path| (event, path)),
        Kind::Text(event) => {
            let subject = args.iter().next().map(|first| text(&first)).transpose()?;
            Some((event, subject.unwrap_or_default()))
        }
    })
}

/// Any of O_WRONLY, O_RDWR, O_CREAT, O_TRUNC and O_APPEND, as Linux and the BSDs number them.
#[cfg(target_os = "linux")]
const WRITING: i64 = 0o1 | 0o2 | 0o100 | 0o1000 | 0o2000;
#[cfg(not(target_os = "linux"))]
const WRITING: i64 = 0x1 | 0x2 | 0x200 | 0x400 | 0x8;

/// What a person would read: a command may come as bytes.
fn text(value: &Bound<'_, PyAny>) -> PyResult<String> {
    match value.cast::<PyBytes>() {
        Ok(bytes) => Ok(String::from_utf8_lossy(bytes.as_bytes()).into_owned()),
        Err(_) => Ok(value.str()?.to_string()),
    }
}

/// The absolute path that an argument names now; `None` for descriptors and the current folder of old APIs.
fn path(value: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    if value.is_none() {
        return absolute(".".into());
    }
    let plain = value.py().import("os")?.call_method1("fspath", (value,));
    let Ok(plain) = plain else {
        return Ok(None);
    };
    if let Ok(bytes) = plain.cast::<PyBytes>() {
        return absolute(String::from_utf8_lossy(bytes.as_bytes()).into_owned());
    }
    absolute(plain.extract()?)
}

fn absolute(text: String) -> PyResult<Option<String>> {
    if text.is_empty() || text.starts_with(':') {
        return Ok(None);
    }
    let path = std::path::absolute(PathBuf::from(text))?;
    Ok(Some(path.to_string_lossy().into_owned()))
}

/// Whether a folder is being listed to find modules, which says nothing about the run.
fn is_import_machinery(py: Python<'_>) -> bool {
    let caller = py.import("sys").and_then(|sys| {
        let frame = sys.call_method1("_getframe", (0,))?;
        frame
            .getattr("f_code")?
            .getattr("co_filename")?
            .extract::<String>()
    });
    caller.is_ok_and(|file| {
        file.starts_with("<frozen importlib")
            || file.contains("/importlib/")
            || file.ends_with("/pkgutil.py")
    })
}
