//! What the tests store, and how they look at what lies on the disk.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use cacheness::{
    Blob, BlobKind, Cache, CacheOptions, Clock, Digest, Draft, Entry, Input, InputKind, Key,
    KeyBuilder, ListFilter, Lookup, Manifest, MaxAge, MissReason,
};

pub const SECOND: Duration = Duration::from_secs(1);
pub const START: i64 = 1_800_000_000_000_000_000;

/// A directory that is removed at the end, and a cache in it whose clock the test moves.
pub struct Fixture {
    pub folder: tempfile::TempDir,
    pub clock: Clock,
    pub cache: Cache,
}

pub fn fixture() -> Fixture {
    fixture_with(|_| ())
}

pub fn fixture_with(set: impl FnOnce(&mut CacheOptions)) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let mut options = options(&folder.path().join("cache"));
    options.clock = clock.clone();
    set(&mut options);
    let cache = Cache::open(options).unwrap();
    Fixture {
        folder,
        clock,
        cache,
    }
}

/// Small enough an inline limit that both kinds of blobs are cheap to make.
pub fn options(dir: &Path) -> CacheOptions {
    CacheOptions {
        inline_limit: 64,
        backend: crate::BACKEND,
        ..CacheOptions::new(dir)
    }
}

pub fn input(kind: InputKind, name: &str, content: &str) -> Input {
    Input {
        kind,
        name: name.to_owned(),
        digest: Digest::of(content.as_bytes()),
        detail: None,
    }
}

pub fn key(name: &str) -> (Key, Manifest) {
    let mut builder = KeyBuilder::new("put");
    builder.input(input(InputKind::Parameter, "name", name));
    builder.finish()
}

pub fn draft(name: &str, blobs: &[&[u8]]) -> Draft {
    let (key, manifest) = key(name);
    let blob = |bytes: &&[u8]| Blob {
        kind: BlobKind::Object,
        bytes: bytes.to_vec(),
    };
    Draft {
        key,
        scope: String::new(),
        face: "put".to_owned(),
        name: Some(name.to_owned()),
        lineage: None,
        description: "a test".to_owned(),
        data_type: "bytes".to_owned(),
        ttl: None,
        elapsed: Some(2 * SECOND),
        manifest,
        observed: Vec::new(),
        meta: serde_json::json!({"outputs": ["x"]}),
        blobs: blobs.iter().map(blob).collect(),
    }
}

pub fn lookup(cache: &Cache, name: &str) -> Lookup {
    lookup_aged(cache, name, MaxAge::Entry)
}

pub fn lookup_aged(cache: &Cache, name: &str, max_age: MaxAge) -> Lookup {
    let mut none = |_: &Input| None;
    cache.lookup(&key(name).0, "", max_age, &mut none).unwrap()
}

pub fn hit(cache: &Cache, name: &str) -> Entry {
    match lookup(cache, name) {
        Lookup::Hit(entry) => *entry,
        Lookup::Miss(reason) => panic!("{name}: {reason:?}"),
    }
}

pub fn miss(cache: &Cache, name: &str) -> MissReason {
    match lookup(cache, name) {
        Lookup::Miss(reason) => reason,
        Lookup::Hit(entry) => panic!("a hit: {entry:?}"),
    }
}

pub fn content(cache: &Cache, name: &str) -> Vec<u8> {
    cache.read(&hit(cache, name), 0).unwrap()
}

/// The names of the files in a directory, without those that are always there.
pub fn files(dir: &Path) -> BTreeSet<String> {
    let known = |name: &str| {
        name.starts_with("cache_metadata.") || name == "CACHEDIR.TAG" || name == ".gitignore"
    };
    std::fs::read_dir(dir)
        .unwrap()
        .map(|listed| listed.unwrap())
        .filter(|listed| listed.file_type().unwrap().is_file())
        .map(|listed| listed.file_name().into_string().unwrap())
        .filter(|name| !known(name))
        .collect()
}

/// The disk holds what the rows name, and nothing else.
pub fn assert_tidy(cache: &Cache) {
    let entries = cache.list(&ListFilter::default()).unwrap();
    let blobs = entries.iter().flat_map(|entry| &entry.blobs);
    let named: BTreeSet<String> = blobs.filter_map(|blob| blob.file.clone()).collect();
    assert_eq!(files(cache.dir()), named);
    assert_eq!(files(&cache.dir().join("drafts")), BTreeSet::new());
    let stats = cache.stats().unwrap();
    assert_eq!(stats.entries, entries.len() as u64);
    assert_eq!(
        stats.size_bytes,
        entries.iter().map(|entry| entry.size_bytes).sum::<u64>()
    );
}
