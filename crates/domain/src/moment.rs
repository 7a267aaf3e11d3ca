//! A reading of a clock that only moves forward: what every lease decision is made with.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Microseconds on one machine's clock that counts through suspension (`CLOCK_BOOTTIME`). Readings
/// of two machines have nothing to do with each other; wall clocks decide nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Moment(u64);

impl Moment {
    /// From microseconds since the machine's start.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the machine's start.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`, zero where `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(micros))
    }
}
