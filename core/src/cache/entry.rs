use std::time::Duration;

use crate::blob::{Blob, BlobKind};
use crate::clock::{duration, nanoseconds};
use crate::error::{Error, Result};
use crate::hash::{Digest, StableHasher};
use crate::key::{Input, Key, Manifest};
use crate::store::{BlobRecord, Found, Record, Stored};

/// A result that is to be stored.
#[derive(Clone, Debug)]
pub struct Draft {
    pub key: Key,
    /// The namespace (`key_prefix`) that it is found in; "" for none.
    pub scope: String,
    /// Who stores it: "put", "call", "cell".
    pub face: String,
    /// What people call it: a function, a key given to a cell.
    pub name: Option<String>,
    /// What stays the same when inputs change, so that a miss can be explained by the last entry.
    pub lineage: Option<String>,
    pub description: String,
    pub data_type: String,
    /// `None`: never expires.
    pub ttl: Option<Duration>,
    /// What it took to compute.
    pub elapsed: Option<Duration>,
    pub manifest: Manifest,
    /// What the computation was seen to depend on, checked at every lookup.
    pub observed: Vec<Input>,
    /// Whatever the face needs to restore it.
    pub meta: serde_json::Value,
    pub blobs: Vec<Blob>,
}

/// A result that is stored. Times are nanoseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Never used again for another entry.
    pub id: i64,
    pub key: Key,
    pub scope: String,
    pub face: String,
    pub name: Option<String>,
    pub lineage: Option<String>,
    pub description: String,
    pub data_type: String,
    pub created: i64,
    pub expires: Option<i64>,
    /// When it last hit, as far as that is written.
    pub accessed: i64,
    pub hits: u64,
    pub elapsed: Option<Duration>,
    /// Bytes of all blobs.
    pub size_bytes: u64,
    pub manifest: Manifest,
    pub observed: Vec<Input>,
    pub meta: serde_json::Value,
    pub blobs: Vec<BlobInfo>,
}

/// What is known of a blob without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    pub kind: BlobKind,
    pub size: u64,
    pub digest: Digest,
    /// Its file in the cache directory; `None`: it is in the index.
    pub file: Option<String>,
}

impl BlobInfo {
    pub(super) fn record(&self) -> BlobRecord {
        BlobRecord {
            kind: self.kind.as_str().to_owned(),
            size: self.size,
            digest: self.digest,
            file: self.file.clone(),
        }
    }
}

impl Draft {
    pub(super) fn into_record(self, now: i64) -> Result<(Record, Vec<Blob>)> {
        let record = Record {
            key: self.key.number(),
            digest: self.key.digest(),
            observed_digest: observed_digest(&self.observed),
            scope: self.scope,
            face: self.face,
            name: self.name,
            lineage: self.lineage,
            description: self.description,
            data_type: self.data_type,
            created: now,
            // Past the end of time is never.
            expires: self.ttl.and_then(|ttl| now.checked_add(nanoseconds(ttl))),
            elapsed: self.elapsed.map(nanoseconds),
            size: self.blobs.iter().map(|blob| blob.bytes.len() as u64).sum(),
            manifest: json(&self.manifest)?,
            observed: json(&self.observed)?,
            meta: json(&self.meta)?,
        };
        Ok((record, self.blobs))
    }
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Format(format!("no JSON: {error}")))
}

fn observed_digest(observed: &[Input]) -> Digest {
    let mut hasher = StableHasher::new("observed");
    for input in observed {
        hasher.str(input.kind.as_str());
        hasher.str(&input.name);
        hasher.digest(&input.digest);
    }
    hasher.finish()
}

impl Entry {
    /// The entry of a row, or the row's id and why there is none.
    pub(super) fn of(found: Found) -> std::result::Result<Self, (i64, String)> {
        match found {
            Found::Damaged { id, reason } => Err((id, reason)),
            Found::Whole(stored) => {
                let id = stored.id;
                Self::parse(*stored).map_err(|reason| (id, reason))
            }
        }
    }

    fn parse(stored: Stored) -> std::result::Result<Self, String> {
        let record = stored.record;
        let parse = |error: serde_json::Error| error.to_string();
        let blobs = stored.blobs.into_iter().map(|blob| {
            Ok(BlobInfo {
                kind: blob
                    .kind
                    .parse()
                    .map_err(|error: Error| error.to_string())?,
                size: blob.size,
                digest: blob.digest,
                file: blob.file,
            })
        });
        Ok(Self {
            id: stored.id,
            key: Key::from_parts(record.key, record.digest),
            scope: record.scope,
            face: record.face,
            name: record.name,
            lineage: record.lineage,
            description: record.description,
            data_type: record.data_type,
            created: record.created,
            expires: record.expires,
            accessed: stored.accessed,
            hits: stored.hits,
            elapsed: record.elapsed.map(duration),
            size_bytes: record.size,
            manifest: serde_json::from_str(&record.manifest).map_err(parse)?,
            observed: serde_json::from_str(&record.observed).map_err(parse)?,
            meta: serde_json::from_str(&record.meta).map_err(parse)?,
            blobs: blobs.collect::<std::result::Result<_, String>>()?,
        })
    }

    /// What messages call it: its key, and its name if it has one.
    pub fn label(&self) -> String {
        match &self.name {
            Some(name) => format!("{} ({name})", self.key),
            None => self.key.to_string(),
        }
    }
}
