//! What the edge makes of the others: readings, fences, and the questions of an outage.

use std::time::Duration;

use domain::edge::Edge as Item;
use domain::lease::{LEASE, OUTAGE_AFTER, POLL, QUESTION_EVERY};
use domain::{EdgeId, Moment, Timestamp};

use super::call::Purpose;
use super::{AGAIN_AFTER, Edge};
use crate::event::{Ask, Made, Message, Slot, Timer};
use crate::plant::Plant;
use crate::world::World;

/// How long an answer to a question about an outage counts.
const ANSWER_WITHIN: Duration = Duration::from_millis(300);
/// What a planted error allows for wall clocks that disagree.
const WALL_SLACK: Duration = Duration::from_millis(50);

impl Edge {
    // ---- Readings

    pub(super) fn read_fleet(&mut self, world: &mut World) {
        let began = self.now(world);
        self.call(Purpose::Read(began), Ask::Edges, world);
        self.wake(world, POLL, Timer::Read);
    }

    pub(super) fn on_read(
        &mut self,
        began: Moment,
        edges: Vec<Item>,
        beaten: &[(EdgeId, Timestamp)],
        world: &mut World,
    ) {
        let now = self.now(world);
        if now.since(began) > POLL {
            self.unseen = now;
        }
        let lives = |edge: &&Item| edge.lives_in(edge.epoch);
        self.read = edges
            .iter()
            .filter(lives)
            .map(|edge| edge.id.clone())
            .collect();
        // The planted error takes every answer for a quick one.
        let began = if world.has(Plant::FailedReadingIgnored) {
            now
        } else {
            began
        };
        let expired = self.expired_by_wall_clock(&edges, beaten, world);
        self.watch.received(began, now, edges);
        for edge in expired {
            self.fence(edge, world);
        }
        self.after_reading(world);
    }

    pub(super) fn on_read_failed(&mut self, world: &mut World) {
        let now = self.now(world);
        self.unseen = now;
        if !world.has(Plant::FailedReadingIgnored) {
            self.watch.missed(now);
        }
        self.after_reading(world);
    }

    fn after_reading(&mut self, world: &mut World) {
        self.look_at_all_parked(world);
        let unswept: Vec<_> = self
            .watch
            .unswept(self.now(world))
            .map(Item::owner)
            .collect();
        for owner in unswept {
            self.sweep(owner, true, world);
        }
        if let Some(silence) = self.watch.next_silence() {
            self.wake_at(world, silence, Timer::Silence);
        }
    }

    fn look_at_all_parked(&mut self, world: &mut World) {
        let parked: Vec<_> = self
            .seeks
            .iter()
            .filter(|(_, seek)| seek.parked)
            .map(|(id, _)| *id)
            .collect();
        for seek in parked {
            self.look(seek, world);
        }
    }

    /// A planted error: who is alive is read from wall clocks.
    fn expired_by_wall_clock(
        &self,
        edges: &[Item],
        beaten: &[(EdgeId, Timestamp)],
        world: &World,
    ) -> Vec<Item> {
        if !world.has(Plant::WallClockExpiry) {
            return Vec::new();
        }
        let now = world.clocks[self.slot].wall(world.now);
        let late = |id: &EdgeId| {
            let beaten = beaten.iter().find(|(beaten, _)| beaten == id);
            beaten.is_some_and(|(_, at)| now > *at + LEASE + WALL_SLACK)
        };
        let expired =
            |edge: &&Item| edge.id != self.id && edge.lives_in(edge.epoch) && late(&edge.id);
        edges.iter().filter(expired).cloned().collect()
    }

    // ---- Fences

    pub(super) fn fence_the_silent(&mut self, world: &mut World) {
        let silent: Vec<_> = self.watch.silent(self.now(world)).cloned().collect();
        for edge in silent {
            if !self.fencing.contains(&edge.id) {
                let promised = self.promised.get(&edge.id).copied();
                let waited = self
                    .now(world)
                    .since(self.unseen.max(promised.unwrap_or_default()));
                world.checks.fencing(world.now, &self.name, waited);
                self.fence(edge, world);
            }
        }
    }

