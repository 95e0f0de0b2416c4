//! A database that lies outside of its cache directory: each of the two names the other, so that no
//! directory gets two indexes, and no index two directories.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::layout::{DATABASE, DOCUMENT, write_once};
use crate::error::{Error, Result};

/// In the directory: where its database lies.
const LINK: &str = "cache_metadata.path";

/// Where the database of the directory lies: where it was made, or where `asked` says.
///
/// # Errors
/// `Config` when the directory has an index elsewhere, or the database belongs to another directory.
pub fn locate(root: &Path, asked: Option<&Path>) -> Result<PathBuf> {
    let own = root.join(DATABASE);
    let link = root.join(LINK);
    let Some(asked) = asked.filter(|asked| *asked != own) else {
        return Ok(read(&link)?.map_or(own, PathBuf::from));
    };
    for index in [own, root.join(DOCUMENT)] {
        if fs::symlink_metadata(&index).is_ok() {
            return Err(taken(root, &index, asked));
        }
    }
    let mut home = asked.as_os_str().to_owned();
    home.push(".home");
    let home = PathBuf::from(home);
    if let Some(other) = read(&home)? {
        if Path::new(&other) != root && Path::new(&other).join(LINK).exists() {
            return Err(Error::Config(format!(
                "the database {} is the index of the cache in {other}; the one in {} needs another",
                asked.display(),
                root.display()
            )));
        }
        fs::remove_file(&home).map_err(Error::storage("cannot replace", &home))?;
    }
    if let Some(parent) = asked.parent() {
        fs::create_dir_all(parent).map_err(Error::storage("cannot create", parent))?;
    }
    write(&link, asked)?;
    match read(&link)? {
        Some(found) if Path::new(&found) != asked => Err(taken(root, Path::new(&found), asked)),
        _ => write(&home, root).map(|()| asked.to_owned()),
    }
}

fn taken(root: &Path, found: &Path, asked: &Path) -> Error {
    Error::Config(format!(
        "the cache in {} has its index in {}, and would have none of its entries in {}: leave the database \
         out, or choose another directory",
        root.display(),
        found.display(),
        asked.display()
    ))
}

fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::storage("cannot read", path)(error)),
    }
}

fn write(path: &Path, named: &Path) -> Result<()> {
    let Some(text) = named.to_str() else {
        let message = format!("{} is not UTF-8", named.display());
        return Err(Error::Config(message));
    };
    write_once(path, text).map_err(Error::storage("cannot write", path))
}
