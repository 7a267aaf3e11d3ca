//! Locks that nobody answers for: those of a dead owner, and this edge's own that no connection
//! claims.

use std::time::Duration;

use domain::edge::Write;
use domain::live::{Item, State};
use domain::{Moment, Owner};

use super::call::Purpose;
use super::settle::Ground;
use super::{Edge, GIVE_BACK_EVERY};
use crate::event::{Ask, Channel, Timer};
use crate::world::World;

/// When the index is asked, after the sweep began: it lags behind.
const QUERIES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_secs(2),
    Duration::from_secs(12),
];

/// One dead owner whose locks are given back.
#[derive(Debug)]
pub(super) struct Sweep {
    owner: Owner,
    /// Whether its item waits to be marked as swept: an older epoch of one's own does not.
    marked: bool,
    began: Moment,
    /// Queries that were answered.
    queried: usize,
    /// Locks that were found and are not settled.
    open: u32,
}

impl Edge {
    pub(super) fn sweep(&mut self, owner: Owner, marked: bool, world: &mut World) {
        if self.sweeps.values().any(|sweep| sweep.owner == owner) {
            return;
        }
        self.tell(world, |story| {
            format!("sweeps the locks of {}", story.owner(&owner))
        });
        let id = self.serial();
        let began = self.now(world);
        self.sweeps.insert(
            id,
            Sweep {
                owner,
                marked,
                began,
                queried: 0,
                open: 0,
            },
        );
        self.query_sweep(id, world);
    }

    pub(super) fn sweep_older_epochs(&mut self, world: &mut World) {
        let Owner { edge_id, epoch } = self.owner().clone();
        for epoch in 1..epoch {
            self.sweep(
                Owner {
                    edge_id: edge_id.clone(),
                    epoch,
                },
                false,
                world,
            );
        }
    }

    pub(super) fn query_sweep(&mut self, id: u64, world: &mut World) {
        let Some(sweep) = self.sweeps.get(&id) else {
            return;
        };
        if sweep.queried < QUERIES.len() {
            let owner = sweep.owner.clone();
            self.call(Purpose::SweepQuery(id), Ask::HeldBy(owner), world);
        } else {
            self.finish_sweep(id, world);
        }
    }

    pub(super) fn on_sweep_queried(&mut self, id: u64, channels: &[Channel], world: &mut World) {
        let Some(sweep) = self.sweeps.get_mut(&id) else {
            return;
        };
        sweep.queried += 1;
        sweep.open += u32::try_from(channels.len()).unwrap_or(u32::MAX);
        let next = QUERIES.get(sweep.queried).map(|after| sweep.began + *after);
        for channel in channels {
            self.read_for_sweep(id, *channel, world);
        }
        match next {
            Some(next) => self.wake_at(world, next, Timer::SweepQuery(id)),
            None => self.finish_sweep(id, world),
        }
    }

    pub(super) fn read_for_sweep(&mut self, id: u64, channel: Channel, world: &mut World) {
        self.call(Purpose::SweepRead(id, channel), Ask::Live(channel), world);
    }

    pub(super) fn on_sweep_read(
        &mut self,
        id: u64,
        channel: Channel,
        item: Option<Item>,
        world: &mut World,
    ) {
        let Some(sweep) = self.sweeps.get(&id) else {
            return;
        };
        let found = item.filter(|item| item.owner.as_ref() == Some(&sweep.owner));
        match found {
            Some(item) if item.state.is_held() => {
                self.give_back(channel, &item, Ground::Sweep(id), world);
            }
            Some(item) => {
                self.time_grace_anew(channel, item, world);
                self.swept_one(id, world);
            }
            None => self.swept_one(id, world),
        }
    }

    /// A lock that the sweep found is settled.
    pub(super) fn swept_one(&mut self, id: u64, world: &mut World) {
        if let Some(sweep) = self.sweeps.get_mut(&id) {
            sweep.open = sweep.open.saturating_sub(1);
            self.finish_sweep(id, world);
        }
    }

    fn finish_sweep(&mut self, id: u64, world: &mut World) {
        let over = |sweep: &&Sweep| sweep.queried == QUERIES.len() && sweep.open == 0;
        let Some(sweep) = self.sweeps.get(&id).filter(over) else {
            return;
        };
        if sweep.marked {
            let write = Write::Swept {
                owner: sweep.owner.clone(),
            };
            self.call_edge(Purpose::Swept(id), write, world);
        } else {
            self.sweeps.remove(&id);
        }
    }

    // ---- This edge's own locks

    pub(super) fn query_own(&mut self, world: &mut World) {
        let owner = self.owner().clone();
        self.call(Purpose::GiveBack, Ask::HeldBy(owner), world);
        self.wake(world, GIVE_BACK_EVERY, Timer::GiveBack);
    }

    pub(super) fn on_own_queried(&mut self, channels: &[Channel], world: &mut World) {
        for channel in channels {
            self.call(Purpose::GiveBackRead(*channel), Ask::Live(*channel), world);
        }
    }

    pub(super) fn on_own_read(&mut self, channel: Channel, item: Option<Item>, world: &mut World) {
        let mine = |item: &Item| item.owner.as_ref() == Some(self.owner());
        let Some(item) = item.filter(mine) else {
            return;
        };
        let claimed = self.claims(channel, item.version.generation);
        match item.state {
            State::Starting | State::Live if !claimed => {
                self.tell(world, |_| {
                    format!("gives back channel {channel}, which nobody claims")
                });
                self.give_back(channel, &item, Ground::Own(None), world);
            }
            State::Grace if !claimed => self.time_grace_anew(channel, item, world),
            State::Offline | State::Starting | State::Live | State::Grace => {}
        }
    }
}
