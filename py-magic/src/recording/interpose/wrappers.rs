//! Functions that stand for those of the C library: each tells the log what it is asked for and calls on.
//!
//! While nobody reads the log that costs a load. They may be called by any thread, in signal handlers and between `fork`
//! and `exec`, so they take no lock and allocate nothing; `errno` is what the real function left.
//!
//! `open` and its like take their last argument only sometimes. It is passed in a register on the systems that are
//! supported, so that reading it does no harm where it was not given, and neither does passing it on.

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use std::ptr;

use libc::{AT_FDCWD, DIR, FILE, mode_t, sockaddr, socklen_t, stat};

use crate::recording::log::{self, Act, Stamp};

unsafe extern "C" {
    // Not declared by the `libc` crate; POSIX has it.
    fn scandir(
        path: *const c_char,
        list: *mut c_void,
        filter: *const c_void,
        compare: *const c_void,
    ) -> c_int;
}

/// `"name" "name": fn function(arguments) -> result { what it tells } what it calls`
macro_rules! wrappers {
    ($($($symbol:literal)+: fn $name:ident($($argument:ident: $kind:ty),* $(,)?) -> $result:ty
        { $($told:expr);* } $call:expr;)+) => {
        $(unsafe extern "C" fn $name($($argument: $kind),*) -> $result {
            if log::is_read() {
                // SAFETY: the caller passes what the real function takes.
                keeping_errno(|| unsafe { $($told;)* });
            }
            // SAFETY: as above.
            unsafe { $call }
        })+

        /// The function that stands for one of the C library.
        pub(super) fn find(symbol: &CStr) -> Option<usize> {
            match symbol.to_str().ok()? {
                $($($symbol)|+ => Some($name as *const () as usize),)+
                _ => None,
            }
        }
    };
}

