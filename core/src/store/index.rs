use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::connect::{Refusal, connect, quarantine};
use super::layout::Directory;
use super::lock::Claim;
use super::pending::Pending;
use crate::config::Durability;
use crate::error::{Error, Result};
use crate::fork;

/// The SQLite database beside the blobs, with its connection kept open.
///
/// A connection is good for one process and one file. After a fork, and after the file was removed
/// or replaced, the next use opens another; sessions form a chain because the end of a chain can be
/// found without a lock that a fork might have caught locked.
pub struct Index {
    directory: Directory,
    durability: Durability,
    first: Session,
    warnings: Mutex<Vec<String>>,
}

struct Session {
    process: u32,
    identity: Identity,
    connection: Mutex<Option<Connection>>,
    pending: Mutex<Pending>,
    corrupt: AtomicBool,
    next: OnceLock<Box<Session>>,
}

/// How often a replaced database is opened again within one call.
const RETRIES: u32 = 8;

/// Device and inode of the database file.
type Identity = (u64, u64);

impl Index {
    pub fn open(directory: Directory, durability: Durability) -> Result<Self> {
        let _hold = fork::hold();
        let mut warnings = Vec::new();
        let first = Session::open(&directory, durability, None, &mut warnings)?;
        Ok(Self {
            directory,
            durability,
            first,
            warnings: Mutex::new(warnings),
        })
    }

    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// What went wrong without failing, since it was last asked.
    pub fn take_warnings(&self) -> Vec<String> {
        let _hold = fork::hold();
        std::mem::take(&mut *lock(&self.warnings))
    }

    pub fn warn(&self, message: String) {
        let _hold = fork::hold();
        lock(&self.warnings).push(message);
    }

    /// Makes sure that directory and database are there; they may have been removed while in use.
    pub fn ready(&self) -> Result<()> {
        let _hold = fork::hold();
        self.session().map(drop)
    }

    /// Runs statements that only read, or that need no transaction.
    pub fn with<T>(&self, run: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let _hold = fork::hold();
        let mut session = self.session()?;
        let mut guard = lock(&session.connection);
        // Another thread may have retired the session since; the one after it is ready.
        for _ in 0..RETRIES {
            if guard.is_some() {
                break;
            }
            session = self.session()?;
            guard = lock(&session.connection);
        }
        let Some(connection) = guard.as_ref() else {
            return Err(self.failure("it is replaced again and again".to_owned()));
        };
        run(connection).map_err(|error| {
            if is_corrupt(&error) {
                session.corrupt.store(true, Ordering::Relaxed);
            }
            self.error(error)
        })
    }

    /// Runs statements as one transaction: all of them happen, or none.
    pub fn write<T>(&self, run: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T> {
        self.with(|connection| {
            let transaction =
                Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
            let result = run(&transaction)?;
            transaction.commit()?;
            Ok(result)
        })
    }

    /// Changes what is counted in this process and not yet written.
    pub fn count<T>(&self, change: impl FnOnce(&mut Pending) -> T) -> Result<T> {
        let _hold = fork::hold();
        Ok(change(&mut lock(&self.session()?.pending)))
    }

    /// Whether the newest session is usable as it is: then a last flush opens nothing.
    pub fn is_live(&self) -> bool {
        self.last().is_valid(&self.directory)
    }

    fn last(&self) -> &Session {
        let mut session = &self.first;
        while let Some(next) = session.next.get() {
            session = next;
        }
        session
    }

    fn session(&self) -> Result<&Session> {
        let last = self.last();
        if last.is_valid(&self.directory) {
            return Ok(last);
        }
        last.retire();
        // The directory may be gone with the database.
        let directory = Directory::prepare(self.directory.root())?;
        let corrupt = last
            .corrupt
            .load(Ordering::Relaxed)
            .then_some(last.identity);
        let mut warnings = Vec::new();
        let opened = Session::open(&directory, self.durability, corrupt, &mut warnings)?;
        warnings.into_iter().for_each(|warning| self.warn(warning));
        // Where another thread was faster, its session is as good.
        let _ = last.next.set(Box::new(opened));
        Ok(self.last())
    }

    fn failure(&self, message: String) -> Error {
        Error::Index {
            path: self.directory.index(),
            message,
        }
    }

    fn error(&self, error: rusqlite::Error) -> Error {
        index_error(&self.directory.index(), &error)
    }
}

impl Session {
    /// Opens the database, under a lock so that one process at a time makes or replaces it.
    fn open(
        directory: &Directory,
        durability: Durability,
        corrupt: Option<Identity>,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let _claim = Claim::take(&directory.lock("index"))?;
        let path = directory.index();
        if corrupt.is_some() && corrupt == identity(&path) {
            warnings.push(quarantine(directory, "it is corrupt")?);
        }
        let connection = match connect(directory, durability, warnings) {
            Err(Refusal::Foreign(why)) => {
                warnings.push(quarantine(directory, &why)?);
                connect(directory, durability, warnings)
            }
            other => other,
        };
        let connection = connection.map_err(|refusal| refusal.into_error(&path))?;
        Ok(Self {
            process: process::id(),
            identity: identity(&path).unwrap_or_default(),
            connection: Mutex::new(Some(connection)),
            pending: Mutex::default(),
            corrupt: AtomicBool::new(false),
            next: OnceLock::new(),
        })
    }

    fn is_valid(&self, directory: &Directory) -> bool {
        self.process == process::id()
            && !self.corrupt.load(Ordering::Relaxed)
            && identity(&directory.index()) == Some(self.identity)
    }

    /// Closes a connection that is of no more use, without touching the database.
    ///
    /// In a forked child this clears SQLite's own books, which still say that this process holds the
    /// parent's locks; the kernel's locks are the parent's and stay. No connection was at work when the
    /// process forked (see `fork`); one that another thread still uses is left alone.
    fn retire(&self) {
        let guard = match self.connection.try_lock() {
            Ok(guard) => Some(guard),
            Err(std::sync::TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        };
        if let Some(connection) = guard.and_then(|mut guard| guard.take()) {
            close_quietly(connection);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _hold = fork::hold();
        let connection = match self.connection.get_mut() {
            Ok(connection) => connection.take(),
            Err(poisoned) => poisoned.into_inner().take(),
        };
        match connection {
            Some(connection) if self.process != process::id() => close_quietly(connection),
            other => drop(other),
        }
    }
}

/// Closes without a checkpoint, which would write to a file whose locks are not ours.
fn close_quietly(connection: Connection) {
    if !connection.is_autocommit()
        || connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            .is_err()
    {
        // In the middle of a transaction: rolling it back could write.
        std::mem::forget(connection);
    }
}

fn identity(path: &Path) -> Option<Identity> {
    fs::symlink_metadata(path)
        .ok()
        .map(|found| (found.dev(), found.ino()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves nothing half done that SQLite or a counter could not bear.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn is_corrupt(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// The typed error for one of SQLite's: what the operating system refused is `Storage`.
pub fn index_error(path: &Path, error: &rusqlite::Error) -> Error {
    use std::io::ErrorKind;
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ErrorKind::StorageFull,
        Some(ErrorCode::ReadOnly) => ErrorKind::ReadOnlyFilesystem,
        Some(ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => ErrorKind::PermissionDenied,
        Some(ErrorCode::SystemIoFailure) => ErrorKind::Other,
        _ => {
            return Error::Index {
                path: path.to_owned(),
                message: error.to_string(),
            };
        }
    };
    let source = std::io::Error::new(kind, error.to_string());
    Error::storage("cannot use the cache index", path)(source)
}
