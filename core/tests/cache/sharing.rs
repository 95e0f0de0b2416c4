//! One directory, many users: threads, handles, forked processes.

use std::sync::atomic::{AtomicU32, Ordering};

use cacheness::{Cache, Error, Input, Lookup, MaxAge};

use crate::support::*;

#[test]
fn threads_and_handles_share_a_directory() {
    let Fixture { cache, folder, .. } = fixture();
    let other = Cache::open(options(&folder.path().join("cache"))).unwrap();
    let hits = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for worker in 0..6u8 {
            let cache = if worker % 2 == 0 { &cache } else { &other };
            let hits = &hits;
            scope.spawn(move || {
                for round in 0..60u8 {
                    let name = ["a", "b", "c"][usize::from(round) % 3];
                    if (round + worker).is_multiple_of(4) {
                        let size = if round.is_multiple_of(2) { 10 } else { 3000 };
                        let bytes = [name.as_bytes(), &vec![round; size]].concat();
                        cache.store(draft(name, &[&bytes])).unwrap();
                    } else if let Lookup::Hit(entry) = lookup(cache, name) {
                        match cache.read(&entry, 0) {
                            Ok(bytes) => {
                                assert!(bytes.starts_with(name.as_bytes()));
                                assert!(bytes[1..].iter().all(|byte| *byte == bytes[1]));
                                cache.touch(entry.id);
                                hits.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(Error::Gone { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
            });
        }
    });
    assert!(hits.load(Ordering::Relaxed) > 50);
    other.flush().unwrap();
    assert_eq!(cache.stats().unwrap().hits, u64::from(hits.into_inner()));
    assert_tidy(&cache);
}

#[test]
fn a_claim_is_held_by_one_and_given_back() {
    let Fixture { cache, folder, .. } = fixture();
    let other = Cache::open(options(&folder.path().join("cache"))).unwrap();
    let key = key("a").0;
    let claim = cache.claim(&key).unwrap().unwrap();
    assert!(other.claim(&key).unwrap().is_none());
    assert!(cache.claim(&crate::support::key("b").0).unwrap().is_some());
    drop(claim);
    assert!(other.claim(&key).unwrap().is_some());
}

/// Runs `work` in a forked child; whether it returned.
fn in_child(work: impl FnOnce()) -> bool {
    // SAFETY: the child only uses what the test made, and leaves by `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_ok();
            // SAFETY: ends the child without running the test harness's destructors.
            unsafe { libc::_exit(if done { 0 } else { 1 }) }
        }
        child => {
            let mut status = -1;
            // SAFETY: waits for the child just made, into a valid place.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            status == 0
        }
    }
}

#[test]
fn a_forked_child_opens_its_own_connection() {
    let Fixture { cache, folder, .. } = fixture();
    cache.store(draft("a", &[&[1; 500]])).unwrap();
    cache.touch(hit(&cache, "a").id);
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("x"), "1").unwrap();
    let digest = cache.digest_path(&data).unwrap();
    let claim = cache.claim(&key("a").0).unwrap().unwrap();

    for round in 0..3u8 {
        assert!(in_child(|| {
            assert_eq!(content(&cache, "a"), [1; 500]);
            assert_eq!(
                cache.digest_path(&data).unwrap(),
                digest,
                "threads of its own"
            );
            cache.store(draft("child", &[&[round; 500]])).unwrap();
            assert!(
                cache.claim(&key("a").0).unwrap().is_none(),
                "the parent holds it"
            );
            cache.flush().unwrap();
        }));
        assert_eq!(content(&cache, "child"), [round; 500]);
        cache.store(draft("parent", &[&[round; 500]])).unwrap();
    }
    drop(claim);
    assert!(cache.claim(&key("a").0).unwrap().is_some());
    assert_eq!(
        cache.stats().unwrap().hits,
        1,
        "counted once, not by each child"
    );
    assert_tidy(&cache);
}

#[test]
fn a_child_that_lives_on_is_not_cut_off_by_its_parent() {
    let Fixture { cache, folder, .. } = fixture();
    cache.store(draft("a", &[&[1; 500]])).unwrap();
    let dir = folder.path().join("cache");
    assert!(in_child(|| {
        // Its own child: outlives this process's handle, as a daemon would.
        let grandchild = || {
            cache.store(draft("b", &[&[2; 500]])).unwrap();
            let other = Cache::open(options(&dir)).unwrap();
            other.store(draft("c", &[&[3; 500]])).unwrap();
            drop(other);
            assert_eq!(content(&cache, "c"), [3; 500]);
        };
        assert!(in_child(grandchild));
    }));
    let mut none = |_: &Input| None;
    for name in ["a", "b", "c"] {
        let found = cache
            .lookup(&key(name).0, "", MaxAge::Entry, &mut none)
            .unwrap();
        assert!(matches!(found, Lookup::Hit(_)), "{name}");
    }
    assert_tidy(&cache);
}

/// The child of a process whose other threads are at work must not wait for their locks.
#[test]
fn a_fork_in_the_middle_of_other_threads_work() {
    let Fixture { cache, .. } = fixture();
    let done = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for worker in 0..3u8 {
            let (cache, done) = (&cache, &done);
            scope.spawn(move || {
                while done.load(Ordering::Relaxed) == 0 {
                    cache
                        .store(draft(&worker.to_string(), &[&[worker; 10]]))
                        .unwrap();
                    assert_eq!(content(cache, &worker.to_string()), [worker; 10]);
                }
            });
        }
        for _ in 0..100 {
            assert!(in_child(|| {
                // SAFETY: a child that hangs is ended by the signal, which fails the test.
                unsafe { libc::alarm(20) };
                cache.store(draft("child", &[b"x"])).unwrap();
                assert_eq!(content(&cache, "child"), b"x");
            }));
        }
        done.store(1, Ordering::Relaxed);
    });
    assert_tidy(&cache);
}
