//! A simulated edge process: thin actors around the domain's decisions.
//!
//! | file | what |
//! |---|---|
//! | `call.rs` | calls to the store: 400 ms a try, 900 ms in all |
//! | `heart.rs` | registration, heartbeat, deadline, the next epoch |
//! | `fleet.rs` | readings of all edges, fencing, questions in an outage |
//! | `sweep.rs` | locks that a dead owner left, and this edge's own that nobody claims |
//! | `seek.rs` | a publish's way to the lock; acquisitions that are owed |
//! | `publisher.rs` | a publisher's life, from the lock to its end |
//! | `settle.rs` | writes that give a lock back, and the timers of the grace |
//! | `peer.rs` | what other edges ask |

mod call;
mod fleet;
mod heart;
mod peer;
mod publisher;
mod seek;
mod settle;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::lease::{HEARTBEAT, Lease, POLL, Phase, Watch};
use domain::{EdgeId, Moment, Owner, Timestamp};

use crate::event::{Channel, Connection, Event, Input, Process, Signal, Slot, Socket, Timer};
use crate::plant::Plant;
use crate::world::World;
use call::Call;
use heart::Heart;
use publisher::Publisher;
use seek::{Owed, Seek};
use settle::{GraceTimer, Settle};
use sweep::Sweep;

/// Time between two looks at the locks that name this edge.
const GIVE_BACK_EVERY: Duration = Duration::from_secs(30);
/// Time between two looks at the gates of running sessions, where control messages are lost.
const RECHECK_EVERY: Duration = Duration::from_secs(20);
/// Time between two samples of a stream.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// Time before a write or a query without an answer is made anew.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Time between two publishers that are dropped in a drain: 50 a second.
const DRAIN_EVERY: Duration = Duration::from_millis(20);
/// How long a drain may take.
const DRAIN_WITHIN: Duration = Duration::from_secs(20);

/// One process.
pub(crate) struct Edge {
    pub(crate) slot: Slot,
    pub(crate) process: Process,
    name: String,
    id: EdgeId,
    lease: Lease,
    watch: Watch,
    boot_id: String,
    heart: Heart,
    /// The edges that lived in the last good reading, without those it fenced since.
    read: BTreeSet<EdgeId>,
    /// The same when the others were last asked about an outage.
    known: BTreeSet<EdgeId>,
    /// The same at the question whose answers the deadline rests on.
    relied_on: BTreeSet<EdgeId>,
    /// When a reading last failed or was slow.
    unseen: Moment,
    /// When it last told an edge that the store is away.
    promised: BTreeMap<EdgeId, Moment>,
    fencing: BTreeSet<EdgeId>,
    serial: u64,
    calls: BTreeMap<u64, Call>,
    /// The store's last date, and when it came.
    dated: Option<(Timestamp, Moment)>,
    /// The same as a difference to the wall clock, for a planted error.
    ahead: i64,
    sweeps: BTreeMap<u64, Sweep>,
    seeks: BTreeMap<u64, Seek>,
    owed: BTreeMap<u64, Owed>,
    publishers: BTreeMap<u64, Publisher>,
    settles: BTreeMap<u64, Settle>,
    timers: BTreeMap<u64, GraceTimer>,
    draining: Option<Moment>,
}

impl Edge {
    /// A process starts.
    pub(crate) fn start(slot: Slot, process: Process, name: String, world: &mut World) -> Self {
        let id = EdgeId::from_random(world.chance.bytes());
        let now = world.moment(slot);
        world.story.introduce(&id, &name);
        world.checks.born(slot, process, &id);
        let mut edge = Self {
            slot,
            process,
            name,
            lease: Lease::new(id.clone()),
            watch: Watch::new(id.clone()),
            id,
            boot_id: String::new(),
            heart: Heart::new(now),
            read: BTreeSet::new(),
            known: BTreeSet::new(),
            relied_on: BTreeSet::new(),
            unseen: now,
            promised: BTreeMap::new(),
            fencing: BTreeSet::new(),
            serial: 0,
            calls: BTreeMap::new(),
            dated: None,
            ahead: 0,
            sweeps: BTreeMap::new(),
            seeks: BTreeMap::new(),
            owed: BTreeMap::new(),
            publishers: BTreeMap::new(),
            settles: BTreeMap::new(),
            timers: BTreeMap::new(),
            draining: None,
        };
        edge.tell(world, |_| "starts".to_owned());
        edge.begin_epoch(world);
        for (after, timer) in [
            (Duration::ZERO, Timer::Read),
            (HEARTBEAT, Timer::Question),
            (GIVE_BACK_EVERY, Timer::GiveBack),
            (RECHECK_EVERY, Timer::Recheck),
            (SAMPLE_EVERY, Timer::Sample),
        ] {
            edge.wake(world, after, timer);
        }
        edge
    }

    /// Something reaches the process.
    pub(crate) fn on(&mut self, input: Input, world: &mut World) {
        match input {
            Input::Timer(timer) => self.on_timer(timer, world),
            Input::Answer(call, attempt, answered) => {
                self.on_answer(call, attempt, *answered, world);
            }
            Input::Peer(to, from, message) => {
                if to == self.id {
                    self.on_message(from, *message, world);
                }
            }
            Input::Socket(connection, what) => self.on_socket(connection, what, world),
            Input::Control(channel) => self.on_control(channel, world),
            Input::Terminate => self.terminate(world),
        }
    }

