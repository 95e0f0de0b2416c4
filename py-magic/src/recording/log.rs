//! What the process does to files and to the world, in the order in which it happens.
//!
//! `append` is called from inside of `open`, by any thread, in signal handlers, between `fork` and `exec`: it takes no
//! lock, allocates nothing and leaves `errno` alone. The memory is shared with processes that fork off, so that what a
//! pool of workers opens is seen, too. All `unsafe` is about that memory.

use std::ffi::c_int;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{io, mem, process, slice, str, thread};

/// What was done. The numbers are those in the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Act {
    Read,
    List,
    /// Asked for its state, or whether it exists.
    Look,
    Write,
    Process,
    Network,
    Input,
}

impl Act {
    const ALL: [Self; 7] = [
        Self::Read,
        Self::List,
        Self::Look,
        Self::Write,
        Self::Process,
        Self::Network,
        Self::Input,
    ];
}

/// What tells that a file was not written to: where its content is, its size, its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Stamp {
    exists: bool,
    is_folder: bool,
    identity: (u64, u64),
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) const ABSENT: Self = Self {
        exists: false,
        is_folder: false,
        identity: (0, 0),
        size: 0,
        modified: (0, 0),
        changed: (0, 0),
    };

    pub(super) fn is_folder(&self) -> bool {
        self.is_folder
    }

    pub(super) fn exists(&self) -> bool {
        self.exists
    }

    /// The state of what a path names now.
    pub(super) fn of(path: &Path) -> Self {
        use std::os::unix::ffi::OsStrExt;
        let mut name = [0; libc::PATH_MAX as usize];
        let bytes = path.as_os_str().as_bytes();
        if bytes.len() >= name.len() {
            return Self::ABSENT;
        }
        name[..bytes.len()].copy_from_slice(bytes);
        // SAFETY: `name` ends in a zero.
        unsafe { Self::at(libc::AT_FDCWD, name.as_ptr().cast()) }
    }

    /// The state of what `path` names below the folder `at`.
    ///
    /// # Safety
    /// `path` is a C string.
    pub(super) unsafe fn at(at: c_int, path: *const libc::c_char) -> Self {
        let mut state = mem::MaybeUninit::<libc::stat>::uninit();
        // SAFETY: `path` is a C string; `state` is written if the call succeeds, and read only then.
        let state = unsafe {
            if libc::fstatat(at, path, state.as_mut_ptr(), 0) != 0 {
                return Self::ABSENT;
            }
            state.assume_init()
        };
        Self {
            exists: true,
            is_folder: state.st_mode & libc::S_IFMT == libc::S_IFDIR,
            identity: (state.st_dev as u64, state.st_ino as u64),
            size: state.st_size,
            modified: (state.st_mtime, state.st_mtime_nsec),
            changed: (state.st_ctime, state.st_ctime_nsec),
        }
    }

    /// Waits until the clock that dates files has gone on since this one was changed, so that another change shows.
    pub(super) fn settled(self) -> Self {
        const TICK: i64 = 20_000_000;
        let mut now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `now` is written by the call.
        unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
        let age = (now.tv_sec - self.changed.0)
            .saturating_mul(1_000_000_000)
            .saturating_add(now.tv_nsec - self.changed.1);
        if self.exists && (0..TICK).contains(&age) {
            now.tv_sec = 0;
            now.tv_nsec = TICK - age;
            // SAFETY: the first argument is read, the second may be null.
            unsafe { libc::nanosleep(&raw const now, ptr::null_mut()) };
        }
        self
    }
}

/// One thing that was done. `before` is the state of the file before it, for `Act::Write`.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) act: Act,
    pub(super) subject: String,
    pub(super) before: Stamp,
}

/// An event's place in the memory; its text follows.
#[repr(C)]
struct Head {
    /// Size of head and text, rounded up; zero until all of it is written.
    size: AtomicU32,
    act: u32,
    length: usize,
    before: Stamp,
}

const CAPACITY: usize = 64 << 20;
const SEEN: usize = 4096;

/// The beginning of the memory. It is zeroed at first, which is a valid log without owner.
#[repr(C)]
struct Log {
    owner: u32,
    /// The log of the process that forked this one off, which wants to know, too.
    outer: AtomicPtr<Log>,
    readers: AtomicU32,
    writers: AtomicU32,
    /// Goes up with every reader, who must see again what was seen before.
    epoch: AtomicU64,
    next: AtomicUsize,
    /// Hashes of what was appended lately.
    seen: [AtomicU64; SEEN],
}

static LOG: AtomicPtr<Log> = AtomicPtr::new(ptr::null_mut());

/// The log of this process and those around it, as far as they are read.
fn logs() -> impl Iterator<Item = &'static Log> {
    // SAFETY: a log is made before its address is stored and is never unmapped.
    let of = |log: &AtomicPtr<Log>| unsafe { log.load(Ordering::Acquire).as_ref() };
    std::iter::successors(of(&LOG), move |log| of(&log.outer))
        .filter(|log| log.readers.load(Ordering::Relaxed) != 0)
}

/// Whether anybody wants to know.
#[inline]
pub(super) fn is_read() -> bool {
    logs().next().is_some()
}

