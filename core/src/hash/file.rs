use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use twox_hash::xxhash3_128;

use super::{Digest, StableHasher, Stamp};
use crate::error::{Error, Result};

/// Bytes per read: large enough that the calls do not count, small enough for the cache of a core.
const CHUNK: usize = 256 * 1024;

/// How often a file that changes while it is read is read again.
const ATTEMPTS: usize = 3;

/// The digest of a regular file, and the stamp it had when the reading began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileDigest {
    pub digest: Digest,
    /// `None` when the file never held still: the digest is of something that was read, but no
    /// stamp stands for it.
    pub stamp: Option<Stamp>,
}

/// The digest of what a path holds that leads nowhere.
pub fn digest_absent() -> Digest {
    StableHasher::new("absent").finish()
}

/// Reads the file at `path`, following links, and digests its length and content.
///
/// Anything but a regular file is refused without waiting for it.
pub fn digest_file(path: &Path) -> io::Result<FileDigest> {
    let mut file = open_regular(path)?;
    let mut buffer = vec![0; CHUNK];
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let before = Stamp::of(&file.metadata()?);
        let digest = digest_stream(&mut file, &mut buffer)?;
        if Stamp::of(&file.metadata()?) == before {
            return Ok(FileDigest {
                digest,
                stamp: Some(before),
            });
        }
        last = Some(digest);
        file = open_regular(path)?;
    }
    let digest = last.ok_or_else(|| io::Error::other("the file was never read"))?;
    Ok(FileDigest {
        digest,
        stamp: None,
    })
}

fn digest_stream(file: &mut File, buffer: &mut [u8]) -> io::Result<Digest> {
    let mut stream = xxhash3_128::Hasher::new();
    let mut length = 0;
    loop {
        match file.read(buffer) {
            Ok(0) => break,
            Ok(count) => {
                stream.write(&buffer[..count]);
                length += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(file_digest(length, &Digest::from_u128(stream.finish_128())))
}

fn file_digest(length: u64, content: &Digest) -> Digest {
    let mut hasher = StableHasher::new("file");
    hasher.u64(length);
    hasher.digest(content);
    hasher.finish()
}

/// Non-blocking, so that a pipe put there in the meantime cannot stop us.
fn open_regular(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(special())
    }
}

/// What a pipe, a socket or a device gets: it has no content that could be compared.
pub(super) fn special() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is a pipe, a socket or a device, which has no content to digest",
    )
}

/// For `map_err`: a path could not be digested.
pub(crate) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Error {
    Error::storage("cannot digest", path)
}

/// Whether the error says that there is nothing at the path.
pub(crate) fn leads_nowhere(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// As [`digest_file`], with the path in the error.
pub fn digest_regular(path: &Path) -> Result<FileDigest> {
    digest_file(path).map_err(unreadable(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_and_length_decide() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let mut seen = std::collections::HashSet::new();
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let content = vec![7; size];
            std::fs::write(&path, &content).unwrap();
            let found = digest_file(&path).unwrap();
            assert_eq!(
                found.digest,
                file_digest(size as u64, &Digest::of(&content))
            );
            assert_eq!(found.stamp.unwrap().size, size as u64);
            assert!(seen.insert(found.digest));
        }
    }

    #[test]
    fn special_files_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        for path in [pipe.as_path(), Path::new("/dev/zero"), folder.path()] {
            assert!(digest_file(path).is_err(), "{}", path.display());
        }
    }
}
