//! Digests of files and directories: what changes them, what does not, and what is read for them.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use cacheness::{Cache, Clock, Digest, InputKind};

use crate::support::*;

/// A cache with a clock far ahead of every file: what it digests is remembered at once.
fn remembering() -> Fixture {
    fixture_with(|options| options.clock = Clock::manual(i64::MAX / 2))
}

fn digest(cache: &Cache, path: &Path) -> Digest {
    cache.digest_path(path).unwrap().digest
}

fn set_modified(path: &Path, to: SystemTime) {
    let file = File::options().append(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(to)).unwrap();
}

#[test]
fn kinds_differ_and_content_decides() {
    let Fixture { cache, folder, .. } = fixture();
    let [file, other, dir, none] = ["f", "g", "d", "n"].map(|name| folder.path().join(name));
    fs::write(&file, "").unwrap();
    fs::write(&other, "").unwrap();
    fs::create_dir(&dir).unwrap();
    let paths = [
        file.clone(),
        dir.clone(),
        none.clone(),
        file.join("below"),
        other,
    ];
    let found: Vec<_> = cache
        .digest_paths(&paths)
        .into_iter()
        .map(|found| found.unwrap())
        .collect();
    let kinds: Vec<_> = found.iter().map(|found| found.kind).collect();
    use InputKind::{Absent, Directory, File};
    assert_eq!(kinds, [File, Directory, Absent, Absent, File]);
    assert!(found[0] != found[1] && found[1] != found[2]);
    assert_eq!((found[2], found[0]), (found[3], found[4]), "not the path");
    symlink(&file, folder.path().join("link")).unwrap();
    assert_eq!(
        cache.digest_path(&folder.path().join("link")).unwrap(),
        found[0]
    );
}

#[test]
fn a_rewrite_with_the_same_size_and_time_is_seen() {
    // The system's clock: just written, so not to be trusted yet.
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(options(&folder.path().join("cache"))).unwrap();
    let path = folder.path().join("data");
    let time = SystemTime::now() - Duration::from_secs(3600);
    let mut seen = std::collections::HashSet::new();
    for round in 0..50 {
        fs::write(&path, format!("{round:04}")).unwrap();
        set_modified(&path, time);
        assert!(seen.insert(digest(&cache, &path)), "round {round}");
    }
}

#[test]
fn a_touched_file_is_the_same_file() {
    let Fixture { cache, folder, .. } = remembering();
    let path = folder.path().join("data");
    fs::write(&path, "content").unwrap();
    let before = digest(&cache, &path);
    set_modified(&path, SystemTime::UNIX_EPOCH + Duration::from_secs(5));
    assert_eq!(digest(&cache, &path), before);
    fs::rename(&path, folder.path().join("moved")).unwrap();
    assert_eq!(digest(&cache, &folder.path().join("moved")), before);
    assert_eq!(cache.digest_path(&path).unwrap().kind, InputKind::Absent);
}

#[test]
fn an_unchanged_file_is_not_read_again() {
    let Fixture { cache, folder, .. } = remembering();
    let path = folder.path().join("data");
    // 256 MB without a block on the disk: digesting them takes time, remembering does not.
    File::create(&path).unwrap().set_len(256 << 20).unwrap();
    let start = std::time::Instant::now();
    let first = digest(&cache, &path);
    let reading = start.elapsed();
    let start = std::time::Instant::now();
    assert_eq!(digest(&cache, &path), first);
    let remembering = start.elapsed();
    assert!(
        remembering * 4 < reading,
        "{remembering:?} against {reading:?}"
    );
    File::options()
        .append(true)
        .open(&path)
        .unwrap()
        .set_len(1 << 20)
        .unwrap();
    assert_ne!(digest(&cache, &path), first);
}

#[test]
fn every_change_below_a_directory_changes_it() {
    for fixture in [fixture(), remembering()] {
        let Fixture { cache, folder, .. } = fixture;
        let root = folder.path().join("data");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/x"), "1").unwrap();
        fs::write(root.join("a/b/y"), "2").unwrap();
        let mut seen = vec![digest(&cache, &root)];
        let mut changed = |what: &str| {
            let now = digest(&cache, &root);
            assert!(!seen.contains(&now), "{what}");
            assert_eq!(now, digest(&cache, &root), "{what}");
            seen.push(now);
        };
        fs::write(root.join("a/z"), "1").unwrap();
        changed("added");
        fs::rename(root.join("a/z"), root.join("a/zz")).unwrap();
        changed("renamed");
        fs::rename(root.join("a/zz"), root.join("a/b/zz")).unwrap();
        changed("moved");
        fs::write(root.join("a/x"), "3").unwrap();
        changed("rewritten");
        fs::create_dir(root.join("empty")).unwrap();
        changed("an empty directory");
        fs::remove_dir(root.join("empty")).unwrap();
        symlink("nowhere", root.join("empty")).unwrap();
        changed("a broken link");
        fs::remove_file(root.join("empty")).unwrap();
        fs::remove_file(root.join("a/b/zz")).unwrap();
        fs::write(root.join("a/x"), "1").unwrap();
        assert_eq!(digest(&cache, &root), seen[0], "as it was");
    }
}

#[test]
fn links_count_as_what_they_lead_to_and_loops_end() {
    let Fixture { cache, folder, .. } = fixture();
    let [plain, linked] = ["plain", "linked"].map(|name| folder.path().join(name));
    for root in [&plain, &linked] {
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(root.join("sub/x"), "1").unwrap();
    }
    fs::write(plain.join("sub/y"), "2").unwrap();
    let target = folder.path().join("target");
    fs::write(&target, "2").unwrap();
    symlink(&target, linked.join("sub/y")).unwrap();
    assert_eq!(digest(&cache, &plain), digest(&cache, &linked));
    fs::write(&target, "3").unwrap();
    assert_ne!(digest(&cache, &plain), digest(&cache, &linked));

    let before = digest(&cache, &plain);
    symlink("..", plain.join("sub/up")).unwrap();
    symlink("self", plain.join("sub/self")).unwrap();
    assert_ne!(digest(&cache, &plain), before);
}

#[test]
fn special_files_are_refused_without_waiting() {
    let Fixture { cache, folder, .. } = fixture();
    let root = folder.path().join("data");
    fs::create_dir(&root).unwrap();
    let pipe = root.join("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    for path in [pipe.as_path(), &root, Path::new("/dev/zero")] {
        let error = cache.digest_path(path).unwrap_err().to_string();
        assert!(error.contains("no content"), "{error}");
    }
}

#[test]
fn ten_thousand_unchanged_files() {
    let Fixture { cache, folder, .. } = remembering();
    let root = folder.path().join("data");
    for part in 0..100 {
        let dir = root.join(format!("part-{part:03}"));
        fs::create_dir_all(&dir).unwrap();
        for file in 0..100 {
            fs::write(dir.join(format!("{file:03}.csv")), format!("{part},{file}")).unwrap();
        }
    }
    let start = std::time::Instant::now();
    let first = digest(&cache, &root);
    let cold = start.elapsed();
    let start = std::time::Instant::now();
    assert_eq!(digest(&cache, &root), first);
    println!(
        "10,000 files: {cold:?} read, {:?} remembered",
        start.elapsed()
    );
    assert!(start.elapsed() < Duration::from_secs(2));
}
