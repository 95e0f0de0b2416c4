use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::file::{leads_nowhere, special, unreadable};
use super::{Digest, StableHasher, Stamp};
use crate::error::Result;

/// Something below a directory.
#[derive(Clone, Debug)]
pub struct Member {
    /// Relative to the directory, `/` between its parts.
    pub path: PathBuf,
    pub node: Node,
}

/// What a member is; links count as what they lead to.
#[derive(Clone, Debug)]
pub enum Node {
    File(Stamp),
    Directory,
    /// A link that leads nowhere, or back to a directory that it lies in: its text.
    Link(OsString),
}

/// Everything below `root`, sorted by path. Nothing is opened but directories; a pipe, a socket or
/// a device is an error, because no digest could stand for it.
///
/// Runs on the current rayon pool.
pub fn walk(root: &Path) -> Result<Vec<Member>> {
    let above = identity(&fs::metadata(root).map_err(unreadable(root))?);
    let mut members = Vec::new();
    descend(root, Path::new(""), &[above], &mut members)?;
    members.sort_unstable_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
    Ok(members)
}

/// The digest of a directory: each member's kind, path and content, given in the order of [`walk`];
/// `files` yields the digests of its files in that order.
pub fn digest_members(members: &[Member], mut files: impl Iterator<Item = Digest>) -> Digest {
    let mut hasher = StableHasher::new("directory");
    hasher.u64(members.len() as u64);
    for member in members {
        hasher.bytes(member.path.as_os_str().as_bytes());
        match &member.node {
            Node::File(_) => {
                hasher.str("file");
                if let Some(digest) = files.next() {
                    hasher.digest(&digest);
                }
            }
            Node::Directory => hasher.str("directory"),
            Node::Link(text) => {
                hasher.str("link");
                hasher.bytes(text.as_bytes());
            }
        }
    }
    hasher.finish()
}

type Identity = (u64, u64);

fn identity(metadata: &Metadata) -> Identity {
    let stamp = Stamp::of(metadata);
    (stamp.device, stamp.inode)
}

/// Adds what lies in `relative` to `found`; `above` are the directories on the way down to it.
fn descend(
    root: &Path,
    relative: &Path,
    above: &[Identity],
    found: &mut Vec<Member>,
) -> Result<()> {
    let here = root.join(relative);
    let listed = match fs::read_dir(&here) {
        Ok(listed) => listed
            .collect::<io::Result<Vec<_>>>()
            .map_err(unreadable(&here))?,
        Err(error) if leads_nowhere(&error) => return Ok(()),
        Err(error) => return Err(unreadable(&here)(error)),
    };
    let below: Vec<Vec<Member>> = listed
        .par_iter()
        .with_min_len(32)
        .map(|entry| {
            let path = relative.join(entry.file_name());
            let mut members = Vec::new();
            let Some((node, metadata)) = inspect(&root.join(&path), above)? else {
                return Ok(members);
            };
            let inside = matches!(node, Node::Directory).then(|| path.clone());
            members.push(Member { path, node });
            if let (Some(inside), Some(metadata)) = (inside, metadata) {
                let mut above = above.to_vec();
                above.push(identity(&metadata));
                descend(root, &inside, &above, &mut members)?;
            }
            Ok(members)
        })
        .collect::<Result<_>>()?;
    found.extend(below.into_iter().flatten());
    Ok(())
}

/// What is at `path`: `None` if it vanished since it was listed.
fn inspect(path: &Path, above: &[Identity]) -> Result<Option<(Node, Option<Metadata>)>> {
    let itself = match fs::symlink_metadata(path) {
        Ok(itself) => itself,
        Err(error) if leads_nowhere(&error) => return Ok(None),
        Err(error) => return Err(unreadable(path)(error)),
    };
    let link = || {
        Ok(Some((
            Node::Link(fs::read_link(path).map_err(unreadable(path))?.into()),
            None,
        )))
    };
    let target = if itself.is_symlink() {
        match fs::metadata(path) {
            Ok(target) => target,
            Err(error) if leads_nowhere(&error) => return link(),
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return link(),
            Err(error) => return Err(unreadable(path)(error)),
        }
    } else {
        itself
    };
    if target.is_file() {
        Ok(Some((Node::File(Stamp::of(&target)), None)))
    } else if !target.is_dir() {
        Err(unreadable(path)(special()))
    } else if above.contains(&identity(&target)) {
        link()
    } else {
        Ok(Some((Node::Directory, Some(target))))
    }
}
