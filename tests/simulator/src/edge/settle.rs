//! Writes that give a lock back, repeated until there is a definite answer, and the timers of the
//! grace.

use std::time::Duration;

use domain::live::{EndReason, GRACE_MARGIN, Item, State, Version, Write, Written};
use domain::{EdgeId, Moment};

use super::Edge;
use super::call::Purpose;
use crate::event::{Channel, Made, Message, Slot, Timer};
use crate::world::{World, status};

/// A write that gives a lock back.
#[derive(Debug)]
pub(super) struct Settle {
    channel: Channel,
    generation: u64,
    write: Write,
    /// When the publisher was lost.
    dropped: Moment,
    /// The item before it, as far as is known.
    before: State,
    /// The epoch it ends with; None where it is about a dead owner's lock.
    pub(super) epoch: Option<u64>,
    ground: Ground,
    auth_version: u64,
}

/// On what ground a lock is given back: who is to hear of it.
#[derive(Clone, Debug)]
pub(super) enum Ground {
    /// It is this edge's own; the edge that asked for it, where one did.
    Own(Option<Asker>),
    /// Its owner is dead, and this sweep found it.
    Sweep(u64),
}

/// An edge that waits for an answer.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) slot: Slot,
    pub(super) id: EdgeId,
    pub(super) seek: u64,
    pub(super) question: u32,
}

/// A grace that this edge times.
#[derive(Debug)]
pub(super) struct GraceTimer {
    channel: Channel,
    item: Item,
    due: Moment,
    auth_version: u64,
    /// The write that ends it is on its way.
    ending: bool,
}

impl Settle {
    pub(super) const fn is_of(&self, channel: Channel, generation: u64) -> bool {
        self.channel == channel && self.generation == generation
    }
}

impl Edge {
    /// Gives back a lock without a publisher: what its loss leaves.
    pub(super) fn give_back(
        &mut self,
        channel: Channel,
        item: &Item,
        ground: Ground,
        world: &mut World,
    ) {
        let dropped = self.now(world);
        self.give_back_since(channel, item, dropped, u64::MAX, ground, world);
    }

    pub(super) fn give_back_since(
        &mut self,
        channel: Channel,
        item: &Item,
        dropped: Moment,
        auth_version: u64,
        ground: Ground,
        world: &mut World,
    ) {
        let grace = world.store.rows[channel].grace;
        let Some(write) = item.dropped(self.timestamp(world), grace) else {
            return;
        };
        let epoch = match &ground {
            Ground::Own(_) => Some(self.owner().epoch),
            Ground::Sweep(_) => None,
        };
        let settle = Settle {
            channel,
            generation: item.version.generation,
            write,
            dropped,
            before: item.state,
            epoch,
            ground,
            auth_version,
        };
        self.settle(settle, world);
    }

    /// Ends a session at once.
    pub(super) fn end_at_once(
        &mut self,
        channel: Channel,
        item: &Item,
        reason: EndReason,
        world: &mut World,
    ) {
        let Some(write) = item.end(self.timestamp(world), reason) else {
            return;
        };
        let settle = Settle {
            channel,
            generation: item.version.generation,
            write,
            dropped: self.now(world),
            before: item.state,
            epoch: Some(self.owner().epoch),
            ground: Ground::Own(None),
            auth_version: u64::MAX,
        };
        self.settle(settle, world);
    }

    fn settle(&mut self, settle: Settle, world: &mut World) {
        let id = self.serial();
        self.settles.insert(id, settle);
        self.write_settle(id, world);
    }

    pub(super) fn write_settle(&mut self, id: u64, world: &mut World) {
        if let Some(settle) = self.settles.get(&id) {
            let (channel, write) = (settle.channel, settle.write.clone());
            self.call_live(Purpose::Settle(id), channel, write, world);
        }
    }

    pub(super) fn on_settled(&mut self, id: u64, result: Made<Item>, world: &mut World) {
        let Some(settle) = self.settles.remove(&id) else {
            return;
        };
        let written = self.written(&settle.write, result, world);
        self.close_late(&settle, world);
        if let Written::Done(item) = written {
            self.push(settle.channel, &item, world);
            if item.state == State::Grace {
                self.time_grace(&settle, item, world);
            }
        }
        match settle.ground {
            Ground::Own(None) => {}
            Ground::Own(Some(asker)) => self.has_yielded(asker, world),
            Ground::Sweep(sweep) => self.swept_one(sweep, world),
        }
    }

