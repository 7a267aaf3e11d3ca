//! A publish's way to the lock: does what each step says and reports what came of it.

use std::time::Duration;

use domain::authorization::admit;
use domain::channel::{Gate, Key};
use domain::edge::{self, is_dead};
use domain::live::{Attempt, Claim, Item, State, Step, Write, Written, Yield};
use domain::{AttemptId, ConnectionId, Owner, SessionId};

use super::call::Purpose;
use super::settle::Ground;
use super::{AGAIN_AFTER, Edge};
use crate::event::{Ask, Channel, Connection, Made, Message, Signal, Timer};
use crate::plant::Plant;
use crate::time::Time;
use crate::world::World;

/// How long the holder's edge is waited for, each time it is asked.
const ANSWER_WITHIN: Duration = Duration::from_millis(300);
/// How often it is asked.
const QUESTIONS: u32 = 2;

/// A publish that has no lock yet.
#[derive(Debug)]
pub(super) struct Seek {
    pub(super) connection: Connection,
    pub(super) channel: Channel,
    key_version: u64,
    attempt: Attempt,
    pub(super) parked: bool,
    /// The question to the holder that is open: its number, and the item it is about.
    asking: Option<(u32, Item)>,
    began: Time,
    /// The gate's version it was let in under before the lock, by a planted error.
    screened: Option<u64>,
}

/// An acquisition that was sent.
#[derive(Debug)]
pub(super) struct Owed {
    pub(super) channel: Channel,
    write: Write,
}

impl Edge {
    pub(super) fn publish(
        &mut self,
        connection: Connection,
        channel: Channel,
        key_version: u64,
        world: &mut World,
    ) {
        if self.draining.is_some() || !self.is_up(world) {
            world.send_to_encoder(connection, Signal::Refused(connection));
            return;
        }
        let id = self.serial();
        let claim = self.claim(channel, key_version, world);
        self.tell(world, |_| {
            format!("publish {id} on channel {channel} with key {key_version}")
        });
        let seek = Seek {
            connection,
            channel,
            key_version,
            attempt: Attempt::new(claim),
            parked: false,
            asking: None,
            began: world.now,
            screened: None,
        };
        self.seeks.insert(id, seek);
        if world.has(Plant::AuthorizationBeforeLock) {
            self.call(
                Purpose::Screen(id),
                Ask::Admission(channel, key_version),
                world,
            );
        } else {
            self.step(id, Step::Read, world);
        }
    }

    fn claim(&self, channel: Channel, key_version: u64, world: &mut World) -> Claim {
        let now = self.timestamp(world);
        Claim {
            channel_id: world.store.rows[channel].id.clone(),
            owner: self.owner().clone(),
            attempt_id: AttemptId::from_random(world.chance.bytes()),
            connection_id: ConnectionId::from_random(world.chance.bytes()),
            session_id: SessionId::new(now, world.chance.bytes()),
            key_version,
            client_ip: "192.0.2.1".to_owned(),
        }
    }

    pub(super) fn on_screened(
        &mut self,
        id: u64,
        key: Option<&Key>,
        gate: &Gate,
        world: &mut World,
    ) {
        match admit(key, gate, self.timestamp(world)) {
            Ok(admission) => {
                if let Some(seek) = self.seeks.get_mut(&id) {
                    seek.screened = Some(admission.auth_version);
                    self.step(id, Step::Read, world);
                }
            }
            Err(refusal) => self.refuse(id, refusal.code(), world),
        }
    }

    fn step(&mut self, id: u64, step: Step, world: &mut World) {
        let Some(seek) = self.seeks.get_mut(&id) else {
            return;
        };
        let channel = seek.channel;
        seek.parked = matches!(step, Step::Park { .. });
        match step {
            Step::Read => self.call(Purpose::SeekRead(id), Ask::Live(channel), world),
            Step::Write(write @ Write::Acquire(_)) => self.acquire(id, channel, write, world),
            Step::Write(write) => {
                self.call_live(Purpose::SeekWrite(id, write.clone()), channel, write, world);
            }
            Step::Sweep(item) => self.sweep_first(id, channel, &item, world),
            Step::Learn(owner) => {
                let ask = Ask::Edge(owner.edge_id.clone());
                self.call(Purpose::SeekLearn(id, owner), ask, world);
            }
            Step::Ask(item) => self.ask_holder(id, 1, item, world),
            Step::Park { until } => self.wake_at(world, until, Timer::Look(id)),
            Step::Acquired(item) => self.acquired(id, item, world),
            Step::Refuse(refusal) => self.refuse(id, refusal.code(), world),
        }
    }

    fn sweep_first(&mut self, id: u64, channel: Channel, item: &Item, world: &mut World) {
        let grace = world.store.rows[channel].grace;
        match item.dropped(self.timestamp(world), grace) {
            Some(write) => {
                self.call_live(Purpose::SeekWrite(id, write.clone()), channel, write, world);
            }
            None => self.step(id, Step::Read, world),
        }
    }

    // ---- What came of a step

    pub(super) fn on_found(&mut self, id: u64, item: Option<Item>, world: &mut World) {
        let now = self.timestamp(world);
        if let Some(seek) = self.seeks.get_mut(&id) {
            let step = seek.attempt.found(item, &self.watch, now);
            self.step(id, step, world);
        }
    }

