//! The domain asked, and its answers kept: the same question is asked in thousands of states.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::thread::LocalKey;

use domain::edge::Edge;
use domain::lease::Watch;
use domain::live::{Attempt, EndReason, Item, PARK, Step, Write, Written, Yield};
use domain::{Moment, Owner, Timestamp};

use crate::kept::{Keep as _, Kept};
use crate::names::{self, GRACE, NOW};
use crate::state::Parting;

/// What a publish is told next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Told {
    /// The live item was read.
    Found(Option<Kept<Item>>),
    /// Its write was made.
    Done(Kept<Item>),
    /// The condition of its write failed.
    Rejected(Option<Kept<Item>>),
    /// The store said whether the holder is dead.
    Learned(bool),
    /// The holder's edge answered.
    Answered(Yield),
    /// All edges were read again.
    Read,
    /// It has waited long enough.
    Waited,
}

/// How its edge sees the world when a publish decides.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct View {
    /// The holder's edge, as last read; None where it was not read yet.
    pub holder: Option<Kept<Edge>>,
    /// Whether the wall clock says that a grace was abandoned.
    pub abandoned: bool,
}

/// What a publish does next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Next {
    /// Reads the live item.
    Read,
    /// Sends a write.
    Write(Kept<Write>),
    /// Asks the store whether the holder is dead.
    Learn(Kept<Item>),
    /// Asks the holder's edge to yield.
    Ask(Kept<Item>),
    /// Waits.
    Park,
    /// It has the lock.
    Acquired(Kept<Item>),
    /// It is turned away.
    Refused,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Turn {
    publish: usize,
    edge: usize,
    attempt: Kept<Attempt>,
    told: Told,
    view: View,
}

/// The live item, where there is one.
type Found = Option<Kept<Item>>;

type Memory<K, V> = RefCell<HashMap<K, V>>;

thread_local! {
    static TURNS: Memory<Turn, (Kept<Attempt>, Next)> = RefCell::default();
    static APPLIED: Memory<(Kept<Write>, Found), Found> = RefCell::default();
    static BEGUN: Memory<(usize, usize, u8, u8), Kept<Attempt>> = RefCell::default();
    static PARTED: Memory<(usize, Kept<Item>, Parting), Option<Kept<Write>>> = RefCell::default();
    static STARTED: Memory<(usize, Kept<Item>), Kept<Write>> = RefCell::default();
    static CHORES: Memory<(Kept<Item>, bool), Option<Kept<Write>>> = RefCell::default();
}

fn remembered<K: Hash + Eq + Copy, V: Copy>(
    memory: &'static LocalKey<Memory<K, V>>,
    key: K,
    answer: impl FnOnce() -> V,
) -> V {
    let known = memory.with_borrow(|memory| memory.get(&key).copied());
    known.unwrap_or_else(|| {
        let answer = answer();
        memory.with_borrow_mut(|memory| memory.insert(key, answer));
        answer
    })
}

/// What a write leaves; None where it is not permitted.
#[must_use]
pub(crate) fn apply(write: Kept<Write>, found: Option<Kept<Item>>) -> Option<Kept<Item>> {
    remembered(&APPLIED, (write, found), || {
        write.apply(found.as_deref()).map(Item::keep)
    })
}

/// A publish goes on, told what has happened.
#[must_use]
pub(crate) fn go_on(
    publish: usize,
    edge: usize,
    attempt: Kept<Attempt>,
    told: Told,
    view: View,
) -> (Kept<Attempt>, Next) {
    let turn = Turn {
        publish,
        edge,
        attempt,
        told,
        view,
    };
    remembered(&TURNS, turn, || turn.take())
}

impl Turn {
    fn take(self) -> (Kept<Attempt>, Next) {
        let mut attempt = (*self.attempt).clone();
        let fleet = self.fleet();
        let now = self.now();
        let item = |item: Option<Kept<Item>>| item.map(|item| (*item).clone());
        let step = match self.told {
            Told::Found(found) => attempt.found(item(found), &fleet, now),
            Told::Done(done) => attempt.written(Written::Done((*done).clone()), &fleet, now),
            Told::Rejected(found) => attempt.written(Written::Rejected(item(found)), &fleet, now),
            Told::Learned(dead) => attempt.learned(dead, &fleet, now),
            Told::Answered(answer) => attempt.answered(answer, &fleet, NOW),
            Told::Read => attempt.look(&fleet, NOW),
            Told::Waited => attempt.look(&fleet, NOW + PARK),
        };
        let next = self.next(step);
        (attempt.keep(), next)
    }

