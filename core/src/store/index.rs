use std::path::Path;
use std::sync::Mutex;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::connect::Refusal;
use super::layout::Directory;
use super::lock::Claim;
use super::pending::Pending;
use super::session::{Database, Session, lock};
use crate::config::{Backend, Durability};
use crate::error::{Error, Result};
use crate::fork;

/// The index over the blobs: a SQLite database kept open, or one in memory that is a copy of a JSON
/// document.
pub struct Index {
    directory: Directory,
    options: (Backend, Durability),
    first: Session,
    warnings: Mutex<Vec<String>>,
}

/// How often a replaced database is opened again within one call.
const RETRIES: u32 = 8;

impl Index {
    pub fn open(directory: Directory, options: (Backend, Durability)) -> Result<Self> {
        let _hold = fork::hold();
        let mut warnings = Vec::new();
        let first = Session::open(&directory, options, None, &mut warnings)?;
        Ok(Self {
            directory,
            options,
            first,
            warnings: Mutex::new(warnings),
        })
    }

    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    pub fn durability(&self) -> Durability {
        self.options.1
    }

    /// What the index is, whatever was asked for.
    pub fn backend(&self) -> Backend {
        self.last().backend
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
        self.on(|session, database| self.told(session.checked(run(&database.connection))))
    }

    /// Runs statements as one transaction: all of them happen, or none. A document is replaced before
    /// the transaction counts as committed.
    pub fn write<T>(&self, run: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T> {
        let _hold = fork::hold();
        let _claim = match self.session()?.backend {
            Backend::Json => Some(Claim::take(&self.directory.lock("document"))?),
            _ => None,
        };
        self.on(|session, database| {
            let checked = |error| self.told::<T>(session.checked(Err(error)));
            let Database {
                connection,
                document,
            } = database;
            let before = connection.total_changes();
            let done = immediate(connection).and_then(|transaction| {
                let result = run(&transaction)?;
                Ok((transaction, result))
            });
            let (transaction, result) = match done {
                Ok(done) => done,
                Err(error) => return checked(error),
            };
            if let Some(document) = document
                && transaction.total_changes() != before
            {
                document.publish(&transaction)?;
            }
            transaction.commit().map(|()| result).or_else(checked)
        })
    }

    /// As [`Index::write`], for what a document does not hold: it is remembered by this process alone.
    pub fn remember<T>(&self, run: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T> {
        self.with(|connection| {
            let transaction = immediate(connection)?;
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

    /// Runs on the database as it now is.
    fn on<T>(&self, run: impl FnOnce(&Session, &mut Database) -> Result<T>) -> Result<T> {
        for _ in 0..RETRIES {
            let session = self.session()?;
            let mut guard = lock(&session.database);
            // Another thread may have retired the session since; the one after it is ready.
            let Some(database) = guard.as_mut() else {
                continue;
            };
            match database.refresh() {
                Ok(()) => return run(session, database),
                // Opening it anew sets the document aside.
                Err(Refusal::Foreign(_)) => session.condemn(),
                Err(refusal) => return Err(refusal.into_error(&self.path())),
            }
        }
        Err(Error::Index {
            path: self.path(),
            message: "it is replaced again and again".to_owned(),
        })
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
        self.directory.restore()?;
        let mut warnings = Vec::new();
        let opened = Session::open(&self.directory, self.options, Some(last), &mut warnings)?;
        warnings.into_iter().for_each(|warning| self.warn(warning));
        // Where another thread was faster, its session is as good.
        let _ = last.next.set(Box::new(opened));
        Ok(self.last())
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.index(self.backend())
    }

    fn told<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        result.map_err(|error| index_error(&self.path(), &error))
    }
}

fn immediate(connection: &Connection) -> rusqlite::Result<Transaction<'_>> {
    Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
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
