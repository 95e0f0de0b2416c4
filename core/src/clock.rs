use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

/// Where the cache takes the time from: the system, or a hand that a test moves.
///
/// Times are nanoseconds since the Unix epoch in an `i64`, arithmetic on them saturates.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The wall clock of the machine.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `now` until it is told otherwise; its clones move with it.
    pub fn manual(now: i64) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(now))))
    }

    /// Nanoseconds since the Unix epoch.
    pub fn now(&self) -> i64 {
        match &self.0 {
            Source::Manual(now) => now.load(Ordering::SeqCst),
            Source::System => match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
                Ok(since) => nanoseconds(since),
                Err(before) => -nanoseconds(before.duration()),
            },
        }
    }

    /// Sets a manual clock, forwards or backwards; the system clock is not ours to set and stays.
    pub fn set(&self, now: i64) {
        if let Source::Manual(hand) = &self.0 {
            hand.store(now, Ordering::SeqCst);
        }
    }

    /// Moves a manual clock forwards; the system clock stays.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().saturating_add(nanoseconds(by)));
    }
}

/// A duration as the index keeps it; what does not fit (292 years) is the longest that does.
pub(crate) fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// The duration of a stored number of nanoseconds; negative ones are zero.
pub(crate) fn duration(nanoseconds: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_with_its_clones_and_saturates() {
        let clock = Clock::manual(5);
        let clone = clock.clone();
        clock.advance(Duration::from_nanos(2));
        assert_eq!(clone.now(), 7);
        clone.advance(Duration::MAX);
        assert_eq!(clock.now(), i64::MAX);
        clock.set(-3);
        assert_eq!(clone.now(), -3);
    }

    #[test]
    fn the_system_clock_is_past_2025() {
        assert!(Clock::system().now() > 1_735_689_600_000_000_000);
    }
}
