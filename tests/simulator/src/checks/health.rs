//! Which edges suffer a fault, and since when they do not.

use std::time::Duration;

use domain::Owner;

use super::{Checks, Rule};
use crate::event::Slot;
use crate::fault::{Kind, Weight};
use crate::time::Time;

/// An edge that was spared for so long has no excuse for being fenced: longer than a lease, a
/// silence, and the answers to what was sent before.
const SPARED: Duration = Duration::from_secs(8);

/// One machine.
#[derive(Debug, Default)]
pub(super) struct Health {
    light: u32,
    heavy: u32,
    light_over: Time,
    heavy_over: Time,
    /// Since when its process has been registered.
    up: Option<Time>,
}

impl Health {
    pub(super) const fn down(&mut self) {
        self.up = None;
    }

    /// Since when it has suffered nothing.
    fn well(&self) -> Option<Time> {
        let spared = self.light == 0 && self.heavy == 0;
        spared.then(|| self.light_over.max(self.heavy_over))
    }

    fn unshaken(&self) -> Option<Time> {
        (self.heavy == 0).then_some(self.heavy_over)
    }
}

impl Checks {
    /// A fault begins or ends.
    pub(crate) fn fault(&mut self, now: Time, kind: Kind, begins: bool) {
        let weight = kind.weight();
        let all = 0..self.health.len();
        let hit = all.filter(|slot| kind.slot().is_none_or(|hit| hit == *slot));
        for slot in hit {
            let health = &mut self.health[slot];
            let (count, over) = match weight {
                Weight::None => return,
                Weight::Light => (&mut health.light, &mut health.light_over),
                Weight::Heavy => (&mut health.heavy, &mut health.heavy_over),
            };
            *count = if begins { *count + 1 } else { *count - 1 };
            *over = now;
        }
    }

    /// An edge's registration was acknowledged.
    pub(crate) fn up(&mut self, now: Time, slot: Slot) {
        self.health[slot].up.get_or_insert(now);
    }

    /// An epoch ended by its own edge.
    pub(crate) fn over(&mut self, now: Time, slot: Slot, owner: &Owner) {
        if self.fence_of(owner).is_none() && self.was_spared(slot, now.before(SPARED)) {
            self.figures.false_fences += 1;
            let (what, slot) = (owner.to_string(), slot);
            self.broken(now, Rule::NoFalseFence, || {
                format!("machine {slot} ended {what} itself")
            });
        }
        self.duties.retain(|duty| duty.kept_by() != Some(slot));
        self.health[slot].up = None;
    }

    /// Whether a machine has suffered nothing since then, and its process was up all the time.
    pub(super) fn is_well_since(&self, slot: Slot, since: Time) -> bool {
        let health = &self.health[slot];
        let spared = health.well().is_some_and(|well| well <= since);
        spared && health.up.is_some_and(|up| up <= since)
    }

    pub(super) fn well(&self, slot: Slot) -> Option<Time> {
        self.health[slot].well()
    }

    pub(super) fn was_spared(&self, slot: Slot, since: Time) -> bool {
        let health = &self.health[slot];
        let unshaken = health.unshaken().is_some_and(|unshaken| unshaken <= since);
        unshaken && health.up.is_some_and(|up| up <= since)
    }

    /// Whether another machine was well since then.
    pub(super) fn another_is_well(&self, than: Slot, since: Time) -> bool {
        (0..self.health.len()).any(|slot| slot != than && self.is_well_since(slot, since))
    }

    pub(super) fn spared_since(now: Time) -> Time {
        now.before(SPARED)
    }
}
