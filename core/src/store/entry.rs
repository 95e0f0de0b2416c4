use rusqlite::{Connection, OptionalExtension, Row, params};

use super::blob::DraftFile;
use super::{Store, sql};
use crate::config::{Backend, Durability};
use crate::error::Result;
use crate::hash::{Digest, StableHasher};

/// How many entries of one key a lookup considers, newest first; older ones are removed.
pub const CANDIDATES: i64 = 16;

/// The columns of an entry that never change, as plain data.
#[derive(Clone, Debug)]
pub struct Record {
    pub key: u64,
    pub digest: Digest,
    /// Over the observed inputs: one key has one entry for each.
    pub observed_digest: Digest,
    pub scope: String,
    pub face: String,
    pub name: Option<String>,
    pub lineage: Option<String>,
    pub description: String,
    pub data_type: String,
    pub created: i64,
    pub expires: Option<i64>,
    pub elapsed: Option<i64>,
    pub size: u64,
    /// JSON, as the three are written.
    pub manifest: String,
    pub observed: String,
    pub meta: String,
}

/// A committed row.
#[derive(Clone, Debug)]
pub struct Stored {
    pub id: i64,
    pub accessed: i64,
    pub hits: u64,
    pub record: Record,
    pub blobs: Vec<BlobRecord>,
    /// As it was stored: over everything here that never changes.
    pub seal: Digest,
}

impl Stored {
    /// Whether it is what was stored.
    pub fn is_sound(&self) -> bool {
        self.seal == seal(&self.record, &self.blobs)
    }
}

/// What people look at in a list.
pub struct SummaryRow {
    pub key: u64,
    pub scope: String,
    pub name: Option<String>,
    pub description: String,
    pub data_type: String,
    pub size: u64,
    pub created: i64,
    pub accessed: i64,
    pub expires: Option<i64>,
    pub elapsed: Option<i64>,
    pub hits: u64,
    pub manifest: String,
}

/// A blob as its row tells it.
#[derive(Clone, Debug)]
pub struct BlobRecord {
    pub kind: String,
    pub size: u64,
    pub digest: Digest,
    /// `None`: the bytes are in the row.
    pub file: Option<String>,
}

/// A blob to be stored.
pub struct Payload<'a> {
    pub kind: &'a str,
    pub extension: &'a str,
    pub bytes: &'a [u8],
}

/// A row that was found, if it could be read.
pub enum Found {
    Whole(Box<Stored>),
    Damaged { id: i64, reason: String },
}

impl Store {
    /// Commits an entry with its blobs, in place of one with the same key, scope and observed
    /// inputs. What was there before stays readable until the commit, and if it fails.
    pub fn insert(
        &self,
        record: &Record,
        payloads: &[Payload],
        inline_limit: usize,
    ) -> Result<i64> {
        self.index().ready()?;
        let flush = self.index().durability() == Durability::Full;
        let mut drafts = Vec::new();
        let mut blobs = Vec::with_capacity(payloads.len());
        for payload in payloads {
            let mut file = None;
            if payload.bytes.len() > inline_limit || self.backend() == Backend::Json {
                let name = (record.key, payload.kind, payload.extension);
                let directory = self.index().directory();
                let draft = DraftFile::write(directory, name, payload.bytes, flush)?;
                file = Some(draft.name().to_owned());
                drafts.push(draft);
            }
            blobs.push(BlobRecord {
                kind: payload.kind.to_owned(),
                size: payload.bytes.len() as u64,
                digest: Digest::of(payload.bytes),
                file,
            });
        }
        let id = self.index().write(|transaction| {
            replace(transaction, record)?;
            let seal = seal(record, &blobs);
            let id = insert_row(transaction, None, record, &seal, (record.created, 0))?;
            for (ordinal, (blob, payload)) in blobs.iter().zip(payloads).enumerate() {
                insert_blob(transaction, (id, ordinal), blob, Some(payload.bytes))?;
            }
            Ok(id)
        })?;
        drafts.into_iter().for_each(DraftFile::keep);
        Ok(id)
    }

    /// The entries of a key that a lookup considers, newest first.
    pub fn candidates(&self, digest: &Digest, scope: &str) -> Result<Vec<Found>> {
        self.select(
            sql::CANDIDATES,
            params![digest.as_bytes(), scope, CANDIDATES],
        )
    }

    /// All entries with this visible key, newest first.
    pub fn by_key(&self, key: u64) -> Result<Vec<Found>> {
        self.select(sql::BY_KEY, [key as i64])
    }

