//! The index as a JSON document: read into the tables of a database, and written from them.
//! `FORMAT.md` has the layout field by field.

use rusqlite::Connection;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::connect::Refusal;
use super::entry::{BlobRecord, Record, Stored, all, insert_stored};
use super::{pretty, sql};
use crate::clock;
use crate::hash::Digest;

/// What tells a document of ours from others.
const APPLICATION: &str = "cacheness";

/// A document without entries, to be read.
pub const EMPTY: &str = r#"{"application": "cacheness", "format": 1, "last_id": 0, "hits": 0,
    "misses": 0, "time_saved": "0s", "entries": []}"#;

#[derive(Deserialize)]
struct Head {
    application: String,
    format: i64,
}

#[derive(Serialize, Deserialize)]
struct Document {
    application: String,
    format: i64,
    /// The last id that was given; never given again.
    last_id: i64,
    hits: i64,
    misses: i64,
    time_saved: Span,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    garbage: Vec<String>,
    entries: Vec<Row>,
}

/// An entry; what people look for comes first.
#[derive(Serialize, Deserialize)]
struct Row {
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    description: String,
    data_type: String,
    size: u64,
    created: Moment,
    expires: Option<Moment>,
    accessed: Moment,
    hits: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    elapsed: Option<Span>,
    blobs: Vec<Blob>,
    manifest: Box<RawValue>,
    observed: Box<RawValue>,
    meta: Box<RawValue>,
    scope: String,
    face: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lineage: Option<String>,
    id: i64,
    digest: Digest,
    observed_digest: Digest,
    seal: Digest,
}

#[derive(Serialize, Deserialize)]
struct Blob {
    file: String,
    kind: String,
    size: u64,
    digest: Digest,
}

/// Nanoseconds since the Unix epoch.
struct Moment(i64);

/// Nanoseconds.
struct Span(i64);

/// Fills the tables of `connection` from a document, in place of what they held: all, or nothing.
pub fn read(text: &str, connection: &Connection) -> Result<(), Refusal> {
    let foreign = |error: serde_json::Error| Refusal::Foreign(format!("it is no index: {error}"));
    let head: Head = serde_json::from_str(text).map_err(foreign)?;
    if head.application != APPLICATION {
        return Err(Refusal::Foreign(
            "it was written by something else".to_owned(),
        ));
    }
    if head.format > sql::VERSION {
        return Err(Refusal::Newer(head.format));
    }
    let document: Document = serde_json::from_str(text).map_err(foreign)?;
    let rows: Vec<Stored> = document
        .entries
        .iter()
        .map(stored)
        .collect::<Result<_, _>>()
        .map_err(Refusal::Foreign)?;
    // Two entries of one id, or one file in two places.
    fill(&document, &rows, connection).map_err(|error| Refusal::Foreign(error.to_string()))
}

fn fill(document: &Document, rows: &[Stored], connection: &Connection) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(sql::EMPTY)?;
    for row in rows {
        insert_stored(&transaction, row)?;
    }
    let last = rows
        .iter()
        .map(|row| row.id)
        .chain([document.last_id])
        .max();
    transaction.execute(sql::SET_LAST_ID, [last])?;
    let Span(saved) = document.time_saved;
    transaction.execute(sql::SET_COUNTS, [document.hits, document.misses, saved])?;
    let mut statement = transaction.prepare_cached(sql::ADD_GARBAGE)?;
    for file in &document.garbage {
        statement.execute([file])?;
    }
    drop(statement);
    transaction.commit()
}

/// The document of what the tables hold.
pub fn write(connection: &Connection) -> rusqlite::Result<String> {
    let (hits, misses, saved) = connection.query_row(sql::TOTALS, [], |row| {
        Ok((row.get(2)?, row.get(3)?, row.get(4)?))
    })?;
    let garbage = connection
        .prepare_cached(sql::ALL_GARBAGE)?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let entries: Result<_, serde_json::Error> = all(connection)?.into_iter().map(Row::of).collect();
    let document = entries.and_then(|entries| {
        serde_json::to_string(&Document {
            application: APPLICATION.to_owned(),
            format: sql::VERSION,
            last_id: connection
                .query_row(sql::LAST_ID, [], |row| row.get(0))
                .unwrap_or_default(),
            hits,
            misses,
            time_saved: Span(saved),
            garbage,
            entries,
        })
    });
    document
        .map(|text| pretty::indented(&text))
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

impl Row {
    fn of(stored: Stored) -> serde_json::Result<Self> {
        let record = stored.record;
        let blobs = stored.blobs.into_iter().map(|blob| Blob {
            file: blob.file.unwrap_or_default(),
            kind: blob.kind,
            size: blob.size,
            digest: blob.digest,
        });
        Ok(Self {
            key: format!("{:016x}", record.key),
            name: record.name,
            description: record.description,
            data_type: record.data_type,
            size: record.size,
            created: Moment(record.created),
            expires: record.expires.map(Moment),
            accessed: Moment(stored.accessed),
            hits: stored.hits,
            elapsed: record.elapsed.map(Span),
            blobs: blobs.collect(),
            manifest: RawValue::from_string(record.manifest)?,
            observed: RawValue::from_string(record.observed)?,
            meta: RawValue::from_string(record.meta)?,
            scope: record.scope,
            face: record.face,
            lineage: record.lineage,
            id: stored.id,
            digest: record.digest,
            observed_digest: record.observed_digest,
            seal: stored.seal,
        })
    }
}

fn stored(row: &Row) -> Result<Stored, String> {
    let key = u64::from_str_radix(&row.key, 16);
    let text = |value: &RawValue| pretty::compact(value.get());
    let time = |value: &Option<Moment>| value.as_ref().map(|Moment(at)| *at);
    Ok(Stored {
        id: row.id,
        accessed: row.accessed.0,
        hits: row.hits,
        record: Record {
            key: key.map_err(|error| format!("{:?} is no key: {error}", row.key))?,
            digest: row.digest,
            observed_digest: row.observed_digest,
            scope: row.scope.clone(),
            face: row.face.clone(),
            name: row.name.clone(),
            lineage: row.lineage.clone(),
            description: row.description.clone(),
            data_type: row.data_type.clone(),
            created: row.created.0,
            expires: time(&row.expires),
            elapsed: row.elapsed.as_ref().map(|Span(elapsed)| *elapsed),
            size: row.size,
            manifest: text(&row.manifest),
            observed: text(&row.observed),
            meta: text(&row.meta),
        },
        blobs: row
            .blobs
            .iter()
            .map(|blob| BlobRecord {
                kind: blob.kind.clone(),
                size: blob.size,
                digest: blob.digest,
                file: Some(blob.file.clone()),
            })
            .collect(),
        seal: row.seal,
    })
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&clock::moment(self.0))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = clock::parse_moment(&text);
        parsed
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is no time")))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&clock::span(self.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = clock::parse_span(&text);
        parsed
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is no duration")))
    }
}
