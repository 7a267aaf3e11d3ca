//! Calls to the store: tried again without an answer, given up after a while.

use std::time::Duration;

use domain::live::{Item, Write, Written};
use domain::{Moment, Owner, edge};

use super::{Edge, READ_WITHIN};
use crate::event::{Answer, Answered, Ask, Channel, Made, Sender, Timer};
use crate::plant::Plant;
use crate::world::World;

/// How long an answer to one try is waited for.
const TRY_WITHIN: Duration = Duration::from_millis(400);
/// How long a call may take in all.
const CALL_WITHIN: Duration = Duration::from_millis(900);
/// The pause after the store turned a try away.
const BACK_OFF: Duration = Duration::from_millis(60);

/// A call under way.
#[derive(Debug)]
pub(super) struct Call {
    ask: Ask,
    purpose: Purpose,
    /// The try whose answer counts.
    attempt: u32,
    give_up: Moment,
}

/// What a call is for: where its answer goes.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    Register,
    Beat(domain::lease::Heartbeat),
    /// Since when.
    Read(Moment),
    Fence(edge::Edge),
    FenceOneself,
    SweepQuery(u64),
    SweepRead(u64, Channel),
    Swept(u64),
    SeekRead(u64),
    SeekWrite(u64, Write),
    SeekLearn(u64, Owner),
    /// Key and gate before the lock, as a planted error.
    Screen(u64),
    Owed(u64),
    Confirm(u64),
    GoLive(u64, Write),
    Settle(u64),
    Offline(u64, Write),
    GiveBack,
    GiveBackRead(Channel),
    Gate(Channel),
}

impl Edge {
    pub(super) fn call(&mut self, purpose: Purpose, ask: Ask, world: &mut World) {
        let within = if matches!(purpose, Purpose::Read(_)) {
            READ_WITHIN
        } else {
            CALL_WITHIN
        };
        let id = self.serial();
        let give_up = self.now(world) + within;
        self.calls.insert(
            id,
            Call {
                ask,
                purpose,
                attempt: 0,
                give_up,
            },
        );
        self.try_call(id, world);
    }

    pub(super) fn call_live(
        &mut self,
        purpose: Purpose,
        channel: Channel,
        write: Write,
        world: &mut World,
    ) {
        self.call(purpose, Ask::WriteLive(channel, write), world);
    }

    pub(super) fn call_edge(&mut self, purpose: Purpose, write: edge::Write, world: &mut World) {
        let wall = world.clocks[self.slot].wall(world.now);
        self.call(purpose, Ask::WriteEdge(write, wall), world);
    }

    /// Sends a call's next try.
    pub(super) fn try_call(&mut self, id: u64, world: &mut World) {
        let now = self.now(world);
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.attempt += 1;
        let (attempt, until) = (call.attempt, call.give_up.min(now + TRY_WITHIN));
        let from = Sender {
            slot: self.slot,
            process: self.process,
            call: id,
            attempt,
        };
        world.ask(from, call.ask.clone());
        self.wake_at(world, until, Timer::Unanswered(id, attempt));
    }

    pub(super) fn on_unanswered(&mut self, id: u64, attempt: u32, world: &mut World) {
        let now = self.now(world);
        let Some(call) = self.calls.get(&id).filter(|call| call.attempt == attempt) else {
            return;
        };
        if now < call.give_up {
            self.try_call(id, world);
        } else if let Some(call) = self.calls.remove(&id) {
            self.failed(call.purpose, world);
        }
    }

    pub(super) fn on_answer(
        &mut self,
        id: u64,
        attempt: u32,
        answered: Answered,
        world: &mut World,
    ) {
        let now = self.now(world);
        let Some(call) = self
            .calls
            .get_mut(&id)
            .filter(|call| call.attempt == attempt)
        else {
            return;
        };
        if !matches!(answered.answer, Answer::Busy) {
            let purpose = self.calls.remove(&id).map(|call| call.purpose);
            self.correct_clock(answered.date, world);
            if let Some(purpose) = purpose {
                self.done(purpose, answered.answer, world);
            }
        } else if now + BACK_OFF < call.give_up {
            // The next try has another number, so that this one's timer means nothing.
            call.attempt += 1;
            self.wake_at(world, now + BACK_OFF, Timer::Again(id));
        } else if let Some(call) = self.calls.remove(&id) {
            self.failed(call.purpose, world);
        }
    }

    fn done(&mut self, purpose: Purpose, answer: Answer, world: &mut World) {
        match (purpose, answer) {
            (Purpose::Register, Answer::EdgeWritten(result)) => self.on_registered(result, world),
            (Purpose::Beat(beat), Answer::EdgeWritten(result)) => {
                self.on_beaten(&beat, result, world);
            }
            (Purpose::Read(began), Answer::Edges(edges, beaten)) => {
                self.on_read(began, edges, &beaten, world);
            }
            (Purpose::Fence(silent), Answer::EdgeWritten(result)) => {
                self.on_fenced(&silent, result, world);
            }
            (Purpose::FenceOneself, Answer::EdgeWritten(_)) => self.exit(world),
            (Purpose::SweepQuery(sweep), Answer::HeldBy(channels)) => {
                self.on_sweep_queried(sweep, &channels, world);
            }
            (Purpose::SweepRead(sweep, channel), Answer::Live(item)) => {
                self.on_sweep_read(sweep, channel, item, world);
            }
            (Purpose::Swept(sweep), Answer::EdgeWritten(_)) => {
                self.sweeps.remove(&sweep);
            }
            (Purpose::GiveBack, Answer::HeldBy(channels)) => self.on_own_queried(&channels, world),
            (Purpose::GiveBackRead(channel), Answer::Live(item)) => {
                self.on_own_read(channel, item, world);
            }
            (purpose, answer) => self.done_for_a_publish(purpose, answer, world),
        }
    }

