//! What hits, what misses, and with which reason.

use std::time::Duration;

use cacheness::{
    BlobKind, Cache, Change, Digest, Draft, Input, InputKind, Key, ListFilter, Lookup, MaxAge,
    MissReason, explain,
};

use crate::support::*;

#[test]
fn what_was_stored_comes_back_whole() {
    let Fixture { cache, .. } = fixture();
    let large = vec![7; 1000];
    let mut stored = draft("a", &[b"small", &large, b""]);
    stored.blobs[1].kind = BlobKind::Array;
    stored.lineage = Some("cell-1".to_owned());
    stored.observed = vec![input(InputKind::State, "rng", "s")];
    let report = cache.store(stored.clone()).unwrap();
    assert_eq!(
        (report.size_bytes, report.evicted, report.oversized),
        (1005, 0, false)
    );

    let mut state = |_: &Input| Some(Digest::of(b"s"));
    let Lookup::Hit(entry) = cache
        .lookup(&stored.key, "", MaxAge::Entry, &mut state)
        .unwrap()
    else {
        panic!("a miss")
    };
    assert_eq!(entry.id, report.entry_id);
    assert_eq!((entry.key, &entry.manifest), (stored.key, &stored.manifest));
    assert_eq!(
        (&entry.name, &entry.lineage),
        (&stored.name, &stored.lineage)
    );
    assert_eq!(
        (&entry.observed, &entry.meta),
        (&stored.observed, &stored.meta)
    );
    assert_eq!(
        (entry.created, entry.expires, entry.elapsed),
        (START, None, stored.elapsed)
    );
    let (scope, face) = (entry.scope.as_str(), entry.face.as_str());
    assert_eq!((scope, face, entry.size_bytes), ("", "put", 1005));
    for (ordinal, blob) in stored.blobs.iter().enumerate() {
        assert_eq!(cache.read(&entry, ordinal).unwrap(), blob.bytes);
        assert_eq!(entry.blobs[ordinal].kind, blob.kind);
    }
    assert!(cache.read(&entry, 3).is_err());
    let file = entry.blobs[1].file.as_deref().unwrap();
    assert!(file.starts_with(&format!("{}_array_", stored.key)) && file.ends_with(".b2nd"));
    let inline = crate::BACKEND == cacheness::Backend::Sqlite;
    assert!(
        [0, 2]
            .iter()
            .all(|at| entry.blobs[*at].file.is_none() == inline)
    );
    assert_tidy(&cache);
}

#[test]
fn it_survives_reopening() {
    let Fixture { cache, folder, .. } = fixture();
    cache.store(draft("a", &[b"small"])).unwrap();
    cache.store(draft("b", &[&[1; 500]])).unwrap();
    drop(cache);
    let cache = Cache::open(options(&folder.path().join("cache"))).unwrap();
    assert_eq!(cache.warnings(), Vec::<String>::new());
    assert_eq!(content(&cache, "a"), b"small");
    assert_eq!(content(&cache, "b"), [1; 500]);
}

#[test]
fn keys_are_compared_by_all_their_bits_and_scopes_are_apart() {
    let Fixture { cache, .. } = fixture();
    let mut stored = draft("a", &[b"1"]);
    stored.scope = "s".to_owned();
    cache.store(stored.clone()).unwrap();
    assert_eq!(miss(&cache, "a"), MissReason::Absent);
    let mut none = |_: &Input| None;
    let mut found = |key: &Key, scope| {
        matches!(
            cache.lookup(key, scope, MaxAge::Entry, &mut none).unwrap(),
            Lookup::Hit(_)
        )
    };
    assert!(found(&stored.key, "s"));
    // The same 16 digits, another computation.
    let collision = Key::from_parts(stored.key.number(), Digest::of(b"other"));
    assert!(!found(&collision, "s"));
    assert_eq!(cache.find(&stored.key.visible()).unwrap().len(), 1);
    assert_eq!(cache.find("+00000000000000f").unwrap().len(), 0);
}

