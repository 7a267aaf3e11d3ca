//! What happens beside publishes and edges: timers and sweepers, stragglers, the page.

use crate::decisions::{self, is_dead};
use crate::kept::Kept;
use crate::page::Message;
use crate::state::{Stage, State};
use crate::{Bounds, names};

use domain::live::{Version, Write};

/// So many samples of a live publish have counted when the page sees one, in the plant that counts
/// them in the sequence.
const SAMPLES: u64 = 9;

impl State {
    /// What a timer, a sweeper or the reaper that reads the item now would write, where there is
    /// something to be done and one may begin.
    pub(crate) fn chore_to_take(&self, bounds: &Bounds) -> Option<Kept<Write>> {
        let item = self.item?;
        let slots = &self.chores[..bounds.chores];
        if slots.iter().all(Option::is_some) {
            return None;
        }
        let held = item.owner.as_ref().filter(|_| item.state.is_held());
        let dead = held.is_some_and(|owner| is_dead(owner, self.nodes[names::edge_of(owner)].item));
        decisions::chore(item, dead).filter(|chore| !slots.contains(&Some(*chore)))
    }

    pub(super) fn take_chore(&mut self, bounds: &Bounds) {
        if let Some(chore) = self.chore_to_take(bounds)
            && let Some(slot) = self.chores.iter_mut().find(|slot| slot.is_none())
        {
            *slot = Some(chore);
        }
    }

    pub(super) fn do_chore(&mut self, bounds: &Bounds, number: usize) {
        if let Some(chore) = self.chores[number].take() {
            self.write(bounds, chore);
        }
        // Which of them is in which place means nothing.
        self.chores.sort_by_key(Option::is_none);
    }

    pub(super) fn copy_arrives(&mut self, bounds: &Bounds) {
        if let Some(write) = self.copy.take() {
            self.write(bounds, write);
        }
    }

    pub(super) fn push(&mut self) {
        let item = self.item;
        if let Some(page) = &mut self.page {
            page.push = Some(Message::of(item));
        }
    }

    pub(super) fn show(&mut self) {
        if let Some(page) = &mut self.page {
            let before = page.shows.version;
            page.receive();
            debug_assert!(page.shows.version >= before);
        }
    }

    pub(super) fn sample(&mut self, publish: usize) {
        if let (Stage::Live(item), Some(page)) = (self.publishes[publish].stage, &mut self.page) {
            page.sample(Version {
                sequence: item.version.sequence + SAMPLES,
                ..item.version
            });
        }
    }
}