    fn done_for_a_publish(&mut self, purpose: Purpose, answer: Answer, world: &mut World) {
        match (purpose, answer) {
            (Purpose::SeekRead(seek), Answer::Live(item)) => self.on_found(seek, item, world),
            (Purpose::SeekLearn(seek, owner), Answer::Edge(found)) => {
                self.on_learned(seek, &owner, found.as_ref(), world);
            }
            (Purpose::SeekWrite(seek, write), Answer::LiveWritten(result)) => {
                let written = self.written(&write, result, world);
                self.on_sought(seek, written, world);
            }
            (Purpose::Owed(owed), Answer::LiveWritten(result)) => {
                self.on_owed(owed, result, world);
            }
            (Purpose::Screen(seek), Answer::Admission(key, gate)) => {
                self.on_screened(seek, key.as_ref(), &gate, world);
            }
            (Purpose::Confirm(publisher), Answer::Admission(key, gate)) => {
                self.on_confirmed(publisher, key.as_ref(), &gate, world);
            }
            (Purpose::GoLive(publisher, write), Answer::LiveWritten(result)) => {
                let written = self.written(&write, result, world);
                self.on_live(publisher, written, world);
            }
            (Purpose::Settle(settle), Answer::LiveWritten(result)) => {
                self.on_settled(settle, result, world);
            }
            (Purpose::Offline(timer, write), Answer::LiveWritten(result)) => {
                let written = self.written(&write, result, world);
                self.on_offline(timer, written, world);
            }
            (Purpose::Gate(channel), Answer::Gate(gate)) => self.on_gate(channel, &gate, world),
            // Every other pair is an answer to a question that was not asked.
            (purpose, answer) => unreachable!("{purpose:?} is not answered by {answer:?}"),
        }
    }

    /// There was no answer, or only that the store is busy. Whether it was done is not known.
    fn failed(&mut self, purpose: Purpose, world: &mut World) {
        match purpose {
            Purpose::Register => self.wake(world, super::AGAIN_AFTER, Timer::Register),
            Purpose::Beat(_) => self.on_beat_failed(world),
            Purpose::Read(_) => self.on_read_failed(world),
            Purpose::Fence(silent) => self.on_fence_failed(&silent, world),
            Purpose::FenceOneself => self.exit(world),
            Purpose::SweepQuery(sweep) | Purpose::Swept(sweep) => {
                self.wake(world, super::AGAIN_AFTER, Timer::SweepQuery(sweep));
            }
            Purpose::SweepRead(sweep, channel) => {
                self.wake(world, super::AGAIN_AFTER, Timer::SweepRead(sweep, channel));
            }
            Purpose::SeekRead(seek)
            | Purpose::SeekWrite(seek, _)
            | Purpose::SeekLearn(seek, _)
            | Purpose::Screen(seek) => self.refuse(seek, "Service Unavailable", world),
            Purpose::Owed(owed) => self.on_owed_failed(owed, world),
            Purpose::Confirm(publisher) => {
                self.not_admitted(publisher, "Service Unavailable", world)
            }
            Purpose::GoLive(publisher, write) => self.on_go_live_failed(publisher, write, world),
            Purpose::Settle(settle) => self.wake(world, super::AGAIN_AFTER, Timer::Settle(settle)),
            Purpose::Offline(timer, write) => self.on_offline_failed(timer, write, world),
            // The next round comes by itself.
            Purpose::GiveBack | Purpose::GiveBackRead(_) | Purpose::Gate(_) => {}
        }
    }

    /// A failed condition counts as success only where the item shows what the write would have
    /// left.
    pub(super) fn written(&self, write: &Write, result: Made<Item>, world: &World) -> Written {
        match result {
            Made::Left(item) => Written::Done(item),
            Made::Refused(Some(item)) if write.left(&item) => Written::Done(item),
            Made::Refused(Some(item)) if world.has(Plant::IdempotenceByOwner) => {
                self.mistaken(write, item)
            }
            Made::Refused(found) => Written::Rejected(found),
        }
    }

    /// A planted error: whatever names this edge is taken for what this write left.
    fn mistaken(&self, write: &Write, item: Item) -> Written {
        match write {
            Write::Acquire(acquire)
                if item.state.is_held() && item.owner.as_ref() == Some(self.owner()) =>
            {
                let attempt_id = Some(acquire.claim.attempt_id.clone());
                Written::Done(Item { attempt_id, ..item })
            }
            _ => Written::Rejected(Some(item)),
        }
    }
}
