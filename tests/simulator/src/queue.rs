//! What is to happen, in order of time; of what happens at the same time, in order of planning.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::event::Event;
use crate::time::Time;

/// Events that are still to come.
#[derive(Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    planned: u64,
}

struct Entry {
    at: Time,
    order: u64,
    event: Event,
}

impl Queue {
    pub(crate) fn plan(&mut self, at: Time, event: Event) {
        self.planned += 1;
        let order = self.planned;
        self.heap.push(Reverse(Entry { at, order, event }));
    }

    pub(crate) fn next(&mut self) -> Option<(Time, Event)> {
        let Reverse(entry) = self.heap.pop()?;
        Some((entry.at, entry.event))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}
