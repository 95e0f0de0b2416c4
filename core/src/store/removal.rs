use std::fs;
use std::io::ErrorKind;

use rusqlite::{Connection, params};

use super::blob::{self, Damage, is_blob_name};
use super::entry::BlobRecord;
use super::{Store, sql};
use crate::error::{Error, Result};
use crate::hash::Digest;

/// How long what was set aside is kept: 30 days, in nanoseconds.
const QUARANTINED: i64 = 30 * 86_400 * 1_000_000_000;

/// How long the digest of a file is remembered without the file being read again: 90 days.
const REMEMBERED: i64 = 90 * 86_400 * 1_000_000_000;

/// What [`Store::collect`] found to be of no use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Collected {
    /// Blob files without a row.
    pub files: u64,
    /// Files that had been in quarantine for a month.
    pub quarantined: u64,
}

impl Store {
    pub fn remove_entries(&self, ids: &[i64]) -> Result<u64> {
        self.remove(|connection| {
            let mut statement = connection.prepare_cached(sql::REMOVE_ENTRY)?;
            ids.iter().map(|id| statement.execute([id])).sum()
        })
    }

    pub fn remove_key(&self, digest: &Digest, scope: &str) -> Result<u64> {
        self.remove(|connection| {
            connection
                .prepare_cached(sql::REMOVE_KEY)?
                .execute(params![digest.as_bytes(), scope])
        })
    }

    pub fn remove_all(&self) -> Result<u64> {
        self.remove(|connection| connection.prepare_cached(sql::REMOVE_ALL)?.execute([]))
    }

    /// Removes the entries that match; `None` matches any.
    pub fn remove_where(&self, filter: [Option<&str>; 3]) -> Result<u64> {
        self.remove(|connection| {
            connection
                .prepare_cached(sql::REMOVE_WHERE)?
                .execute(filter)
        })
    }

    pub fn remove_expired(&self, now: i64) -> Result<u64> {
        self.remove(|connection| {
            connection
                .prepare_cached(sql::REMOVE_EXPIRED)?
                .execute(params![now, -1])
        })
    }

    /// Makes room: expired entries first, then those used longest ago, never `spare`.
    pub fn evict(&self, limit: u64, spare: i64, now: i64) -> Result<u64> {
        if self.totals()?.size <= limit {
            return Ok(0);
        }
        self.remove(|connection| {
            let expired = connection
                .prepare_cached(sql::REMOVE_EXPIRED)?
                .execute(params![now, spare])?;
            Ok(expired + evict_oldest(connection, limit, spare)?)
        })
    }

    fn remove(&self, run: impl FnOnce(&Connection) -> rusqlite::Result<usize>) -> Result<u64> {
        let removed = self.index().write(|transaction| run(transaction))?;
        if removed > 0 {
            self.sweep_later();
        }
        Ok(removed as u64)
    }

    /// As [`Store::sweep`], after a commit: what could not be unlinked is tried again later.
    pub fn sweep_later(&self) {
        if let Err(error) = self.sweep() {
            self.warn(format!(
                "the files of removed entries are still there: {error}"
            ));
        }
    }

    /// Unlinks the files of removed entries. What cannot be unlinked now stays listed.
    pub fn sweep(&self) -> Result<u64> {
        let mut swept = 0;
        loop {
            let files: Vec<String> = self.index().with(|connection| {
                connection
                    .prepare_cached(sql::GARBAGE)?
                    .query_map([], |row| row.get(0))?
                    .collect()
            })?;
            let done: Vec<&String> = files.iter().filter(|file| self.unlink(file)).collect();
            if done.is_empty() {
                return Ok(swept);
            }
            self.index().write(|transaction| {
                let mut statement = transaction.prepare_cached(sql::GARBAGE_DONE)?;
                done.iter()
                    .try_for_each(|file| statement.execute([file]).map(drop))
            })?;
            swept += done.len() as u64;
        }
    }

    /// Whether the file is gone, or never was ours.
    fn unlink(&self, file: &str) -> bool {
        if !is_blob_name(file) {
            return true;
        }
        match fs::remove_file(self.index().directory().blob(file)) {
            Ok(()) => true,
            Err(error) => error.kind() == ErrorKind::NotFound,
        }
    }

    /// Removes the drafts of dead writers.
    pub fn recover(&self) -> Result<u64> {
        blob::recover(self.index().directory(), |file| self.is_named(file))
    }

    /// Finds everything that no row names, also what a power loss left, and forgets what is old.
    pub fn collect(&self, now: i64) -> Result<Collected> {
        let mut files = self.recover()? + self.sweep()? + self.remove_orphans()?;
        files += self.sweep()?;
        let quarantined = self.empty_quarantine(now)?;
        self.index().remember(|transaction| {
            let before = now.saturating_sub(REMEMBERED);
            transaction
                .prepare_cached(sql::MEMO_FORGET)?
                .execute([before])
        })?;
        self.index()
            .with(|connection| connection.execute_batch(sql::GIVE_BACK))?;
        Ok(Collected { files, quarantined })
    }

