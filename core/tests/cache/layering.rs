//! The invariants of the core's structure, read from its sources.

use std::fs;
use std::path::{Path, PathBuf};

/// Each source file with its text up to the tests.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut waiting = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(dir) = waiting.pop() {
        for listed in fs::read_dir(&dir).unwrap() {
            let path: PathBuf = listed.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text
                    .split("#[cfg(test)]")
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                let name = path
                    .strip_prefix(&root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                found.push((name, code));
            }
        }
    }
    assert!(found.len() > 20);
    found
}

/// The lines of code that contain one of `words`, outside of files that `allowed` accepts.
fn offenders(words: &[&str], allowed: impl Fn(&str) -> bool) -> Vec<String> {
    let mut offenders = Vec::new();
    for (name, code) in sources() {
        for line in code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            if !allowed(&name) && words.iter().any(|word| line.contains(word)) {
                offenders.push(format!("{name}: {}", line.trim()));
            }
        }
    }
    offenders
}

#[test]
fn the_parts_do_not_know_each_other() {
    let parts = ["key", "analysis", "format", "store"];
    for part in parts {
        let others: Vec<String> = parts
            .iter()
            .chain(&["cache"])
            .filter(|other| **other != part)
            .map(|other| format!("crate::{other}"))
            .collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let inside = format!("{part}/");
        assert_eq!(
            offenders(&others, |name| !name.starts_with(&inside)),
            Vec::<String>::new()
        );
    }
    let above: Vec<String> = ["key", "analysis", "format", "store", "cache"]
        .map(|other| format!("crate::{other}"))
        .to_vec();
    let above: Vec<&str> = above.iter().map(String::as_str).collect();
    assert_eq!(
        offenders(&above, |name| !name.starts_with("hash/")),
        Vec::<String>::new()
    );
}

#[test]
fn only_the_store_has_sql_and_only_one_file_of_it_statements() {
    let outside = |name: &str| name.starts_with("store/");
    assert_eq!(offenders(&["rusqlite"], outside), Vec::<String>::new());
    let words = [
        "SELECT ",
        "INSERT ",
        "DELETE FROM",
        "UPDATE ",
        "CREATE TABLE",
    ];
    assert_eq!(
        offenders(&words, |name| name == "store/sql.rs"),
        Vec::<String>::new()
    );
}

#[test]
fn only_the_clock_reads_the_time() {
    let words = ["SystemTime::now", "Instant::now", "chrono::"];
    assert_eq!(
        offenders(&words, |name| name == "clock.rs"),
        Vec::<String>::new()
    );
}

#[test]
fn the_analysis_touches_nothing() {
    let words = ["std::fs", "std::env", "std::net", "std::process"];
    assert_eq!(
        offenders(&words, |name| !name.starts_with("analysis/")),
        Vec::<String>::new()
    );
}

#[test]
fn the_core_knows_neither_python_nor_jupyter() {
    let manifest = include_str!("../../Cargo.toml");
    for name in ["pyo3", "tokio", "jupyter", "zeromq"] {
        assert!(!manifest.contains(name), "{name}");
    }
}

#[test]
fn files_stay_readable() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|(_, code)| code.lines().count() > 400)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(long, Vec::<String>::new());
}
