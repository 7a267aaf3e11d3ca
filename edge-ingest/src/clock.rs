//! Where time and randomness enter the edge.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::{Moment, Timestamp};

/// The store's dates are in whole seconds and some milliseconds old: what is no further off than this
/// is right.
const TOLERANCE_MILLIS: i64 = 2_000;
/// No answer of the store had a date yet.
const UNSET: i64 = i64::MIN;
/// What the milliseconds of [`boot`] lack of the store's time. One for the process, as the clock is.
static OFFSET: AtomicI64 = AtomicI64::new(UNSET);

/// The time of day, for display and audit, and for whether a grace was abandoned long ago. Lease
/// decisions use [`boot`].
///
/// It is the machine's as long as that agrees with the store's, and is carried on by [`boot`]: a
/// clock that somebody sets while sessions wait ends none of them.
pub(crate) fn now() -> Timestamp {
    match OFFSET.load(Ordering::Relaxed) {
        UNSET => Timestamp::from_millis(machine_millis()),
        offset => Timestamp::from_millis(boot_millis().saturating_add_signed(offset)),
    }
}

/// The store has dated an answer that was `under_way` for so long. What took over a second is too old
/// to set a clock by.
pub(crate) fn observe_store(date: Timestamp, under_way: Duration) {
    if under_way > Duration::from_secs(1) {
        return;
    }
    let before = OFFSET.load(Ordering::Relaxed);
    let after = offset(before, boot_millis(), machine_millis(), date);
    if after != before {
        OFFSET.store(after, Ordering::Relaxed);
        tracing::info!(%date, "the clock goes by the store's");
    }
}

fn machine_millis() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

fn boot_millis() -> u64 {
    boot().micros() / 1_000
}

fn offset(before: i64, boot: u64, machine: u64, store: Timestamp) -> i64 {
    let right = |millis: u64| {
        let difference = store.millis().checked_signed_diff(millis);
        difference.is_some_and(|difference| difference.abs() <= TOLERANCE_MILLIS)
    };
    let offset_to = |millis: u64| millis.checked_signed_diff(boot).unwrap_or(before);
    if before != UNSET && right(boot.saturating_add_signed(before)) {
        before
    } else if right(machine) {
        offset_to(machine)
    } else {
        offset_to(store.millis())
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
    fn a_clock_that_is_seconds_away_from_the_stores_goes_by_that_and_jitter_changes_nothing() {
        let (store, boot) = (Timestamp::from_millis(1_900_000_000_000), 5_000_000);
        let at = |ahead: i64| store.millis().saturating_add_signed(ahead);
        let apart = |millis: u64| i64::try_from(millis - boot).expect("small");
        let first = |ahead: i64| offset(UNSET, boot, at(ahead), store);
        assert_eq!(
            first(1_900),
            apart(at(1_900)),
            "the machine's own, to the millisecond"
        );
        assert_eq!(first(3_600_000), apart(store.millis()));
        assert_eq!(first(-3_600_000), apart(store.millis()));
        // Set once, it stays: a second's rounding, and a machine whose clock jumps.
        for ahead in [0, 1_999, -3_600_000] {
            let known = apart(at(999));
            assert_eq!(offset(known, boot, at(ahead), store), known);
        }
        let wrong = apart(at(60_000));
        assert_eq!(offset(wrong, boot, at(100), store), apart(at(100)));
    }

    #[test]
    fn the_clock_of_leases_moves_forward() {
        let before = boot();
        assert!(before.micros() > 0 && boot() >= before);
    }
}
