//! One state of the world: the store, the edges, the publishes, and what is under way between them.

use domain::edge::{Edge, State as EdgeState};
use domain::live::{Attempt, Item, Version, Write};

use crate::holder::{Age, Holder};
use crate::kept::{Keep as _, Kept};
use crate::page::Page;
use crate::properties::Broken;
use crate::{Bounds, Plant, names};

/// A state.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    /// The live item of the one channel, as the store has it.
    pub(crate) item: Option<Kept<Item>>,
    /// The edges.
    pub(crate) nodes: [Node; Bounds::MOST_EDGES],
    /// The publishes, edge by edge.
    pub(crate) publishes: [Publish; Bounds::MOST_PUBLISHES],
    /// Writes under way that give back what the dead and the dropped left, of a timer, another edge
    /// or the reaper; nobody waits for their answer.
    pub(crate) chores: [Option<Kept<Write>>; Bounds::MOST_CHORES],
    /// A copy under way of a write that was answered.
    pub(crate) copy: Option<Kept<Write>>,
    /// How many more of those there may be.
    pub(crate) copies_left: u8,
    /// How many more heartbeats may be sent.
    pub(crate) heartbeats_left: u8,
    /// How many more edges may be killed.
    pub(crate) kills_left: u8,
    /// Whether the first key was reset.
    pub(crate) retired: bool,
    /// A page that shows the channel's status, where one watches.
    pub(crate) page: Option<Page>,
    /// What the observer of all media and all writes remembers.
    pub(crate) seen: Seen,
}

/// What the observer remembers, to know a broken promise.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Seen {
    /// The highest version that the item had.
    pub(crate) top: Version,
    /// The highest generation whose media was accepted.
    pub(crate) heard: u64,
    /// The sessions that were ever LIVE, one bit for each.
    pub(crate) aired: u8,
    /// Those among them that were ended.
    pub(crate) ended: u8,
    /// The first promise that was broken on the way here.
    pub(crate) broken: Option<Broken>,
}

/// An edge process and its item.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Node {
    /// Whether the process runs. One that was killed never runs again; what its place starts next
    /// is another edge.
    pub(crate) runs: bool,
    /// Its own lease.
    pub(crate) lease: Holder,
    /// Since when the heartbeat (or registration) under way was first sent.
    pub(crate) first_sent: Option<Age>,
    /// Its item, as the store has it.
    pub(crate) item: Kept<Edge>,
    /// Since when the heartbeat that its item shows was first sent. Whoever received it received it
    /// later: no watcher can have found the edge silent before this has lapsed.
    pub(crate) shown: Age,
}

/// A publish attempt and its encoder.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Publish {
    /// How far it is.
    pub(crate) stage: Stage,
    /// The version of the key it came with.
    pub(crate) key: u8,
    /// Whether it has waited for a silent holder already: readings of the edges are newer then.
    pub(crate) parked: bool,
    /// Whether its key was retired already when it took the lock.
    pub(crate) late: bool,
}

/// How far a publish is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Stage {
    /// Its encoder has not connected.
    Idle,
    /// It reads the live item.
    Reading(Kept<Attempt>),
    /// A write of its is under way.
    Writing(Kept<Attempt>, Kept<Write>),
    /// It asks the store whether the holder is dead.
    Learning(Kept<Attempt>, Kept<Item>),
    /// It asks the holder's edge to yield.
    Asking(Kept<Attempt>, Kept<Item>),
    /// It waits for a holder that did not answer.
    Parked(Kept<Attempt>, Kept<Item>),
    /// Its encoder left while a write was under way: a task of the edge repeats it.
    Owed(Kept<Write>),
    /// It has the lock and reads key and gate again.
    Confirming(Kept<Item>),
    /// The encoder may send; nothing came yet.
    Starting(Kept<Item>),
    /// Media came, the GO LIVE is under way.
    GoingLive(Kept<Write>, Parting),
    /// Media flows.
    Live(Kept<Item>),
    /// Media has stopped, the GRACE or END is under way.
    Leaving(Kept<Write>),
    /// Nobody waits for the answer any more: its epoch is over, or its process was killed. The write
    /// may reach the store all the same.
    Adrift(Kept<Write>),
    /// It is over.
    Gone,
}

/// Whether the encoder left, and how.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Parting {
    /// It is there.
    Stays,
    /// Its connection was lost, or it was told to go.
    Drops,
    /// It said that it stops, or was cut off.
    Unpublishes,
}

impl State {
    /// All edges registered just now, nobody ever live.
    #[must_use]
    pub(crate) fn first(bounds: &Bounds) -> Self {
        Self {
            item: None,
            nodes: std::array::from_fn(Node::registered),
            publishes: [Publish::IDLE; Bounds::MOST_PUBLISHES],
            chores: [None; Bounds::MOST_CHORES],
            copy: None,
            copies_left: bounds.copies,
            heartbeats_left: bounds.heartbeats,
            kills_left: bounds.kills,
            retired: false,
            page: bounds.page.then(Page::default),
            seen: Seen::default(),
        }
    }

    /// Whether this publish's media is accepted now: all that its edge looks at before it hands a
    /// batch on.
    #[must_use]
    pub(crate) fn hands_on(&self, bounds: &Bounds, publish: usize) -> Option<u64> {
        let generation = self.publishes[publish].stage.streams(bounds, publish)?;
        let edge = bounds.edge_of(publish);
        let node = &self.nodes[edge];
        (node.runs && node.lease.is_held(edge)).then_some(generation)
    }

