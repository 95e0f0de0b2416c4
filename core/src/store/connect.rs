use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::index::{index_error, is_corrupt};
use super::layout::{Directory, beside, is_ours, open_or_create};
use super::sql;
use crate::config::{Backend, Durability};
use crate::error::{Error, Result};

/// How long to wait for another process that writes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prepared statements kept per connection: all that there are.
const STATEMENTS: usize = 64;

/// Why an index was not opened.
pub enum Refusal {
    /// It is no index of ours, or no longer one: it can be set aside.
    Foreign(String),
    /// A later version wrote it: it must not be touched.
    Newer(i64),
    Sql(rusqlite::Error),
    Other(Error),
}

impl Refusal {
    pub fn into_error(self, path: &Path) -> Error {
        match self {
            Self::Other(error) => error,
            Self::Sql(error) => index_error(path, &error),
            Self::Foreign(message) => Error::Index {
                path: path.to_owned(),
                message,
            },
            Self::Newer(found) => Error::Version {
                path: path.to_owned(),
                found,
                known: sql::VERSION,
            },
        }
    }

    fn of(error: rusqlite::Error) -> Self {
        if is_corrupt(&error) || is_foreign(&error) {
            Self::Foreign(error.to_string())
        } else {
            Self::Sql(error)
        }
    }
}

/// Moves the index at `path` out of use, and tells where to.
pub fn quarantine(directory: &Directory, path: &Path, why: &str) -> Result<String> {
    let aside = directory
        .set_aside(path)
        .map_err(Error::storage("cannot quarantine", path))?;
    for path in beside(path) {
        match directory.set_aside(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::storage("cannot quarantine", &path)(error));
            }
            _ => {}
        }
    }
    Ok(format!(
        "the cache index {} was set aside as {} and a new one started: {why}",
        path.display(),
        aside.display()
    ))
}

/// Opens the database, and makes it if there is none. Nothing is written before the version is known.
pub fn connect(
    directory: &Directory,
    durability: Durability,
    warnings: &mut Vec<String>,
) -> std::result::Result<Connection, Refusal> {
    let path = directory.index(Backend::Sqlite);
    check_header(&path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).map_err(Refusal::of)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let sqlite = Refusal::of;
    connection.busy_timeout(PATIENCE).map_err(sqlite)?;
    check_version(&connection)?;
    make_tables(&connection).map_err(sqlite)?;
    let wal = set_journal(&connection).map_err(sqlite)?;
    if !wal {
        warnings.push(format!(
            "{} lies on a file system without shared memory: the cache works, but slower",
            path.display()
        ));
    }
    settle(&connection, durability).map_err(sqlite)?;
    check_tables(&connection)?;
    Ok(connection)
}

/// A database in memory, with the tables of an index.
pub fn connect_memory() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    make_tables(&connection)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// Whether the tables, indices and triggers are those that we make, to the letter: a flipped bit
/// there would make of every statement an error, or something else.
fn check_tables(connection: &Connection) -> std::result::Result<(), Refusal> {
    let remembered = || -> rusqlite::Result<Vec<String>> {
        connection.query_row(sql::PROBE, [], |_| Ok(()))?;
        connection
            .prepare(sql::REMEMBERED_SCHEMA)?
            .query_map([], |row| row.get(0))?
            .collect()
    };
    let made = sql::SCHEMA.matches("\nCREATE ").count();
    match remembered() {
        Ok(found) if found.len() == made && found.iter().all(|sql| sql::SCHEMA.contains(sql)) => {
            Ok(())
        }
        Ok(_) => Err(Refusal::Foreign(
            "its tables are not those of a cache index".to_owned(),
        )),
        Err(error) if error.sqlite_error_code().is_some() => Err(Refusal::of(error)),
        Err(error) => Err(Refusal::Foreign(error.to_string())),
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(
        error.sqlite_error_code(),
        Some(DatabaseBusy | DatabaseLocked)
    )
}

/// "No such table", "unsupported file format": the file is a database, but not ours, or damaged.
fn is_foreign(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::Unknown)
    )
}

