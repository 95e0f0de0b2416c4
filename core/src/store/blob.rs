use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::process;

use super::layout::{Directory, create_new, is_ours};
use super::lock::{is_lockless, is_still};
use crate::error::{Error, Result};
use crate::hash::Digest;

/// A blob file that is written, but not yet named by a row. Dropped, it is removed; kept, only its
/// marker is.
pub struct DraftFile<'a> {
    directory: &'a Directory,
    name: String,
    marker: File,
    kept: bool,
}

impl<'a> DraftFile<'a> {
    /// Writes `bytes` under a name of its own: `{key}_{kind}_{tag}.{extension}`.
    ///
    /// The marker in `drafts/` comes first and stays locked: whoever finds the file without a row
    /// sees whether its writer lives.
    pub fn write(
        directory: &'a Directory,
        (key, kind, extension): (u64, &str, &str),
        bytes: &[u8],
        flush: bool,
    ) -> Result<Self> {
        let draft = loop {
            let name = format!("{key:016x}_{kind}_{:08x}.{extension}", random_tag());
            match Self::mark(directory, name)? {
                Some(draft) => break draft,
                None => continue,
            }
        };
        let path = directory.blob(&draft.name);
        let write = || -> io::Result<()> {
            let mut file = create_new(&path)?;
            file.write_all(bytes)?;
            if flush {
                file.sync_all()?;
                File::open(directory.root())?.sync_all()?;
            }
            Ok(())
        };
        write().map_err(Error::storage("cannot write", &path))?;
        Ok(draft)
    }

    /// `None` when the name is taken, or was taken back before the lock was had.
    fn mark(directory: &'a Directory, name: String) -> Result<Option<Self>> {
        let path = directory.drafts().join(&name);
        let marker = match create_new(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
            other => other.map_err(Error::storage("cannot write", &path))?,
        };
        if let Err(error) = marker.lock()
            && !is_lockless(&error)
        {
            let _ = fs::remove_file(&path);
            return Err(Error::storage("cannot lock", &path)(error));
        }
        let taken = directory.blob(&name).symlink_metadata().is_ok();
        if !is_still(&marker, &path) || taken {
            if taken {
                let _ = fs::remove_file(&path);
            }
            return Ok(None);
        }
        Ok(Some(Self {
            directory,
            name,
            marker,
            kept: false,
        }))
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The row is committed: the file stays.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for DraftFile<'_> {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(self.directory.blob(&self.name));
        }
        let _ = fs::remove_file(self.directory.drafts().join(&self.name));
        // Explicitly: a child forked meanwhile holds the descriptor too.
        let _ = self.marker.unlock();
    }
}

/// 32 bits that differ between threads and processes, also after a fork.
pub fn random_tag() -> u32 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(process::id());
    (hasher.finish() >> 32) as u32
}

/// Whether `name` is one that [`DraftFile::write`] gives: nothing else is ever removed.
pub fn is_blob_name(name: &str) -> bool {
    let Some((stem, extension)) = name.split_once('.') else {
        return false;
    };
    let parts: Vec<&str> = stem.split('_').collect();
    let hexadecimal = |text: &str, length| {
        text.len() == length
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.')
    };
    match parts[..] {
        [key, kind, tag] => {
            hexadecimal(key, 16) && word(kind) && hexadecimal(tag, 8) && word(extension)
        }
        _ => false,
    }
}

/// Removes what dead writers left: each marker whose lock can be had, and its file if no row names
/// it. How many files that were.
pub fn recover(directory: &Directory, mut named: impl FnMut(&str) -> Result<bool>) -> Result<u64> {
    let drafts = directory.drafts();
    let mut removed = 0;
    for listed in fs::read_dir(&drafts).map_err(Error::storage("cannot list", &drafts))? {
        let Ok(listed) = listed else { continue };
        let Ok(name) = listed.file_name().into_string() else {
            continue;
        };
        let Some(_marker) = abandoned(&listed.path()) else {
            continue;
        };
        if is_blob_name(&name) && !named(&name)? && fs::remove_file(directory.blob(&name)).is_ok() {
            removed += 1;
        }
        let _ = fs::remove_file(listed.path());
    }
    Ok(removed)
}

/// The marker at `path`, locked, if nobody else holds it.
fn abandoned(path: &std::path::Path) -> Option<File> {
    let marker = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .ok()?;
    match marker.try_lock() {
        Ok(()) => Some(marker),
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => None,
    }
}

