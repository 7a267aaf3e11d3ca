//! The lease: how long an edge may act on the locks that name it, and when others may take them.
//!
//! An edge keeps one item of its own, with a heartbeat once a second; a lock names the edge and its
//! epoch and is good as long as that epoch is. So a thousand live channels cost one write a second.
//! [`Lease`] is the holder's side: until when it may go on. [`Watch`] is everybody else's: since when
//! an edge has been silent. No clock of one is ever compared with a clock of another: the holder
//! counts from before its heartbeat was sent, the watcher from after it was seen, and the watcher
//! waits longer.
//!
//! Invariants:
//! - A holder stops before the earliest moment at which anybody may fence it: its deadline counts
//!   from the *first* send of a heartbeat whose answer came, [`SILENCE`] from the moment at which a
//!   watcher first received that heartbeat.
//! - An epoch that is over is over for good; the next one begins when every publisher was dropped.
//! - A watcher whose own reading failed or was slow waits anew: an outage of the store fences nobody.

mod watch;

use std::collections::BTreeSet;
use std::time::Duration;

pub use watch::{SWEPT_BY_OTHERS_AFTER, Watch};

use crate::{EdgeId, Moment, Owner};

/// How long a heartbeat is good for, from its first send.
pub const LEASE: Duration = Duration::from_secs(4);
/// Time between two heartbeats: three may be lost.
pub const HEARTBEAT: Duration = Duration::from_secs(1);
/// Time between two readings of all edges.
pub const POLL: Duration = Duration::from_millis(500);
/// How long an edge must have been silent before it is fenced: the lease, clocks that run 0.4 %
/// apart, and the rounding of timers.
pub const SILENCE: Duration = Duration::from_millis(4_066);
/// Without an acknowledged heartbeat for so long an edge asks the others whether the store is away
/// for them, too; one that had a heartbeat acknowledged within it says that it is not.
pub const OUTAGE_AFTER: Duration = Duration::from_secs(2);
/// Time between two such questions.
pub const QUESTION_EVERY: Duration = Duration::from_secs(1);

/// Where an epoch is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    /// Its registration is not acknowledged: it takes nobody.
    Registering,
    /// It may hold locks until its deadline.
    Up,
    /// It is over: every publisher is to be dropped, then the next epoch registers.
    Over,
}

/// A heartbeat to be written.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Heartbeat {
    /// The epoch that beats.
    pub epoch: u64,
    /// One more than the last that was acknowledged.
    pub number: u64,
}

/// One edge's own lease.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Lease {
    owner: Owner,
    phase: Phase,
    /// The last heartbeat whose answer came; registration is number 0.
    number: u64,
    /// When that one was first sent.
    acknowledged: Moment,
    /// When the one under way was first sent.
    sent: Option<Moment>,
    deadline: Moment,
    question: Option<Question>,
}

/// A question to the other edges: is the store away for you, too?
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Question {
    asked: Moment,
    /// Who has not said "for me, too" yet.
    open: BTreeSet<EdgeId>,
}

impl Lease {
    /// The lease of a process that starts: nothing is acknowledged yet.
    #[must_use]
    pub const fn new(edge_id: EdgeId) -> Self {
        Self {
            owner: Owner { edge_id, epoch: 1 },
            phase: Phase::Registering,
            number: 0,
            acknowledged: Moment::from_micros(0),
            sent: None,
            deadline: Moment::from_micros(0),
            question: None,
        }
    }

    /// What the present epoch writes into locks.
    #[must_use]
    pub const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Where the present epoch is in its life.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Until when publishers may be let in and media handed on, as far as is known now.
    #[must_use]
    pub const fn deadline(&self) -> Moment {
        self.deadline
    }

    /// Whether publishers may be let in and media handed on.
    #[must_use]
    pub fn is_held(&self, now: Moment) -> bool {
        self.phase == Phase::Up && now < self.deadline
    }

    /// The registration is about to be sent, for the first time or again.
    pub fn register(&mut self, now: Moment) {
        self.sent.get_or_insert(now);
    }

