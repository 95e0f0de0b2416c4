//! The JSON index on the disk.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::*;
use cacheness::{Backend, Cache, CacheOptions, Error, ListFilter};

fn path(dir: &Path) -> PathBuf {
    dir.join("cache_metadata.json")
}

fn reopened(cache: Cache) -> Cache {
    let dir = cache.dir().to_owned();
    drop(cache);
    Cache::open(options(&dir)).unwrap()
}

#[test]
fn it_reads_well() {
    let Fixture { cache, .. } = fixture();
    let mut report = draft("report", &[b"content"]);
    report.description = "What \"people\" read: {, [\n".to_owned();
    report.ttl = Some(90 * SECOND);
    cache.store(report).unwrap();
    let text = fs::read_to_string(path(cache.dir())).unwrap();
    let entry = hit(&cache, "report");
    let (file, digest) = (
        entry.blobs[0].file.as_deref().unwrap(),
        entry.blobs[0].digest,
    );
    let wanted = format!(
        r#"{{
  "application": "cacheness",
  "format": 1,
  "last_id": 1,
  "hits": 0,
  "misses": 0,
  "time_saved": "0s",
  "entries": [
    {{
      "key": "{}",
      "name": "report",
      "description": "What \"people\" read: {{, [\n",
      "data_type": "bytes",
      "size": 7,
      "created": "2027-01-15T08:00:00Z",
      "expires": "2027-01-15T08:01:30Z",
      "accessed": "2027-01-15T08:00:00Z",
      "hits": 0,
      "elapsed": "2s",
      "blobs": [
        {{
          "file": "{file}",
          "kind": "object",
          "size": 7,
          "digest": "{digest}"
        }}
      ],
      "manifest": {{
        "format": 1,
        "kind": "put","#,
        entry.key.visible()
    );
    assert!(text.starts_with(&wanted), "{text}");
    assert!(text.ends_with("}\n"));
}

#[test]
fn everything_survives_being_read_again() {
    let Fixture { cache, .. } = fixture();
    for name in ["plain", "", "\0\"\\\u{1F600}\n", "{\"a\": [1.10, 1e400]}"] {
        let mut draft = draft(name, &[&[7; 500], b"", b"inline elsewhere"]);
        draft.scope = name.to_owned();
        draft.lineage = Some(name.to_owned());
        draft.meta = serde_json::json!({name: [0.1 + 0.2, i64::MIN, name]});
        cache.store(draft).unwrap();
    }
    cache.store(draft("last", &[b"x"])).unwrap();
    cache.touch(hit(&cache, "last").id);
    cache.record_miss();
    let before = cache.list(&ListFilter::default()).unwrap();
    let stats = cache.stats().unwrap();
    assert!(
        before
            .iter()
            .flat_map(|entry| &entry.blobs)
            .all(|blob| blob.file.is_some())
    );
    let cache = reopened(cache);
    let after = cache.list(&ListFilter::default()).unwrap();
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
    assert_eq!(cache.stats().unwrap(), stats);
    assert_eq!(content(&cache, "last"), b"x");
    assert_tidy(&cache);
    // An id is never used again, also not that of the last entry.
    let last = hit(&cache, "last").id;
    cache.remove_entries(&[last]).unwrap();
    let cache = reopened(cache);
    assert_eq!(
        cache.store(draft("new", &[b"x"])).unwrap().entry_id,
        last + 1
    );
    assert_eq!(cache.warnings(), Vec::<String>::new());
}

#[test]
fn what_changes_nothing_writes_nothing() {
    let Fixture { cache, .. } = fixture();
    cache.store(draft("a", &[b"1"])).unwrap();
    let inode = || std::os::unix::fs::MetadataExt::ino(&fs::metadata(path(cache.dir())).unwrap());
    let before = inode();
    assert_eq!(cache.evict_expired().unwrap(), 0);
    assert_eq!(cache.remove(&key("b").0, "").unwrap(), 0);
    content(&cache, "a");
    cache.digest_path(Path::new("Cargo.toml")).unwrap();
    cache.collect().unwrap();
    assert_eq!(inode(), before);
}

#[test]
fn a_damaged_document_is_set_aside_with_one_warning() {
    let texts: [&[u8]; 5] = [
        b"",
        b"{",
        b"[]",
        b"\xff",
        br#"{"application": "x", "format": 1}"#,
    ];
    for text in texts {
        let Fixture { cache, .. } = fixture();
        cache.store(draft("a", &[&[1; 500]])).unwrap();
        fs::write(path(cache.dir()), text).unwrap();
        // In use, and from the start.
        miss(&cache, "a");
        let warnings = cache.warnings();
        assert!(
            warnings.len() == 1 && warnings[0].contains("set aside"),
            "{warnings:?}"
        );
        cache.store(draft("a", &[&[2; 500]])).unwrap();
        fs::write(path(cache.dir()), text).unwrap();
        let cache = reopened(cache);
        assert_eq!(cache.warnings().len(), 1);
        miss(&cache, "a");
        assert_tidy(&cache);
        let aside = cache.dir().join("quarantine");
        for name in ["cache_metadata.json", "cache_metadata.json.1"] {
            assert_eq!(fs::read(aside.join(name)).unwrap(), text);
        }
        cache.store(draft("a", &[b"3"])).unwrap();
        assert_eq!(content(&cache, "a"), b"3");
    }
}

#[test]
fn any_flipped_byte_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cache");
    let cache = Cache::open(options(&dir)).unwrap();
    for name in ["a", "b"] {
        cache.store(draft(name, &[name.as_bytes()])).unwrap();
    }
    drop(cache);
    let original = fs::read(path(&dir)).unwrap();
    for at in (0..original.len()).step_by(3) {
        let mut damaged = original.clone();
        damaged[at] ^= 1 << (at % 7);
        fs::write(path(&dir), damaged).unwrap();
        let cache = match Cache::open(options(&dir)) {
            Err(Error::Version { .. }) => continue,
            other => other.unwrap(),
        };
        for name in ["a", "b"] {
            if let cacheness::Lookup::Hit(entry) = lookup(&cache, name) {
                assert_eq!(entry.meta, draft(name, &[]).meta, "byte {at}");
                if let Ok(bytes) = cache.read(&entry, 0) {
                    assert_eq!(bytes, name.as_bytes(), "byte {at}");
                }
            }
        }
        cache.store(draft("d", &[b"d"])).unwrap();
        assert_eq!(content(&cache, "d"), b"d", "byte {at}");
    }
}

#[test]
fn a_later_version_is_refused_and_left_untouched() {
    let Fixture { cache, .. } = fixture();
    cache.store(draft("a", &[b"1"])).unwrap();
    let text = fs::read_to_string(path(cache.dir())).unwrap();
    let later = text.replacen("\"format\": 1", "\"format\": 2", 1);
    fs::write(path(cache.dir()), &later).unwrap();
    let refused = |error| {
        matches!(
            error,
            Error::Version {
                found: 2,
                known: 1,
                ..
            }
        )
    };
    assert!(refused(cache.store(draft("b", &[b"1"])).unwrap_err()));
    assert!(refused(Cache::open(options(cache.dir())).err().unwrap()));
    assert_eq!(fs::read_to_string(path(cache.dir())).unwrap(), later);
    fs::write(path(cache.dir()), text).unwrap();
    assert_eq!(content(&cache, "a"), b"1");
}

#[test]
fn a_document_that_cannot_be_written_leaves_everything_as_it_was() {
    let Fixture { cache, .. } = fixture();
    cache.store(draft("a", &[b"1"])).unwrap();
    let drafts = cache.dir().join("drafts");
    fs::remove_dir(&drafts).unwrap();
    fs::write(&drafts, "in the way").unwrap();
    assert!(matches!(cache.clear(), Err(Error::Storage { .. })));
    assert_eq!(content(&cache, "a"), b"1");
    assert_eq!(cache.stats().unwrap().entries, 1);
    fs::remove_file(&drafts).unwrap();
    fs::create_dir(&drafts).unwrap();
    assert_eq!(cache.clear().unwrap(), 1);
    miss(&cache, "a");
}

#[test]
fn a_document_or_directory_removed_while_in_use() {
    let Fixture { cache, .. } = fixture();
    cache.store(draft("a", &[b"1"])).unwrap();
    fs::remove_file(path(cache.dir())).unwrap();
    miss(&cache, "a");
    cache.store(draft("a", &[b"2"])).unwrap();
    assert_eq!(content(&cache, "a"), b"2");
    fs::remove_dir_all(cache.dir()).unwrap();
    miss(&cache, "a");
    cache.store(draft("a", &[b"3"])).unwrap();
    assert_eq!(content(&cache, "a"), b"3");
    assert_tidy(&cache);
}

#[test]
fn a_directory_has_one_index() {
    let folder = tempfile::tempdir().unwrap();
    let open = |dir: &Path, backend| {
        Cache::open(CacheOptions {
            backend,
            ..options(dir)
        })
    };
    for (mine, other) in [
        (Backend::Json, Backend::Sqlite),
        (Backend::Sqlite, Backend::Json),
    ] {
        let dir = folder.path().join(mine.to_string());
        let cache = open(&dir, mine).unwrap();
        cache.store(draft("a", &[b"1"])).unwrap();
        drop(cache);
        let error = open(&dir, other).err().unwrap();
        let message = error.to_string();
        assert!(matches!(error, Error::Config(_)), "{message}");
        assert!(
            message.contains(&format!("open it with \"{mine}\"")),
            "{message}"
        );
        let cache = open(&dir, Backend::Auto).unwrap();
        assert_eq!(
            (cache.backend(), content(&cache, "a")),
            (mine, b"1".to_vec())
        );
    }
    let auto = open(&folder.path().join("new"), Backend::Auto).unwrap();
    assert_eq!(auto.backend(), Backend::Sqlite);
}

/// Writers of other processes: nothing that one commits is lost to another.
#[test]
fn writers_do_not_lose_each_others_entries() {
    let Fixture { cache, folder, .. } = fixture();
    let dir = folder.path().join("cache");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let dir = &dir;
            scope.spawn(move || {
                let cache = Cache::open(options(dir)).unwrap();
                for number in 0..15 {
                    let name = format!("{writer} {number}");
                    cache.store(draft(&name, &[name.as_bytes()])).unwrap();
                }
            });
        }
    });
    for writer in 0..4 {
        for number in 0..15 {
            let name = format!("{writer} {number}");
            assert_eq!(content(&cache, &name), name.as_bytes());
        }
    }
    assert_tidy(&cache);
}