    fn has_yielded(&self, asker: Asker, world: &mut World) {
        let answer = Message::Answer(asker.seek, asker.question, domain::live::Yield::Yielded);
        world.say(self.slot, asker.slot, asker.id, answer);
    }

    /// Tells the dashboards what was written.
    pub(super) fn push(&self, channel: Channel, item: &Item, world: &mut World) {
        let push = status(channel, item, self.timestamp(world));
        world.push(push);
    }

    // ---- The grace

    /// A session that dropped is over so long after the drop; one that had not come back to LIVE
    /// keeps the end of its old grace.
    fn time_grace(&mut self, settle: &Settle, item: Item, world: &mut World) {
        let grace = world.store.rows[settle.channel].grace;
        let due = match settle.before {
            State::Live => settle.dropped + grace,
            State::Starting | State::Grace | State::Offline => self.end_of_grace(&item, world),
        };
        self.arm(
            settle.channel,
            item,
            due + GRACE_MARGIN,
            settle.auth_version,
            world,
        );
    }

    /// A grace whose timer was lost with its holder: it counts from now.
    pub(super) fn time_grace_anew(&mut self, channel: Channel, item: Item, world: &mut World) {
        let grace = world.store.rows[channel].grace;
        let due = self.now(world) + grace + GRACE_MARGIN;
        if item.state == State::Grace && !self.times(channel, item.version) {
            self.arm(channel, item, due, u64::MAX, world);
        }
    }

    /// What a publish left in GRACE on its way, by this very write.
    pub(super) fn time_swept(&mut self, channel: Channel, item: Item, world: &mut World) {
        let due = self.end_of_grace(&item, world) + GRACE_MARGIN;
        self.arm(channel, item, due, u64::MAX, world);
    }

    fn end_of_grace(&self, item: &Item, world: &World) -> Moment {
        let left = item
            .grace_until
            .map_or(Duration::ZERO, |until| until.since(self.timestamp(world)));
        self.now(world) + left
    }

    fn times(&self, channel: Channel, version: Version) -> bool {
        self.timers
            .values()
            .any(|timer| timer.channel == channel && timer.item.version == version)
    }

    fn arm(
        &mut self,
        channel: Channel,
        item: Item,
        due: Moment,
        auth_version: u64,
        world: &mut World,
    ) {
        let id = self.serial();
        self.timers.insert(
            id,
            GraceTimer {
                channel,
                item,
                due,
                auth_version,
                ending: false,
            },
        );
        self.wake_at(world, due, Timer::Offline(id));
    }

    pub(super) fn on_grace_over(&mut self, id: u64, world: &mut World) {
        let now = self.now(world);
        let Some(timer) = self.timers.get(&id).filter(|timer| !timer.ending) else {
            return;
        };
        if now >= timer.due {
            self.end_grace(id, EndReason::Dropped, world);
        } else {
            // The clock has slowed down since the timer was set.
            self.wake_at(world, timer.due, Timer::Offline(id));
        }
    }

    fn end_grace(&mut self, id: u64, reason: EndReason, world: &mut World) {
        let now = self.timestamp(world);
        let Some(timer) = self.timers.get_mut(&id) else {
            return;
        };
        timer.ending = true;
        let channel = timer.channel;
        match timer.item.offline(now, reason) {
            Some(write) => {
                self.call_live(Purpose::Offline(id, write.clone()), channel, write, world)
            }
            None => drop(self.timers.remove(&id)),
        }
    }

    pub(super) fn on_offline(&mut self, id: u64, written: Written, world: &mut World) {
        let timer = self.timers.remove(&id);
        if let (Some(timer), Written::Done(item)) = (timer, written) {
            self.push(timer.channel, &item, world);
        }
    }

    /// The very same write once more, so that a lost answer is recognized.
    pub(super) fn on_offline_failed(&mut self, id: u64, write: Write, world: &mut World) {
        if let Some(timer) = self.timers.get(&id) {
            let channel = timer.channel;
            self.call_live(Purpose::Offline(id, write.clone()), channel, write, world);
        }
    }

    /// A cut ends a grace at once.
    pub(super) fn cut_graces(&mut self, channel: Channel, cut_before: u64, world: &mut World) {
        let cut = |timer: &GraceTimer| {
            timer.channel == channel && timer.auth_version < cut_before && !timer.ending
        };
        let ids: Vec<_> = self
            .timers
            .iter()
            .filter(|(_, t)| cut(t))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.end_grace(id, EndReason::Disconnected, world);
        }
    }
}