    /// Removes blob files that have neither marker nor row.
    pub fn remove_orphans(&self) -> Result<u64> {
        let orphans = self.orphans()?;
        let directory = self.index().directory();
        let removed = orphans
            .iter()
            .filter(|name| fs::remove_file(directory.blob(name)).is_ok());
        Ok(removed.count() as u64)
    }

    /// The blob files that have neither marker nor row. The marker is looked for first: a writer
    /// removes it after its row is there.
    pub fn orphans(&self) -> Result<Vec<String>> {
        let directory = self.index().directory();
        let root = directory.root();
        let mut orphans = Vec::new();
        for listed in fs::read_dir(root).map_err(Error::storage("cannot list", root))? {
            let Some(name) = listed
                .ok()
                .and_then(|listed| listed.file_name().into_string().ok())
            else {
                continue;
            };
            if is_blob_name(&name)
                && fs::symlink_metadata(directory.drafts().join(&name)).is_err()
                && !self.is_named(&name)?
            {
                orphans.push(name);
            }
        }
        Ok(orphans)
    }

    fn empty_quarantine(&self, now: i64) -> Result<u64> {
        let quarantine = self.index().directory().quarantine();
        let mut removed = 0;
        for listed in
            fs::read_dir(&quarantine).map_err(Error::storage("cannot list", &quarantine))?
        {
            let Ok(listed) = listed else { continue };
            let Ok(found) = listed.metadata() else {
                continue;
            };
            let since = crate::hash::Stamp::of(&found).changed;
            if now.saturating_sub(since) > QUARANTINED && fs::remove_file(listed.path()).is_ok() {
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// The bytes of a blob, verified. Damaged ones are set aside and their entry is removed.
    pub fn read(&self, id: i64, ordinal: usize, blob: &BlobRecord, label: &str) -> Result<Vec<u8>> {
        let damage = match self.try_read(id, ordinal, blob)? {
            None => return Err(gone(label)),
            Some(Ok(bytes)) => return Ok(bytes),
            Some(Err(damage)) => damage,
        };
        let reason = match damage {
            Damage::Unreadable(source) => {
                let name = blob.file.as_deref().unwrap_or_default();
                let path = self.index().directory().blob(name);
                return Err(Error::storage("cannot read", &path)(source));
            }
            damage => damage.to_string(),
        };
        // Removed meanwhile, its file is rightly gone; replaced, it is another entry.
        let Some(data) = self.blob_data(id, ordinal)? else {
            return Err(gone(label));
        };
        self.set_aside(id, ordinal, blob, data);
        self.remove_entries(&[id])?;
        Err(Error::Integrity {
            entry: label.to_owned(),
            reason,
        })
    }

    /// What is wrong with a blob, as it is now; `None`: nothing, or there is no such row any more.
    /// Nothing is touched.
    pub fn check(&self, id: i64, ordinal: usize, blob: &BlobRecord) -> Result<Option<String>> {
        let damage = match self.try_read(id, ordinal, blob)? {
            None | Some(Ok(_)) => return Ok(None),
            Some(Err(damage)) => damage,
        };
        // Removed meanwhile, its file is rightly gone.
        Ok(self.blob_data(id, ordinal)?.map(|_| damage.to_string()))
    }

    /// `None`: there is no such row any more.
    fn try_read(
        &self,
        id: i64,
        ordinal: usize,
        blob: &BlobRecord,
    ) -> Result<Option<std::result::Result<Vec<u8>, Damage>>> {
        if let Some(file) = &blob.file {
            let directory = self.index().directory();
            return Ok(Some(blob::read(directory, file, blob.size, &blob.digest)));
        }
        let data = self.blob_data(id, ordinal)?;
        Ok(data
            .map(|data| blob::verify("its row", data.unwrap_or_default(), blob.size, &blob.digest)))
    }

    /// Keeps damaged bytes for whoever wants to know; failing that, they are just removed.
    fn set_aside(&self, id: i64, ordinal: usize, blob: &BlobRecord, data: Option<Vec<u8>>) {
        let directory = self.index().directory();
        let _ = match (&blob.file, data) {
            (Some(file), _) if is_blob_name(file) => {
                directory.set_aside(&directory.blob(file)).map(drop)
            }
            (_, Some(data)) => {
                directory.set_aside_bytes(&format!("{id}_{ordinal}.{}", blob.kind), &data)
            }
            _ => Ok(()),
        };
    }
}

fn gone(label: &str) -> Error {
    Error::Gone {
        entry: label.to_owned(),
    }
}

fn evict_oldest(connection: &Connection, limit: u64, spare: i64) -> rusqlite::Result<usize> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut size: i64 = connection
        .prepare_cached(sql::TOTALS)?
        .query_row([], |row| row.get(1))?;
    let mut evicted = 0;
    while size > limit {
        let oldest: Vec<(i64, i64)> = connection
            .prepare_cached(sql::OLDEST)?
            .query_map([spare], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        if oldest.is_empty() {
            break;
        }
        for (id, freed) in oldest {
            if size <= limit {
                break;
            }
            evicted += connection
                .prepare_cached(sql::REMOVE_ENTRY)?
                .execute([id])?;
            size -= freed;
        }
    }
    Ok(evicted)
}
