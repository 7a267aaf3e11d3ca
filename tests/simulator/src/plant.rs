//! Wrong rules that can be planted, one at a time, to see that the simulator finds them.
//!
//! The decisions themselves stay as they are: a plant changes what a simulated actor or the
//! simulated store makes of them.

use std::fmt;

/// One wrong rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Plant {
    /// ACQUIRE compares the generation only.
    NoSequenceCompare,
    /// The holder's deadline counts from the answer to a heartbeat.
    DeadlineFromReply,
    /// Whether an edge is alive is read from wall clocks.
    WallClockExpiry,
    /// The item is deleted when the lock is released.
    ItemDeletedOnRelease,
    /// An acquisition whose condition failed counts as made where the owner is this edge.
    IdempotenceByOwner,
    /// An acquisition without an answer is forgotten.
    NoOwedAcquire,
    /// A sample counts as a change of status.
    MetricsInSequence,
    /// Key and gate are read before the lock is taken, and not after.
    AuthorizationBeforeLock,
    /// GRACE is written while media is still handed on.
    GraceBeforeStop,
    /// The next epoch begins before the publishers of the last one are dropped.
    EpochBeforeDrop,
    /// A reading that failed or was slow does not begin the wait anew.
    FailedReadingIgnored,
    /// An edge says that the store is away for it, too, and does not begin the wait anew.
    QuestionWithoutWait,
    /// The clock that the store corrects follows the jumps of the wall clock.
    CorrectionOnWallClock,
    /// A reset without an overlap retires the old key by the clock, as one with an overlap does.
    RetiredByClock,
}

impl Plant {
    /// Every plant.
    pub const ALL: [Self; 14] = [
        Self::NoSequenceCompare,
        Self::DeadlineFromReply,
        Self::WallClockExpiry,
        Self::ItemDeletedOnRelease,
        Self::IdempotenceByOwner,
        Self::NoOwedAcquire,
        Self::MetricsInSequence,
        Self::AuthorizationBeforeLock,
        Self::GraceBeforeStop,
        Self::EpochBeforeDrop,
        Self::FailedReadingIgnored,
        Self::QuestionWithoutWait,
        Self::CorrectionOnWallClock,
        Self::RetiredByClock,
    ];
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = clap::ValueEnum::to_possible_value(self);
        f.write_str(
            value
                .as_ref()
                .map_or("", clap::builder::PossibleValue::get_name),
        )
    }
}
