//! Figures of many waits: percentiles of a few, and a histogram for millions.

use std::time::Duration;

use serde::Serialize;

/// Percentiles in milliseconds. All zero when nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// How many were measured.
    pub count: u64,
    /// Half took at most this.
    pub p50: f64,
    /// 99 of 100 took at most this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// Sums up all of `waits`, exactly.
#[must_use]
pub fn summary(waits: &[Duration]) -> Summary {
    let mut sorted = waits.to_vec();
    sorted.sort_unstable();
    Summary {
        count: u64::try_from(sorted.len()).unwrap_or(u64::MAX),
        p50: percentile(&sorted, 50),
        p99: percentile(&sorted, 99),
        max: percentile(&sorted, 100),
    }
}

/// The nearest rank: the smallest that at least `percent` of them do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(0.0, |wait| milliseconds(*wait))
}

/// Milliseconds, to a microsecond.
#[must_use]
pub fn milliseconds(wait: Duration) -> f64 {
    (wait.as_secs_f64() * 1e6).round() / 1e3
}

/// Seconds, to a microsecond.
#[must_use]
pub fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e6
}

/// Buckets of one power of two.
const STEPS: usize = 16;
/// Powers of two: microseconds up to an hour.
const POWERS: usize = 32;

/// Counts waits in buckets that are 6 % wide or, below 16 us, one microsecond.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    longest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; STEPS * POWERS],
            count: 0,
            longest: Duration::ZERO,
        }
    }
}

impl Histogram {
    /// Counts one.
    pub fn record(&mut self, wait: Duration) {
        let last = self.buckets.len() - 1;
        self.buckets[bucket(wait).min(last)] += 1;
        self.count += 1;
        self.longest = self.longest.max(wait);
    }

    /// The percentiles, each the upper end of its bucket.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary {
            count: self.count,
            p50: self.percentile(50),
            p99: self.percentile(99),
            max: milliseconds(self.longest),
        }
    }

    fn percentile(&self, percent: u64) -> f64 {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (place, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return milliseconds(upper_end(place).min(self.longest));
            }
        }
        0.0
    }
}

fn bucket(wait: Duration) -> usize {
    let micros = usize::try_from(wait.as_micros()).unwrap_or(usize::MAX);
    if micros < STEPS {
        return micros;
    }
    let power = usize::try_from(micros.ilog2()).unwrap_or(0) - 4;
    (power + 1) * STEPS + (micros >> power) - STEPS
}

/// The first wait that is too long for the bucket.
fn upper_end(place: usize) -> Duration {
    let (power, step) = (place / STEPS, place % STEPS);
    let micros = match power.checked_sub(1) {
        None => step + 1,
        Some(power) => (STEPS + step + 1) << power,
    };
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let waits: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        let found = summary(&waits);
        assert_eq!(
            (found.count, found.p50, found.p99, found.max),
            (200, 100.0, 198.0, 200.0)
        );
        assert_eq!(summary(&[]), Summary::default());
        let one = summary(&[Duration::from_micros(1_500)]);
        assert_eq!((one.p50, one.p99, one.max), (1.5, 1.5, 1.5));
    }

    #[test]
    fn the_histogram_is_never_off_by_more_than_a_bucket() {
        for micros in (0..100_000).step_by(37) {
            let wait = Duration::from_micros(micros);
            let end = upper_end(bucket(wait));
            assert!(wait < end, "{micros}");
            let slack = Duration::from_micros(micros / STEPS as u64 + 1);
            assert!(end - wait <= slack, "{micros}");
        }
    }

    #[test]
    fn the_histogram_gives_percentiles_and_the_exact_maximum() {
        let mut histogram = Histogram::default();
        for micros in 1..=1000 {
            histogram.record(Duration::from_micros(micros));
        }
        histogram.record(Duration::from_secs(9_999_999));
        let found = histogram.summary();
        assert_eq!((found.count, found.max), (1001, 9_999_999_000.0));
        assert!((0.47..0.54).contains(&found.p50), "{found:?}");
        assert!((0.93..1.05).contains(&found.p99), "{found:?}");
        assert_eq!(Histogram::default().summary(), Summary::default());
    }
}