/// What stands between a row and its bytes.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The file is not there.
    #[error("its file is gone")]
    Vanished,
    /// It is there, and is not what was stored.
    #[error("{0}")]
    Wrong(String),
    /// The system would not say.
    #[error("its file cannot be read: {0}")]
    Unreadable(io::Error),
}

/// The bytes of a blob file, if they are what was stored.
pub fn read(
    directory: &Directory,
    name: &str,
    size: u64,
    digest: &Digest,
) -> std::result::Result<Vec<u8>, Damage> {
    if !is_blob_name(name) {
        return Err(Damage::Wrong(format!("{name:?} is no name of a blob")));
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(directory.blob(name))
        .map_err(|error| match error.raw_os_error() {
            Some(libc::ENOENT) => Damage::Vanished,
            Some(libc::ELOOP) => Damage::Wrong(format!("{name} is a link")),
            _ => Damage::Unreadable(error),
        })?;
    let found = file.metadata().map_err(Damage::Unreadable)?;
    if !found.is_file() {
        return Err(Damage::Wrong(format!("{name} is not a regular file")));
    }
    if !is_ours(found.uid()) {
        return Err(Damage::Wrong(format!("{name} belongs to another user")));
    }
    if found.len() != size {
        let found = found.len();
        return Err(Damage::Wrong(format!(
            "{name} has {found} bytes instead of {size}"
        )));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    file.take(size)
        .read_to_end(&mut bytes)
        .map_err(Damage::Unreadable)?;
    verify(name, bytes, size, digest)
}

/// `bytes`, if they have the size and the digest that were stored.
pub fn verify(
    name: &str,
    bytes: Vec<u8>,
    size: u64,
    digest: &Digest,
) -> std::result::Result<Vec<u8>, Damage> {
    if bytes.len() as u64 != size {
        return Err(Damage::Wrong(format!(
            "{name} has {} bytes instead of {size}",
            bytes.len()
        )));
    }
    if Digest::of(&bytes) != *digest {
        return Err(Damage::Wrong(format!(
            "the content of {name} is not what was stored"
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_are_names() {
        assert!(is_blob_name("0123456789abcdef_array_3f9c21d0.b2nd"));
        assert!(is_blob_name("0123456789abcdef_object_3f9c21d0.pkl.b2"));
        for other in [
            "cache_metadata.db",
            "0123456789abcdef_array.b2nd",
            "0123456789abcdef_array_3f9c21d0",
            "0123456789ABCDEF_array_3f9c21d0.b2nd",
            "../456789abcdef01_array_3f9c21d0.b2nd",
            "0123456789abcdef_a/b_3f9c21d0.b2nd",
            "0123456789abcdef_array_3f9c21d0.b2/nd",
        ] {
            assert!(!is_blob_name(other), "{other}");
        }
    }

    #[test]
    fn a_draft_leaves_nothing_unless_kept() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::prepare(&folder.path().join("c"), None).unwrap();
        let write = || DraftFile::write(&directory, (1, "array", "b2nd"), b"abc", false).unwrap();
        let name = write().name().to_owned();
        assert!(!directory.blob(&name).exists());
        let draft = write();
        let name = draft.name().to_owned();
        assert!(is_blob_name(&name));
        assert_eq!(
            recover(&directory, |_| Ok(false)).unwrap(),
            0,
            "its writer lives"
        );
        draft.keep();
        assert!(directory.blob(&name).exists());
        assert_eq!(fs::read_dir(directory.drafts()).unwrap().count(), 0);
    }

    #[test]
    fn the_draft_of_a_dead_writer_is_removed_unless_a_row_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::prepare(&folder.path().join("c"), None).unwrap();
        let [lost, kept] = [1, 2].map(|tag| format!("0123456789abcdef_array_{tag:08x}.b2nd"));
        for name in [&lost, &kept] {
            fs::write(directory.blob(name), b"x").unwrap();
            fs::write(directory.drafts().join(name), b"").unwrap();
        }
        assert_eq!(recover(&directory, |name| Ok(name == kept)).unwrap(), 1);
        assert!(!directory.blob(&lost).exists() && directory.blob(&kept).exists());
        assert_eq!(fs::read_dir(directory.drafts()).unwrap().count(), 0);
    }
}
