//! The SQLite index: left alone when newer, set aside when it is none, survived when it is damaged.

use std::fs;
use std::path::Path;

use cacheness::{Cache, Error, Lookup};

use crate::damage::assert_damaged;
use crate::support::*;

fn open(dir: &Path) -> Result<Cache, Error> {
    Cache::open(options(dir))
}

/// All bytes of the index and its log.
fn index(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|listed| listed.unwrap())
        .filter(|listed| {
            listed
                .file_name()
                .to_string_lossy()
                .starts_with("cache_metadata")
        })
        .map(|listed| {
            (
                listed.file_name().into_string().unwrap(),
                fs::read(listed.path()).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_database_elsewhere_belongs_to_one_directory_and_the_other_way_round() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    let database = folder.path().join("below/index.db");
    let with = |dir: &Path, database: &Path| {
        Cache::open(cacheness::CacheOptions {
            database: Some(database.to_owned()),
            ..options(dir)
        })
    };
    with(&one, &database)
        .unwrap()
        .store(draft("a", &[&[1; 500]]))
        .unwrap();
    assert!(database.exists() && !one.join("cache_metadata.db").exists());
    // The directory knows where its index is.
    assert_eq!(content(&open(&one).unwrap(), "a"), [1; 500]);
    assert_eq!(content(&with(&one, &database).unwrap(), "a"), [1; 500]);
    drop(open(&two).unwrap());
    let three = folder.path().join("three");
    for (dir, database) in [
        (&one, folder.path().join("other.db")),
        (&two, folder.path().join("other.db")),
        (&three, database.clone()),
    ] {
        let message = match with(dir, &database) {
            Err(Error::Config(message)) => message,
            other => panic!("{:?}", other.err()),
        };
        assert!(message.contains(dir.to_str().unwrap()), "{message}");
    }
    // A directory that is gone gives its database free.
    std::fs::remove_dir_all(&one).unwrap();
    miss(&with(&three, &database).unwrap(), "b");
}

#[test]
fn a_later_version_is_refused_and_left_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cache");
    open(&dir).unwrap().store(draft("a", &[&[1; 500]])).unwrap();
    let path = dir.join("cache_metadata.db");
    let mut database = fs::read(&path).unwrap();
    database[60..64].copy_from_slice(&2u32.to_be_bytes());
    fs::write(&path, database).unwrap();
    let before = (index(&dir), files(&dir));
    match open(&dir) {
        Err(Error::Version {
            found: 2, known: 1, ..
        }) => {}
        other => panic!("{:?}", other.err()),
    }
    assert_eq!((index(&dir), files(&dir)), before);
    assert_eq!(fs::read_dir(dir.join("quarantine")).unwrap().count(), 0);
}

#[test]
fn a_later_version_that_stands_only_in_the_log_is_left_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cache");
    drop(open(&dir).unwrap());
    let path = dir.join("cache_metadata.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.pragma_update(None, "user_version", 7).unwrap();
    // As after a crash of that version: the log is there, and nobody has it open.
    let copies = index(&dir);
    drop(other);
    for (name, bytes) in &copies {
        if !name.ends_with("-shm") {
            fs::write(dir.join(name), bytes).unwrap();
        }
    }
    let lasting = |dir: &Path| {
        let mut files = index(dir);
        files.retain(|(name, _)| !name.ends_with("-shm"));
        files
    };
    let before = lasting(&dir);
    assert_eq!(before.len(), 2);
    assert!(matches!(open(&dir), Err(Error::Version { found: 7, .. })));
    assert_eq!(lasting(&dir), before);
}

#[test]
fn what_is_no_index_is_set_aside_and_told() {
    let foreign = |path: &Path| {
        let other = rusqlite::Connection::open(path).unwrap();
        other.execute_batch("CREATE TABLE theirs (x)").unwrap();
    };
    let make: [&dyn Fn(&Path); 3] = [
        &|path| fs::write(path, "garbage").unwrap(),
        &|path| {
            fs::write(
                path,
                [b"SQLite format 3\0".as_slice(), &[255; 5000]].concat(),
            )
            .unwrap()
        },
        &foreign,
    ];
    for make in make {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("cache");
        open(&dir).unwrap().store(draft("a", &[&[1; 500]])).unwrap();
        let path = dir.join("cache_metadata.db");
        fs::remove_file(&path).unwrap();
        make(&path);
        let content = fs::read(&path).unwrap();
        let cache = open(&dir).unwrap();
        let warnings = cache.warnings();
        assert!(
            warnings.len() == 1 && warnings[0].contains("set aside"),
            "{warnings:?}"
        );
        assert_eq!(
            fs::read(dir.join("quarantine/cache_metadata.db")).unwrap(),
            content
        );
        assert_tidy(&cache);
        cache.store(draft("a", &[b"1"])).unwrap();
        assert_eq!(cache.warnings(), Vec::<String>::new());
        assert_eq!(content_of_reopened(cache, &dir), b"1");
    }
}

fn content_of_reopened(cache: Cache, dir: &Path) -> Vec<u8> {
    drop(cache);
    content(&open(dir).unwrap(), "a")
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
