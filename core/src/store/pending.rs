use std::collections::HashMap;

use rusqlite::params;

use super::{Store, sql};
use crate::error::Result;

/// How many events are gathered before they are written.
const BATCH: u32 = 64;

/// Hits and misses that are counted, but not yet in the index. They are not data: a crash may lose
/// them.
#[derive(Debug, Default)]
pub struct Pending {
    /// Per entry: how often it hit, and when last.
    hits: HashMap<i64, (i64, i64)>,
    misses: i64,
    events: u32,
}

/// Running totals of the directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub entries: u64,
    pub size: u64,
    pub hits: u64,
    pub misses: u64,
    /// Nanoseconds that hits did not have to compute.
    pub saved: i64,
}

impl Store {
    /// Counts a hit of an entry; every so often, writes what was counted.
    pub fn count_hit(&self, entry: i64, now: i64) -> Result<()> {
        let full = self.index().count(|pending| {
            let (count, last) = pending.hits.entry(entry).or_insert((0, now));
            *count += 1;
            *last = (*last).max(now);
            pending.step()
        })?;
        if full { self.flush() } else { Ok(()) }
    }

    pub fn count_miss(&self) -> Result<()> {
        let full = self.index().count(|pending| {
            pending.misses += 1;
            pending.step()
        })?;
        if full { self.flush() } else { Ok(()) }
    }

    /// Writes what was counted.
    pub fn flush(&self) -> Result<()> {
        let pending = self.index().count(std::mem::take)?;
        if pending.events == 0 {
            return Ok(());
        }
        self.index().write(|transaction| {
            for (entry, (count, last)) in &pending.hits {
                transaction
                    .prepare_cached(sql::COUNT_HITS)?
                    .execute(params![entry, count])?;
                transaction
                    .prepare_cached(sql::ACCESS)?
                    .execute(params![entry, count, last])?;
            }
            transaction
                .prepare_cached(sql::COUNT_MISSES)?
                .execute([pending.misses])?;
            Ok(())
        })
    }

    /// The totals of the index, after what this process counted.
    pub fn totals(&self) -> Result<Totals> {
        self.flush()?;
        self.index().with(|connection| {
            connection
                .prepare_cached(sql::TOTALS)?
                .query_row([], |row| {
                    Ok(Totals {
                        entries: row.get::<_, i64>(0)?.max(0) as u64,
                        size: row.get::<_, i64>(1)?.max(0) as u64,
                        hits: row.get::<_, i64>(2)?.max(0) as u64,
                        misses: row.get::<_, i64>(3)?.max(0) as u64,
                        saved: row.get::<_, i64>(4)?.max(0),
                    })
                })
        })
    }
}

impl Pending {
    /// Counts an event; whether it is time to write.
    fn step(&mut self) -> bool {
        self.events += 1;
        self.events >= BATCH
    }
}
