//! Removing, evicting, replacing: the right rows go, and their files with them.

use cacheness::{Cache, Draft, Error, ListFilter, Lookup};

use crate::support::*;

fn names(cache: &Cache) -> Vec<String> {
    let entries = cache.list(&ListFilter::default()).unwrap();
    entries
        .into_iter()
        .rev()
        .filter_map(|entry| entry.name)
        .collect()
}

#[test]
fn the_least_recently_used_makes_room_and_never_the_new_one() {
    let Fixture { cache, clock, .. } = fixture_with(|options| options.max_bytes = Some(3000));
    let mut store = |name: &str, size: usize| {
        clock.advance(SECOND);
        cache.store(draft(name, &[&vec![0; size]])).unwrap()
    };
    store("a", 1000);
    store("b", 1000);
    store("c", 1000);
    cache.touch(hit(&cache, "a").id);
    assert_eq!(store("d", 1000).evicted, 1);
    assert_eq!(names(&cache), ["a", "c", "d"]);
    let report = store("big", 5000);
    assert_eq!((report.evicted, report.oversized), (3, true));
    assert_eq!(names(&cache), ["big"]);
    let report = store("e", 10);
    assert_eq!((report.evicted, report.oversized), (1, false));
    assert_tidy(&cache);
}

#[test]
fn expired_entries_make_room_first() {
    let Fixture { cache, clock, .. } = fixture_with(|options| options.max_bytes = Some(2500));
    cache.store(draft("old", &[&[0; 1000]])).unwrap();
    clock.advance(SECOND);
    let short = Draft {
        ttl: Some(SECOND),
        ..draft("short", &[&[0; 1000]])
    };
    cache.store(short).unwrap();
    clock.advance(2 * SECOND);
    assert_eq!(cache.store(draft("new", &[&[0; 1000]])).unwrap().evicted, 1);
    assert_eq!(names(&cache), ["old", "new"]);
    assert_tidy(&cache);
}

#[test]
fn removal_by_key_id_filter_age_and_all() {
    let Fixture { cache, clock, .. } = fixture();
    for (name, scope, face) in [
        ("a", "", "put"),
        ("a", "s", "put"),
        ("b", "s", "call"),
        ("c", "s", "call"),
        ("d", "", "cell"),
    ] {
        let stored = Draft {
            scope: scope.to_owned(),
            face: face.to_owned(),
            ttl: (name == "c").then_some(SECOND),
            ..draft(name, &[&[0; 100]])
        };
        cache.store(stored).unwrap();
    }
    let calls = ListFilter {
        face: Some("call".to_owned()),
        ..ListFilter::default()
    };
    assert_eq!(cache.list(&calls).unwrap().len(), 2);
    let page = ListFilter {
        limit: Some(1),
        offset: 1,
        ..calls.clone()
    };
    assert_eq!(cache.list(&page).unwrap()[0].name.as_deref(), Some("b"));
    assert_eq!(cache.remove(&key("a").0, "").unwrap(), 1);
    assert_eq!(cache.remove(&key("a").0, "").unwrap(), 0);
    assert_eq!(cache.evict_expired().unwrap(), 0);
    clock.advance(SECOND);
    assert_eq!(cache.evict_expired().unwrap(), 1);
    assert_eq!(cache.remove_where(&calls).unwrap(), 1);
    assert_eq!(names(&cache), ["a", "d"]);
    assert_eq!(
        cache.remove_entries(&[hit(&cache, "d").id, 999]).unwrap(),
        1
    );
    assert_tidy(&cache);
    assert_eq!(cache.clear().unwrap(), 1);
    assert_eq!(files(cache.dir()).len(), 0);
    assert_tidy(&cache);
}

#[test]
fn what_is_removed_between_lookup_and_read_is_gone_not_damaged() {
    let Fixture { cache, .. } = fixture();
    for size in [10, 1000] {
        cache.store(draft("a", &[&vec![1; size]])).unwrap();
        let before = hit(&cache, "a");
        cache.store(draft("a", &[&vec![2; size]])).unwrap();
        assert!(matches!(cache.read(&before, 0), Err(Error::Gone { .. })));
        assert_eq!(content(&cache, "a"), vec![2; size]);
    }
    assert_eq!(files(&cache.dir().join("quarantine")).len(), 0);
}

#[test]
fn an_id_is_never_used_again() {
    let Fixture { cache, .. } = fixture();
    let first = cache.store(draft("a", &[b"1"])).unwrap().entry_id;
    cache.clear().unwrap();
    assert!(cache.store(draft("b", &[b"1"])).unwrap().entry_id > first);
}

#[test]
fn collecting_removes_what_nothing_names_and_nothing_else() {
    let Fixture { cache, .. } = fixture();
    cache.store(draft("a", &[&[1; 500]])).unwrap();
    let orphan = cache.dir().join("0123456789abcdef_array_00000001.b2nd");
    let foreign = cache.dir().join("notes.txt");
    for path in [&orphan, &foreign] {
        std::fs::write(path, b"x").unwrap();
    }
    assert_eq!(cache.collect().unwrap().files, 1);
    assert!(!orphan.exists() && foreign.exists());
    assert!(matches!(lookup(&cache, "a"), Lookup::Hit(_)));
    assert_eq!(content(&cache, "a"), [1; 500]);
}
