//! Work on many chunks at once.
//!
//! Scoped threads rather than a pool: a pool does not survive `fork`, and Python programs fork.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, Result};

/// Below this many bytes one thread is done before a second one has started.
const WORTH_A_THREAD: usize = 1 << 20;

/// How many threads to use for `bytes` bytes in `jobs` jobs, where 0 wanted is one per core.
pub(super) fn threads_for(wanted: usize, jobs: usize, bytes: usize) -> usize {
    if bytes < 2 * WORTH_A_THREAD || jobs < 2 {
        return 1;
    }
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = if wanted == 0 { cores() } else { wanted };
    wanted.min(jobs).min(bytes / WORTH_A_THREAD)
}

/// Runs `work` on every job; each thread first makes itself a state. The first error stops the rest.
pub(super) fn run<J: Send, S>(
    jobs: Vec<J>,
    threads: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, J) -> Result<()> + Sync,
) -> Result<()> {
    if threads <= 1 {
        let mut state = state();
        return jobs.into_iter().try_for_each(|job| work(&mut state, job));
    }
    let queue = Mutex::new(jobs.into_iter());
    let failed = AtomicBool::new(false);
    let worker = || {
        let mut state = state();
        while !failed.load(Ordering::Relaxed) {
            let Some(job) = queue.lock().ok().and_then(|mut queue| queue.next()) else {
                break;
            };
            work(&mut state, job).inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map_while(|_| std::thread::Builder::new().spawn_scoped(scope, worker).ok())
            .collect();
        let mine = worker();
        others.into_iter().fold(mine, |result, other| {
            let theirs = other
                .join()
                .unwrap_or_else(|_| Err(Error::Format("a compression thread died".into())));
            result.and(theirs)
        })
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn every_job_runs_once_on_any_number_of_threads() {
        for threads in [1, 2, 7] {
            let sum = AtomicUsize::new(0);
            run(
                (0..1000).collect(),
                threads,
                || (),
                |(), job: usize| {
                    sum.fetch_add(job, Ordering::Relaxed);
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(sum.into_inner(), 999 * 500);
        }
    }

    #[test]
    fn an_error_comes_out() {
        for threads in [1, 3] {
            let result = run(
                (0..100).collect(),
                threads,
                || (),
                |(), job: usize| {
                    if job == 50 {
                        Err(Error::Format("fifty".into()))
                    } else {
                        Ok(())
                    }
                },
            );
            assert_eq!(result.unwrap_err().to_string(), "fifty");
        }
    }
}