/// Adds an event whose subject is the joined `parts`, unless it was seen lately. `before` tells the state of the file.
pub(super) fn append(act: Act, before: impl Fn() -> Stamp, parts: &[&[u8]]) {
    for log in logs() {
        log.writers.fetch_add(1, Ordering::SeqCst);
        // Between two readers the memory may be cleared, but not while there are writers.
        if log.readers.load(Ordering::SeqCst) != 0 && !log.has_seen(act, parts) {
            log.write(act, before(), parts);
        }
        log.writers.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Log {
    /// New memory, and with it a log that this process owns.
    fn map(outer: *mut Self) -> io::Result<*mut Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: maps fresh memory, at an address that the system chooses.
        let memory = unsafe { libc::mmap(ptr::null_mut(), CAPACITY, protection, kind, -1, 0) };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let log: *mut Self = memory.cast();
        // SAFETY: the memory is large enough, aligned to a page, and nobody else's yet.
        unsafe {
            (*log).owner = process::id();
            (*log).outer = AtomicPtr::new(outer);
            (*log).next = AtomicUsize::new(size_of::<Self>());
        }
        Ok(log)
    }

    fn has_seen(&self, act: Act, parts: &[&[u8]]) -> bool {
        let epoch = self.epoch.load(Ordering::Relaxed).to_le_bytes();
        // FNV-1a.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for part in [&epoch, &[act as u8][..]].iter().chain(parts) {
            for byte in *part {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        let place = &self.seen[(hash >> 40) as usize % SEEN];
        place.swap(hash, Ordering::Relaxed) == hash
    }

    fn write(&self, act: Act, before: Stamp, parts: &[&[u8]]) {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let size = (size_of::<Head>() + length).next_multiple_of(align_of::<Head>());
        let start = self.next.fetch_add(size, Ordering::SeqCst);
        if start.saturating_add(size) > CAPACITY {
            return; // `next` tells the readers.
        }
        // SAFETY: these bytes are in the memory and aligned, since all sizes are, and were given to nobody else.
        unsafe {
            let place = ptr::from_ref(self)
                .cast_mut()
                .byte_add(start)
                .cast::<Head>();
            (&raw mut (*place).act).write(act as u32);
            (&raw mut (*place).length).write(length);
            (&raw mut (*place).before).write(before);
            let mut text = place.add(1).cast::<u8>();
            for part in parts {
                text.copy_from_nonoverlapping(part.as_ptr(), part.len());
                text = text.add(part.len());
            }
            (*place).size.store(size as u32, Ordering::Release);
        }
    }

    /// The event at an offset, and where the next one is. `None` when its writer does not finish, or it is no text.
    fn event(&self, start: usize, deadline: Instant) -> Option<(Event, usize)> {
        // SAFETY: some writer put its head there, or is about to: until then the memory is zero.
        let (place, done) = unsafe {
            let place = ptr::from_ref(self).byte_add(start).cast::<Head>();
            (place, &(*place).size)
        };
        let mut size = done.load(Ordering::Acquire);
        while size == 0 {
            if Instant::now() > deadline {
                return None;
            }
            thread::yield_now();
            size = done.load(Ordering::Acquire);
        }
        // SAFETY: the writer is done, and wrote so many bytes after the head.
        let (head, text) = unsafe {
            let length = (*place).length;
            (&*place, slice::from_raw_parts(place.add(1).cast(), length))
        };
        let event = Event {
            act: *Act::ALL.get(head.act as usize)?,
            subject: str::from_utf8(text).ok()?.to_owned(),
            before: head.before,
        };
        Some((event, start + size as usize))
    }

    /// Forgets everything. Nobody reads, and nobody who began to write before is still at it.
    fn clear(&self) {
        let used = self.next.load(Ordering::SeqCst).min(CAPACITY);
        let start = size_of::<Self>();
        // SAFETY: the bytes after the header are nobody's now.
        unsafe {
            ptr::from_ref(self)
                .cast_mut()
                .cast::<u8>()
                .add(start)
                .write_bytes(0, used - start);
        }
        self.next.store(start, Ordering::SeqCst);
    }
}

/// Somebody who reads the log from one moment to another. There may be many at a time.
pub(super) struct Reader {
    log: &'static Log,
    start: usize,
}

impl Reader {
    /// Begins to read. Called with the GIL held, so by one thread at a time.
    pub(super) fn begin() -> io::Result<Self> {
        let mut log = LOG.load(Ordering::Acquire);
        // SAFETY: logs are never unmapped.
        let usable = unsafe { log.as_ref() }.is_some_and(|log| {
            log.owner == process::id()
                && (log.readers.load(Ordering::SeqCst) != 0
                    || log.writers.load(Ordering::SeqCst) == 0)
        });
        if !usable {
            let mine = unsafe { log.as_ref() }.is_some_and(|log| log.owner == process::id());
            log = Log::map(if mine { ptr::null_mut() } else { log })?;
            LOG.store(log, Ordering::Release);
        }
        // SAFETY: as above.
        let log = unsafe { &*log };
        if log.readers.load(Ordering::SeqCst) == 0 {
            log.clear();
        }
        log.epoch.fetch_add(1, Ordering::SeqCst);
        let start = log.next.load(Ordering::SeqCst);
        log.readers.fetch_add(1, Ordering::SeqCst);
        Ok(Self { log, start })
    }

    /// What was done since the beginning, or `None` when not all of it could be kept.
    pub(super) fn end(self) -> Option<Vec<Event>> {
        const PATIENCE: Duration = Duration::from_secs(1);
        let end = self.log.next.load(Ordering::SeqCst);
        if end > CAPACITY {
            return None;
        }
        let deadline = Instant::now() + PATIENCE;
        let mut events = Vec::new();
        let mut at = self.start;
        while at < end {
            let (event, next) = self.log.event(at, deadline)?;
            events.push(event);
            at = next;
        }
        Some(events)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // A copy of a reader in a process that forked off is not one of its log.
        if self.log.owner == process::id() {
            self.log.readers.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Makes the memory, so that processes that fork off from now on share it.
pub(super) fn prepare() -> io::Result<()> {
    Reader::begin().map(drop)
}
