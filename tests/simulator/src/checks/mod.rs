//! The observer: sees true time, every write and every batch of media, and says what must not be.
//!
//! | file | what it holds |
//! |---|---|
//! | `health.rs` | which edges suffer a fault, and since when they do not |
//! | `writes.rs` | what the store must never show: generations, ended sessions, early OFFLINE, fences |
//! | `media.rs` | whose media is accepted, with which key |
//! | `bounds.rs` | what must happen, by when |
//!
//! A bound is asserted where the edges that must keep it suffered no fault from shortly before its
//! cause to its end; how often each was, is counted. That everything ends well at all is asserted in
//! every run, after its last fault.

mod bounds;
mod health;
mod media;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use domain::live::Version;
use domain::{EdgeId, Owner, SessionId};

pub(crate) use bounds::Seen;
pub(crate) use media::Batch;

use crate::event::{Channel, Connection, Process, Slot};
use crate::figures::Figures;
use crate::story::Story;
use crate::time::Time;
use bounds::Duty;
use health::Health;

/// A promise that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// When.
    pub at: Time,
    /// Which promise.
    pub rule: Rule,
    /// What was seen.
    pub what: String,
}

/// What is promised.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rule {
    /// One publisher's media is accepted on a channel, and none of a lower generation after a higher.
    OnePublisher,
    /// Nothing is accepted under a generation after a write has said that it is let go.
    NothingAfterLetGo,
    /// Media is accepted within a lease of the first send of a heartbeat whose answer came, or of a
    /// question that every other edge answered.
    DeadlineIsKept,
    /// A version is never left twice, and none is lower than one before it.
    VersionsGrow,
    /// A session that was OFFLINE does not come back.
    OfflineStays,
    /// What a dashboard shows never goes back.
    ShownGrows,
    /// A key that was retired before the lock was taken starts nothing, nor does one on hold.
    RetiredKey,
    /// A session that is to be cut is cut in time.
    Cut,
    /// OFFLINE never comes before the promised grace.
    GraceIsKept,
    /// OFFLINE comes within the grace and 2 s of a drop.
    DropIsShown,
    /// A publisher that is silent for 15 s is dropped.
    SilenceIsADrop,
    /// A lost edge is fenced within 5 s.
    Takeover,
    /// A publish that waits for it has the lock within 5 s.
    WaitingPublish,
    /// The sessions of a lost edge are OFFLINE within the grace and 7 s.
    LossIsShown,
    /// Nobody is fenced who reached the store all the time.
    NoFalseFence,
    /// Nobody is fenced whose silence was not watched in full: since the last reading that failed or
    /// was slow, and since it was told that the store is away.
    FenceAfterSilence,
    /// No lock is held for long that no connection of a healthy edge claims.
    LocksAreClaimed,
    /// A fenced epoch's locks are given back.
    DeadAreSwept,
    /// A publish is answered in time.
    PublishIsAnswered,
    /// Dashboards show what the store holds within 5 s.
    ReadersAgree,
    /// 5 s after the last fault every edge is up.
    EdgesRecover,
    /// When all publishers have stopped every channel is OFFLINE within the bounds.
    EndsOffline,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {:?}: {}", self.at, self.rule, self.what)
    }
}

/// Who made a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum By {
    Edge(Process),
    Reaper,
}

impl By {
    /// The edge process that writes, where it is one.
    const fn process(self) -> Option<Process> {
        match self {
            Self::Edge(process) => Some(process),
            Self::Reaper => None,
        }
    }

    pub(crate) fn name(self, story: &Story) -> String {
        match self {
            Self::Edge(process) => story.process(process),
            Self::Reaper => "the reaper".to_owned(),
        }
    }
}

/// A process that started.
#[derive(Debug)]
struct Born {
    id: EdgeId,
    slot: Slot,
    alive: bool,
}

/// An epoch that was fenced.
#[derive(Clone, Copy, Debug)]
struct Fence {
    by: By,
}

/// What is known of one channel.
#[derive(Debug)]
struct Track {
    grace: Duration,
    top: Option<Version>,
    changed: Time,
    ended: BTreeSet<SessionId>,
    /// The acquisition of each generation.
    acquired: BTreeMap<u64, Acquired>,
    /// Whose media was last accepted.
    accepted: Option<(u64, Owner, Connection)>,
    /// The generation that last went LIVE.
    live: u64,
    /// The last generation that a write let go.
    let_go: u64,
    /// When media was last accepted, and of each session while it was LIVE. A grace counts from
    /// there: what the store never heard of as LIVE has none.
    last_media: Time,
    session_media: BTreeMap<SessionId, Time>,
    /// Keys that were retired: version, from when on, and by how much clocks may disagree on it.
    retired: Vec<(u64, Time, Duration)>,
    /// Times in which no publish is admitted.
    holds: Vec<(Time, Time)>,
    /// Sessions admitted under less were to be cut; and whether the edges were told.
    cuts: Vec<(Time, u64, bool)>,
    unclaimed: Option<Time>,
    /// The dead owner whose session was last taken over.
    taken_from: Option<Owner>,
}