    fn fleet(&self) -> Watch {
        watching(self.edge, self.view.holder, NOW)
    }

    fn now(&self) -> Timestamp {
        if self.view.abandoned {
            names::late_clock()
        } else {
            names::clock_of(self.publish)
        }
    }

    fn next(&self, step: Step) -> Next {
        match step {
            Step::Read => Next::Read,
            Step::Write(write) => Next::Write(write.keep()),
            Step::Sweep(item) => {
                let write = item.dropped(names::clock_of(self.publish), GRACE);
                Next::Write(write.expect("it is held").keep())
            }
            Step::Learn(_) => Next::Learn(self.item()),
            Step::Ask(item) => Next::Ask(item.keep()),
            Step::Park { .. } => Next::Park,
            Step::Acquired(item) => Next::Acquired(item.keep()),
            Step::Refuse(_) => Next::Refused,
        }
    }

    /// The item it was told of.
    fn item(&self) -> Kept<Item> {
        match self.told {
            Told::Found(Some(item)) | Told::Done(item) | Told::Rejected(Some(item)) => item,
            Told::Found(None)
            | Told::Rejected(None)
            | Told::Learned(_)
            | Told::Answered(_)
            | Told::Read
            | Told::Waited => unreachable!("only a holder in an item just found is looked up"),
        }
    }
}

/// What an edge knows of another that it read at a moment.
#[must_use]
pub(crate) fn watching(me: usize, other: Option<Kept<Edge>>, at: Moment) -> Watch {
    let mut watch = Watch::new(names::edge_id(me));
    watch.received(at, at, other.iter().map(|edge| (**edge).clone()).collect());
    watch
}

/// Whether this owner's epoch is over, by its edge's item.
#[must_use]
pub(crate) fn is_dead(owner: &Owner, found: Kept<Edge>) -> bool {
    domain::edge::is_dead(owner, Some(&found))
}

/// A publish begins on an edge in this epoch, with this version of the key.
#[must_use]
pub(crate) fn begin(publish: usize, edge: usize, epoch: u8, key: u8) -> Kept<Attempt> {
    remembered(&BEGUN, (publish, edge, epoch, key), || {
        let owner = Owner {
            edge_id: names::edge_id(edge),
            epoch: u64::from(epoch),
        };
        Attempt::new(names::claim(publish, owner, u64::from(key))).keep()
    })
}

/// What the holder of an item writes when its encoder leaves; None where nobody holds it.
#[must_use]
pub(crate) fn part(publish: usize, item: Kept<Item>, parting: Parting) -> Option<Kept<Write>> {
    remembered(&PARTED, (publish, item, parting), || {
        let now = names::clock_of(publish);
        let write = match parting {
            Parting::Stays => None,
            Parting::Drops => item.dropped(now, GRACE),
            Parting::Unpublishes => item.end(now, EndReason::Unpublished),
        };
        write.map(Write::keep)
    })
}

/// What the holder of an item writes at the first media.
#[must_use]
pub(crate) fn go_live(publish: usize, item: Kept<Item>) -> Kept<Write> {
    remembered(&STARTED, (publish, item), || {
        let write = Write::GoLive {
            channel_id: item.channel_id.clone(),
            owner: item.owner.clone().expect("it is held"),
            generation: item.version.generation,
            now: names::clock_of(publish),
        };
        write.keep()
    })
}

/// What the timer of a grace, a sweeping edge or the reaper writes, given the item: OFFLINE where it
/// is in GRACE, what its loss leaves where its holder is dead.
#[must_use]
pub(crate) fn chore(item: Kept<Item>, holder_is_dead: bool) -> Option<Kept<Write>> {
    remembered(&CHORES, (item, holder_is_dead), || {
        let now = names::janitors_clock();
        let ended = item.offline(now, EndReason::Dropped);
        let swept = || item.dropped(now, GRACE).filter(|_| holder_is_dead);
        ended.or_else(swept).map(Write::keep)
    })
}
