use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::Cache;
use crate::error::{Error, Result};
use crate::hash::{
    Digest, FileDigest, Member, Node, Stamp, digest_absent, digest_members, digest_regular,
    leads_nowhere, unreadable, walk,
};
use crate::key::InputKind;
use crate::pool;
use crate::store::Remembered;

/// What a path holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathDigest {
    /// `File`, `Directory` or `Absent`.
    pub kind: InputKind,
    pub digest: Digest,
}

/// What lies at a path, before any file was opened.
enum Survey {
    Absent,
    File(Stamp),
    Directory(Vec<Member>),
}

/// A file whose digest is wanted.
struct Wanted {
    path: PathBuf,
    stamp: Stamp,
}

impl Cache {
    /// The digest of the file or of everything in the directory at `path`, links followed; a path
    /// that leads nowhere has a digest, too. Files that are unchanged since they were last
    /// digested, going by device, inode, size and times, are not read again.
    ///
    /// # Errors
    /// `Storage` for what cannot be read, and for pipes, sockets and devices, also inside a
    /// directory: nothing is waited for.
    pub fn digest_path(&self, path: &Path) -> Result<PathDigest> {
        let mut found = self.digest_paths(&[path.to_owned()]);
        found
            .pop()
            .unwrap_or_else(|| Err(unreadable(path)(std::io::ErrorKind::NotFound.into())))
    }

    /// As [`Cache::digest_path`] for many paths, in parallel; results in the order of the paths.
    pub fn digest_paths(&self, paths: &[PathBuf]) -> Vec<Result<PathDigest>> {
        if paths.is_empty() {
            return Vec::new();
        }
        let now = self.options.clock.now();
        pool::install(|| {
            let surveys: Vec<(PathBuf, Result<Survey>)> = paths
                .par_iter()
                .map(|path| {
                    let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                    let survey = survey(&path);
                    (path, survey)
                })
                .collect();
            let remembered = self.remember(&surveys);
            let read = surveys
                .par_iter()
                .map(|(path, survey)| digest(path, survey, &remembered));
            let (results, fresh): (Vec<_>, Vec<_>) = read.collect::<Vec<_>>().into_iter().unzip();
            self.memorise(fresh.into_iter().flatten().collect(), now);
            results
        })
    }

    /// What the index knows of the surveyed files. An index that cannot be read knows nothing.
    fn remember(&self, surveys: &[(PathBuf, Result<Survey>)]) -> Remembered {
        let mut files = Vec::new();
        let mut remembered = Remembered::new();
        for (path, survey) in surveys {
            match survey {
                Ok(Survey::File(_)) => files.push(path.as_path()),
                Ok(Survey::Directory(_)) => {
                    remembered.extend(self.store.memo_below(path).unwrap_or_default());
                }
                _ => {}
            }
        }
        remembered.extend(self.store.memo_of(&files).unwrap_or_default());
        remembered
    }

    /// Remembers what was read and had held still for long enough to be recognised by its stamp.
    fn memorise(&self, fresh: Vec<(PathBuf, FileDigest)>, now: i64) {
        let settled: Vec<(&Path, Stamp, Digest)> = fresh
            .iter()
            .filter_map(|(path, read)| {
                let stamp = read.stamp.filter(|stamp| stamp.settled(now))?;
                Some((path.as_path(), stamp, read.digest))
            })
            .collect();
        if let Err(error) = self.store.memo_put(&settled, now) {
            self.store
                .warn(format!("digests of files could not be kept: {error}"));
        }
    }
}

/// As [`Cache::digest_path`], without a cache to remember it.
///
/// # Errors
/// As there.
pub fn digest_path(path: &Path) -> Result<PathDigest> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    pool::install(|| digest(&path, &survey(&path), &Remembered::new()).0)
}

fn survey(path: &Path) -> Result<Survey> {
    match fs::metadata(path) {
        Err(error) if leads_nowhere(&error) => Ok(Survey::Absent),
        Err(error) => Err(unreadable(path)(error)),
        Ok(found) if found.is_dir() => walk(path).map(Survey::Directory),
        Ok(found) => Ok(Survey::File(Stamp::of(&found))),
    }
}

type Outcome = (Result<PathDigest>, Vec<(PathBuf, FileDigest)>);

/// The digest of what was surveyed, and what had to be read for it.
fn digest(path: &Path, survey: &Result<Survey>, remembered: &Remembered) -> Outcome {
    let done = |kind, digest, fresh| (Ok(PathDigest { kind, digest }), fresh);
    match survey {
        Err(error) => (Err(again(path, error)), Vec::new()),
        Ok(Survey::Absent) => done(InputKind::Absent, digest_absent(), Vec::new()),
        Ok(Survey::File(stamp)) => {
            let wanted = Wanted {
                path: path.to_owned(),
                stamp: *stamp,
            };
            match digest_one(&wanted, remembered) {
                Err(error) => (Err(error), Vec::new()),
                Ok((digest, fresh)) => done(InputKind::File, digest, fresh.into_iter().collect()),
            }
        }
        Ok(Survey::Directory(members)) => match digest_below(path, members, remembered) {
            Err(error) => (Err(error), Vec::new()),
            Ok((digest, fresh)) => done(InputKind::Directory, digest, fresh),
        },
    }
}

type Fresh = (PathBuf, FileDigest);

fn digest_below(
    root: &Path,
    members: &[Member],
    remembered: &Remembered,
) -> Result<(Digest, Vec<Fresh>)> {
    let files: Vec<(Digest, Option<Fresh>)> = members
        .par_iter()
        .filter_map(|member| match member.node {
            Node::File(stamp) => Some(Wanted {
                path: root.join(&member.path),
                stamp,
            }),
            _ => None,
        })
        .map(|wanted| digest_one(&wanted, remembered))
        .collect::<Result<_>>()?;
    let digest = digest_members(members, files.iter().map(|(digest, _)| *digest));
    Ok((
        digest,
        files.into_iter().filter_map(|(_, fresh)| fresh).collect(),
    ))
}

fn digest_one(wanted: &Wanted, remembered: &Remembered) -> Result<(Digest, Option<Fresh>)> {
    let path = wanted.path.as_os_str().as_encoded_bytes();
    match remembered.get(path) {
        Some((stamp, digest)) if *stamp == wanted.stamp => Ok((*digest, None)),
        _ => {
            let read = digest_regular(&wanted.path)?;
            Ok((read.digest, Some((wanted.path.clone(), read))))
        }
    }
}

/// The survey's error as the result: `Error` holds what cannot be cloned.
fn again(path: &Path, error: &Error) -> Error {
    match error {
        Error::Storage { what, path, source } => {
            let source = std::io::Error::new(source.kind(), source.to_string());
            Error::storage(what, path)(source)
        }
        other => unreadable(path)(std::io::Error::other(other.to_string())),
    }
}
