use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat};

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

/// A moment for people: ISO 8601, UTC, exact.
pub(crate) fn moment(nanoseconds: i64) -> String {
    DateTime::from_timestamp_nanos(nanoseconds).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// As [`moment`], always to the microsecond, as Python writes it.
pub(crate) fn moment_micros(nanoseconds: i64) -> String {
    DateTime::from_timestamp_nanos(nanoseconds).to_rfc3339_opts(SecondsFormat::Micros, false)
}

/// The moment of a text of [`moment`]; `None` where it is none, or out of reach.
pub(crate) fn parse_moment(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text)
        .ok()?
        .timestamp_nanos_opt()
}

/// A duration for people: seconds, exact, as in "2.5s".
pub(crate) fn span(nanoseconds: i64) -> String {
    let (whole, part) = (nanoseconds / SECOND, (nanoseconds % SECOND).unsigned_abs());
    let sign = if nanoseconds < 0 && whole == 0 {
        "-"
    } else {
        ""
    };
    let fraction = format!(".{part:09}");
    format!(
        "{sign}{whole}{}s",
        fraction.trim_end_matches('0').trim_end_matches('.')
    )
}

/// The nanoseconds of such a text.
pub(crate) fn parse_span(text: &str) -> Option<i64> {
    let number = text.strip_suffix('s')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part: i64 = format!("{fraction:0<9}").parse().ok()?;
    let part = if number.starts_with('-') { -part } else { part };
    whole
        .parse::<i64>()
        .ok()?
        .checked_mul(SECOND)?
        .checked_add(part)
}

const SECOND: i64 = 1_000_000_000;

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

    proptest::proptest! {
        #[test]
        fn times_for_people_are_exact(number: i64) {
            assert_eq!(parse_moment(&moment(number)), Some(number));
            assert_eq!(parse_span(&span(number)), Some(number));
        }
    }

    #[test]
    fn times_read_well() {
        assert_eq!(moment(1_800_000_000_000_000_000), "2027-01-15T08:00:00Z");
        assert_eq!(span(2_500_000_000), "2.5s");
        assert_eq!([span(-1), span(0)], ["-0.000000001s", "0s"]);
        assert_eq!(parse_span("1.0000000000s"), None);
    }

    #[test]
    fn the_system_clock_is_past_2025() {
        assert!(Clock::system().now() > 1_735_689_600_000_000_000);
    }
}