    /// The newest entry with this lineage.
    pub fn by_lineage(&self, lineage: &str) -> Result<Vec<Found>> {
        self.select(sql::BY_LINEAGE, [lineage])
    }

    /// Entries, newest first; `None` matches any.
    pub fn list(
        &self,
        [face, scope, name]: [Option<&str>; 3],
        limit: Option<u64>,
        offset: u64,
    ) -> Result<Vec<Found>> {
        let limit = limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        self.select(sql::LIST, params![face, scope, name, limit, offset])
    }

    /// As [`Store::list`], but only what is told of an entry; rows that cannot be read are left out.
    pub fn summaries(
        &self,
        [face, scope, name]: [Option<&str>; 3],
        limit: Option<u64>,
        offset: u64,
    ) -> Result<Vec<SummaryRow>> {
        let limit = limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        self.index().with(|connection| {
            let mut statement = connection.prepare_cached(sql::SUMMARIES)?;
            let mut rows = statement.query(params![face, scope, name, limit, offset])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.extend(summary(row));
            }
            Ok(found)
        })
    }

    fn select(&self, statement: &str, parameters: impl rusqlite::Params) -> Result<Vec<Found>> {
        self.index().with(|connection| {
            let mut statement = connection.prepare_cached(statement)?;
            let mut rows = statement.query(parameters)?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let id = row.get(0)?;
                found.push(match whole(connection, row) {
                    Ok(stored) if stored.is_sound() => Found::Whole(Box::new(stored)),
                    Ok(_) => Found::Damaged {
                        id,
                        reason: "its row is not what was stored".to_owned(),
                    },
                    Err(error) if error.sqlite_error_code().is_some() => return Err(error),
                    Err(error) => Found::Damaged {
                        id,
                        reason: error.to_string(),
                    },
                });
            }
            Ok(found)
        })
    }

    /// Those of these entries that are there and have not expired: id, and when it was stored.
    pub fn alive(&self, ids: &[i64], now: i64) -> Result<Vec<(i64, i64)>> {
        self.index().with(|connection| {
            let mut statement = connection.prepare_cached(sql::ALIVE)?;
            let mut alive = Vec::with_capacity(ids.len());
            for id in ids {
                let created = statement.query_row(params![id, now], |row| row.get(0));
                alive.extend(created.optional()?.map(|created| (*id, created)));
            }
            Ok(alive)
        })
    }

    /// Whether the row of a blob is still there, and its bytes if they are in the row.
    pub fn blob_data(&self, entry: i64, ordinal: usize) -> Result<Option<Option<Vec<u8>>>> {
        self.index().with(|connection| {
            connection
                .prepare_cached(sql::BLOB_DATA)?
                .query_row(params![entry, ordinal as i64], |row| row.get(1))
                .optional()
        })
    }

    /// Whether a row names this blob file.
    pub fn is_named(&self, file: &str) -> Result<bool> {
        self.index().with(|connection| {
            connection
                .prepare_cached(sql::BLOB_FILE_KNOWN)?
                .query_row([file], |row| row.get(0))
        })
    }
}

fn replace(connection: &Connection, record: &Record) -> rusqlite::Result<()> {
    let [digest, observed] = [&record.digest, &record.observed_digest].map(Digest::as_bytes);
    connection
        .prepare_cached(sql::REPLACE)?
        .execute(params![digest, record.scope, observed])?;
    let others = CANDIDATES - 1;
    connection
        .prepare_cached(sql::TRIM)?
        .execute(params![digest, record.scope, others])?;
    Ok(())
}

/// All rows, oldest first, sound or not.
pub fn all(connection: &Connection) -> rusqlite::Result<Vec<Stored>> {
    connection
        .prepare_cached(sql::ALL)?
        .query_map([], |row| whole(connection, row))?
        .collect()
}

/// A row that another index held, as it was there.
pub fn insert_stored(connection: &Connection, stored: &Stored) -> rusqlite::Result<()> {
    let hits = i64::try_from(stored.hits).unwrap_or(i64::MAX);
    let used = (stored.accessed, hits);
    insert_row(
        connection,
        Some(stored.id),
        &stored.record,
        &stored.seal,
        used,
    )?;
    for (ordinal, blob) in stored.blobs.iter().enumerate() {
        insert_blob(connection, (stored.id, ordinal), blob, None)?;
    }
    Ok(())
}