    fn fence(&mut self, silent: Item, world: &mut World) {
        self.tell(world, |story| {
            format!(
                "fences {}, silent at {}",
                story.owner(&silent.owner()),
                silent.heartbeat
            )
        });
        self.fencing.insert(silent.id.clone());
        let write = silent.fence();
        self.call_edge(Purpose::Fence(silent), write, world);
    }

    pub(super) fn on_fenced(&mut self, silent: &Item, result: Made<Item>, world: &mut World) {
        self.fencing.remove(&silent.id);
        let shows = |found: &Item| silent.fence().left(found);
        match result {
            Made::Refused(found) if !found.as_ref().is_some_and(shows) => {
                self.tell(world, |_| "finds that it beat meanwhile".to_owned());
                self.wake(world, AGAIN_AFTER, Timer::Silence);
            }
            Made::Left(_) | Made::Refused(_) => {
                self.read.remove(&silent.id);
                self.watch.fenced(&silent.owner(), self.now(world));
                self.sweep(silent.owner(), true, world);
                self.look_at_all_parked(world);
            }
        }
    }

    pub(super) fn on_fence_failed(&mut self, silent: &Item, world: &mut World) {
        self.fencing.remove(&silent.id);
        self.wake(world, AGAIN_AFTER, Timer::Silence);
    }

    // ---- Questions of an outage

    pub(super) fn question(&mut self, world: &mut World) {
        let now = self.now(world);
        if self.lease.suspects_outage(now) {
            self.ask_the_others(now, world);
            self.wake(world, QUESTION_EVERY, Timer::Question);
        } else {
            let due = (self.acknowledged() + OUTAGE_AFTER).max(now + QUESTION_EVERY / 10);
            self.wake_at(world, due, Timer::Question);
        }
    }

    fn ask_the_others(&mut self, now: Moment, world: &mut World) {
        let Some(others) = self.watch.could_fence() else {
            return;
        };
        let others: Vec<_> = others
            .into_iter()
            .map(|edge| (edge.id.clone(), edge.owner()))
            .collect();
        self.tell(world, |_| {
            format!("asks {} others whether the store is away", others.len())
        });
        self.known = self.read.clone();
        let before = self.lease.deadline();
        self.lease.ask(now, others.iter().map(|(id, _)| id.clone()));
        self.note_hold(before, now, world);
        for (id, owner) in others {
            if let Some(slot) = self
                .watch
                .peer_address(&owner)
                .and_then(|at| at.parse().ok())
            {
                world.say(self.slot, slot, id, Message::Question(self.id.clone(), now));
            }
        }
    }

    pub(super) fn on_question(
        &mut self,
        from: Slot,
        asker: EdgeId,
        asked: Moment,
        world: &mut World,
    ) {
        let now = self.now(world);
        if self.lease.reaches_store(now) {
            return;
        }
        if !world.has(Plant::QuestionWithoutWait) {
            self.watch.wait_anew(&asker, now);
        }
        self.promised.insert(asker.clone(), now);
        let answer = Message::Away(self.id.clone(), asked);
        world.say(self.slot, from, asker, answer);
    }

    pub(super) fn on_away(&mut self, other: &EdgeId, asked: Moment, world: &mut World) {
        let now = self.now(world);
        if now.since(asked) > ANSWER_WITHIN {
            return;
        }
        let before = self.lease.deadline();
        self.lease.agreed(other, asked, now);
        self.note_hold(before, asked, world);
    }

    fn note_hold(&mut self, before: Moment, asked: Moment, world: &mut World) {
        if self.lease.deadline() > before {
            self.heart.held = asked + LEASE;
            self.relied_on.clone_from(&self.known);
            world.checks.held(world.now, &self.name, before > asked);
            self.tell(world, |_| "holds: the store is away for all".to_owned());
        }
    }
}
