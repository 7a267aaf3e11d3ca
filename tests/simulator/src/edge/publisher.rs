//! A publisher's life, from the lock to its end.

use std::time::Duration;

use domain::authorization::{admit, is_cut};
use domain::channel::{Gate, Key};
use domain::live::{EndReason, Item, Write, Written};
use domain::status::Shown;
use domain::{Moment, Owner};

use super::call::Purpose;
use super::settle::{Asker, Ground, Settle};
use super::{Edge, RECHECK_EVERY, SAMPLE_EVERY};
use crate::checks::Batch;
use crate::event::{Ask, Channel, Connection, Push, Signal, Timer};
use crate::plant::Plant;
use crate::world::World;

/// A publisher that sends nothing for so long is dropped.
const NO_MEDIA: Duration = Duration::from_secs(15);

/// One publisher that has the lock.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) connection: Connection,
    channel: Channel,
    owner: Owner,
    item: Item,
    stage: Stage,
    /// The gate's version it was admitted under.
    auth_version: u64,
    /// The gate changed while it was being admitted.
    gate_changed: bool,
    pub(super) last_media: Moment,
    /// Media is handed on.
    open: bool,
    /// The write that makes it LIVE has no answer yet.
    going_live: bool,
    ending: Option<Ending>,
    samples: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Confirming,
    Started,
    Live,
}

#[derive(Clone, Debug)]
enum Ending {
    Dropped(Moment, Option<Asker>),
    Ended(EndReason),
    /// Its writes are settled; the planted error still hands on its media.
    Settled,
}

impl Ending {
    const fn words(&self) -> &'static str {
        match self {
            Self::Dropped(_, None) => "dropped",
            Self::Dropped(_, Some(_)) => "silent, and yields",
            Self::Ended(reason) => reason.as_str(),
            Self::Settled => "settled",
        }
    }
}

impl Publisher {
    pub(super) fn is_of(&self, channel: Channel, generation: u64) -> bool {
        self.channel == channel && self.item.version.generation == generation
    }

    pub(super) const fn is_ending(&self) -> bool {
        self.ending.is_some()
    }
}

impl Edge {
    pub(super) fn begin_publisher(
        &mut self,
        id: u64,
        connection: Connection,
        channel: Channel,
        item: Item,
        world: &mut World,
    ) {
        let publisher = Publisher {
            connection,
            channel,
            owner: self.owner().clone(),
            item,
            stage: Stage::Confirming,
            auth_version: u64::MAX,
            gate_changed: false,
            last_media: self.now(world),
            open: true,
            going_live: false,
            ending: None,
            samples: 0,
        };
        self.publishers.insert(id, publisher);
    }

    // ---- Admission

    pub(super) fn on_confirmed(
        &mut self,
        id: u64,
        key: Option<&Key>,
        gate: &Gate,
        world: &mut World,
    ) {
        let publisher = self.publishers.get(&id);
        if publisher.is_none_or(Publisher::is_ending) {
            return;
        }
        match admit(key, gate, self.timestamp(world)) {
            Ok(admission) => self.admitted(id, admission.auth_version, world),
            Err(refusal) => self.not_admitted(id, refusal.code(), world),
        }
    }

    pub(super) fn admitted(&mut self, id: u64, auth_version: u64, world: &mut World) {
        if !self.is_up(world) {
            self.check_deadline(world);
            return;
        }
        let Some(publisher) = self.publishers.get_mut(&id) else {
            return;
        };
        publisher.stage = Stage::Started;
        publisher.auth_version = auth_version;
        let (connection, channel) = (publisher.connection, publisher.channel);
        let changed = publisher.gate_changed;
        world.send_to_encoder(connection, Signal::Started(connection));
        self.tell(world, |_| format!("publish {id} starts"));
        self.wake(world, NO_MEDIA, Timer::NoMedia(id));
        if changed {
            self.call(Purpose::Gate(channel), Ask::Gate(channel), world);
        }
    }

    pub(super) fn not_admitted(&mut self, id: u64, why: &str, world: &mut World) {
        let Some(publisher) = self.publishers.get(&id) else {
            return;
        };
        let connection = publisher.connection;
        self.tell(world, |_| format!("publish {id} is not admitted: {why}"));
        world.send_to_encoder(connection, Signal::Refused(connection));
        self.drop_publisher(id, None, world);
    }