    /// Whether anything depends on what becomes of this edge's epoch: a publish on it is under way,
    /// or a lock names it, or may come to.
    #[must_use]
    pub(crate) fn has_business(&self, bounds: &Bounds, edge: usize) -> bool {
        let under_way = |publish: usize| self.publishes[publish].stage.is_under_way();
        bounds.publishes_of(edge).any(under_way)
            || self.item.is_some_and(|item| held_by(&item, edge))
            || self.copy.is_some_and(|write| names_owner(&write, edge))
    }
}

pub(crate) fn held_by(item: &Item, edge: usize) -> bool {
    let owner = item.owner.as_ref().filter(|_| item.state.is_held());
    owner.is_some_and(|owner| names::edge_of(owner) == edge)
}

fn names_owner(write: &Write, edge: usize) -> bool {
    match write {
        Write::Acquire(acquire) => names::edge_of(&acquire.claim.owner) == edge,
        Write::GoLive { owner, .. } | Write::Grace { owner, .. } | Write::End { owner, .. } => {
            names::edge_of(owner) == edge
        }
        Write::Offline { .. } => false,
    }
}

/// Whether a publish that was live drops with this write.
fn begins_grace(publish: usize, write: &Write) -> bool {
    let until = names::clock_of(publish) + names::GRACE;
    matches!(write, Write::Grace { grace_until, .. } if *grace_until == until)
}

/// The generation that a holder's write is made under.
fn generation_of(write: &Write) -> Option<u64> {
    match write {
        Write::GoLive { generation, .. }
        | Write::Grace { generation, .. }
        | Write::End { generation, .. } => Some(*generation),
        Write::Acquire(_) | Write::Offline { .. } => None,
    }
}

impl Node {
    pub(crate) fn registered(edge: usize) -> Self {
        Self {
            runs: true,
            lease: Holder::registered(),
            first_sent: None,
            item: names::edge_item(edge, 1).keep(),
            shown: Age::Fresh,
        }
    }

    /// The same, killed.
    pub(crate) const fn killed(self) -> Self {
        Self {
            runs: false,
            // Nothing asks a dead process for its lease.
            lease: Holder::lapsed(),
            first_sent: None,
            ..self
        }
    }

    /// Whether the epoch that its item shows is not over.
    #[must_use]
    pub(crate) fn lives(&self) -> bool {
        self.item.state != EdgeState::Fenced
    }
}

impl Publish {
    const IDLE: Self = Self {
        stage: Stage::Idle,
        key: 1,
        parked: false,
        late: false,
    };

    /// A publish that is over; nothing else of it matters.
    pub(crate) const GONE: Self = Self {
        stage: Stage::Gone,
        ..Self::IDLE
    };
}

impl Stage {
    /// Whether it has begun and is not over.
    #[must_use]
    pub(crate) const fn is_under_way(&self) -> bool {
        !matches!(self, Self::Idle | Self::Gone)
    }

    /// Whether its edge has anything of it.
    #[must_use]
    pub(crate) const fn is_here(&self) -> bool {
        self.is_under_way() && !matches!(self, Self::Adrift(_))
    }

    /// Whether it is on its way to the lock.
    pub(crate) const fn decides(&self) -> bool {
        matches!(
            self,
            Self::Reading(_)
                | Self::Learning(..)
                | Self::Asking(..)
                | Self::Parked(..)
                | Self::Writing(..)
        )
    }

    /// What is left of it when its edge drops it, or is killed.
    #[must_use]
    pub(crate) fn dropped(self) -> Self {
        match self.write() {
            Some(write) if self.is_here() => Self::Adrift(write),
            Some(_) => self,
            None => Self::Gone,
        }
    }

    /// The write under way.
    #[must_use]
    pub(crate) const fn write(&self) -> Option<Kept<Write>> {
        match self {
            Self::Writing(_, write)
            | Self::Owed(write)
            | Self::GoingLive(write, _)
            | Self::Leaving(write)
            | Self::Adrift(write) => Some(*write),
            Self::Idle
            | Self::Reading(_)
            | Self::Learning(..)
            | Self::Asking(..)
            | Self::Parked(..)
            | Self::Confirming(_)
            | Self::Starting(_)
            | Self::Live(_)
            | Self::Gone => None,
        }
    }

    /// The generation under which media would be handed on.
    fn streams(&self, bounds: &Bounds, publish: usize) -> Option<u64> {
        match self {
            Self::Starting(item) | Self::Live(item) => Some(item.version.generation),
            Self::GoingLive(write, Parting::Stays) => generation_of(write),
            Self::Leaving(write) if bounds.breaks(Plant::MediaUntilGraceAnswered) => {
                generation_of(write).filter(|_| begins_grace(publish, write))
            }
            Self::Idle
            | Self::Reading(_)
            | Self::Writing(..)
            | Self::Learning(..)
            | Self::Asking(..)
            | Self::Parked(..)
            | Self::Owed(_)
            | Self::Confirming(_)
            | Self::GoingLive(_, Parting::Drops | Parting::Unpublishes)
            | Self::Leaving(_)
            | Self::Adrift(_)
            | Self::Gone => None,
        }
    }

    pub(crate) fn waits_for(&self, edge: usize) -> bool {
        match self {
            Self::Learning(_, item) | Self::Asking(_, item) | Self::Parked(_, item) => {
                held_by(item, edge)
            }
            Self::Idle
            | Self::Reading(_)
            | Self::Writing(..)
            | Self::Owed(_)
            | Self::Confirming(_)
            | Self::Starting(_)
            | Self::GoingLive(..)
            | Self::Live(_)
            | Self::Leaving(_)
            | Self::Adrift(_)
            | Self::Gone => false,
        }
    }
}
