//! One publish's way to the lock: read, decide, write or ask or wait, until it has the lock or is
//! turned away.
//!
//! The caller does what a [`Step`] says and reports what came of it; nothing else moves the attempt.
//! A publish that finds the lock held asks the holder's edge to yield: media that flows keeps it, a
//! holder whose encoder has vanished gives it up, and one that does not answer is waited for until
//! it shows that it lives or is known to be dead.

use std::time::Duration;

use super::{Claim, Decision, Holder, Item, Write, decide};
use crate::lease::Watch;
use crate::{Moment, Owner, Refusal, Timestamp};

/// Writes that found the item changed meanwhile, before the encoder is told to come again.
pub const REJECTIONS: u32 = 5;
/// Looks at the item in all: a lock that goes from hand to hand meanwhile is not followed for ever.
pub const LOOKS: u32 = 16;
/// How long a publish waits at most for a holder that does not answer: OBS waits 30 s for the
/// reply, ffmpeg at least 8 s.
pub const PARK: Duration = Duration::from_secs(8);

/// What became of a conditional write on a live item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Written {
    /// It was made, now or by an attempt whose answer was lost. The item as it is now.
    Done(Item),
    /// Its condition failed. The item that was found; None where there is none.
    Rejected(Option<Item>),
}

/// What the holder's edge says when it is asked to yield.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Yield {
    /// Media flows: the first stays.
    MediaFlows,
    /// It stopped and wrote what it left: read the item again.
    Yielded,
    /// No answer.
    Silent,
}

/// What is to be done next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Read the live item, strongly consistent, and report it: [`Attempt::found`].
    Read,
    /// Make this write and report it: [`Attempt::written`]. An acquisition that is sent is owed: it
    /// is repeated until there is a definite answer, whatever becomes of the publish.
    Write(Write),
    /// The holder is dead: write what its loss leaves ([`Item::dropped`], with the channel's
    /// grace) and report it: [`Attempt::written`].
    Sweep(Item),
    /// Find out whether this owner is dead, from its edge's item, and report it:
    /// [`Attempt::learned`].
    Learn(Owner),
    /// Ask the holder's edge to yield and report its answer: [`Attempt::answered`].
    Ask(Item),
    /// Wait for the next reading of all edges, or a moment at most, then [`Attempt::look`] again. A
    /// publish whose encoder leaves meanwhile writes nothing.
    Park {
        /// When it is turned away for want of an answer.
        until: Moment,
    },
    /// The lock is this publish's, as STARTING.
    Acquired(Item),
    /// It is turned away and holds nothing.
    Refuse(Refusal),
}

/// One publish on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    claim: Claim,
    looks: u32,
    /// Writes whose condition failed.
    rejections: u32,
    found: Option<Item>,
    parked: Option<Parked>,
}

/// A holder that did not answer.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Parked {
    owner: Owner,
    generation: u64,
    /// Its heartbeat when it was asked; None where it had just started and was not known yet.
    heartbeat: Option<u64>,
    until: Moment,
}

impl Attempt {
    /// A publish begins; its first step is [`Step::Read`].
    #[must_use]
    pub const fn new(claim: Claim) -> Self {
        Self {
            claim,
            looks: 0,
            rejections: 0,
            found: None,
            parked: None,
        }
    }

    /// The live item was read.
    pub fn found(&mut self, item: Option<Item>, fleet: &Watch, now: Timestamp) -> Step {
        self.found = item;
        self.looks += 1;
        if self.looks > LOOKS {
            return Step::Refuse(Refusal::ServiceUnavailable);
        }
        self.decide(None, fleet, now)
    }

    /// A write was answered.
    pub fn written(&mut self, written: Written, fleet: &Watch, now: Timestamp) -> Step {
        match written {
            Written::Done(item) if self.took(&item) => Step::Acquired(item),
            Written::Done(item) => self.found(Some(item), fleet, now),
            Written::Rejected(item) => {
                self.rejections += 1;
                if self.rejections >= REJECTIONS {
                    return Step::Refuse(Refusal::ServiceUnavailable);
                }
                self.found(item, fleet, now)
            }
        }
    }

