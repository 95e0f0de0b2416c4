use std::time::Duration;

use crate::clock::{duration, moment_micros};
use crate::key::Manifest;
use crate::store::SummaryRow;

/// What people look at in a list: unverified, and without what restoring it takes. Times are ISO 8601,
/// UTC, to the microsecond.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The visible key.
    pub key: String,
    pub scope: String,
    pub name: Option<String>,
    pub description: String,
    pub data_type: String,
    /// Bytes of all blobs.
    pub size_bytes: u64,
    pub created: String,
    /// When it last hit, as far as that is written.
    pub accessed: String,
    /// `None`: never.
    pub expires: Option<String>,
    pub expired: bool,
    pub elapsed: Option<Duration>,
    pub hits: u64,
    pub manifest: Manifest,
}

impl Summary {
    /// `None` for a row that is damaged.
    pub(super) fn of(row: SummaryRow, now: i64) -> Option<Self> {
        Some(Self {
            key: format!("{:016x}", row.key),
            scope: row.scope,
            name: row.name,
            description: row.description,
            data_type: row.data_type,
            size_bytes: row.size,
            created: moment_micros(row.created),
            accessed: moment_micros(row.accessed),
            expires: row.expires.map(moment_micros),
            expired: row.expires.is_some_and(|at| at <= now),
            elapsed: row.elapsed.map(duration),
            hits: row.hits,
            manifest: serde_json::from_str(&row.manifest).ok()?,
        })
    }
}