    // ---- Media

    pub(super) fn media(&mut self, connection: Connection, world: &mut World) {
        let now = self.now(world);
        let found = self
            .publishers
            .iter_mut()
            .find(|(_, p)| p.connection == connection);
        let Some((id, publisher)) = found else { return };
        let id = *id;
        publisher.last_media = now;
        if !self.lease.is_held(now) {
            self.check_deadline(world);
            return;
        }
        if publisher.open {
            let batch = Batch {
                channel: publisher.channel,
                owner: &publisher.owner,
                generation: publisher.item.version.generation,
                connection,
                key_version: publisher.item.key_version,
                auth_version: publisher.auth_version,
                held_by_word: now >= self.heart.ordinary,
                overdue: now >= self.heart.ordinary.max(self.heart.held),
                known: &self.relied_on,
                slot: self.slot,
            };
            world.checks.accepted(world.now, &batch);
        }
        let fresh = publisher.stage == Stage::Started && !publisher.going_live;
        if fresh && publisher.ending.is_none() {
            self.go_live(id, world);
        }
    }

    fn go_live(&mut self, id: u64, world: &mut World) {
        let now = self.timestamp(world);
        let Some(publisher) = self.publishers.get_mut(&id) else {
            return;
        };
        publisher.going_live = true;
        let channel = publisher.channel;
        let write = Write::GoLive {
            channel_id: publisher.item.channel_id.clone(),
            owner: publisher.owner.clone(),
            generation: publisher.item.version.generation,
            now,
        };
        self.call_live(Purpose::GoLive(id, write.clone()), channel, write, world);
    }

    pub(super) fn on_go_live_failed(&mut self, id: u64, write: Write, world: &mut World) {
        if let Some(publisher) = self.publishers.get(&id) {
            let channel = publisher.channel;
            self.call_live(Purpose::GoLive(id, write.clone()), channel, write, world);
        }
    }

    pub(super) fn on_live(&mut self, id: u64, written: Written, world: &mut World) {
        let Some(publisher) = self.publishers.get_mut(&id) else {
            return;
        };
        publisher.going_live = false;
        match written {
            Written::Done(item) => {
                publisher.stage = Stage::Live;
                publisher.item = item.clone();
                let channel = publisher.channel;
                self.push(channel, &item, world);
                self.settle_publisher(id, world);
            }
            Written::Rejected(_) => {
                self.tell(world, |_| format!("publish {id} has lost its lock"));
                if let Some(publisher) = self.publishers.remove(&id) {
                    Self::close(publisher.connection, world);
                }
            }
        }
    }

    /// A sample each second to every open dashboard.
    pub(super) fn sample(&mut self, world: &mut World) {
        let in_sequence = world.has(Plant::MetricsInSequence);
        let live = |p: &&mut Publisher| p.stage == Stage::Live && p.ending.is_none();
        for publisher in self.publishers.values_mut().filter(live) {
            publisher.samples += 1;
            let mut push = Push {
                channel: publisher.channel,
                version: publisher.item.version,
                sample: publisher.samples,
                shown: Shown::Live,
            };
            if in_sequence {
                push.version.sequence += push.sample;
                push.sample = 0;
            }
            world.push(push);
        }
        self.wake(world, SAMPLE_EVERY, Timer::Sample);
    }

    pub(super) fn on_no_media(&mut self, id: u64, world: &mut World) {
        let Some(publisher) = self.publishers.get(&id) else {
            return;
        };
        let due = publisher.last_media + NO_MEDIA;
        if self.now(world) >= due {
            self.drop_publisher(id, None, world);
        } else {
            self.wake_at(world, due, Timer::NoMedia(id));
        }
    }

    // ---- The end

    /// The encoder is gone, with a goodbye or without.
    pub(super) fn left(&mut self, connection: Connection, goodbye: bool, world: &mut World) {
        let seek = self
            .seeks
            .iter()
            .find(|(_, seek)| seek.connection == connection);
        if let Some(id) = seek.map(|(id, _)| *id) {
            self.seeks.remove(&id);
        }
        let publisher = self
            .publishers
            .iter()
            .find(|(_, p)| p.connection == connection);
        let Some(id) = publisher.map(|(id, _)| *id) else {
            return;
        };
        if goodbye {
            self.end_publisher(id, EndReason::Unpublished, world);
        } else {
            self.drop_publisher(id, None, world);
        }
    }

