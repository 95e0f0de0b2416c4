//! The threads of parallel work, one set per process.
//!
//! Threads do not survive `fork`: rayon's global pool, once started by the parent, would leave a
//! forked child waiting for ever. So the pool is made anew in every process that works.

use std::process;
use std::sync::OnceLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::fork;

/// The pool of one process; a child of that process appends its own instead of touching this.
struct Generation {
    process: u32,
    pool: Option<ThreadPool>,
    next: OnceLock<Box<Generation>>,
}

static FIRST: OnceLock<Generation> = OnceLock::new();

impl Generation {
    fn start() -> Self {
        Self {
            process: process::id(),
            pool: ThreadPoolBuilder::new()
                .thread_name(|n| format!("cacheness-{n}"))
                .build()
                .ok(),
            next: OnceLock::new(),
        }
    }
}

/// How many threads work at most.
pub fn threads() -> usize {
    install(rayon::current_num_threads)
}

/// Runs `work` so that rayon's parallel iterators inside it use threads of this process.
pub(crate) fn install<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let starting = fork::hold();
    let mut generation = FIRST.get_or_init(Generation::start);
    while generation.process != process::id() {
        generation = generation
            .next
            .get_or_init(|| Box::new(Generation::start()));
    }
    drop(starting);
    match &generation.pool {
        Some(pool) => pool.install(work),
        None => work(),
    }
}
