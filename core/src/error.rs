use std::path::{Path, PathBuf};

/// What can go wrong, by what a caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option or its value makes no sense; nothing was touched.
    #[error("{0}")]
    Config(String),

    /// The operating system refused: a full disk, a missing permission, a file in the way.
    #[error("{what} {}: {source}", path.display())]
    Storage {
        /// What was being done, as in "cannot write".
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },

    /// The index could not be read or written.
    #[error("the cache index {}: {message}", path.display())]
    Index { path: PathBuf, message: String },

    /// Stored bytes are not what was stored.
    #[error("entry {entry} is damaged: {reason}")]
    Integrity { entry: String, reason: String },

    /// The entry was removed or replaced between its lookup and this read: a miss like any other.
    #[error("entry {entry} was removed meanwhile")]
    Gone { entry: String },

    /// The directory was written by a later version; it is left untouched.
    #[error(
        "{} has format version {found}, this cacheness knows up to {known}: upgrade cacheness, or choose another cache directory",
        path.display()
    )]
    Version {
        path: PathBuf,
        found: i64,
        known: i64,
    },

    /// A value cannot be held by the format that was asked for.
    #[error("{0}")]
    Format(String),
}

impl Error {
    /// For `map_err`: what was being done to which path when the operating system refused.
    pub(crate) fn storage(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Storage {
            what,
            path: path.to_owned(),
            source,
        }
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
