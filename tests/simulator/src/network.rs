//! What the network and the store's front do to messages at the moment.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::chance::Chance;
use crate::event::Slot;
use crate::fault::{Kind, Way};

/// Percent of requests that are late, or arrive twice, while that fault lasts.
const ODD_PERCENT: u64 = 10;

/// What is wrong at the moment; every count is of faults that overlap.
#[derive(Debug)]
pub(crate) struct Network {
    outages: u32,
    throttles: BTreeMap<u64, u32>,
    requests_lost: Vec<u32>,
    answers_lost: Vec<u32>,
    slow: Vec<u32>,
    cut: BTreeMap<(Slot, Slot), u32>,
    late: u32,
    duplicates: u32,
    deaf: u32,
    lagging: u32,
}

impl Network {
    pub(crate) fn new(edges: usize) -> Self {
        Self {
            outages: 0,
            throttles: BTreeMap::new(),
            requests_lost: vec![0; edges],
            answers_lost: vec![0; edges],
            slow: vec![0; edges],
            cut: BTreeMap::new(),
            late: 0,
            duplicates: 0,
            deaf: 0,
            lagging: 0,
        }
    }

    /// A fault begins or ends; those that are not the network's change nothing here.
    pub(crate) fn change(&mut self, kind: Kind, begins: bool) {
        let count = |count: &mut u32| *count = if begins { *count + 1 } else { *count - 1 };
        match kind {
            Kind::Outage => count(&mut self.outages),
            Kind::Throttle(percent) => count(self.throttles.entry(percent).or_default()),
            Kind::StoreCut(slot, way) => {
                if way != Way::Answers {
                    count(&mut self.requests_lost[slot]);
                }
                if way != Way::Requests {
                    count(&mut self.answers_lost[slot]);
                }
            }
            Kind::PeerCut(one, other) => count(self.cut.entry(pair(one, other)).or_default()),
            Kind::Slow(slot) => count(&mut self.slow[slot]),
            Kind::Late => count(&mut self.late),
            Kind::Duplicates => count(&mut self.duplicates),
            Kind::ControlLost => count(&mut self.deaf),
            Kind::IndexLag => count(&mut self.lagging),
            Kind::Pause(_)
            | Kind::Kill(_)
            | Kind::Deploy(_)
            | Kind::WallJump(..)
            | Kind::Drift(..)
            | Kind::HalfOpen(_)
            | Kind::Flapping(_) => {}
        }
    }

    pub(crate) fn loses_request(&self, slot: Slot) -> bool {
        self.requests_lost[slot] > 0
    }

    pub(crate) fn loses_answer(&self, slot: Slot) -> bool {
        self.answers_lost[slot] > 0
    }

    pub(crate) fn store_is_away(&self) -> bool {
        self.outages > 0
    }

    pub(crate) fn turns_away(&self, chance: &mut Chance) -> bool {
        let active = self.throttles.iter().filter(|(_, count)| **count > 0);
        let percent = active.map(|(percent, _)| *percent).max();
        percent.is_some_and(|percent| chance.percent(percent))
    }

    /// Whether what a function says to the edges is lost.
    pub(crate) fn is_deaf(&self) -> bool {
        self.deaf > 0
    }

    pub(crate) fn is_cut(&self, one: Slot, other: Slot) -> bool {
        self.cut
            .get(&pair(one, other))
            .is_some_and(|count| *count > 0)
    }

    /// One way between an edge and the store.
    pub(crate) fn to_store(&self, slot: Slot, chance: &mut Chance) -> Duration {
        let longest = if chance.percent(5) { 60 } else { 8 };
        let usual = chance.millis(1, longest);
        if self.slow[slot] > 0 {
            return usual + chance.millis(0, 450);
        }
        usual
    }

    /// How much later than usual a request arrives.
    pub(crate) fn lateness(&self, chance: &mut Chance) -> Duration {
        if self.late > 0 && chance.percent(ODD_PERCENT) {
            return chance.millis(300, 15_000);
        }
        Duration::ZERO
    }

    /// When a request arrives a second time, after the first.
    pub(crate) fn duplicate(&self, chance: &mut Chance) -> Option<Duration> {
        let twice = self.duplicates > 0 && chance.percent(ODD_PERCENT);
        twice.then(|| chance.millis(0, 8_000))
    }

    /// How long a change of an owner takes to reach the index.
    pub(crate) fn index_lag(&self, chance: &mut Chance) -> Duration {
        if self.lagging > 0 {
            return chance.millis(0, 9_000);
        }
        chance.millis(0, 100)
    }
}

fn pair(one: Slot, other: Slot) -> (Slot, Slot) {
    (one.min(other), one.max(other))
}
