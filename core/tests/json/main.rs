//! The tests of `tests/cache` on the JSON index, and what is true of that alone.

const BACKEND: cacheness::Backend = cacheness::Backend::Json;

#[path = "../cache/crash.rs"]
mod crash;
#[path = "../cache/damage.rs"]
mod damage;
mod document;
#[path = "../cache/lookup.rs"]
mod lookup;
#[path = "../cache/paths.rs"]
mod paths;
#[path = "../cache/places.rs"]
mod places;
#[path = "../cache/removal.rs"]
mod removal;
#[path = "../cache/sharing.rs"]
mod sharing;
#[path = "../cache/support.rs"]
mod support;
