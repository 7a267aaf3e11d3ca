//! Wrong rules that can be put into the world around the decisions, to see that they are found.

use std::fmt;

/// One wrong rule. The domain's code is not changed: the store, an edge's actor or a reader of the
/// model breaks the rule.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Plant {
    /// An acquisition compares the generation it saw and not the sequence.
    NoSequenceCompare,
    /// A heartbeat's lease counts from its answer and not from its first send.
    DeadlineFromReply,
    /// A watcher judges by its wall clock that a lease has run out.
    WallClockExpiry,
    /// The live item is deleted when the lock is given back.
    ItemDeleted,
    /// A failed condition counts as success where the item names the same owner.
    IdempotenceByOwner,
    /// A publish whose encoder leaves forgets the acquisition it sent.
    NoOwedAcquire,
    /// Samples count in the sequence of the status.
    MetricsInSequence,
    /// The key is looked up before the lock is taken, and not after.
    AuthorizationOnlyBefore,
    /// Media is handed on until the GRACE was answered.
    MediaUntilGraceAnswered,
    /// A restarted edge takes its old id and overwrites its item at once.
    RestartOverwrites,
    /// The next epoch registers before the publishers of the last one were dropped.
    RenewBeforeDrop,
    /// A drop before media begins a grace of its own.
    FreshGrace,
    /// A heartbeat whose answer was lost is sent again, and its failed condition ends the epoch.
    LostReplyDrops,
}

impl Plant {
    /// Every wrong rule.
    pub const ALL: [Self; 13] = [
        Self::NoSequenceCompare,
        Self::DeadlineFromReply,
        Self::WallClockExpiry,
        Self::ItemDeleted,
        Self::IdempotenceByOwner,
        Self::NoOwedAcquire,
        Self::MetricsInSequence,
        Self::AuthorizationOnlyBefore,
        Self::MediaUntilGraceAnswered,
        Self::RestartOverwrites,
        Self::RenewBeforeDrop,
        Self::FreshGrace,
        Self::LostReplyDrops,
    ];

    /// The word for the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSequenceCompare => "no-sequence-compare",
            Self::DeadlineFromReply => "deadline-from-reply",
            Self::WallClockExpiry => "wall-clock-expiry",
            Self::ItemDeleted => "item-deleted",
            Self::IdempotenceByOwner => "idempotence-by-owner",
            Self::NoOwedAcquire => "no-owed-acquire",
            Self::MetricsInSequence => "metrics-in-sequence",
            Self::AuthorizationOnlyBefore => "authorization-only-before",
            Self::MediaUntilGraceAnswered => "media-until-grace-answered",
            Self::RestartOverwrites => "restart-overwrites",
            Self::RenewBeforeDrop => "renew-before-drop",
            Self::FreshGrace => "fresh-grace",
            Self::LostReplyDrops => "lost-reply-drops",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plant| plant.as_str() == word)
    }
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
