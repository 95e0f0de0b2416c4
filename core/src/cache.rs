use std::path::Path;
use std::time::Duration;

use crate::clock::duration;
use crate::config::{Backend, CacheOptions};
use crate::error::Result;
use crate::key::Key;
use crate::store::{Claim, Collected, Found, Payload, Store};

mod entry;
mod lookup;
mod paths;
mod summary;

pub use entry::{BlobInfo, Draft, Entry};
pub use lookup::{Lookup, MissReason, digest_environment};
pub use paths::{PathDigest, digest_path};
pub use summary::Summary;

/// A cache directory, for any number of threads; other processes may use it at the same time.
pub struct Cache {
    options: CacheOptions,
    store: Store,
}

/// What [`Cache::store`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    pub entry_id: i64,
    pub created: i64,
    /// Bytes of the entry's blobs.
    pub size_bytes: u64,
    /// Entries that had to make room.
    pub evicted: u64,
    /// Whether this entry alone exceeds the size limit; it stays until the next is stored.
    pub oversized: bool,
}

/// Which entries to list or remove; `None` matches any.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    pub face: Option<String>,
    pub scope: Option<String>,
    pub name: Option<String>,
    /// For listing: at most so many, of the newest.
    pub limit: Option<u64>,
    /// For listing: leave out so many of the newest.
    pub offset: u64,
}

impl ListFilter {
    fn columns(&self) -> [Option<&str>; 3] {
        [&self.face, &self.scope, &self.name].map(Option::as_deref)
    }
}

/// Figures of a whole directory, over all processes that use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    pub entries: u64,
    pub size_bytes: u64,
    pub hits: u64,
    pub misses: u64,
    /// What the results of all hits once took to compute.
    #[serde(serialize_with = "lookup::seconds")]
    pub elapsed_saved: Duration,
    pub max_bytes: Option<u64>,
}

impl Cache {
    /// Opens a directory, makes it if it is missing, and finishes what dead processes left undone.
    ///
    /// # Errors
    /// `Storage` when it cannot be used, `Version` when a later version wrote it. A corrupt index
    /// is no error: it is set aside, [`Cache::warnings`] tells.
    pub fn open(options: CacheOptions) -> Result<Self> {
        if let (Backend::Json, Some(database)) = (options.backend, &options.database) {
            return Err(crate::Error::Config(format!(
                "the JSON index has no database, so {} cannot be one",
                database.display()
            )));
        }
        let store = Store::open(
            &options.dir,
            options.database.as_deref(),
            (options.backend, options.durability),
        )?;
        Ok(Self { options, store })
    }

    /// The directory, as an absolute path.
    pub fn dir(&self) -> &Path {
        self.store.root()
    }

    /// What its index is, whatever was asked for.
    pub fn backend(&self) -> Backend {
        self.store.backend()
    }

    /// How it was opened.
    pub fn options(&self) -> &CacheOptions {
        &self.options
    }

    /// What went wrong without making a call fail, since this was last asked.
    pub fn warnings(&self) -> Vec<String> {
        self.store.take_warnings()
    }

    /// The bytes of one blob of an entry, verified.
    ///
    /// # Errors
    /// `Integrity` when they are not what was stored: they are then in quarantine, and the entry
    /// is removed. `Gone` when the entry was removed or replaced since it was looked up.
    pub fn read(&self, entry: &Entry, ordinal: usize) -> Result<Vec<u8>> {
        let label = entry.label();
        let Some(blob) = entry.blobs.get(ordinal) else {
            return Err(crate::Error::Integrity {
                entry: label,
                reason: format!("it has no blob {ordinal}"),
            });
        };
        self.store.read(entry.id, ordinal, &blob.record(), &label)
    }

    /// What is wrong with the bytes of one blob of an entry; `None` when they are what was stored,
    /// or the entry was removed since it was listed. Unlike [`Cache::read`], it leaves damage be.
    pub fn check(&self, entry: &Entry, ordinal: usize) -> Result<Option<String>> {
        match entry.blobs.get(ordinal) {
            Some(blob) => self.store.check(entry.id, ordinal, &blob.record()),
            None => Ok(Some(format!("it has no blob {ordinal}"))),
        }
    }

    /// Names of blob files that no entry names and nobody is writing.
    pub fn orphans(&self) -> Result<Vec<String>> {
        self.store.orphans()
    }

    /// Counts a hit of an entry, and makes it the one used last. Written in batches.
    pub fn touch(&self, entry_id: i64) {
        if let Err(error) = self.store.count_hit(entry_id, self.options.clock.now()) {
            self.store
                .warn(format!("a hit could not be counted: {error}"));
        }
    }

    /// Counts a miss. Written in batches.
    pub fn record_miss(&self) {
        if let Err(error) = self.store.count_miss() {
            self.store
                .warn(format!("a miss could not be counted: {error}"));
        }
    }

