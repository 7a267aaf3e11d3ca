//! Where time and randomness enter the edge.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::{Moment, Timestamp};

/// The store's dates are in whole seconds and some milliseconds old. The correction changes only where
/// it is off by more than this, so that it does not flicker.
const TOLERANCE_MILLIS: i64 = 2_000;
/// What the machine's clock must be corrected by, in milliseconds. One for the process, as the clock
/// is.
static CORRECTION: AtomicI64 = AtomicI64::new(0);

/// The wall clock, corrected where it is seconds away from the store's: for display and audit, and for
/// whether a grace was abandoned long ago. Lease decisions use [`boot`].
pub(crate) fn now() -> Timestamp {
    let correction = CORRECTION.load(Ordering::Relaxed);
    Timestamp::from_millis(machine_millis().saturating_add_signed(correction))
}

/// The store has dated an answer that was `under_way` for so long. What took over a second is too old
/// to set a clock by.
pub(crate) fn observe_store(date: Timestamp, under_way: Duration) {
    if under_way > Duration::from_secs(1) {
        return;
    }
    let before = CORRECTION.load(Ordering::Relaxed);
    let after = correction(before, machine_millis(), date);
    if after != before {
        CORRECTION.store(after, Ordering::Relaxed);
        tracing::warn!(
            correction_millis = after,
            "this machine's clock is not the store's"
        );
    }
}

fn machine_millis() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

fn correction(before: i64, machine_millis: u64, store: Timestamp) -> i64 {
    let difference = store.millis().checked_signed_diff(machine_millis);
    match difference {
        Some(difference) if difference.abs() <= TOLERANCE_MILLIS / 2 => 0,
        Some(difference) if (difference - before).abs() > TOLERANCE_MILLIS => difference,
        Some(_) | None => before,
    }
}

/// The clock that leases are counted on: it goes on while the machine is suspended, and nobody sets
/// it.
pub(crate) fn boot() -> Moment {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(now.tv_nsec).unwrap_or_default();
    Moment::from_micros(seconds * 1_000_000 + nanos / 1_000)
}

/// Random bytes for ids and handshakes; keys are not made here.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::RngCore::fill_bytes(&mut rand::rng(), &mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_seconds_away_from_the_stores_is_corrected_and_jitter_is_not() {
        let store = Timestamp::from_millis(1_900_000_000_000);
        let machine = |ahead: i64| store.millis().saturating_add_signed(ahead);
        assert_eq!(correction(0, machine(1_900), store), 0);
        assert_eq!(correction(0, machine(3_600_000), store), -3_600_000);
        assert_eq!(correction(0, machine(-3_600_000), store), 3_600_000);
        // A whole second's rounding changes nothing, in either direction.
        assert_eq!(
            correction(-3_600_000, machine(3_600_999), store),
            -3_600_000
        );
        assert_eq!(correction(-2_500, machine(1_600), store), -2_500);
        // The clock was set right.
        assert_eq!(correction(-3_600_000, machine(500), store), 0);
    }

    #[test]
    fn the_clock_of_leases_moves_forward() {
        let before = boot();
        assert!(before.micros() > 0 && boot() >= before);
    }
}
