//! The cache through its public API: one binary, because each links all of the crate.

/// What the fixtures open; `tests/json` runs the same tests on the other one.
const BACKEND: cacheness::Backend = cacheness::Backend::Sqlite;

mod crash;
mod damage;
mod database;
mod layering;
mod lookup;
mod paths;
mod places;
mod removal;
mod sharing;
mod support;