/// Refuses what is no file, or another user's. What is missing is well.
pub fn check_file(path: &Path) -> std::result::Result<(), Refusal> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => {
            Err(Refusal::Foreign("it is not a regular file".to_owned()))
        }
        Ok(found) if !is_ours(std::os::unix::fs::MetadataExt::uid(&found)) => {
            let theirs = "it belongs to another user".to_owned();
            let error = std::io::Error::new(ErrorKind::PermissionDenied, theirs);
            Err(Refusal::Other(Error::storage("cannot open", path)(error)))
        }
        _ => Ok(()),
    }
}

/// Reads the header as plain bytes: what is not ours, or too new, is not opened at all.
fn check_header(path: &Path) -> std::result::Result<(), Refusal> {
    let storage = |error| Refusal::Other(Error::storage("cannot open", path)(error));
    check_file(path)?;
    let mut header = Vec::with_capacity(100);
    open_or_create(path)
        .map_err(storage)?
        .take(100)
        .read_to_end(&mut header)
        .map_err(storage)?;
    if header.is_empty() {
        return Ok(());
    }
    if header.len() < 100 || !header.starts_with(b"SQLite format 3\0") {
        return Err(Refusal::Foreign("it is not a database".to_owned()));
    }
    let number = |at: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&header[at..at + 4]);
        i64::from(i32::from_be_bytes(bytes))
    };
    judge(number(60), number(68))?;
    // What SQLite needs to know to read and write the file: 2 with a write-ahead log, else 1.
    match header[18..20] {
        [1, 1] | [2, 2] => Ok(()),
        _ => Err(Refusal::Foreign("its header is damaged".to_owned())),
    }
}

fn judge(version: i64, application: i64) -> std::result::Result<(), Refusal> {
    match (version, application) {
        (version, sql::APPLICATION | 0) if version > sql::VERSION => Err(Refusal::Newer(version)),
        (sql::VERSION, sql::APPLICATION) | (0, 0) => Ok(()),
        _ => Err(Refusal::Foreign(format!(
            "it is a database, but no cache index (application {application:#x}, version {version})"
        ))),
    }
}

/// As the header, with the write-ahead log; refused, the log is not written back on closing.
fn check_version(connection: &Connection) -> std::result::Result<(), Refusal> {
    let sqlite = Refusal::of;
    let keep_log = |on| connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on);
    keep_log(true).map_err(sqlite)?;
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let version = pragma("user_version").map_err(sqlite)?;
    judge(version, pragma("application_id").map_err(sqlite)?)?;
    if version == 0 {
        let tables: i64 = connection
            .query_row(sql::COUNT_TABLES, [], |row| row.get(0))
            .map_err(sqlite)?;
        if tables > 0 {
            return Err(Refusal::Foreign(
                "it is a database, but no cache index".to_owned(),
            ));
        }
    }
    keep_log(false).map_err(sqlite)?;
    Ok(())
}

/// Makes the tables of an empty database. Before the write-ahead log, so that even then the version
/// stands in the header of the file.
fn make_tables(connection: &Connection) -> rusqlite::Result<()> {
    let version =
        |c: &Connection| c.pragma_query_value(None, "user_version", |r| r.get::<_, i64>(0));
    if version(connection)? != 0 {
        return Ok(());
    }
    connection.execute_batch(sql::BEFORE_SCHEMA)?;
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Exclusive)?;
    if version(&transaction)? == 0 {
        transaction.execute_batch(sql::SCHEMA)?;
        transaction.pragma_update(None, "application_id", sql::APPLICATION)?;
        transaction.pragma_update(None, "user_version", sql::VERSION)?;
    }
    transaction.commit()
}

/// Write-ahead logging where the file system has what it takes; whether it has.
fn set_journal(connection: &Connection) -> rusqlite::Result<bool> {
    let ask = |mode: &str| {
        connection.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |row| {
            row.get::<_, String>(0)
        })
    };
    match ask("WAL") {
        Ok(mode) if mode == "wal" => return Ok(true),
        Err(error) if is_corrupt(&error) || is_busy(&error) => return Err(error),
        _ => {}
    }
    ask("TRUNCATE")?;
    Ok(false)
}

fn settle(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    let synchronous = match durability {
        Durability::Normal => "NORMAL",
        Durability::Full => "FULL",
    };
    // One plan per statement, whatever is bound: a bound LIMIT else compiles it anew at each use.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -8192)?;
    connection.query_row("PRAGMA journal_size_limit = 16777216", [], |_| Ok(()))
}
