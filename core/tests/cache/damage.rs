//! Whatever happens to the bytes on the disk: a miss or an error, never something else's content.

use std::fs;
use std::path::Path;

use cacheness::{Cache, Error, Lookup};

use crate::support::*;

fn assert_damaged(cache: &Cache, name: &str) {
    let entry = hit(cache, name);
    match cache.read(&entry, 0) {
        Err(Error::Integrity { entry: label, .. }) => assert!(label.contains(name)),
        other => panic!("{other:?}"),
    }
    miss(cache, name);
    assert_tidy(cache);
}

#[test]
fn every_flipped_byte_of_a_file_is_found() {
    let Fixture { cache, .. } = fixture();
    let bytes: Vec<u8> = (0..100).collect();
    for at in 0..bytes.len() {
        cache.store(draft("a", &[&bytes])).unwrap();
        let path = cache
            .dir()
            .join(hit(&cache, "a").blobs[0].file.as_deref().unwrap());
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&path, damaged).unwrap();
        assert_damaged(&cache, "a");
    }
    assert_eq!(files(&cache.dir().join("quarantine")).len(), bytes.len());
    cache.store(draft("a", &[&bytes])).unwrap();
    assert_eq!(content(&cache, "a"), bytes);
}

#[test]
fn every_other_length_is_found() {
    let Fixture { cache, .. } = fixture();
    let bytes: Vec<u8> = (0..100).collect();
    for length in (0..100).chain([101, 5000]) {
        cache.store(draft("a", &[&bytes])).unwrap();
        let path = cache
            .dir()
            .join(hit(&cache, "a").blobs[0].file.as_deref().unwrap());
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(length).unwrap();
        assert_damaged(&cache, "a");
    }
}

#[test]
fn a_file_that_vanished_or_became_something_else() {
    let Fixture { cache, folder, .. } = fixture();
    let elsewhere = folder.path().join("elsewhere");
    let bytes = [1; 500];
    fs::write(&elsewhere, bytes).unwrap();
    let replace: [fn(&Path, &Path); 4] = [
        |_, _| (),
        |path, elsewhere| std::os::unix::fs::symlink(elsewhere, path).unwrap(),
        |path, _| fs::create_dir(path).unwrap(),
        |path, _| {
            let made = std::process::Command::new("mkfifo")
                .arg(path)
                .status()
                .unwrap();
            assert!(made.success());
        },
    ];
    for replace in replace {
        cache.store(draft("a", &[&bytes])).unwrap();
        let path = cache
            .dir()
            .join(hit(&cache, "a").blobs[0].file.as_deref().unwrap());
        fs::remove_file(&path).unwrap();
        replace(&path, &elsewhere);
        assert_damaged(&cache, "a");
    }
    assert!(elsewhere.exists());
}

/// Where `needle` lies in the closed index of `dir`.
fn find(dir: &Path, needle: &[u8]) -> usize {
    let database = fs::read(dir.join("cache_metadata.db")).unwrap();
    database
        .windows(needle.len())
        .position(|window| window == needle)
        .unwrap()
}

fn flip(dir: &Path, at: usize) {
    let path = dir.join("cache_metadata.db");
    let mut database = fs::read(&path).unwrap();
    database[at] ^= 1 << (at % 8);
    fs::write(&path, database).unwrap();
}

#[test]
fn every_flipped_byte_of_an_inline_blob_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cache");
    let bytes: Vec<u8> = (0..60).map(|n| n ^ 0xa5).collect();
    for at in 0..bytes.len() {
        let cache = Cache::open(options(&dir)).unwrap();
        cache.store(draft("a", &[&bytes])).unwrap();
        drop(cache);
        flip(&dir, find(&dir, &bytes) + at);
        let cache = Cache::open(options(&dir)).unwrap();
        assert_damaged(&cache, "a");
        cache.collect().unwrap();
        fs::remove_dir_all(&dir).unwrap();
    }
}

#[test]
fn a_flipped_byte_of_a_row_is_a_miss() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cache");
    for part in [b"outputs".as_slice(), b"a test", b"\"format\":1", b"bytes"] {
        let cache = Cache::open(options(&dir)).unwrap();
        cache.store(draft("a", &[b"1"])).unwrap();
        drop(cache);
        flip(&dir, find(&dir, part));
        let cache = Cache::open(options(&dir)).unwrap();
        let reason = miss(&cache, "a");
        assert!(
            matches!(reason, cacheness::MissReason::Damaged { .. }),
            "{reason:?}"
        );
        assert_eq!(cache.stats().unwrap().entries, 0);
        drop(cache);
        fs::remove_dir_all(&dir).unwrap();
    }
}

#[test]
fn any_flipped_byte_of_the_index_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cache");
    let fill = || {
        let cache = Cache::open(options(&dir)).unwrap();
        for name in ["a", "b", "c"] {
            cache.store(draft(name, &[name.as_bytes()])).unwrap();
        }
    };
    fill();
    let original = fs::read(dir.join("cache_metadata.db")).unwrap();
    let header = 0..100;
    for at in header.chain((100..original.len()).step_by(211)) {
        let mut damaged = original.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(dir.join("cache_metadata.db"), damaged).unwrap();
        match Cache::open(options(&dir)) {
            Err(Error::Version { .. }) => assert!((60..64).contains(&at)),
            Err(error) => panic!("byte {at}: {error}"),
            Ok(cache) => survive(&cache, at),
        }
        fs::remove_dir_all(&dir).unwrap();
        fs::create_dir(&dir).unwrap();
    }
}

/// Nothing wrong is restored, and at the latest the third attempt to store works again.
fn survive(cache: &Cache, at: usize) {
    for name in ["a", "b", "c"] {
        let mut none = |_: &cacheness::Input| None;
        let found = cache.lookup(&key(name).0, "", cacheness::MaxAge::Entry, &mut none);
        if let Ok(Lookup::Hit(entry)) = found {
            if let Ok(bytes) = cache.read(&entry, 0) {
                assert_eq!(bytes, name.as_bytes(), "byte {at}");
            }
            assert_eq!(entry.meta, draft(name, &[]).meta, "byte {at}");
        }
    }
    let stored = (0..3).find_map(|_| cache.store(draft("d", &[b"d"])).ok());
    assert!(
        stored.is_some(),
        "byte {at}: {:?}",
        cache.store(draft("d", &[b"d"]))
    );
    assert_eq!(content(cache, "d"), b"d", "byte {at}");
}
