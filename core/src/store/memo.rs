use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::{OptionalExtension, Row, params};

use super::{Store, sql};
use crate::error::Result;
use crate::hash::{Digest, Stamp};

/// Digests of files that were read before, each for the stamp that the file had.
pub type Remembered = HashMap<Vec<u8>, (Stamp, Digest)>;

impl Store {
    /// What is remembered of these files.
    pub fn memo_of(&self, paths: &[&Path]) -> Result<Remembered> {
        self.index().with(|connection| {
            let mut statement = connection.prepare_cached(sql::MEMO_GET)?;
            let mut found = Remembered::with_capacity(paths.len());
            for path in paths {
                let path = path.as_os_str().as_bytes();
                if let Some(row) = statement
                    .query_row([path], |row| columns(row, 0))
                    .optional()?
                {
                    found.insert(path.to_vec(), row);
                }
            }
            Ok(found)
        })
    }

    /// What is remembered of files below a directory.
    pub fn memo_below(&self, directory: &Path) -> Result<Remembered> {
        let mut from = directory.join("").into_os_string().into_encoded_bytes();
        let mut to = from.clone();
        // All paths that begin with "directory/": '0' follows '/'.
        if let Some(last) = to.last_mut() {
            *last += 1;
        }
        from.shrink_to_fit();
        self.index().with(|connection| {
            connection
                .prepare_cached(sql::MEMO_BELOW)?
                .query_map([from, to], |row| Ok((row.get(0)?, columns(row, 1)?)))?
                .collect()
        })
    }

    /// Remembers digests; `now` is when.
    pub fn memo_put(&self, digests: &[(&Path, Stamp, Digest)], now: i64) -> Result<()> {
        if digests.is_empty() {
            return Ok(());
        }
        self.index().remember(|transaction| {
            let mut statement = transaction.prepare_cached(sql::MEMO_PUT)?;
            for (path, stamp, digest) in digests {
                statement.execute(params![
                    path.as_os_str().as_bytes(),
                    stamp.device as i64,
                    stamp.inode as i64,
                    stamp.size as i64,
                    stamp.modified,
                    stamp.changed,
                    digest.as_bytes(),
                    now
                ])?;
            }
            Ok(())
        })
    }
}

fn columns(row: &Row, from: usize) -> rusqlite::Result<(Stamp, Digest)> {
    let stamp = Stamp {
        device: row.get::<_, i64>(from)? as u64,
        inode: row.get::<_, i64>(from + 1)? as u64,
        size: row.get::<_, i64>(from + 2)? as u64,
        modified: row.get(from + 3)?,
        changed: row.get(from + 4)?,
    };
    Ok((stamp, Digest::from_bytes(row.get(from + 5)?)))
}