#[test]
fn lifetimes() {
    let Fixture { cache, clock, .. } = fixture();
    let ttl = |ttl| Draft {
        ttl,
        ..draft("a", &[b"1"])
    };
    cache.store(ttl(Some(10 * SECOND))).unwrap();
    clock.advance(10 * SECOND - Duration::from_nanos(1));
    hit(&cache, "a");
    clock.advance(3 * SECOND);
    let by = 3 * SECOND - Duration::from_nanos(1);
    assert_eq!(miss(&cache, "a"), MissReason::Expired { by });
    assert!(matches!(
        lookup_aged(&cache, "a", MaxAge::Never),
        Lookup::Hit(_)
    ));
    assert!(matches!(
        lookup_aged(&cache, "a", MaxAge::AtMost(14 * SECOND)),
        Lookup::Hit(_)
    ));
    assert!(matches!(
        lookup_aged(&cache, "a", MaxAge::AtMost(SECOND)),
        Lookup::Miss(_)
    ));

    cache.store(ttl(None)).unwrap();
    clock.advance(Duration::MAX);
    hit(&cache, "a");
    cache.store(ttl(Some(Duration::MAX))).unwrap();
    hit(&cache, "a");
    cache.store(ttl(Some(Duration::ZERO))).unwrap();
    assert!(matches!(miss(&cache, "a"), MissReason::Expired { .. }));
}

#[test]
fn a_clock_set_back_makes_nothing_expired() {
    let Fixture { cache, clock, .. } = fixture();
    let stored = Draft {
        ttl: Some(SECOND),
        ..draft("a", &[b"1"])
    };
    cache.store(stored).unwrap();
    clock.set(START - 3_600_000_000_000);
    hit(&cache, "a");
    assert!(matches!(
        lookup_aged(&cache, "a", MaxAge::AtMost(SECOND)),
        Lookup::Hit(_)
    ));
    clock.set(START + 1_000_000_000);
    miss(&cache, "a");
}