    /// The store was asked whether the holder is dead.
    pub fn learned(&mut self, dead: bool, fleet: &Watch, now: Timestamp) -> Step {
        self.decide(Some(dead), fleet, now)
    }

    /// The holder's edge was asked to yield.
    pub fn answered(&mut self, answer: Yield, fleet: &Watch, at: Moment) -> Step {
        let held = self.found.as_ref().filter(|item| item.state.is_held());
        let Some((item, owner)) = held.and_then(|item| item.owner.clone().map(|o| (item, o)))
        else {
            return Step::Read;
        };
        match answer {
            Yield::Yielded => Step::Read,
            Yield::MediaFlows => Step::Refuse(item.already_live()),
            Yield::Silent => {
                // However often the lock changes hands meanwhile, the encoder waits once.
                let until = self
                    .parked
                    .as_ref()
                    .map_or(at + PARK, |parked| parked.until);
                self.parked = Some(Parked {
                    generation: item.version.generation,
                    heartbeat: fleet.heartbeat(&owner),
                    owner,
                    until,
                });
                Step::Park { until }
            }
        }
    }

    /// Whether the wait for a silent holder is over.
    pub fn look(&mut self, fleet: &Watch, at: Moment) -> Step {
        let Some(parked) = &self.parked else {
            return Step::Read;
        };
        if at >= parked.until {
            Step::Refuse(Refusal::ServiceUnavailable)
        } else if parked.lives(fleet)
            || parked.is_known_at_last(fleet)
            || fleet.is_dead(&parked.owner) == Some(true)
        {
            Step::Read
        } else {
            Step::Park {
                until: parked.until,
            }
        }
    }

    fn decide(&mut self, dead: Option<bool>, fleet: &Watch, now: Timestamp) -> Step {
        let holder = match self.holder(dead, fleet) {
            Ok(holder) => holder,
            Err(unknown) => return Step::Learn(unknown),
        };
        let found = self.found.as_ref();
        match decide(found, &self.claim, holder, now) {
            Decision::Acquire(acquire) => Step::Write(Write::Acquire(acquire)),
            Decision::EndFirst(write) => Step::Write(write),
            Decision::SweepFirst(item) => Step::Sweep(item),
            Decision::Ask(item) => Step::Ask(item),
            Decision::Refuse(refusal) => Step::Refuse(refusal),
        }
    }

    /// What is known of who holds the lock; the owner where the store must be asked.
    fn holder(&self, dead: Option<bool>, fleet: &Watch) -> Result<Holder, Owner> {
        let held = self.found.as_ref().filter(|item| item.state.is_held());
        let Some((item, owner)) = held.and_then(|item| Some((item, item.owner.as_ref()?))) else {
            return Ok(Holder::Unasked);
        };
        let mine = owner.edge_id == self.claim.owner.edge_id;
        let dead = dead
            .or_else(|| fleet.is_dead(owner))
            // Of this process's own epochs those before the present one are over.
            .or_else(|| mine.then_some(owner.epoch < self.claim.owner.epoch));
        let asked = |parked: &&Parked| {
            parked.owner == *owner && parked.generation == item.version.generation
        };
        match dead {
            None => Err(owner.clone()),
            Some(true) => Ok(Holder::Dead),
            Some(false) => Ok(match self.parked.as_ref().filter(asked) {
                Some(parked) if parked.lives(fleet) => Holder::Lives,
                Some(_) | None => Holder::Unasked,
            }),
        }
    }

    fn took(&self, item: &Item) -> bool {
        item.attempt_id.as_ref() == Some(&self.claim.attempt_id)
    }
}

impl Parked {
    /// Whether the holder can be asked now, and could not before.
    fn is_known_at_last(&self, fleet: &Watch) -> bool {
        self.heartbeat.is_none() && fleet.heartbeat(&self.owner).is_some()
    }

    /// Whether the holder beat since it was asked: it cannot be reached and yet it lives.
    fn lives(&self, fleet: &Watch) -> bool {
        let now = fleet.heartbeat(&self.owner);
        now.zip(self.heartbeat)
            .is_some_and(|(now, then)| now > then)
    }
}
