use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::{Cache, Entry};
use crate::clock::{duration, nanoseconds};
use crate::config::MaxAge;
use crate::error::Result;
use crate::hash::{Digest, StableHasher};
use crate::key::{Input, InputKind, Key};

/// What was found for a key.
#[derive(Clone, Debug)]
pub enum Lookup {
    Hit(Box<Entry>),
    Miss(MissReason),
}

/// Why there is nothing to restore.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum MissReason {
    /// Nothing was ever stored for the key, or it was removed.
    Absent,
    /// It is too old, by so much.
    Expired {
        #[serde(serialize_with = "seconds")]
        by: Duration,
    },
    /// Something that the computation was seen to read is no longer what it was.
    Observed {
        /// As it was stored.
        input: Input,
        /// What it is now; `None` when that cannot be told.
        now: Option<Digest>,
    },
    /// The entry's row cannot be trusted; it was removed.
    Damaged {
        entry: String,
        #[serde(rename = "message")]
        reason: String,
    },
}

/// Durations for front ends: seconds, as a number.
pub(super) fn seconds<S: serde::Serializer>(
    duration: &Duration,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// The digest of an environment variable as it is now: of its value, or of there being none.
pub fn digest_environment(name: &str) -> Digest {
    let value = std::env::var_os(name);
    let mut hasher = StableHasher::new("environment");
    hasher.bool(value.is_some());
    hasher.bytes(value.unwrap_or_default().as_bytes());
    hasher.finish()
}

/// What observed inputs are now, each looked at once per lookup.
struct Present<'a> {
    cache: &'a Cache,
    state: &'a mut dyn FnMut(&Input) -> Option<Digest>,
    known: HashMap<(InputKind, String), Option<Digest>>,
}

impl Cache {
    /// Looks for an entry of `key` in `scope` that still holds, newest first.
    ///
    /// An entry holds when it is not too old and each input that its computation was seen to read
    /// has the digest it had. Paths and environment variables are looked at here; of anything else
    /// `state` is asked, and `None` from it is a miss. Counts nothing: see [`Cache::touch`] and
    /// [`Cache::record_miss`]. When no entry holds, the newest one's reason is told.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn lookup(
        &self,
        key: &Key,
        scope: &str,
        max_age: MaxAge,
        state: &mut dyn FnMut(&Input) -> Option<Digest>,
    ) -> Result<Lookup> {
        let mut present = Present {
            cache: self,
            state,
            known: HashMap::new(),
        };
        let now = self.options.clock.now();
        let mut newest = None;
        for found in self.store.candidates(&key.digest(), scope)? {
            let reason = match Entry::of(found) {
                Err((id, reason)) => {
                    self.store.remove_entries(&[id])?;
                    let entry = key.visible();
                    Some(MissReason::Damaged { entry, reason })
                }
                Ok(entry) => {
                    let reason =
                        expired(&entry, max_age, now).or_else(|| present.changed(&entry.observed));
                    match reason {
                        None => return Ok(Lookup::Hit(Box::new(entry))),
                        reason => reason,
                    }
                }
            };
            newest = newest.or(reason);
        }
        Ok(Lookup::Miss(newest.unwrap_or(MissReason::Absent)))
    }
}

/// An entry from the future, stored before the clock was set back, has age zero.
fn expired(entry: &Entry, max_age: MaxAge, now: i64) -> Option<MissReason> {
    let age = now.saturating_sub(entry.created).max(0);
    let lifetime = match max_age {
        MaxAge::Never => return None,
        MaxAge::AtMost(limit) => nanoseconds(limit),
        MaxAge::Entry => entry.expires?.saturating_sub(entry.created),
    };
    (age >= lifetime).then(|| MissReason::Expired {
        by: duration(age.saturating_sub(lifetime)),
    })
}

impl Present<'_> {
    /// The first observed input that is not what it was.
    fn changed(&mut self, observed: &[Input]) -> Option<MissReason> {
        self.look_at_paths(observed);
        observed.iter().find_map(|input| {
            let now = self.now(input);
            (now != Some(input.digest)).then(|| MissReason::Observed {
                input: input.clone(),
                now,
            })
        })
    }

    /// All paths in one go: in parallel, and with one query for what is remembered of them.
    fn look_at_paths(&mut self, observed: &[Input]) {
        let unknown = |input: &&Input| {
            is_path(input.kind) && !self.known.contains_key(&(input.kind, input.name.clone()))
        };
        let inputs: Vec<&Input> = observed.iter().filter(unknown).collect();
        let paths: Vec<PathBuf> = inputs
            .iter()
            .map(|input| PathBuf::from(&input.name))
            .collect();
        for (input, found) in inputs.iter().zip(self.cache.digest_paths(&paths)) {
            let now = found.ok().map(|found| found.digest);
            self.known.insert((input.kind, input.name.clone()), now);
        }
    }

    fn now(&mut self, input: &Input) -> Option<Digest> {
        let name = (input.kind, input.name.clone());
        if let Some(known) = self.known.get(&name) {
            return *known;
        }
        let now = match input.kind {
            InputKind::Environment => Some(digest_environment(&input.name)),
            _ => (self.state)(input),
        };
        self.known.insert(name, now);
        now
    }
}

fn is_path(kind: InputKind) -> bool {
    matches!(
        kind,
        InputKind::File | InputKind::Directory | InputKind::Absent
    )
}
