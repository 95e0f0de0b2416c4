use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process;

use super::layout::open_or_create;
use crate::error::{Error, Result};

/// An advisory lock that the system releases when this process ends, however it ends.
#[derive(Debug)]
pub struct Claim {
    file: File,
    path: PathBuf,
    process: u32,
    keep_file: bool,
}

impl Claim {
    /// The lock at `path`, or `None` while somebody alive holds it.
    pub fn try_take(path: &Path) -> Result<Option<Self>> {
        loop {
            let file = open_or_create(path).map_err(Error::storage("cannot open", path))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                // No locks on this file system: nobody can be kept out, so nobody is.
                Err(TryLockError::Error(error)) if is_lockless(&error) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(Error::storage("cannot lock", path)(error));
                }
            }
            if is_still(&file, path) {
                return Ok(Some(Self {
                    file,
                    path: path.to_owned(),
                    process: process::id(),
                    keep_file: false,
                }));
            }
        }
    }

    /// The lock at `path`, waiting for whoever holds it.
    pub fn take(path: &Path) -> Result<Self> {
        loop {
            let file = open_or_create(path).map_err(Error::storage("cannot open", path))?;
            match file.lock() {
                Err(error) if !is_lockless(&error) => {
                    return Err(Error::storage("cannot lock", path)(error));
                }
                _ => {}
            }
            if is_still(&file, path) {
                return Ok(Self {
                    file,
                    path: path.to_owned(),
                    process: process::id(),
                    keep_file: false,
                });
            }
        }
    }

    /// Tells who reads [`note`] what this holder is.
    pub fn write_note(&self, text: &str) -> Result<()> {
        let written = self
            .file
            .set_len(0)
            .and_then(|()| self.file.write_all_at(text.as_bytes(), 0));
        written.map_err(Error::storage("cannot write", &self.path))
    }

    /// Ends the claim, but leaves its note to the next holder, as the death of this process would.
    pub fn abandon(mut self) {
        self.keep_file = true;
    }
}

/// What the holder of the lock at `path` wrote, or the last one if it died; empty if there is none.
pub fn note(path: &Path) -> String {
    let mut text = String::new();
    if let Ok(file) = File::open(path) {
        // Notes are a line; a foreign file is not read to its end.
        let _ = file.take(4096).read_to_string(&mut text);
    }
    text
}

impl Drop for Claim {
    /// Removes the file while it is locked, then unlocks it: a forked child may still hold the
    /// descriptor, and must not hold the lock, nor give back its parent's.
    fn drop(&mut self) {
        if self.process == process::id() {
            if !self.keep_file {
                let _ = fs::remove_file(&self.path);
            }
            let _ = self.file.unlock();
        }
    }
}

/// Whether the file system has no locks at all.
pub fn is_lockless(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported || error.raw_os_error() == Some(libc::ENOLCK)
}

/// Whether `path` still names the open file: its last holder removes it.
pub fn is_still(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_nothing_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k.lock");
        let first = Claim::try_take(&path).unwrap().unwrap();
        assert!(Claim::try_take(&path).unwrap().is_none());
        drop(first);
        assert!(!path.exists());
        assert!(Claim::try_take(&path).unwrap().is_some());
    }

    #[test]
    fn a_note_outlives_who_abandons_it_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k.lock");
        assert_eq!(note(&path), "");
        let first = Claim::try_take(&path).unwrap().unwrap();
        first.write_note("a longer text").unwrap();
        first.write_note("first").unwrap();
        assert_eq!(note(&path), "first");
        first.abandon();
        let second = Claim::try_take(&path).unwrap().unwrap();
        assert_eq!(note(&path), "first");
        drop(second);
        assert_eq!(note(&path), "");
    }

    #[test]
    fn racing_threads_never_hold_it_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k.lock");
        let inside = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let claim = Claim::take(&path).unwrap();
                        let order = std::sync::atomic::Ordering::SeqCst;
                        assert_eq!(inside.fetch_add(1, order), 0);
                        inside.fetch_sub(1, order);
                        drop(claim);
                    }
                });
            }
        });
    }
}
