use std::path::Path;

use super::index::Index;
use super::layout::Directory;
use super::lock::{self, Claim};
use crate::config::{Backend, Durability};
use crate::error::Result;

/// A cache directory: blobs, the index over them, and one commit point for both.
pub struct Store {
    index: Index,
}

impl Store {
    /// Opens the directory, makes what is missing, and finishes what a dead process left undone.
    pub fn open(
        root: &Path,
        database: Option<&Path>,
        options: (Backend, Durability),
    ) -> Result<Self> {
        let directory = Directory::prepare(root, database)?;
        let store = Self {
            index: Index::open(directory, options)?,
        };
        let mut warnings = store.index.take_warnings();
        let anew = !warnings.is_empty();
        let cleaned = store.recover().and_then(|_| store.sweep()).and_then(|_| {
            // The rows of a database that was set aside no longer name their files.
            if anew { store.remove_orphans() } else { Ok(0) }
        });
        if let Err(error) = cleaned {
            warnings.push(format!(
                "what an earlier run left could not be removed: {error}"
            ));
        }
        warnings
            .into_iter()
            .for_each(|warning| store.index.warn(warning));
        Ok(store)
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    pub fn root(&self) -> &Path {
        self.index.directory().root()
    }

    /// What the index is, whatever was asked for.
    pub fn backend(&self) -> Backend {
        self.index.backend()
    }

    /// The lock of this name, or `None` while somebody alive holds it.
    pub fn claim(&self, name: &str) -> Result<Option<Claim>> {
        self.index.ready()?;
        Claim::try_take(&self.index.directory().lock(name))
    }

    /// What the holder of that lock wrote; what a holder that died wrote, if nobody holds it.
    pub fn note(&self, name: &str) -> String {
        lock::note(&self.index.directory().lock(name))
    }

    pub fn take_warnings(&self) -> Vec<String> {
        self.index.take_warnings()
    }

    pub fn warn(&self, message: String) {
        self.index.warn(message);
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.index.is_live() {
            let _ = self.flush();
        }
    }
}