wrappers! {
    "open" "open64": fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int
        { opens(AT_FDCWD, path, flags) } libc::open(path, flags, c_uint::from(mode));
    "__open_2" "__open64_2": fn open_2(path: *const c_char, flags: c_int) -> c_int
        { opens(AT_FDCWD, path, flags) } libc::open(path, flags);
    "openat" "openat64": fn openat(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int
        { opens(at, path, flags) } libc::openat(at, path, flags, c_uint::from(mode));
    "__openat_2" "__openat64_2": fn openat_2(at: c_int, path: *const c_char, flags: c_int) -> c_int
        { opens(at, path, flags) } libc::openat(at, path, flags);
    "creat" "creat64": fn creat(path: *const c_char, mode: mode_t) -> c_int
        { changes(AT_FDCWD, path) } libc::creat(path, mode);
    "fopen" "fopen64": fn fopen(path: *const c_char, mode: *const c_char) -> *mut FILE
        { opens(AT_FDCWD, path, flags_of(mode)) } libc::fopen(path, mode);
    "freopen" "freopen64": fn freopen(path: *const c_char, mode: *const c_char, file: *mut FILE) -> *mut FILE
        { opens(AT_FDCWD, path, flags_of(mode)) } libc::freopen(path, mode, file);
    "opendir": fn opendir(path: *const c_char) -> *mut DIR
        { tells(Act::List, AT_FDCWD, path) } libc::opendir(path);
    "fdopendir": fn fdopendir(folder: c_int) -> *mut DIR
        { tells(Act::List, folder, c".".as_ptr()) } libc::fdopendir(folder);
    "scandir" "scandir64": fn scan(path: *const c_char, list: *mut c_void, filter: *const c_void, compare: *const c_void) -> c_int
        { tells(Act::List, AT_FDCWD, path) } scandir(path, list, filter, compare);

    "stat" "stat64": fn state(path: *const c_char, found: *mut stat) -> c_int
        { tells(Act::Look, AT_FDCWD, path) } libc::stat(path, found);
    "lstat" "lstat64": fn lstat(path: *const c_char, found: *mut stat) -> c_int
        { tells(Act::Look, AT_FDCWD, path) } libc::lstat(path, found);
    "fstatat" "fstatat64": fn fstatat(at: c_int, path: *const c_char, found: *mut stat, flags: c_int) -> c_int
        { tells(Act::Look, at, path) } libc::fstatat(at, path, found, flags);
    "__xstat" "__xstat64": fn xstat(_version: c_int, path: *const c_char, found: *mut stat) -> c_int
        { tells(Act::Look, AT_FDCWD, path) } libc::stat(path, found);
    "__lxstat" "__lxstat64": fn lxstat(_version: c_int, path: *const c_char, found: *mut stat) -> c_int
        { tells(Act::Look, AT_FDCWD, path) } libc::lstat(path, found);
    "__fxstatat" "__fxstatat64": fn fxstatat(_version: c_int, at: c_int, path: *const c_char, found: *mut stat, flags: c_int) -> c_int
        { tells(Act::Look, at, path) } libc::fstatat(at, path, found, flags);
    "statx": fn statx(at: c_int, path: *const c_char, flags: c_int, mask: c_uint, found: *mut c_void) -> c_int
        // By its number, since older C libraries have no such function.
        { tells(Act::Look, at, path) } libc::syscall(libc::SYS_statx, at, path, flags, mask, found) as c_int;
    "access": fn access(path: *const c_char, mode: c_int) -> c_int
        { tells(Act::Look, AT_FDCWD, path) } libc::access(path, mode);
    "faccessat": fn faccessat(at: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int
        { tells(Act::Look, at, path) } libc::faccessat(at, path, mode, flags);

    "unlink": fn unlink(path: *const c_char) -> c_int
        { changes(AT_FDCWD, path) } libc::unlink(path);
    "unlinkat": fn unlinkat(at: c_int, path: *const c_char, flags: c_int) -> c_int
        { changes(at, path) } libc::unlinkat(at, path, flags);
    "remove": fn remove(path: *const c_char) -> c_int
        { changes(AT_FDCWD, path) } libc::remove(path);
    "rename": fn rename(from: *const c_char, to: *const c_char) -> c_int
        { changes(AT_FDCWD, from); changes(AT_FDCWD, to) } libc::rename(from, to);
    "renameat": fn renameat(at: c_int, from: *const c_char, there: c_int, to: *const c_char) -> c_int
        { changes(at, from); changes(there, to) } libc::renameat(at, from, there, to);
    "renameat2": fn renameat2(at: c_int, from: *const c_char, there: c_int, to: *const c_char, flags: c_uint) -> c_int
        { changes(at, from); changes(there, to) } libc::syscall(libc::SYS_renameat2, at, from, there, to, flags) as c_int;
    "link": fn link(from: *const c_char, to: *const c_char) -> c_int
        { changes(AT_FDCWD, to) } libc::link(from, to);
    "symlink": fn symlink(target: *const c_char, path: *const c_char) -> c_int
        { changes(AT_FDCWD, path) } libc::symlink(target, path);
    "mkdir": fn mkdir(path: *const c_char, mode: mode_t) -> c_int
        { changes(AT_FDCWD, path) } libc::mkdir(path, mode);
    "mkdirat": fn mkdirat(at: c_int, path: *const c_char, mode: mode_t) -> c_int
        { changes(at, path) } libc::mkdirat(at, path, mode);
    "rmdir": fn rmdir(path: *const c_char) -> c_int
        { changes(AT_FDCWD, path) } libc::rmdir(path);
    "truncate" "truncate64": fn truncate(path: *const c_char, length: i64) -> c_int
        { changes(AT_FDCWD, path) } libc::truncate(path, length);

    "execv": fn execv(path: *const c_char, arguments: *const *const c_char) -> c_int
        { names(Act::Process, path) } libc::execv(path, arguments);
    "execve": fn execve(path: *const c_char, arguments: *const *const c_char, environment: *const *const c_char) -> c_int
        { names(Act::Process, path) } libc::execve(path, arguments, environment);
    "execvp": fn execvp(path: *const c_char, arguments: *const *const c_char) -> c_int
        { names(Act::Process, path) } libc::execvp(path, arguments);
    "posix_spawn": fn spawn(process: *mut libc::pid_t, path: *const c_char, actions: *const libc::posix_spawn_file_actions_t,
        attributes: *const libc::posix_spawnattr_t, arguments: *const *mut c_char, environment: *const *mut c_char) -> c_int
        { names(Act::Process, path) } libc::posix_spawn(process, path, actions, attributes, arguments, environment);
    "posix_spawnp": fn spawnp(process: *mut libc::pid_t, path: *const c_char, actions: *const libc::posix_spawn_file_actions_t,
        attributes: *const libc::posix_spawnattr_t, arguments: *const *mut c_char, environment: *const *mut c_char) -> c_int
        { names(Act::Process, path) } libc::posix_spawnp(process, path, actions, attributes, arguments, environment);
    "system": fn system(command: *const c_char) -> c_int
        { names(Act::Process, command) } libc::system(command);
    "popen": fn popen(command: *const c_char, mode: *const c_char) -> *mut FILE
        { names(Act::Process, command) } libc::popen(command, mode);

    "connect": fn connect(socket: c_int, address: *const sockaddr, length: socklen_t) -> c_int
        { connects(address) } libc::connect(socket, address, length);
    "syscall": fn syscall(number: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long) -> c_long
        { calls(number, a, b, c) } libc::syscall(number, a, b, c, d, e, f);
}

/// What `ctypes` and `cffi` find a function with: people who call `open` through them are seen, too.
pub(super) unsafe extern "C" fn dlsym(library: *mut c_void, symbol: *const c_char) -> *mut c_void {
    // SAFETY: the caller passes what the real function takes.
    let found = unsafe { libc::dlsym(library, symbol) };
    if found.is_null() {
        return found;
    }
    // SAFETY: the real function took it for a C string.
    let Some(function) = find(unsafe { CStr::from_ptr(symbol) }) else {
        return found;
    };
    // SAFETY: both arguments are what the function takes.
    let real = unsafe { libc::dlsym(libc::RTLD_DEFAULT, symbol) };
    if found == real {
        ptr::with_exposed_provenance_mut(function)
    } else {
        found
    }
}

fn keeping_errno(tell: impl FnOnce()) {
    // SAFETY: each thread has an `errno`, which is always there.
    let errno = unsafe { &mut *libc::__errno_location() };
    let before = *errno;
    tell();
    *errno = before;
}

const WRITING: c_int =
    libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND;

unsafe fn opens(at: c_int, path: *const c_char, flags: c_int) {
    if flags & WRITING == 0 {
        // SAFETY: `path` is a C string or null, as the caller's is.
        unsafe { tells(Act::Read, at, path) };
    } else if flags & libc::O_TRUNC != 0 {
        // SAFETY: as above.
        unsafe { changes(at, path) };
    } else {
        // SAFETY: as above. A file that is not written to in the end was read.
        unsafe { tell(Act::Write, || Stamp::at(at, path).settled(), at, path) };
    }
}

/// The flags of `open` that a mode of `fopen` stands for, as far as they matter here.
unsafe fn flags_of(mode: *const c_char) -> c_int {
    // SAFETY: the mode is a C string.
    let mode = unsafe { CStr::from_ptr(mode) };
    let has = |letter| mode.to_bytes().contains(letter);
    if has(&b'w') {
        libc::O_WRONLY | libc::O_TRUNC
    } else if has(&b'a') || has(&b'+') {
        libc::O_RDWR
    } else {
        libc::O_RDONLY
    }
}

unsafe fn changes(at: c_int, path: *const c_char) {
    // SAFETY: `path` is a C string or null.
    unsafe { tell(Act::Write, || Stamp::at(at, path), at, path) };
}

unsafe fn tells(act: Act, at: c_int, path: *const c_char) {
    // SAFETY: `path` is a C string or null.
    unsafe { tell(act, || Stamp::ABSENT, at, path) };
}

unsafe fn names(act: Act, subject: *const c_char) {
    if !subject.is_null() {
        // SAFETY: `subject` is a C string.
        log::append(
            act,
            || Stamp::ABSENT,
            &[unsafe { CStr::from_ptr(subject) }.to_bytes()],
        );
    }
}

unsafe fn connects(address: *const sockaddr) {
    // SAFETY: an address begins with its family; null is refused.
    let family = unsafe { address.as_ref() }.map_or(0, |address| c_int::from(address.sa_family));
    if family == libc::AF_INET || family == libc::AF_INET6 {
        log::append(Act::Network, || Stamp::ABSENT, &[b"connect"]);
    }
}

unsafe fn calls(number: c_long, a: c_long, b: c_long, c: c_long) {
    // SAFETY: these calls take what the functions of their names take.
    unsafe {
        match number {
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open => opens(
                AT_FDCWD,
                ptr::with_exposed_provenance(a as usize),
                b as c_int,
            ),
            libc::SYS_openat => opens(
                a as c_int,
                ptr::with_exposed_provenance(b as usize),
                c as c_int,
            ),
            _ => {}
        }
    }
}

/// Tells the absolute path of what `path` names below the folder `at`.
unsafe fn tell(act: Act, before: impl Fn() -> Stamp, at: c_int, path: *const c_char) {
    if path.is_null() {
        return;
    }
    // SAFETY: `path` is a C string.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    if path.is_empty() {
        return; // What an open file is asked.
    }
    if path[0] == b'/' {
        log::append(act, before, &[path]);
        return;
    }
    let mut folder = [0; libc::PATH_MAX as usize];
    if let Some(length) = folder_of(at, &mut folder) {
        log::append(act, before, &[&folder[..length], b"/", path]);
    }
}

/// The path of an open folder, or of the working folder, and its length.
fn folder_of(at: c_int, found: &mut [u8; libc::PATH_MAX as usize]) -> Option<usize> {
    if at == AT_FDCWD {
        // SAFETY: the length is that of the buffer.
        let end = unsafe { libc::getcwd(found.as_mut_ptr().cast(), found.len()) };
        return (!end.is_null()).then(|| found.iter().position(|byte| *byte == 0))?;
    }
    let mut link = *b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0";
    let digits = b"/proc/self/fd/".len();
    let (mut rest, mut place) = (u32::try_from(at).ok()?, digits);
    for power in (0..10).rev().map(|power| 10_u32.pow(power)) {
        if place > digits || rest >= power || power == 1 {
            link[place] = b'0' + (rest / power) as u8;
            place += 1;
            rest %= power;
        }
    }
    // SAFETY: `link` ends in a zero, and the length is that of the buffer.
    let length =
        unsafe { libc::readlink(link.as_ptr().cast(), found.as_mut_ptr().cast(), found.len()) };
    usize::try_from(length).ok()
}
