use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::connect::{Refusal, connect, connect_memory, quarantine};
use super::document::Document;
use super::index::is_corrupt;
use super::layout::Directory;
use super::lock::Claim;
use super::pending::Pending;
use crate::config::{Backend, Durability};
use crate::error::{Error, Result};
use crate::fork;

/// One opened database. It is good for one process and one file: after a fork, and after the file was
/// removed or replaced, the next use opens another. Sessions form a chain because the end of a chain
/// can be found without a lock that a fork might have caught locked.
pub struct Session {
    process: u32,
    identity: Identity,
    pub backend: Backend,
    pub database: Mutex<Option<Database>>,
    pub pending: Mutex<Pending>,
    corrupt: AtomicBool,
    pub next: OnceLock<Box<Session>>,
}

/// The connection, and the document that it is a copy of, if it is one.
pub struct Database {
    pub connection: Connection,
    pub document: Option<Document>,
}

/// Device and inode of the database file.
type Identity = (u64, u64);

impl Session {
    /// Opens the index, under a lock so that one process at a time makes or replaces it.
    pub fn open(
        directory: &Directory,
        (backend, durability): (Backend, Durability),
        after: Option<&Self>,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let _claim = Claim::take(&directory.lock("index"))?;
        let backend = resolve(directory, backend)?;
        let path = directory.index(backend);
        let corrupt = after.filter(|after| after.corrupt.load(Ordering::Relaxed));
        if corrupt.is_some_and(|after| identity(&path) == Some(after.identity)) {
            warnings.push(quarantine(directory, &path, "it is corrupt")?);
        }
        let database = match Database::open(directory, (backend, durability), warnings) {
            Err(Refusal::Foreign(why)) => {
                warnings.push(quarantine(directory, &path, &why)?);
                Database::open(directory, (backend, durability), warnings)
            }
            other => other,
        };
        let database = database.map_err(|refusal| refusal.into_error(&path))?;
        Ok(Self {
            process: process::id(),
            identity: identity(&path).unwrap_or_default(),
            backend,
            database: Mutex::new(Some(database)),
            pending: Mutex::default(),
            corrupt: AtomicBool::new(false),
            next: OnceLock::new(),
        })
    }

    pub fn is_valid(&self, directory: &Directory) -> bool {
        let found = identity(&directory.index(self.backend));
        self.process == process::id()
            && !self.corrupt.load(Ordering::Relaxed)
            // A document is replaced with every change; `Database::refresh` sees to that.
            && match self.backend {
                Backend::Json => found.is_some(),
                _ => found == Some(self.identity),
            }
    }

    /// Not to be used again: what it holds is damaged.
    pub fn condemn(&self) {
        self.corrupt.store(true, Ordering::Relaxed);
    }

    /// Closes a connection that is of no more use, without touching the database.
    ///
    /// In a forked child this clears SQLite's own books, which still say that this process holds the
    /// parent's locks; the kernel's locks are the parent's and stay. No connection was at work when the
    /// process forked (see `fork`); one that another thread still uses is left alone.
    pub fn retire(&self) {
        let guard = match self.database.try_lock() {
            Ok(guard) => Some(guard),
            Err(std::sync::TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        };
        if let Some(database) = guard.and_then(|mut guard| guard.take()) {
            close_quietly(database.connection);
        }
    }
}

impl Database {
    fn open(
        directory: &Directory,
        (backend, durability): (Backend, Durability),
        warnings: &mut Vec<String>,
    ) -> std::result::Result<Self, Refusal> {
        if backend != Backend::Json {
            return Ok(Self {
                connection: connect(directory, durability, warnings)?,
                document: None,
            });
        }
        let mut database = Self {
            connection: connect_memory().map_err(Refusal::Sql)?,
            document: Some(Document::new(directory, durability)),
        };
        database.refresh()?;
        // So that whoever opens the directory next finds which index it has.
        match &mut database.document {
            Some(document) if !document.exists() => document
                .publish(&database.connection)
                .map_err(Refusal::Other)?,
            _ => {}
        }
        Ok(database)
    }

    /// Reads the document again if somebody replaced it.
    pub fn refresh(&mut self) -> std::result::Result<(), Refusal> {
        match &mut self.document {
            Some(document) => document.refresh(&self.connection),
            None => Ok(()),
        }
    }
}

/// Which index a directory has; the one asked for, if it has none yet.
fn resolve(directory: &Directory, asked: Backend) -> Result<Backend> {
    let has = |backend| fs::symlink_metadata(directory.index(backend)).is_ok();
    let (sqlite, json) = (has(Backend::Sqlite), has(Backend::Json));
    match asked {
        Backend::Auto if json && !sqlite => Ok(Backend::Json),
        Backend::Auto => Ok(Backend::Sqlite),
        Backend::Json if sqlite && !json => Err(mismatch(directory, asked, Backend::Sqlite)),
        Backend::Sqlite if json && !sqlite => Err(mismatch(directory, asked, Backend::Json)),
        _ => Ok(asked),
    }
}

fn mismatch(directory: &Directory, asked: Backend, found: Backend) -> Error {
    Error::Config(format!(
        "the cache in {} has the index {} (backend \"{found}\"), and backend \"{asked}\" would see none of \
         its entries: open it with \"{found}\" or \"auto\", or choose or make another directory",
        directory.root().display(),
        directory.index(found).display(),
    ))
}

impl Drop for Session {
    fn drop(&mut self) {
        let _hold = fork::hold();
        let database = match self.database.get_mut() {
            Ok(database) => database.take(),
            Err(poisoned) => poisoned.into_inner().take(),
        };
        match database {
            Some(database) if self.process != process::id() => close_quietly(database.connection),
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

impl Session {
    /// The result of statements; what shows that the database is corrupt condemns the session.
    pub fn checked<T>(&self, result: rusqlite::Result<T>) -> rusqlite::Result<T> {
        if result.as_ref().is_err_and(is_corrupt) {
            self.condemn();
        }
        result
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves nothing half done that SQLite or a counter could not bear.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