#[derive(Clone, Debug)]
struct Acquired {
    at: Time,
    session: Option<SessionId>,
}

/// The observer.
#[derive(Debug)]
pub(crate) struct Checks {
    pub(crate) violation: Option<Violation>,
    pub(crate) figures: Figures,
    channels: Vec<Track>,
    health: Vec<Health>,
    born: Vec<Born>,
    by_id: BTreeMap<EdgeId, Process>,
    fences: BTreeMap<(EdgeId, u64), Fence>,
    unswept: BTreeMap<(EdgeId, u64), Time>,
    duties: Vec<Duty>,
    /// When each owner was lost.
    losses: BTreeMap<(EdgeId, u64), Time>,
    residue: BTreeSet<(EdgeId, u64, u64)>,
}

impl Checks {
    pub(crate) fn new(edges: usize, graces: &[Duration]) -> Self {
        let track = |grace: &Duration| Track {
            grace: *grace,
            top: None,
            changed: Time::ZERO,
            ended: BTreeSet::new(),
            acquired: BTreeMap::new(),
            accepted: None,
            live: 0,
            let_go: 0,
            last_media: Time::ZERO,
            session_media: BTreeMap::new(),
            retired: Vec::new(),
            holds: Vec::new(),
            cuts: Vec::new(),
            unclaimed: None,
            taken_from: None,
        };
        Self {
            violation: None,
            figures: Figures::default(),
            channels: graces.iter().map(track).collect(),
            health: (0..edges).map(|_| Health::default()).collect(),
            born: Vec::new(),
            by_id: BTreeMap::new(),
            fences: BTreeMap::new(),
            unswept: BTreeMap::new(),
            duties: Vec::new(),
            losses: BTreeMap::new(),
            residue: BTreeSet::new(),
        }
    }

    /// The first broken promise of a run is the one that counts.
    pub(crate) fn broken(&mut self, at: Time, rule: Rule, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(Violation {
                at,
                rule,
                what: what(),
            });
        }
    }

    // ---- Processes

    pub(crate) fn born(&mut self, slot: Slot, process: Process, id: &EdgeId) {
        debug_assert_eq!(process, self.born.len(), "processes are counted in order");
        self.born.push(Born {
            id: id.clone(),
            slot,
            alive: true,
        });
        self.by_id.insert(id.clone(), process);
        self.health[slot].down();
    }

    pub(crate) fn died(&mut self, process: Process) {
        if let Some(born) = self.born.get_mut(process) {
            born.alive = false;
            let slot = born.slot;
            self.health[slot].down();
            self.duties.retain(|duty| duty.kept_by() != Some(slot));
        }
    }

    pub(crate) fn process(&self, id: &EdgeId) -> Option<Process> {
        self.by_id
            .get(id)
            .copied()
            .filter(|process| self.born[*process].alive)
    }

    fn slot_of(&self, id: &EdgeId) -> Option<Slot> {
        self.process(id).map(|process| self.born[process].slot)
    }

    fn fence_of(&self, owner: &Owner) -> Option<Fence> {
        self.fences
            .get(&(owner.edge_id.clone(), owner.epoch))
            .copied()
    }

    // ---- What a channel's owner did

    pub(crate) fn retired(&mut self, channel: Channel, version: u64, from: Time, doubt: Duration) {
        self.channels[channel].retired.push((version, from, doubt));
    }

    pub(crate) fn put_on_hold(&mut self, channel: Channel, from: Time, until: Time) {
        // A hold takes the place of the one before it.
        for hold in &mut self.channels[channel].holds {
            hold.1 = hold.1.min(from);
        }
        self.channels[channel].holds.push((from, until));
    }

    pub(crate) fn cut(&mut self, channel: Channel, now: Time, before: u64) {
        self.channels[channel].cuts.push((now, before, false));
    }

    pub(crate) fn told(&mut self, channel: Channel) {
        if let Some(cut) = self.channels[channel].cuts.last_mut() {
            cut.2 = true;
        }
    }

    /// A deadline was put off by a question that was sent while the lease was held, or after it.
    pub(crate) fn held(&mut self, now: Time, name: &str, in_time: bool) {
        self.figures.holds += 1;
        if !in_time {
            self.broken(now, Rule::DeadlineIsKept, || {
                format!("{name} holds on after its deadline")
            });
        }
    }
}
