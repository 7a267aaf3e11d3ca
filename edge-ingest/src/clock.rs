//! Where time and randomness enter the edge.

use std::time::{SystemTime, UNIX_EPOCH};

use domain::{Moment, Timestamp};

/// The wall clock, for display and audit. Lease decisions use monotonic time.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
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
