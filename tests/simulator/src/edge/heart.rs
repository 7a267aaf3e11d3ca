//! Registration, the heartbeat, the deadline, and what comes after it.

use std::time::Duration;

use domain::Moment;
use domain::edge::{Edge as Item, State, Write};
use domain::lease::{HEARTBEAT, Heartbeat, LEASE, Phase};

use super::call::Purpose;
use super::{AGAIN_AFTER, Edge};
use crate::event::{Made, Timer};
use crate::plant::Plant;
use crate::world::World;

/// What the actor must know beside the lease.
#[derive(Debug)]
pub(super) struct Heart {
    /// The last heartbeat that was acknowledged.
    number: u64,
    /// When the one under way was first sent.
    sent: Option<Moment>,
    /// The deadline without any hold: what is held beyond it is held by the others' word.
    pub(super) ordinary: Moment,
    /// The end of a lease from the last question that all others answered.
    pub(super) held: Moment,
    /// No other heartbeat is to be sent now.
    pub(super) beating: bool,
}

impl Heart {
    pub(super) const fn new(now: Moment) -> Self {
        Self {
            number: 0,
            sent: None,
            ordinary: now,
            held: now,
            beating: false,
        }
    }
}

impl Edge {
    /// A new epoch, the first one included: it registers before it takes anybody.
    pub(super) fn begin_epoch(&mut self, world: &mut World) {
        self.boot_id = domain::id::hex(&world.chance.bytes::<8>());
        self.heart = Heart::new(self.now(world));
        self.register(world);
    }

    pub(super) fn register(&mut self, world: &mut World) {
        let now = self.now(world);
        if self.lease.phase() != Phase::Registering {
            return;
        }
        self.lease.register(now);
        self.heart.sent.get_or_insert(now);
        let item = self.item();
        let first = item.epoch == 1;
        let write = if first {
            Write::Boot(item)
        } else {
            Write::Renew(item)
        };
        self.call_edge(Purpose::Register, write, world);
    }

    fn item(&self) -> Item {
        Item {
            id: self.id.clone(),
            name: String::new(),
            epoch: self.owner().epoch,
            boot_id: self.boot_id.clone(),
            heartbeat: 0,
            state: State::Up,
            swept: false,
            region: String::new(),
            rtmp_url: String::new(),
            rtmps_url: None,
            peer_address: Some(self.slot.to_string()),
            publishers: 0,
            capacity: u32::MAX,
        }
    }

    pub(super) fn on_registered(&mut self, result: Made<Item>, world: &mut World) {
        let now = self.now(world);
        let mine = self.item();
        let shows = |found: &Item| Write::Renew(mine.clone()).left(found);
        match result {
            Made::Refused(found) if !found.as_ref().is_some_and(shows) => {
                self.tell(world, |_| "its registration is rejected".to_owned());
                self.lease.rejected(mine.epoch);
                self.check_deadline(world);
                self.wake(world, HEARTBEAT, Timer::Register);
            }
            Made::Left(_) | Made::Refused(_) => {
                self.lease.registered();
                self.count_from_first_send(now);
                self.tell(world, |story| {
                    format!("is up as {}", story.owner(&mine.owner()))
                });
                world.checks.up(world.now, self.slot);
                self.watch_deadline(world);
                self.wake(world, HEARTBEAT, Timer::Beat);
                self.sweep_older_epochs(world);
            }
        }
    }

    // ---- The heartbeat

    pub(super) fn beat(&mut self, world: &mut World) {
        let now = self.now(world);
        if self.heart.beating || self.lease.phase() != Phase::Up {
            return;
        }
        self.heart.sent.get_or_insert(now);
        // The planted error tells the lease of a heartbeat only when its answer is there.
        let beat = if world.has(Plant::DeadlineFromReply) {
            self.lease.clone().beat(now)
        } else {
            self.lease.beat(now)
        };
        let Some(heartbeat) = beat else { return };
        self.heart.beating = true;
        let write = Write::Beat {
            edge_id: self.id.clone(),
            heartbeat: heartbeat.clone(),
            publishers: 0,
        };
        self.call_edge(Purpose::Beat(heartbeat), write, world);
    }