    /// Commits a draft in place of the entry with the same scope, key and observed inputs, then
    /// makes room if the directory has grown past its limit.
    ///
    /// # Errors
    /// `Storage` or `Index`; what was there before is then still there.
    pub fn store(&self, draft: Draft) -> Result<Stored> {
        let now = self.options.clock.now();
        let (record, blobs) = draft.into_record(now)?;
        let payloads: Vec<Payload> = blobs
            .iter()
            .map(|blob| Payload {
                kind: blob.kind.as_str(),
                extension: blob.kind.extension(),
                bytes: &blob.bytes,
            })
            .collect();
        let entry_id = self
            .store
            .insert(&record, &payloads, self.options.inline_limit)?;
        self.store.sweep_later();
        Ok(Stored {
            entry_id,
            created: record.created,
            size_bytes: record.size,
            evicted: self.make_room(entry_id, now),
            oversized: self
                .options
                .max_bytes
                .is_some_and(|limit| record.size > limit),
        })
    }

    /// The entry is committed whether or not there was room to be made.
    fn make_room(&self, entry_id: i64, now: i64) -> u64 {
        let evicted = match self.options.max_bytes {
            Some(limit) => self.store.evict(limit, entry_id, now),
            None => self.store.flush().map(|()| 0),
        };
        evicted.unwrap_or_else(|error| {
            self.store.warn(format!("no room could be made: {error}"));
            0
        })
    }

    /// Removes all entries of a key; how many those were.
    pub fn remove(&self, key: &Key, scope: &str) -> Result<u64> {
        self.store.remove_key(&key.digest(), scope)
    }

    /// Removes entries by id; how many there were.
    pub fn remove_entries(&self, ids: &[i64]) -> Result<u64> {
        self.store.remove_entries(ids)
    }

    /// Removes everything; how many entries that was.
    pub fn clear(&self) -> Result<u64> {
        self.store.remove_all()
    }

    /// Removes what matches the filter's face, scope and name; how many entries that was.
    pub fn remove_where(&self, filter: &ListFilter) -> Result<u64> {
        self.store.remove_where(filter.columns())
    }

    /// Removes the entries past the lifetime they were stored with; how many those were.
    pub fn evict_expired(&self) -> Result<u64> {
        self.store.remove_expired(self.options.clock.now())
    }

    /// Entries, newest first, expired ones included.
    pub fn list(&self, filter: &ListFilter) -> Result<Vec<Entry>> {
        self.store.flush()?;
        self.whole(
            self.store
                .list(filter.columns(), filter.limit, filter.offset)?,
        )
    }

    /// What is told of entries in a list, newest first, expired ones included; quick, and unverified.
    pub fn summaries(&self, filter: &ListFilter) -> Result<Vec<Summary>> {
        self.store.flush()?;
        let now = self.options.clock.now();
        let rows = self
            .store
            .summaries(filter.columns(), filter.limit, filter.offset)?;
        Ok(rows
            .into_iter()
            .filter_map(|row| Summary::of(row, now))
            .collect())
    }

    /// The entries with this visible key (16 hexadecimal digits), newest first; none for other text.
    pub fn find(&self, visible: &str) -> Result<Vec<Entry>> {
        let hexadecimal = visible.len() == 16 && visible.bytes().all(|b| b.is_ascii_hexdigit());
        match u64::from_str_radix(visible, 16) {
            Ok(key) if hexadecimal => self.whole(self.store.by_key(key)?),
            _ => Ok(Vec::new()),
        }
    }

    /// Those of these entries that are there and not past the lifetime they were stored with: id, and
    /// when it was stored. Only both together are never another entry's, should the index start anew.
    pub fn alive(&self, ids: &[i64]) -> Result<Vec<(i64, i64)>> {
        self.store.alive(ids, self.options.clock.now())
    }

    /// The newest entry of this lineage, expired or not, to explain a miss by.
    pub fn previous(&self, lineage: &str) -> Result<Option<Entry>> {
        Ok(self
            .whole(self.store.by_lineage(lineage)?)?
            .into_iter()
            .next())
    }

    /// Figures of the directory; their cost does not grow with the number of entries.
    pub fn stats(&self) -> Result<Stats> {
        let totals = self.store.totals()?;
        Ok(Stats {
            entries: totals.entries,
            size_bytes: totals.size,
            hits: totals.hits,
            misses: totals.misses,
            elapsed_saved: duration(totals.saved),
            max_bytes: self.options.max_bytes,
        })
    }

    /// Removes what no entry names, also what a power loss left, and what is long in quarantine.
    pub fn collect(&self) -> Result<Collected> {
        self.store.collect(self.options.clock.now())
    }

    /// The right to compute a key, until it is dropped or the process dies; `None` while somebody
    /// alive has it. Advisory: nothing is stored or refused because of it.
    pub fn claim(&self, key: &Key) -> Result<Option<Claim>> {
        self.store.claim(&key.visible())
    }

    /// What the holder of a claim wrote with [`Claim::write_note`]; empty if there is nothing. When
    /// nobody holds the claim, this is the note of a holder that died or abandoned it.
    pub fn claim_note(&self, key: &Key) -> String {
        self.store.note(&key.visible())
    }

    /// Writes the hits and misses that were counted.
    pub fn flush(&self) -> Result<()> {
        self.store.flush()
    }

    /// The rows that can be read; the others are removed, with a warning.
    fn whole(&self, found: Vec<Found>) -> Result<Vec<Entry>> {
        let mut entries = Vec::with_capacity(found.len());
        for found in found {
            match Entry::of(found) {
                Ok(entry) => entries.push(entry),
                Err((id, reason)) => {
                    self.store.warn(format!("entry {id} was removed: {reason}"));
                    self.store.remove_entries(&[id])?;
                }
            }
        }
        Ok(entries)
    }
}