#[test]
fn an_entry_holds_while_what_it_observed_does() {
    let Fixture { cache, folder, .. } = fixture();
    let path = folder.path().join("data.csv");
    let name = path.to_str().unwrap();
    let store = |content: &[u8], text: Option<&str>| {
        match text {
            Some(text) => std::fs::write(&path, text).unwrap(),
            None => drop(std::fs::remove_file(&path)),
        }
        let found = cache.digest_path(&path).unwrap();
        let mut stored = draft("a", &[content]);
        stored.observed = vec![Input {
            digest: found.digest,
            ..input(found.kind, name, "")
        }];
        cache.store(stored).unwrap();
    };
    store(b"absent", None);
    store(b"one", Some("1"));
    store(b"two", Some("2"));
    assert_eq!(content(&cache, "a"), b"two");
    std::fs::write(&path, "1").unwrap();
    assert_eq!(
        content(&cache, "a"),
        b"one",
        "an older candidate that holds"
    );
    std::fs::remove_file(&path).unwrap();
    assert_eq!(content(&cache, "a"), b"absent");
    std::fs::write(&path, "3").unwrap();
    let now = cache.digest_path(&path).unwrap().digest;
    match miss(&cache, "a") {
        MissReason::Observed {
            input,
            now: Some(found),
        } => {
            assert_eq!((input.kind, input.name.as_str()), (InputKind::File, name));
            assert_ne!(input.digest, now, "the newest entry's");
            assert_eq!(found, now);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn environment_and_state_are_looked_at_and_unknown_is_a_miss() {
    let Fixture { cache, .. } = fixture();
    let mut stored = draft("a", &[b"1"]);
    stored.observed = vec![
        Input {
            digest: cacheness::digest_environment("CACHENESS_TEST_UNSET"),
            ..input(InputKind::Environment, "CACHENESS_TEST_UNSET", "")
        },
        input(InputKind::State, "rng", "7"),
    ];
    cache.store(stored.clone()).unwrap();
    let mut asked = 0;
    let mut state = |input: &Input| {
        asked += 1;
        (input.name == "rng").then(|| Digest::of(b"7"))
    };
    let found = cache
        .lookup(&stored.key, "", MaxAge::Entry, &mut state)
        .unwrap();
    assert!(matches!(found, Lookup::Hit(_)) && asked == 1);
    let now = None;
    let input = stored.observed[1].clone();
    assert_eq!(miss(&cache, "a"), MissReason::Observed { input, now });

    stored.observed[0].digest = cacheness::digest_environment("PATH");
    cache.store(stored.clone()).unwrap();
    let now = Some(cacheness::digest_environment("CACHENESS_TEST_UNSET"));
    let input = stored.observed[0].clone();
    assert_eq!(miss(&cache, "a"), MissReason::Observed { input, now });
}

#[test]
fn storing_again_replaces_only_the_same_observation_and_keeps_sixteen() {
    let Fixture { cache, .. } = fixture();
    let observed = |state: &str| {
        let mut stored = draft("a", &[&[b'x'; 100]]);
        stored.observed = vec![input(InputKind::State, "rng", state)];
        stored
    };
    cache.store(observed("1")).unwrap();
    cache.store(observed("1")).unwrap();
    cache.store(observed("2")).unwrap();
    assert_eq!(cache.stats().unwrap().entries, 2);
    for state in 3..40 {
        cache.store(observed(&state.to_string())).unwrap();
    }
    assert_eq!(cache.stats().unwrap().entries, 16);
    assert_tidy(&cache);
}

#[test]
fn a_miss_is_explained_by_the_last_entry_of_its_lineage() {
    let Fixture { cache, clock, .. } = fixture();
    for name in ["a", "b"] {
        let stored = Draft {
            lineage: Some("cell".to_owned()),
            ttl: Some(SECOND),
            ..draft(name, &[b"1"])
        };
        cache.store(stored).unwrap();
    }
    clock.advance(2 * SECOND);
    let before = cache.previous("cell").unwrap().unwrap();
    assert_eq!(before.name.as_deref(), Some("b"));
    assert!(cache.previous("other").unwrap().is_none());
    let changes = explain(&before.manifest, &key("c").1);
    assert!(matches!(&changes[..], [Change::Changed { old, .. }] if old.name == "name"));
}

#[test]
fn reasons_for_front_ends() {
    let record = |reason| serde_json::to_value(reason).unwrap();
    let by = Duration::from_millis(1500);
    assert_eq!(
        record(MissReason::Expired { by }),
        serde_json::json!({"reason": "expired", "by": 1.5})
    );
    assert_eq!(
        record(MissReason::Absent),
        serde_json::json!({"reason": "absent"})
    );
    let input = input(InputKind::File, "/x", "");
    let observed = record(MissReason::Observed { input, now: None });
    assert_eq!(
        (&observed["reason"], &observed["input"]["name"]),
        (&"observed".into(), &"/x".into())
    );
}

#[test]
fn hits_and_misses_are_counted_in_batches() {
    let Fixture { cache, clock, .. } = fixture();
    let id = cache.store(draft("a", &[b"1"])).unwrap().entry_id;
    for _ in 0..200 {
        clock.advance(SECOND);
        cache.touch(id);
    }
    cache.record_miss();
    let stats = cache.stats().unwrap();
    assert_eq!(
        (stats.hits, stats.misses, stats.elapsed_saved),
        (200, 1, 400 * SECOND)
    );
    let entry = hit(&cache, "a");
    assert_eq!((entry.hits, entry.accessed), (200, START + 200_000_000_000));
}

#[test]
fn an_entry_without_blobs_is_an_entry() {
    let Fixture { cache, .. } = fixture();
    cache.store(draft("a", &[])).unwrap();
    assert_eq!(hit(&cache, "a").blobs, []);
}

#[test]
fn a_summary_says_what_the_entry_says() {
    let Fixture { cache, clock, .. } = fixture();
    let short = Draft {
        ttl: Some(SECOND),
        description: "short".to_owned(),
        ..draft("short", &[&[1; 500]])
    };
    cache.store(short).unwrap();
    clock.advance(2 * SECOND);
    cache.store(draft("long", &[b"1"])).unwrap();
    let entries = cache.list(&ListFilter::default()).unwrap();
    let summaries = cache.summaries(&ListFilter::default()).unwrap();
    for (summary, entry) in summaries.iter().zip(&entries) {
        assert_eq!(
            (&summary.key, &summary.name, &summary.manifest),
            (&entry.key.visible(), &entry.name, &entry.manifest)
        );
        assert_eq!(
            (summary.size_bytes, &summary.description, summary.elapsed),
            (entry.size_bytes, &entry.description, entry.elapsed)
        );
    }
    assert_eq!(summaries[1].created, "2027-01-15T08:00:00.000000+00:00");
    assert_eq!([summaries[0].expired, summaries[1].expired], [false, true]);
    let newest = ListFilter {
        limit: Some(1),
        ..ListFilter::default()
    };
    assert_eq!(cache.summaries(&newest).unwrap()[0].key, summaries[0].key);
}
