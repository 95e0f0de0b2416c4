use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::blob::random_tag;
use super::connect::{Refusal, check_file};
use super::json;
use super::layout::{Directory, create_new};
use super::lock::{is_lockless, is_still};
use crate::config::{Backend, Durability};
use crate::error::{Error, Result};
use crate::hash::Stamp;

/// The index as a JSON file, and which state of it a database in memory holds.
pub struct Document {
    path: PathBuf,
    drafts: PathBuf,
    root: PathBuf,
    durability: Durability,
    /// The file is kept open, so that no other file gets its inode: then its stamp tells it from all
    /// that replace it.
    loaded: Option<(File, Stamp)>,
}

impl Document {
    pub fn new(directory: &Directory, durability: Durability) -> Self {
        Self {
            path: directory.index(Backend::Json),
            drafts: directory.drafts(),
            root: directory.root().to_owned(),
            durability,
            loaded: None,
        }
    }

    pub fn exists(&self) -> bool {
        self.loaded.is_some()
    }

    /// Reads the file into `connection` unless that holds it already. No file: no entries.
    pub fn refresh(&mut self, connection: &Connection) -> std::result::Result<(), Refusal> {
        match (fs::symlink_metadata(&self.path), &self.loaded) {
            (Ok(found), Some((_, stamp))) if Stamp::of(&found) == *stamp => return Ok(()),
            (Err(error), None) if error.kind() == ErrorKind::NotFound => return Ok(()),
            _ => {}
        }
        self.loaded = None;
        check_file(&self.path)?;
        match self.open() {
            Ok((file, stamp, text)) => {
                json::read(&text, connection)?;
                self.loaded = Some((file, stamp));
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                json::read(json::EMPTY, connection)
            }
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                Err(Refusal::Foreign("it is not UTF-8".to_owned()))
            }
            Err(error) => Err(Refusal::Other(Error::storage("cannot read", &self.path)(
                error,
            ))),
        }
    }

    fn open(&self) -> io::Result<(File, Stamp, String)> {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&self.path)?;
        let stamp = Stamp::of(&file.metadata()?);
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok((file, stamp, text))
    }

    /// Replaces the file by what `connection` holds: wholly, or not at all. It is flushed first, whatever
    /// the durability: a torn one would be the loss of every entry.
    pub fn publish(&mut self, connection: &Connection) -> Result<()> {
        let failed = |error| Error::storage("cannot write", &self.path)(error);
        let text = json::write(connection).map_err(|error| Error::Index {
            path: self.path.clone(),
            message: error.to_string(),
        })?;
        let (mut file, draft) = draft(&self.drafts).map_err(failed)?;
        let mut replace = || -> io::Result<Stamp> {
            file.write_all(text.as_bytes())?;
            file.sync_data()?;
            fs::rename(&draft, &self.path)?;
            if self.durability == Durability::Full {
                File::open(&self.root)?.sync_all()?;
            }
            let _ = file.unlock();
            Ok(Stamp::of(&file.metadata()?))
        };
        match replace() {
            Ok(stamp) => {
                self.loaded = Some((file, stamp));
                Ok(())
            }
            Err(error) => {
                let _ = fs::remove_file(&draft);
                Err(failed(error))
            }
        }
    }
}

/// A new file in `drafts`, locked while its writer lives: others remove what a dead one left.
fn draft(drafts: &Path) -> io::Result<(File, PathBuf)> {
    loop {
        let path = drafts.join(format!("{}.{:08x}", super::layout::DOCUMENT, random_tag()));
        let file = match create_new(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            other => other?,
        };
        match file.lock() {
            Err(error) if !is_lockless(&error) => return Err(error),
            _ if is_still(&file, &path) => return Ok((file, path)),
            _ => {}
        }
    }
}