fn insert_row(
    connection: &Connection,
    id: Option<i64>,
    record: &Record,
    seal: &Digest,
    (accessed, hits): (i64, i64),
) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(sql::INSERT_ENTRY)?
        .execute(params![
            id,
            record.key as i64,
            record.digest.as_bytes(),
            record.observed_digest.as_bytes(),
            record.scope,
            record.face,
            record.name,
            record.lineage,
            record.description,
            record.data_type,
            record.created,
            record.expires,
            record.elapsed,
            i64::try_from(record.size).unwrap_or(i64::MAX),
            seal.as_bytes(),
            accessed,
            hits,
        ])?;
    let id = connection.last_insert_rowid();
    connection
        .prepare_cached(sql::INSERT_DETAILS)?
        .execute(params![id, record.manifest, record.observed, record.meta])?;
    Ok(id)
}

fn insert_blob(
    connection: &Connection,
    (entry, ordinal): (i64, usize),
    blob: &BlobRecord,
    bytes: Option<&[u8]>,
) -> rusqlite::Result<()> {
    let data = bytes.filter(|_| blob.file.is_none());
    connection
        .prepare_cached(sql::INSERT_BLOB)?
        .execute(params![
            entry,
            ordinal as i64,
            blob.kind,
            i64::try_from(blob.size).unwrap_or(i64::MAX),
            blob.digest.as_bytes(),
            blob.file,
            data
        ])?;
    Ok(())
}

fn summary(row: &Row) -> rusqlite::Result<SummaryRow> {
    Ok(SummaryRow {
        key: row.get::<_, i64>(0)? as u64,
        scope: row.get(1)?,
        name: row.get(2)?,
        description: row.get(3)?,
        data_type: row.get(4)?,
        size: row.get::<_, i64>(5)? as u64,
        created: row.get(6)?,
        accessed: row.get(7)?,
        expires: row.get(8)?,
        elapsed: row.get(9)?,
        hits: row.get::<_, i64>(10)?.max(0) as u64,
        manifest: row.get(11)?,
    })
}

/// The row with its blobs.
fn whole(connection: &Connection, row: &Row) -> rusqlite::Result<Stored> {
    let id = row.get(0)?;
    let record = Record {
        key: row.get::<_, i64>(1)? as u64,
        digest: digest(row, 2)?,
        observed_digest: digest(row, 3)?,
        scope: row.get(4)?,
        face: row.get(5)?,
        name: row.get(6)?,
        lineage: row.get(7)?,
        description: row.get(8)?,
        data_type: row.get(9)?,
        created: row.get(10)?,
        expires: row.get(11)?,
        elapsed: row.get(12)?,
        size: row.get::<_, i64>(13)? as u64,
        manifest: row.get(17)?,
        observed: row.get(18)?,
        meta: row.get(19)?,
    };
    let mut statement = connection.prepare_cached(sql::BLOBS)?;
    let blobs = statement
        .query_map([id], |row| {
            Ok(BlobRecord {
                kind: row.get(0)?,
                size: row.get::<_, i64>(1)? as u64,
                digest: digest(row, 2)?,
                file: row.get(3)?,
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(Stored {
        id,
        accessed: row.get(15)?,
        hits: row.get::<_, i64>(16)?.max(0) as u64,
        record,
        blobs,
        seal: digest(row, 14)?,
    })
}

fn digest(row: &Row, column: usize) -> rusqlite::Result<Digest> {
    Ok(Digest::from_bytes(row.get(column)?))
}

/// Over everything of an entry that never changes, so that a flipped bit in a row is found like one
/// in a blob.
fn seal(record: &Record, blobs: &[BlobRecord]) -> Digest {
    let mut hasher = StableHasher::new("entry");
    hasher.u64(record.key);
    hasher.digest(&record.digest);
    hasher.digest(&record.observed_digest);
    hasher.str(&record.scope);
    hasher.str(&record.face);
    for text in [&record.name, &record.lineage] {
        hasher.bool(text.is_some());
        hasher.str(text.as_deref().unwrap_or_default());
    }
    hasher.str(&record.description);
    hasher.str(&record.data_type);
    hasher.i64(record.created);
    for number in [record.expires, record.elapsed] {
        hasher.bool(number.is_some());
        hasher.i64(number.unwrap_or_default());
    }
    hasher.u64(record.size);
    for json in [&record.manifest, &record.observed, &record.meta] {
        hasher.str(json);
    }
    hasher.u64(blobs.len() as u64);
    for blob in blobs {
        hasher.str(&blob.kind);
        hasher.u64(blob.size);
        hasher.digest(&blob.digest);
        hasher.bool(blob.file.is_some());
        hasher.str(blob.file.as_deref().unwrap_or_default());
    }
    hasher.finish()
}
