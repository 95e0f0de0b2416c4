use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::place::locate;
use crate::config::Backend;
use crate::error::{Error, Result};

/// The index: a database or a document.
pub const DATABASE: &str = "cache_metadata.db";
pub const DOCUMENT: &str = "cache_metadata.json";

/// What SQLite keeps beside a database: its write-ahead log and the log's index.
pub fn beside(database: &Path) -> [PathBuf; 2] {
    ["-wal", "-shm"].map(|end| {
        let mut path = database.as_os_str().to_owned();
        path.push(end);
        path.into()
    })
}

const SUBDIRECTORIES: [&str; 3] = ["drafts", "locks", "quarantine"];

/// The standard mark by which backup programs leave caches out.
const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # This directory holds results that cacheness can compute again.\n";

/// A cache directory that exists, belongs to us, and has its subdirectories.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
    database: PathBuf,
}

impl Directory {
    /// Makes what is missing. A directory of another user, or anything that is no directory, is
    /// refused; a directory with other things in it is used, but not marked as a cache.
    ///
    /// `database` is where the database lies, if elsewhere.
    pub fn prepare(root: &Path, database: Option<&Path>) -> Result<Self> {
        let absolute = |path: &Path| std::path::absolute(path).map_err(Error::storage(USE, path));
        let root = absolute(root)?;
        let database = database.map(absolute).transpose()?;
        let mut directory = Self {
            database: PathBuf::new(),
            root,
        };
        directory.restore()?;
        directory.database = locate(&directory.root, database.as_deref())?;
        Ok(directory)
    }

    /// Makes what is missing, also when it was removed while in use.
    pub fn restore(&self) -> Result<()> {
        if create_root(&self.root)? {
            set_mode(&self.root, 0o700).map_err(Error::storage(USE, &self.root))?;
            for (name, content) in [("CACHEDIR.TAG", TAG), (".gitignore", "*\n")] {
                let path = self.root.join(name);
                write_once(&path, content).map_err(Error::storage("cannot write", &path))?;
            }
        }
        for name in SUBDIRECTORIES {
            let path = self.root.join(name);
            create_private(&path).map_err(Error::storage("cannot create", &path))?;
        }
        Ok(())
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn index(&self, backend: Backend) -> PathBuf {
        match backend {
            Backend::Json => self.root.join(DOCUMENT),
            Backend::Auto | Backend::Sqlite => self.database.clone(),
        }
    }

    pub fn blob(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn drafts(&self) -> PathBuf {
        self.root.join("drafts")
    }

    pub fn lock(&self, name: &str) -> PathBuf {
        self.root.join("locks").join(format!("{name}.lock"))
    }

    pub fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    /// Moves `path` out of use, under its own name and, where that is taken, a number.
    pub fn set_aside(&self, path: &Path) -> io::Result<PathBuf> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for number in 0..10_000 {
            let aside = match number {
                0 => self.quarantine().join(&*name),
                _ => self.quarantine().join(format!("{name}.{number}")),
            };
            match OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&aside)
            {
                Ok(_) => {
                    let moved = match fs::rename(path, &aside) {
                        // A database may lie on another file system than its directory.
                        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                            fs::copy(path, &aside).and_then(|_| fs::remove_file(path))
                        }
                        moved => moved,
                    };
                    if moved.is_err() {
                        let _ = fs::remove_file(&aside);
                    }
                    return moved.map(|()| aside);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    /// Keeps bytes for inspection that had no file of their own.
    pub fn set_aside_bytes(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.quarantine().join(name);
        match create_new(&path) {
            Ok(mut file) => file.write_all(bytes),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }
}

const USE: &str = "cannot use as a cache directory";

/// Whether the directory is new or empty, and so ours to mark.
fn create_root(root: &Path) -> Result<bool> {
    let refuse = |kind, why: &str| {
        Err(Error::storage(USE, root)(io::Error::new(
            kind,
            why.to_owned(),
        )))
    };
    match fs::metadata(root) {
        Ok(found) if !found.is_dir() => {
            refuse(ErrorKind::NotADirectory, "there is a file in its place")
        }
        Ok(found) if !is_ours(found.uid()) => {
            refuse(ErrorKind::PermissionDenied, "it belongs to another user")
        }
        Ok(_) => {
            let mut listed = fs::read_dir(root).map_err(Error::storage(USE, root))?;
            Ok(listed.next().is_none())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Some(parent) = root.parent() {
                fs::create_dir_all(parent).map_err(Error::storage("cannot create", parent))?;
            }
            create_private(root).map_err(Error::storage("cannot create", root))?;
            Ok(true)
        }
        Err(error) => Err(Error::storage(USE, root)(error)),
    }
}

/// Whether a file with this owner is trusted: an entry may run code when it is read.
pub fn is_ours(owner: u32) -> bool {
    // SAFETY: geteuid takes nothing, returns a number and cannot fail.
    owner == unsafe { libc::geteuid() }
}

fn create_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => set_mode(path, 0o700),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Sets the mode that `open` and `mkdir` were asked for and the umask may have cut.
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// A new file for this user alone, whatever the umask; an error if the path is taken.
pub fn create_new(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// The file at `path`, made for this user alone if it is missing. Never a link, never waited for.
pub fn open_or_create(path: &Path) -> io::Result<File> {
    let open = || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)
    };
    // Others may make and remove it between any two of our steps.
    for _ in 0..1000 {
        match open() {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => return other,
        }
        match create_new(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    open()
}

pub fn write_once(path: &Path, content: &str) -> io::Result<()> {
    match create_new(path) {
        Ok(mut file) => file.write_all(content.as_bytes()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
