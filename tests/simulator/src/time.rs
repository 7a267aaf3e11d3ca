//! Virtual time, and the clocks of machines that each show something else.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use domain::{Moment, Timestamp};

/// The wall-clock time at which every run begins.
const BEGINNING_MILLIS: u64 = 1_900_000_000_000;
const MILLION: u64 = 1_000_000;

/// Microseconds since the run began: the one true time, which no actor can see.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Time(u64);

impl Time {
    /// When the run begins.
    pub const ZERO: Self = Self(0);

    /// From whole milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000)
    }

    /// From whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds * MILLION)
    }

    /// The time from `earlier` to `self`, zero where `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// So much before, or the beginning.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }

    /// What a correct wall clock shows.
    #[must_use]
    pub const fn wall(self) -> Timestamp {
        Timestamp::from_millis(BEGINNING_MILLIS + self.0 / 1_000)
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0 + micros(duration))
    }
}

/// Seconds with six places, as stories begin their lines.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>4}.{:06}", self.0 / MILLION, self.0 % MILLION)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// One machine's two clocks: one that only moves forward, at a rate of its own, and one for people,
/// which may be wrong by hours and jump.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    anchor: Time,
    /// What the monotonic clock showed at the anchor.
    shown: u64,
    /// Parts per million by which it is too fast.
    drift: i64,
    /// Milliseconds by which the wall clock is ahead.
    skew: i64,
}

impl Clock {
    /// A machine that started `uptime` before the run.
    #[must_use]
    pub(crate) fn new(uptime: Duration, drift: i64, skew: i64) -> Self {
        Self {
            anchor: Time::ZERO,
            shown: micros(uptime),
            drift,
            skew,
        }
    }

    /// What the monotonic clock shows.
    #[must_use]
    pub(crate) fn moment(&self, now: Time) -> Moment {
        let passed = now.0.saturating_sub(self.anchor.0);
        Moment::from_micros(self.shown + passed * self.pace() / MILLION)
    }

    /// The earliest time at which the monotonic clock shows `moment`, if it keeps its rate.
    #[must_use]
    pub(crate) fn when(&self, moment: Moment) -> Time {
        let ahead = moment.micros().saturating_sub(self.shown);
        Time(self.anchor.0 + (ahead * MILLION).div_ceil(self.pace()))
    }

    /// What the wall clock shows.
    #[must_use]
    pub(crate) fn wall(&self, now: Time) -> Timestamp {
        Timestamp::from_millis(now.wall().millis().saturating_add_signed(self.skew))
    }

    /// From now on the monotonic clock runs at another rate.
    pub(crate) fn set_drift(&mut self, now: Time, drift: i64) {
        self.shown = self.moment(now).micros();
        self.anchor = now;
        self.drift = drift;
    }

    /// The wall clock jumps.
    pub(crate) fn jump(&mut self, millis: i64) {
        self.skew += millis;
    }

    fn pace(&self) -> u64 {
        MILLION.saturating_add_signed(self.drift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_drifts_reaches_a_moment_when_it_says() {
        let mut clock = Clock::new(Duration::from_secs(1_000), 2_000, 0);
        clock.set_drift(Time::from_secs(7), -1_999);
        for millis in [0, 1, 4_066, 60_000] {
            let due = clock.moment(Time::from_secs(9)) + Duration::from_millis(millis);
            let when = clock.when(due);
            assert!(clock.moment(when) >= due && clock.moment(Time(when.0 - 2)) < due);
        }
    }

    #[test]
    fn a_jump_of_the_wall_clock_leaves_the_monotonic_one_alone() {
        let mut clock = Clock::new(Duration::ZERO, 0, -5);
        let at = Time::from_secs(3);
        let before = clock.moment(at);
        clock.jump(3_600_000);
        assert_eq!(clock.moment(at), before);
        assert_eq!(
            clock.wall(at).since(at.wall()),
            Duration::from_millis(3_599_995)
        );
    }
}