    pub(super) fn on_beaten(&mut self, beat: &Heartbeat, result: Made<Item>, world: &mut World) {
        self.heart.beating = false;
        if beat.epoch != self.owner().epoch {
            return;
        }
        let write = Write::Beat {
            edge_id: self.id.clone(),
            heartbeat: beat.clone(),
            publishers: 0,
        };
        match result {
            Made::Refused(found) if !found.as_ref().is_some_and(|found| write.left(found)) => {
                self.tell(world, |_| "finds its epoch over".to_owned());
                self.lease.rejected(beat.epoch);
                self.check_deadline(world);
            }
            Made::Left(_) | Made::Refused(_) => self.on_acknowledged(beat, world),
        }
    }

    fn on_acknowledged(&mut self, beat: &Heartbeat, world: &mut World) {
        let now = self.now(world);
        let sent = self.heart.sent.unwrap_or(now);
        if world.has(Plant::DeadlineFromReply) {
            self.lease.beat(now);
        }
        self.lease.acknowledged(beat);
        self.heart.number = beat.number;
        self.count_from_first_send(now);
        self.wake_at(world, now.max(sent + HEARTBEAT), Timer::Beat);
    }

    pub(super) fn on_beat_failed(&mut self, world: &mut World) {
        self.heart.beating = false;
        self.tell(world, |_| "has no answer to its heartbeat".to_owned());
        self.wake(world, AGAIN_AFTER / 2, Timer::Beat);
    }

    fn count_from_first_send(&mut self, now: Moment) {
        let sent = self.heart.sent.take().unwrap_or(now);
        self.heart.ordinary = self.heart.ordinary.max(sent + LEASE);
    }

    /// Since when nothing was acknowledged, as the outage is counted.
    pub(super) fn acknowledged(&self) -> Moment {
        self.heart.ordinary - LEASE
    }

    // ---- The deadline

    pub(super) fn watch_deadline(&self, world: &mut World) {
        let epoch = self.owner().epoch;
        self.wake_at(world, self.lease.deadline(), Timer::Deadline(epoch));
    }

    pub(super) fn on_deadline(&mut self, epoch: u64, world: &mut World) {
        if epoch != self.owner().epoch {
            return;
        }
        self.check_deadline(world);
        if self.lease.phase() == Phase::Up {
            self.watch_deadline(world);
        }
    }

    /// Ends the epoch where its time is over: all publishers are dropped, then the next one begins.
    pub(super) fn check_deadline(&mut self, world: &mut World) {
        if !self.lease.expire(self.now(world)) {
            return;
        }
        self.tell(world, |_| {
            "fences itself and drops every publisher".to_owned()
        });
        world
            .checks
            .over(world.now, self.slot, &self.lease.owner().clone());
        if world.has(Plant::EpochBeforeDrop) {
            self.wake(world, Duration::from_millis(700), Timer::LateDrop);
        } else {
            self.drop_all(world);
        }
        self.lease.renew();
        if self.draining.is_none() {
            self.begin_epoch(world);
        }
    }

    /// Publishers, publishes on their way and writes of the epoch that is over.
    pub(super) fn drop_all(&mut self, world: &mut World) {
        let publishing = self
            .publishers
            .values()
            .map(|publisher| publisher.connection);
        let seeking = self.seeks.values().map(|seek| seek.connection);
        let connections: Vec<_> = publishing.chain(seeking).collect();
        for connection in connections {
            Self::close(connection, world);
        }
        self.publishers.clear();
        self.seeks.clear();
        self.owed.clear();
        self.settles.retain(|_, settle| settle.epoch.is_none());
    }

    pub(super) fn fence_oneself(&mut self, world: &mut World) {
        let write = Write::Fence {
            owner: self.owner().clone(),
            heartbeat: self.heart.number,
        };
        self.call_edge(Purpose::FenceOneself, write, world);
    }
}
