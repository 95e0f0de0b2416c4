//! Whatever happens to the bytes on the disk: a miss or an error, never something else's content.

use std::fs;
use std::path::Path;

use cacheness::{Cache, Error};

use crate::support::*;

pub fn assert_damaged(cache: &Cache, name: &str) {
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