    fn on_timer(&mut self, timer: Timer, world: &mut World) {
        match timer {
            Timer::Register => self.register(world),
            Timer::Beat => self.beat(world),
            Timer::Read => self.read_fleet(world),
            Timer::Deadline(epoch) => self.on_deadline(epoch, world),
            Timer::Question => self.question(world),
            Timer::Silence => self.fence_the_silent(world),
            Timer::Unanswered(call, attempt) => self.on_unanswered(call, attempt, world),
            Timer::Again(call) => self.try_call(call, world),
            Timer::SweepQuery(sweep) => self.query_sweep(sweep, world),
            Timer::SweepRead(sweep, channel) => self.read_for_sweep(sweep, channel, world),
            Timer::Settle(settle) => self.write_settle(settle, world),
            Timer::Owed(owed) => self.write_owed(owed, world),
            Timer::Offline(timer) => self.on_grace_over(timer, world),
            Timer::Look(seek) => self.look(seek, world),
            Timer::Unasked(seek, question) => self.on_unasked(seek, question, world),
            Timer::GiveBack => self.query_own(world),
            Timer::Recheck => self.recheck(world),
            Timer::Sample => self.sample(world),
            Timer::NoMedia(publisher) => self.on_no_media(publisher, world),
            Timer::Drain => self.drain(world),
            Timer::LateDrop => self.drop_all(world),
        }
    }

    fn on_socket(&mut self, connection: Connection, what: Socket, world: &mut World) {
        match what {
            Socket::Publish {
                channel,
                key_version,
            } => {
                self.publish(connection, channel, key_version, world);
            }
            Socket::Media => self.media(connection, world),
            Socket::Unpublish => self.left(connection, true, world),
            Socket::Closed => self.left(connection, false, world),
        }
    }

    /// Whether it may hold locks at this moment, by its own clock.
    pub(crate) fn is_up(&self, world: &World) -> bool {
        self.lease.is_held(self.now(world))
    }

    /// What its locks are named by.
    pub(crate) const fn owner(&self) -> &Owner {
        self.lease.owner()
    }

    /// Whether something of this process answers for a lock of its own.
    pub(crate) fn claims(&self, channel: Channel, generation: u64) -> bool {
        let published = self
            .publishers
            .values()
            .any(|p| p.is_of(channel, generation));
        let settled = self.settles.values().any(|s| s.is_of(channel, generation));
        published || settled || self.seeks(channel)
    }

    fn seeks(&self, channel: Channel) -> bool {
        let owed = self.owed.values().any(|owed| owed.channel == channel);
        owed || self.seeks.values().any(|seek| seek.channel == channel)
    }

    // ---- Draining

    fn terminate(&mut self, world: &mut World) {
        self.draining = Some(self.now(world));
        self.tell(world, |_| "is told to stop".to_owned());
        let seeks: Vec<_> = self.seeks.keys().copied().collect();
        for seek in seeks {
            self.refuse(seek, "Service Unavailable", world);
        }
        self.drain(world);
    }

    /// The next publisher: media stops, GRACE, the socket closes. With none left, the end.
    fn drain(&mut self, world: &mut World) {
        let Some(since) = self.draining else { return };
        let next = self
            .publishers
            .iter()
            .find(|(_, p)| !p.is_ending())
            .map(|(id, _)| *id);
        if let Some(id) = next {
            self.drop_publisher(id, None, world);
        }
        let settled = self.publishers.is_empty() && self.settles.is_empty() && self.owed.is_empty();
        let late = self.now(world).since(since) >= DRAIN_WITHIN;
        if !(settled || late) {
            self.wake(world, DRAIN_EVERY, Timer::Drain);
        } else if late || self.lease.phase() != Phase::Up {
            self.exit(world);
        } else if !self.heart.beating {
            self.heart.beating = true;
            self.fence_oneself(world);
        } else {
            self.wake(world, DRAIN_EVERY, Timer::Drain);
        }
    }

    fn exit(&self, world: &mut World) {
        world.after(Duration::ZERO, Event::Exit(self.process));
    }

    // ---- Small things

    fn now(&self, world: &World) -> Moment {
        world.moment(self.slot)
    }

    /// The time for items and messages: the store's, carried on by the monotonic clock.
    fn timestamp(&self, world: &World) -> Timestamp {
        let wall = world.clocks[self.slot].wall(world.now);
        match self.dated {
            None => wall,
            Some(_) if world.has(Plant::CorrectionOnWallClock) => {
                Timestamp::from_millis(wall.millis().saturating_add_signed(self.ahead))
            }
            Some((date, at)) => date + self.now(world).since(at),
        }
    }

    fn correct_clock(&mut self, date: Timestamp, world: &World) {
        let wall = world.clocks[self.slot].wall(world.now);
        self.ahead = date.millis().cast_signed() - wall.millis().cast_signed();
        self.dated = Some((date, self.now(world)));
    }

    fn wake(&self, world: &mut World, after: Duration, timer: Timer) {
        self.wake_at(world, self.now(world) + after, timer);
    }

    fn wake_at(&self, world: &mut World, at: Moment, timer: Timer) {
        world.wake(self.slot, self.process, at, timer);
    }

    const fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn tell(&self, world: &mut World, what: impl FnOnce(&crate::story::Story) -> String) {
        world.tell(&self.name, what);
    }

    fn close(connection: Connection, world: &mut World) {
        world.send_to_encoder(connection, Signal::Closed(connection));
    }
}

/// A reading of all edges is worth nothing after this long.
const READ_WITHIN: Duration = POLL;