    /// The publisher is lost: what its item then shows depends on how far it was.
    pub(super) fn drop_publisher(&mut self, id: u64, asker: Option<Asker>, world: &mut World) {
        let now = self.now(world);
        self.end(id, Ending::Dropped(now, asker), world);
    }

    fn end_publisher(&mut self, id: u64, reason: EndReason, world: &mut World) {
        self.end(id, Ending::Ended(reason), world);
    }

    fn end(&mut self, id: u64, ending: Ending, world: &mut World) {
        let Some(publisher) = self.publishers.get_mut(&id).filter(|p| !p.is_ending()) else {
            return;
        };
        if matches!(ending, Ending::Dropped(..)) && publisher.stage == Stage::Live {
            let generation = publisher.item.version.generation;
            world
                .checks
                .dropped(world.now, publisher.channel, generation, self.slot);
        }
        let told = ending.clone();
        publisher.ending = Some(ending);
        if !world.has(Plant::GraceBeforeStop) {
            // Nothing more is handed on, and only then is anything written.
            publisher.open = false;
            Self::close(publisher.connection, world);
        }
        self.tell(world, |_| format!("publish {id} is over: {}", told.words()));
        self.settle_publisher(id, world);
    }

    /// Writes the end of a publisher that has one, once the write before it is answered.
    fn settle_publisher(&mut self, id: u64, world: &mut World) {
        let ready = |p: &&mut Publisher| p.is_ending() && !p.going_live;
        let Some(publisher) = self.publishers.get_mut(&id).filter(ready) else {
            return;
        };
        let ending = publisher.ending.replace(Ending::Settled);
        let (channel, item) = (publisher.channel, publisher.item.clone());
        let auth_version = publisher.auth_version;
        if !publisher.open {
            self.publishers.remove(&id);
        }
        match ending {
            Some(Ending::Dropped(at, asker)) => {
                self.give_back_since(channel, &item, at, auth_version, Ground::Own(asker), world);
            }
            Some(Ending::Ended(reason)) => self.end_at_once(channel, &item, reason, world),
            Some(Ending::Settled) | None => {}
        }
    }

    /// Only by the planted error is a publisher still open when its end is written.
    pub(super) fn close_late(&mut self, settle: &Settle, world: &mut World) {
        let late = |p: &Publisher| {
            matches!(p.ending, Some(Ending::Settled))
                && settle.is_of(p.channel, p.item.version.generation)
        };
        let ids: Vec<_> = self
            .publishers
            .iter()
            .filter(|(_, p)| late(p))
            .map(|(id, _)| *id)
            .collect();
        for publisher in ids.into_iter().filter_map(|id| self.publishers.remove(&id)) {
            Self::close(publisher.connection, world);
        }
    }

    // ---- The gate

    /// Whatever the message says, the gate itself is read.
    pub(super) fn on_control(&mut self, channel: Channel, world: &mut World) {
        self.call(Purpose::Gate(channel), Ask::Gate(channel), world);
    }

    pub(super) fn recheck(&mut self, world: &mut World) {
        let channels: std::collections::BTreeSet<_> = self
            .publishers
            .values()
            .map(|publisher| publisher.channel)
            .collect();
        for channel in channels {
            self.on_control(channel, world);
        }
        self.wake(world, RECHECK_EVERY, Timer::Recheck);
    }

    pub(super) fn on_gate(&mut self, channel: Channel, gate: &Gate, world: &mut World) {
        let of = self
            .publishers
            .iter_mut()
            .filter(|(_, p)| p.channel == channel);
        let mut cut = Vec::new();
        for (id, publisher) in of {
            publisher.gate_changed |= publisher.stage == Stage::Confirming;
            if is_cut(publisher.auth_version, gate) {
                cut.push(*id);
            }
        }
        for id in cut {
            self.tell(world, |_| format!("publish {id} is cut"));
            self.end_publisher(id, EndReason::Disconnected, world);
        }
        self.cut_graces(channel, gate.cut_before, world);
    }
}
