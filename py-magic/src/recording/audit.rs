//! The interpreter's audit events about files, programs and the network.
//!
//! A hook cannot be removed, so it is installed when it is first needed and asks whether anybody wants to know.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::Path;
use std::sync::Once;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use super::interpose;
use super::log::{self, Act, Stamp};

type Hook = extern "C" fn(*const c_char, *mut pyo3::ffi::PyObject, *mut c_void) -> c_int;

unsafe extern "C" {
    // Exported by every CPython since 3.8, but not part of the limited API.
    fn PySys_AddAuditHook(hook: Hook, data: *mut c_void) -> c_int;
}

/// Tells the log from now on. Called with the GIL held.
pub(super) fn install() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        // SAFETY: the hook is a static function and uses no data pointer; the GIL is held.
        unsafe { PySys_AddAuditHook(hook, std::ptr::null_mut()) };
    });
}

extern "C" fn hook(event: *const c_char, args: *mut pyo3::ffi::PyObject, _: *mut c_void) -> c_int {
    if !log::is_read() || event.is_null() || args.is_null() {
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
            let _ = tell(kind, &args);
        }
    }
    0
}

/// What an event is about; the numbers are places of arguments.
#[derive(Clone, Copy)]
enum Kind {
    Open,
    List,
    Database,
    /// Changes the path at the first place, below the open folder at the second.
    Change(usize, usize),
    /// Changes the first two paths, below the next two folders.
    Move,
    Text(Act),
    /// A library may have been loaded just now.
    Library,
}

fn kind(event: &[u8]) -> Option<Kind> {
    Some(match event {
        b"open" => Kind::Open,
        b"os.listdir" | b"os.scandir" => Kind::List,
        b"sqlite3.connect" => Kind::Database,
        b"os.remove" | b"os.rmdir" => Kind::Change(0, 1),
        b"os.mkdir" => Kind::Change(0, 2),
        b"os.symlink" => Kind::Change(1, 2),
        b"os.truncate" => Kind::Change(0, usize::MAX),
        b"os.rename" | b"os.link" => Kind::Move,
        b"subprocess.Popen" | b"os.system" | b"os.exec" | b"os.posix_spawn" => {
            Kind::Text(Act::Process)
        }
        b"socket.connect" | b"socket.getaddrinfo" => Kind::Text(Act::Network),
        b"builtins.input" => Kind::Text(Act::Input),
        b"ctypes.dlsym" | b"ctypes.dlsym/handle" => Kind::Library,
        _ => return None,
    })
}

fn tell(kind: Kind, args: &Bound<'_, PyTuple>) -> PyResult<()> {
    match kind {
        Kind::Open => {
            let flags = args.get_item(2).and_then(|flags| flags.extract::<i64>());
            let named = path(&args.get_item(0)?)?;
            match flags.unwrap_or(0) & WRITING {
                0 => note(Act::Read, named),
                _ => note_opened_to_write(named),
            }
        }
        Kind::List if is_import_machinery(args.py()) => {}
        Kind::List => {
            let folder = args.get_item(0)?;
            match folder.extract::<i32>() {
                Ok(opened) => note(Act::List, folder_of(opened)),
                Err(_) => note(Act::List, path(&folder)?),
            }
        }
        Kind::Database => {
            let named = path(&args.get_item(0)?)?.map(|name| database_of(&name));
            // What was not yet moved into the database.
            let log = named.as_ref().map(|name| format!("{name}-wal"));
            note(Act::Look, log);
            note_opened_to_write(named);
        }
        Kind::Change(named, folder) => note(Act::Write, below(args, named, folder)?),
        Kind::Move => {
            note(Act::Write, below(args, 0, 2)?);
            note(Act::Write, below(args, 1, 3)?);
        }
        Kind::Text(act) => {
            let subject = args.iter().next().map(|first| text(&first)).transpose()?;
            log::append(
                act,
                || Stamp::ABSENT,
                &[subject.unwrap_or_default().as_bytes()],
            );
        }
        Kind::Library => {
            interpose::follow();
        }
    }
    Ok(())
}

fn note(act: Act, named: Option<String>) {
    if let Some(name) = named {
        let before = || match act {
            Act::Write => Stamp::of(Path::new(&name)),
            _ => Stamp::ABSENT,
        };
        log::append(act, before, &[name.as_bytes()]);
    }
}

fn note_opened_to_write(named: Option<String>) {
    if let Some(name) = named {
        let before = || Stamp::of(Path::new(&name)).settled();
        log::append(Act::Write, before, &[name.as_bytes()]);
    }
}

/// The path at one place, below the open folder at another, if there is one.
fn below(args: &Bound<'_, PyTuple>, named: usize, folder: usize) -> PyResult<Option<String>> {
    let opened = args.get_item(folder).and_then(|at| at.extract::<i32>());
    let name = args.get_item(named)?;
    let Some(folder) = opened.ok().and_then(folder_of) else {
        return path(&name);
    };
    Ok(Some(format!("{folder}/{}", text(&name)?)))
}

/// The path of an open folder, where the system tells it.
fn folder_of(opened: i32) -> Option<String> {
    let found = std::fs::read_link(format!("/proc/self/fd/{opened}")).ok()?;
    Some(found.to_str()?.to_owned())
}

/// The file that the name of a database means, which may be an address.
fn database_of(name: &str) -> String {
    let Some((_, address)) = name.split_once("/file:") else {
        return name.to_owned();
    };
    let file = address.split(['?', '#']).next().unwrap_or_default();
    let file = file.strip_prefix("//").unwrap_or(file);
    absolute(file.to_owned())
        .ok()
        .flatten()
        .unwrap_or_else(|| name.to_owned())
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
    let path = std::path::absolute(text)?;
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