    /// The registration was acknowledged.
    pub fn registered(&mut self) {
        if self.phase == Phase::Registering {
            self.phase = Phase::Up;
            self.number = 0;
            self.count_from_first_send();
        }
    }

    /// The heartbeat to write now, for the first time or again; None where the epoch does not beat.
    pub fn beat(&mut self, now: Moment) -> Option<Heartbeat> {
        if self.phase != Phase::Up {
            return None;
        }
        self.sent.get_or_insert(now);
        Some(Heartbeat {
            epoch: self.owner.epoch,
            number: self.number + 1,
        })
    }

    /// A heartbeat was acknowledged, by this answer or by an item that shows it.
    pub fn acknowledged(&mut self, heartbeat: &Heartbeat) {
        let mine = heartbeat.epoch == self.owner.epoch && heartbeat.number == self.number + 1;
        if self.phase == Phase::Up && mine {
            self.number = heartbeat.number;
            self.count_from_first_send();
        }
    }

    /// The store says that this epoch is over: it was fenced, maybe before its registration was
    /// acknowledged.
    pub fn rejected(&mut self, epoch: u64) {
        if epoch == self.owner.epoch {
            self.phase = Phase::Over;
        }
    }

    /// Ends the epoch where its deadline has passed. True where it is over.
    pub fn expire(&mut self, now: Moment) -> bool {
        if self.phase == Phase::Up && now >= self.deadline {
            self.phase = Phase::Over;
        }
        self.phase == Phase::Over
    }

    /// Every publisher of the epoch that is over was dropped: the next one may register.
    pub fn renew(&mut self) {
        if self.phase == Phase::Over {
            self.owner.epoch += 1;
            self.phase = Phase::Registering;
            self.sent = None;
            self.question = None;
        }
    }

    /// Whether the next heartbeat is to be written at once: the last one took so long to be
    /// acknowledged that its time is nearly up.
    #[must_use]
    pub fn is_late(&self, now: Moment) -> bool {
        now >= self.acknowledged + HEARTBEAT
    }

    /// Whether the others are to be asked about an outage.
    #[must_use]
    pub fn suspects_outage(&self, now: Moment) -> bool {
        let asked_lately = |question: &Question| now < question.asked + QUESTION_EVERY;
        self.phase == Phase::Up
            && now >= self.acknowledged + OUTAGE_AFTER
            && !self.question.as_ref().is_some_and(asked_lately)
    }

    /// The others, who could fence this edge, are about to be asked. With none there is nobody to
    /// take over: the lease goes on.
    pub fn ask(&mut self, now: Moment, others: impl IntoIterator<Item = EdgeId>) {
        let open = others.into_iter().collect();
        self.question = Some(Question { asked: now, open });
        self.hold_where_all_agree();
    }

    /// `other` says that the store is away for it, too, and has begun to wait anew for this edge.
    /// `asked` is the moment of the question that it answers.
    pub fn agreed(&mut self, other: &EdgeId, asked: Moment) {
        if let Some(question) = self.question.as_mut().filter(|q| q.asked == asked) {
            question.open.remove(other);
            self.hold_where_all_agree();
        }
    }

    /// The answer to another edge's question: whether the store has acknowledged a heartbeat of
    /// ours that was sent lately. Where it has not, the watch of the asker must wait anew before
    /// the answer is given: [`Watch::wait_anew`].
    #[must_use]
    pub fn reaches_store(&self, now: Moment) -> bool {
        self.phase == Phase::Up && now < self.acknowledged + OUTAGE_AFTER
    }

    fn hold_where_all_agree(&mut self) {
        let agreed = self.question.as_ref().filter(|q| q.open.is_empty());
        if let Some(question) = agreed.filter(|_| self.phase == Phase::Up) {
            self.deadline = self.deadline.max(question.asked + LEASE);
        }
    }

    /// The answer to what was sent came; it may answer the first send or a later one.
    fn count_from_first_send(&mut self) {
        if let Some(sent) = self.sent.take() {
            self.acknowledged = sent;
            // A hold may reach further than a heartbeat that was first sent before the outage.
            self.deadline = self.deadline.max(sent + LEASE);
        }
    }
}

#[cfg(test)]
mod tests;
