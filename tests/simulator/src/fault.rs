//! What goes wrong in a run, to whom, and for how long.

use std::fmt;
use std::time::Duration;

use crate::event::Slot;
use crate::time::Time;

/// Which way a path is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// Nothing passes.
    Both,
    /// Requests are lost.
    Requests,
    /// Requests are carried out and their answers lost.
    Answers,
}

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// SIGSTOP: the process stands still, its sockets stay open.
    Pause(Slot),
    /// kill -9; another process starts on the machine when the fault ends.
    Kill(Slot),
    /// SIGTERM: it drains; another process starts when the fault ends.
    Deploy(Slot),
    /// Between one edge and the store.
    StoreCut(Slot, Way),
    /// Between two edges.
    PeerCut(Slot, Slot),
    /// So many percent of all requests are turned away by the store.
    Throttle(u64),
    /// Requests and answers of one edge take longer.
    Slow(Slot),
    /// Requests arrive twice, the second time up to seconds later.
    Duplicates,
    /// Requests arrive after their senders gave up.
    Late,
    /// The store is away for everybody.
    Outage,
    /// A wall clock jumps by so many milliseconds, and back, and again.
    WallJump(Slot, i64),
    /// A monotonic clock changes its rate, by so many parts per million from the true one.
    Drift(Slot, i64),
    /// An encoder's network vanishes without a word.
    HalfOpen(usize),
    /// An encoder's process dies again and again.
    Flapping(usize),
    /// What functions tell edges is lost.
    ControlLost,
    /// The index from owners to locks falls behind by seconds.
    IndexLag,
}

/// The names of all kinds, in the order of [`Kind::number`].
pub const NAMES: [&str; 16] = [
    "pause",
    "kill",
    "deploy",
    "store cut",
    "edges cut",
    "throttle",
    "slow network",
    "duplicated requests",
    "late requests",
    "outage",
    "wall clock jump",
    "clock drift",
    "half-open socket",
    "flapping encoder",
    "control lost",
    "index lag",
];

/// Something that goes wrong for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// What.
    pub kind: Kind,
    /// From when.
    pub from: Time,
    /// Until when.
    pub until: Time,
}

/// How a fault bears on what is promised of an edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Weight {
    /// Not at all: every promise holds as it is.
    None,
    /// Bounds may be missed, and yet no healthy edge is fenced.
    Light,
    /// It may be fenced.
    Heavy,
}

impl Kind {
    /// Its place in [`NAMES`].
    #[must_use]
    pub(crate) const fn number(self) -> usize {
        match self {
            Self::Pause(_) => 0,
            Self::Kill(_) => 1,
            Self::Deploy(_) => 2,
            Self::StoreCut(..) => 3,
            Self::PeerCut(..) => 4,
            Self::Throttle(_) => 5,
            Self::Slow(_) => 6,
            Self::Duplicates => 7,
            Self::Late => 8,
            Self::Outage => 9,
            Self::WallJump(..) => 10,
            Self::Drift(..) => 11,
            Self::HalfOpen(_) => 12,
            Self::Flapping(_) => 13,
            Self::ControlLost => 14,
            Self::IndexLag => 15,
        }
    }

    /// The edges whose promises it bears on; None for all of them.
    pub(crate) const fn slot(self) -> Option<Slot> {
        match self {
            Self::Pause(slot)
            | Self::Kill(slot)
            | Self::Deploy(slot)
            | Self::StoreCut(slot, _)
            | Self::Slow(slot)
            | Self::WallJump(slot, _)
            | Self::Drift(slot, _) => Some(slot),
            Self::PeerCut(..)
            | Self::Throttle(_)
            | Self::Duplicates
            | Self::Late
            | Self::Outage
            | Self::HalfOpen(_)
            | Self::Flapping(_)
            | Self::ControlLost
            | Self::IndexLag => None,
        }
    }

    pub(crate) const fn weight(self) -> Weight {
        match self {
            Self::Pause(_)
            | Self::Kill(_)
            | Self::Deploy(_)
            | Self::StoreCut(..)
            | Self::Throttle(100)
            | Self::Slow(_)
            | Self::Outage => Weight::Heavy,
            Self::Throttle(_) | Self::Duplicates | Self::Late => Weight::Light,
            Self::PeerCut(..)
            | Self::WallJump(..)
            | Self::Drift(..)
            | Self::HalfOpen(_)
            | Self::Flapping(_)
            | Self::ControlLost
            | Self::IndexLag => Weight::None,
        }
    }

    /// Whether an edge that suffers it for longer than a lease is lost to the others.
    pub(crate) const fn loses_the_edge(self) -> Option<Slot> {
        match self {
            Self::Pause(slot)
            | Self::Kill(slot)
            | Self::StoreCut(slot, Way::Both | Way::Requests) => Some(slot),
            _ => None,
        }
    }
}

impl Fault {
    /// How long it lasts.
    #[must_use]
    pub(crate) fn duration(&self) -> Duration {
        self.until.since(self.from)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES[self.kind.number()];
        write!(
            f,
            "{name} for {:.1} s: {:?}",
            self.duration().as_secs_f64(),
            self.kind
        )
    }
}
