use std::path::PathBuf;
use std::time::Duration;

use crate::clock::Clock;

/// What a blob may weigh to live inside its row instead of a file of its own, in bytes.
pub const INLINE_LIMIT: usize = 32 * 1024;

/// How a cache directory is opened.
#[derive(Clone, Debug)]
pub struct CacheOptions {
    /// The directory; made when it is missing.
    pub dir: PathBuf,
    pub backend: Backend,
    /// Where the SQLite database lies; `None`: in the directory.
    pub database: Option<PathBuf>,
    /// The bytes of blobs to stay under, by evicting what was used longest ago; `None`: no limit.
    pub max_bytes: Option<u64>,
    /// Blobs up to this many bytes live in the index, larger ones in files.
    pub inline_limit: usize,
    pub durability: Durability,
    pub clock: Clock,
}

impl CacheOptions {
    /// The defaults: no size limit, 32 KiB inline, normal durability, the system clock.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            backend: Backend::Auto,
            database: None,
            max_bytes: None,
            inline_limit: INLINE_LIMIT,
            durability: Durability::Normal,
            clock: Clock::system(),
        }
    }
}

/// What the index is: who may read it, and how it scales.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// What the directory has; SQLite where it has none.
    #[default]
    Auto,
    /// A SQLite database: for any number of entries.
    Sqlite,
    /// One JSON file, for people to read, written anew with every change: for up to some thousand
    /// entries. Every blob is a file.
    Json,
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Sqlite => "sqlite",
            Self::Json => "json",
        })
    }
}

/// What an entry survives once `store` has returned. A killed process loses nothing with either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power loss may take the last entries with it; a torn one is found by its digest and misses.
    #[default]
    Normal,
    /// Flushed to the disk before `store` returns.
    Full,
}

/// Which entries count as too old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaxAge {
    /// Those past the lifetime that they were stored with.
    #[default]
    Entry,
    /// None.
    Never,
    /// Those of this age or older, whatever lifetime they were stored with.
    AtMost(Duration),
}
