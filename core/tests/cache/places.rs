//! The directory: made private, refused where it cannot be trusted or used, left alone when newer.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use cacheness::{Cache, Error};

use crate::support::*;

fn open(dir: &Path) -> Result<Cache, Error> {
    Cache::open(options(dir))
}

fn refused(dir: &Path) -> String {
    match open(dir) {
        Ok(_) => panic!("{} was opened", dir.display()),
        Err(error @ Error::Storage { .. }) => error.to_string(),
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn everything_is_private_and_marked() {
    let Fixture { cache, .. } = fixture();
    cache.store(draft("a", &[&[0; 500]])).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(cache.dir()), 0o700);
    for listed in fs::read_dir(cache.dir()).unwrap() {
        let listed = listed.unwrap();
        let wanted = if listed.file_type().unwrap().is_dir() {
            0o700
        } else {
            0o600
        };
        assert_eq!(mode(&listed.path()), wanted, "{}", listed.path().display());
    }
    let tag = fs::read_to_string(cache.dir().join("CACHEDIR.TAG")).unwrap();
    assert!(tag.starts_with("Signature: 8a477f597d28d172789f06886806bc55"));
    assert_eq!(
        fs::read_to_string(cache.dir().join(".gitignore")).unwrap(),
        "*\n"
    );
}

#[test]
fn a_directory_with_other_things_is_used_but_not_marked() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.txt"), "x").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let cache = open(folder.path()).unwrap();
    cache.store(draft("a", &[b"1"])).unwrap();
    assert!(!folder.path().join(".gitignore").exists());
    assert_eq!(fs::metadata(folder.path()).unwrap().mode() & 0o777, 0o755);
}

#[test]
fn places_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    for dir in [file.clone(), file.join("below"), "/proc/cacheness".into()] {
        assert!(refused(&dir).contains(dir.parent().unwrap().to_str().unwrap()));
    }
    assert!(refused(&file).contains("a file in its place"));
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[test]
fn another_users_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("theirs");
    fs::create_dir(&dir).unwrap();
    // Only root can give a directory away; for others the owner of `/proc/1` is another user.
    let theirs = match std::os::unix::fs::chown(&dir, Some(12345), None) {
        Ok(()) => dir.as_path(),
        Err(_) => Path::new("/"),
    };
    assert!(refused(theirs).contains("another user"));
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn a_directory_removed_while_in_use_is_made_again() {
    let Fixture { cache, .. } = fixture();
    cache.store(draft("a", &[&[1; 500]])).unwrap();
    fs::remove_dir_all(cache.dir()).unwrap();
    miss(&cache, "a");
    fs::remove_dir_all(cache.dir()).unwrap();
    cache.store(draft("a", &[&[2; 500]])).unwrap();
    assert_eq!(content(&cache, "a"), [2; 500]);
    fs::remove_dir_all(cache.dir()).unwrap();
    assert!(cache.claim(&key("a").0).unwrap().is_some());
    assert_tidy(&cache);
}