    pub(super) fn on_learned(
        &mut self,
        id: u64,
        owner: &Owner,
        found: Option<&edge::Edge>,
        world: &mut World,
    ) {
        let now = self.timestamp(world);
        if let Some(seek) = self.seeks.get_mut(&id) {
            let step = seek
                .attempt
                .learned(is_dead(owner, found), &self.watch, now);
            self.step(id, step, world);
        }
    }

    pub(super) fn on_sought(&mut self, id: u64, written: Written, world: &mut World) {
        let now = self.timestamp(world);
        let Some(channel) = self.seeks.get(&id).map(|seek| seek.channel) else {
            return;
        };
        if let Written::Done(item) = &written {
            self.push(channel, item, world);
            if item.state == State::Grace {
                self.time_swept(channel, item.clone(), world);
            }
        }
        if let Some(seek) = self.seeks.get_mut(&id) {
            let step = seek.attempt.written(written, &self.watch, now);
            self.step(id, step, world);
        }
    }

    pub(super) fn look(&mut self, id: u64, world: &mut World) {
        let now = self.now(world);
        if let Some(seek) = self.seeks.get_mut(&id).filter(|seek| seek.parked) {
            match seek.attempt.look(&self.watch, now) {
                // A timer for that moment is set.
                Step::Park { .. } => {}
                step => self.step(id, step, world),
            }
        }
    }

    // ---- The holder's edge

    fn ask_holder(&mut self, id: u64, question: u32, item: Item, world: &mut World) {
        let owner = item.owner.clone();
        let message = Message::Ask(self.id.clone(), id, question, Box::new(item.clone()));
        if let Some(seek) = self.seeks.get_mut(&id) {
            seek.asking = Some((question, item));
        }
        if let Some(owner) = owner {
            let slot = if owner.edge_id == self.id {
                Some(self.slot)
            } else {
                self.watch
                    .peer_address(&owner)
                    .and_then(|address| address.parse().ok())
            };
            if let Some(slot) = slot {
                world.say(self.slot, slot, owner.edge_id, message);
            }
        }
        self.wake(world, ANSWER_WITHIN, Timer::Unasked(id, question));
    }

    pub(super) fn on_holder_answered(
        &mut self,
        id: u64,
        question: u32,
        answer: Yield,
        world: &mut World,
    ) {
        let now = self.now(world);
        let open = |seek: &&mut Seek| {
            seek.asking
                .as_ref()
                .is_some_and(|(open, _)| *open == question)
        };
        if let Some(seek) = self.seeks.get_mut(&id).filter(open) {
            seek.asking = None;
            let step = seek.attempt.answered(answer, &self.watch, now);
            self.step(id, step, world);
        }
    }

    pub(super) fn on_unasked(&mut self, id: u64, question: u32, world: &mut World) {
        let Some(seek) = self.seeks.get(&id) else {
            return;
        };
        match &seek.asking {
            Some((open, item)) if *open == question && question < QUESTIONS => {
                self.ask_holder(id, question + 1, item.clone(), world);
            }
            _ => self.on_holder_answered(id, question, Yield::Silent, world),
        }
    }

    // ---- Acquisitions

    fn acquire(&mut self, id: u64, channel: Channel, write: Write, world: &mut World) {
        if !self.is_up(world) {
            self.refuse(id, "Service Unavailable", world);
            return;
        }
        self.owed.insert(id, Owed { channel, write });
        self.write_owed(id, world);
    }

    pub(super) fn write_owed(&mut self, id: u64, world: &mut World) {
        if let Some(owed) = self.owed.get(&id) {
            let (channel, write) = (owed.channel, owed.write.clone());
            self.call_live(Purpose::Owed(id), channel, write, world);
        }
    }

    pub(super) fn on_owed(&mut self, id: u64, result: Made<Item>, world: &mut World) {
        let now = self.timestamp(world);
        let Some(owed) = self.owed.remove(&id) else {
            return;
        };
        let written = self.written(&owed.write, result, world);
        if let Some(seek) = self.seeks.get_mut(&id) {
            let step = seek.attempt.written(written, &self.watch, now);
            self.step(id, step, world);
        } else if let Written::Done(item) = written {
            self.tell(world, |_| {
                format!("gives back what publish {id} took too late")
            });
            self.give_back(owed.channel, &item, Ground::Own(None), world);
        }
    }

    pub(super) fn on_owed_failed(&mut self, id: u64, world: &mut World) {
        if world.has(Plant::NoOwedAcquire) {
            self.owed.remove(&id);
        }
        self.refuse(id, "Service Unavailable", world);
        self.wake(world, AGAIN_AFTER, Timer::Owed(id));
    }

    fn acquired(&mut self, id: u64, item: Item, world: &mut World) {
        let Some(seek) = self.seeks.remove(&id) else {
            return;
        };
        world
            .checks
            .acquired_by(world.now, self.slot, seek.channel, seek.began);
        self.begin_publisher(id, seek.connection, seek.channel, item, world);
        match seek.screened {
            Some(auth_version) => self.admitted(id, auth_version, world),
            None => {
                let ask = Ask::Admission(seek.channel, seek.key_version);
                self.call(Purpose::Confirm(id), ask, world);
            }
        }
    }

    pub(super) fn refuse(&mut self, id: u64, why: &str, world: &mut World) {
        if let Some(seek) = self.seeks.remove(&id) {
            self.tell(world, |_| format!("refuses publish {id}: {why}"));
            world.checks.answered(world.now, self.slot, seek.began);
            world.send_to_encoder(seek.connection, Signal::Refused(seek.connection));
        }
    }
}
