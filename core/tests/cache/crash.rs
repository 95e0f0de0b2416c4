//! A process that dies, or a disk that refuses, at any moment: nothing leaks, nothing old is lost.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cacheness::{Cache, Error, ListFilter};

use crate::support::*;

const DIR: &str = "CACHENESS_TEST_DIR";

/// Runs the ignored test `name` of this binary in a process of its own.
fn start(name: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Content that tells which name it belongs to, inline or not.
fn payload(name: &str, round: u32) -> Vec<u8> {
    let size = if round % 3 == 0 {
        40
    } else {
        3000 + (round as usize % 7) * 20_000
    };
    name.bytes()
        .chain(round.to_le_bytes())
        .cycle()
        .take(size)
        .collect()
}

#[test]
#[ignore = "runs as a child process that is killed"]
fn child_that_stores() {
    let cache = Cache::open(options(Path::new(&std::env::var(DIR).unwrap()))).unwrap();
    for round in 0.. {
        for name in ["a", "b", "c"] {
            cache
                .store(draft(name, &[&payload(name, round), b"tail"]))
                .unwrap();
        }
        if round % 10 == 9 {
            cache.remove(&key("c").0, "").unwrap();
        }
    }
}

#[test]
fn a_killed_writer_leaves_no_trace_and_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cache");
    let mut seen = 0;
    for round in 0..25u64 {
        let mut child = start("crash::child_that_stores", &dir);
        // Moments from before the first store to well into the work, none of them the same.
        std::thread::sleep(Duration::from_micros(5_000 + (round * 7_919) % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();

        let cache = Cache::open(options(&dir)).unwrap();
        assert_eq!(cache.warnings(), Vec::<String>::new());
        assert_tidy(&cache);
        for entry in cache.list(&ListFilter::default()).unwrap() {
            let name = entry.name.clone().unwrap();
            let bytes = cache.read(&entry, 0).unwrap();
            let at = bytes[name.len()..name.len() + 4].try_into().unwrap();
            assert_eq!(bytes, payload(&name, u32::from_le_bytes(at)));
            assert_eq!(cache.read(&entry, 1).unwrap(), b"tail");
            seen += 1;
        }
    }
    assert!(
        seen > 10,
        "the children were killed before they stored anything"
    );
}

#[test]
#[ignore = "runs as a child process with a limit on the size of files"]
fn child_that_cannot_write() {
    let limit = libc::rlimit {
        rlim_cur: 600_000,
        rlim_max: 600_000,
    };
    let cache = Cache::open(options(Path::new(&std::env::var(DIR).unwrap()))).unwrap();
    // SAFETY: both calls only change how this process is treated, and the pointer is valid.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
    let replaced = draft("a", &[&[2; 1000], &vec![3; 1_000_000]]);
    assert!(matches!(cache.store(replaced), Err(Error::Storage { .. })));
    assert_eq!(content(&cache, "a"), [1; 500]);
    assert_tidy(&cache);
}

#[test]
fn a_write_that_fails_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cache");
    Cache::open(options(&dir))
        .unwrap()
        .store(draft("a", &[&[1; 500]]))
        .unwrap();
    let status = start("crash::child_that_cannot_write", &dir)
        .wait()
        .unwrap();
    assert!(status.success());
    let cache = Cache::open(options(&dir)).unwrap();
    assert_eq!(content(&cache, "a"), [1; 500]);
    assert_tidy(&cache);
}
