//! What all actors share: time, the network, the store, and the observer who checks them.
//!
//! An actor changes nothing but itself; it reaches others only through what is planned here.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::live::{Item, Write};
use domain::status::Status;
use domain::{EdgeId, Moment, Timestamp, edge};

use crate::chance::Chance;
use crate::checks::{By, Checks};
use crate::event::{
    Answer, Answered, Ask, Channel, Connection, Event, Input, Made, Message, Process, Push,
    Request, Sender, Signal, Slot, Socket, Timer,
};
use crate::network::Network;
use crate::plant::Plant;
use crate::queue::Queue;
use crate::scenario::Scenario;
use crate::store::Store;
use crate::story::Story;
use crate::time::{Clock, Time};

/// Dashboards that are open; each gets every push.
pub(crate) const DASHBOARDS: usize = 2;
/// A timer fires this much after its time at most, in milliseconds.
const TIMER_SLACK: u64 = 2;
/// Pushes of the change stream arrive within so many milliseconds.
const STREAM_MILLIS: u64 = 2_000;
/// The middle of the second that a Date header names.
const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// Everything around the actors.
pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) queue: Queue,
    pub(crate) chance: Chance,
    pub(crate) plant: Option<Plant>,
    pub(crate) clocks: Vec<Clock>,
    pub(crate) network: Network,
    pub(crate) store: Store,
    pub(crate) checks: Checks,
    pub(crate) story: Story,
    sockets: BTreeMap<Connection, Link>,
    connections: Connection,
}

/// One TCP connection.
#[derive(Debug)]
struct Link {
    encoder: usize,
    process: Process,
    /// Neither side hears the other, and nobody told them.
    broken: bool,
    /// Bytes arrive in the order in which they were sent.
    last_to_edge: Time,
    last_to_encoder: Time,
}

impl World {
    pub(crate) fn new(
        scenario: &Scenario,
        mut chance: Chance,
        plant: Option<Plant>,
        told: bool,
    ) -> Self {
        let clock = |m: &crate::scenario::Machine| Clock::new(m.uptime, m.drift, m.skew);
        let edges = scenario.machines.len();
        Self {
            now: Time::ZERO,
            queue: Queue::default(),
            plant,
            clocks: scenario.machines.iter().map(clock).collect(),
            network: Network::new(edges),
            store: Store::new(plant, &scenario.channels, &mut chance),
            checks: Checks::new(edges, &scenario.channels),
            story: Story::new(told),
            sockets: BTreeMap::new(),
            connections: 0,
            chance,
        }
    }

    pub(crate) fn has(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }

    /// Tells the story; `what` is called only where somebody listens.
    pub(crate) fn tell(&mut self, who: &str, what: impl FnOnce(&Story) -> String) {
        if self.story.is_told() {
            let what = what(&self.story);
            self.story.line(self.now, who, &what);
        }
    }

    // ---- Time

    pub(crate) fn after(&mut self, delay: Duration, event: Event) {
        self.queue.plan(self.now + delay, event);
    }

    /// Wakes a process when its own clock shows `at`, or a little later.
    pub(crate) fn wake(&mut self, slot: Slot, process: Process, at: Moment, timer: Timer) {
        let due = self.clocks[slot].when(at).max(self.now);
        let slack = self.chance.millis(0, TIMER_SLACK);
        self.queue
            .plan(due + slack, Event::Edge(process, Input::Timer(timer)));
    }

    pub(crate) fn moment(&self, slot: Slot) -> Moment {
        self.clocks[slot].moment(self.now)
    }

    // ---- Between edges and the store

    /// A request is sent; what becomes of it is the network's.
    pub(crate) fn ask(&mut self, from: Sender, ask: Ask) {
        if self.network.loses_request(from.slot) {
            return;
        }
        let usual = self.network.to_store(from.slot, &mut self.chance);
        let delay = usual + self.network.lateness(&mut self.chance);
        let request = Request { from, ask };
        if let Some(later) = self.network.duplicate(&mut self.chance) {
            self.after(delay + later, Event::Request(Box::new(request.clone())));
        }
        self.after(delay, Event::Request(Box::new(request)));
    }

    /// A request reaches the store.
    pub(crate) fn arrived(&mut self, request: Request) {
        if self.network.store_is_away() {
            return;
        }
        let from = request.from;
        let answer = if self.network.turns_away(&mut self.chance) {
            Answer::Busy
        } else {
            self.carry_out(request)
        };
        if self.network.loses_answer(from.slot) {
            return;
        }
        let date = date(self.now);
        let delay = self.network.to_store(from.slot, &mut self.chance);
        let answered = Box::new(Answered { date, answer });
        self.after(
            delay,
            Event::Edge(
                from.process,
                Input::Answer(from.call, from.attempt, answered),
            ),
        );
    }

    fn carry_out(&mut self, request: Request) -> Answer {
        let by = By::Edge(request.from.process);
        match request.ask {
            Ask::Edges => {
                let edges = self.store.edges.values().cloned().collect();
                let beaten = self
                    .store
                    .beaten_at
                    .iter()
                    .map(|(id, at)| (id.clone(), *at))
                    .collect();
                Answer::Edges(edges, beaten)
            }
            Ask::Edge(id) => Answer::Edge(self.store.edges.get(&id).cloned()),
            Ask::WriteEdge(write, wall) => Answer::EdgeWritten(self.write_edge(&write, wall, by)),
            Ask::Live(channel) => Answer::Live(self.store.rows[channel].item.clone()),
            Ask::WriteLive(channel, write) => {
                Answer::LiveWritten(self.write_live(channel, &write, by))
            }
            Ask::HeldBy(owner) => Answer::HeldBy(self.store.held_by(&owner, self.now)),
            Ask::Admission(channel, version) => {
                let (key, gate) = self.store.admission(channel, version);
                Answer::Admission(key, gate)
            }
            Ask::Gate(channel) => Answer::Gate(self.store.rows[channel].gate),
        }
    }

    /// Carries out a write on an edge's item.
    pub(crate) fn write_edge(
        &mut self,
        write: &edge::Write,
        wall: Timestamp,
        by: By,
    ) -> Made<edge::Edge> {
        let left = match self.store.write_edge(write) {
            Made::Left(left) => left,
            refused @ Made::Refused(_) => return refused,
        };
        if matches!(
            write,
            edge::Write::Beat { .. } | edge::Write::Boot(_) | edge::Write::Renew(_)
        ) {
            self.store.beaten_at.insert(left.id.clone(), wall);
        } else {
            self.tell("store", |story| {
                format!(
                    "{} is {:?}, swept {}",
                    story.owner(&left.owner()),
                    left.state,
                    left.swept
                )
            });
        }
        self.checks.edge_written(self.now, write, &left, by);
        Made::Left(left)
    }

    /// Carries out a write on a live item, and sends what it left down the change stream.
    pub(crate) fn write_live(&mut self, channel: Channel, write: &Write, by: By) -> Made<Item> {
        let visible = self.now + self.network.index_lag(&mut self.chance);
        let before = self.store.rows[channel].item.clone();
        let left = match self.store.write_live(channel, write, visible) {
            Made::Left(left) => left,
            refused @ Made::Refused(_) => return refused,
        };
        self.checks
            .live_written(self.now, channel, write, before.as_ref(), &left);
        self.tell("store", |story| {
            let write = kind(write);
            format!(
                "channel {channel}: {write} by {} {}",
                by.name(story),
                story.item(Some(&left))
            )
        });
        let push = status(channel, &left, self.now.wall());
        self.push_within(push, STREAM_MILLIS);
        Made::Left(left)
    }

    // ---- Between edges

    pub(crate) fn say(&mut self, from: Slot, to: Slot, id: EdgeId, message: Message) {
        if from != to && self.network.is_cut(from, to) {
            return;
        }
        let Some(process) = self.checks.process(&id) else {
            return;
        };
        let delay = self.chance.millis(1, 8);
        self.after(
            delay,
            Event::Edge(process, Input::Peer(id, from, Box::new(message))),
        );
    }

    // ---- To dashboards

    /// Pushes to every dashboard: late, out of order, sometimes twice.
    pub(crate) fn push(&mut self, push: Push) {
        let within = if self.chance.percent(10) {
            STREAM_MILLIS
        } else {
            80
        };
        self.push_within(push, within);
    }

    fn push_within(&mut self, push: Push, millis: u64) {
        for dashboard in 0..DASHBOARDS {
            let delay = self.chance.millis(5, millis);
            self.after(delay, Event::Push(dashboard, push));
            if self.chance.percent(5) {
                let delay = self.chance.millis(5, millis);
                self.after(delay, Event::Push(dashboard, push));
            }
        }
    }

    // ---- Between encoders and edges

    /// An encoder's connection reaches a process.
    pub(crate) fn connect(&mut self, encoder: usize, process: Process) -> Connection {
        self.connections += 1;
        let link = Link {
            encoder,
            process,
            broken: false,
            last_to_edge: self.now,
            last_to_encoder: self.now,
        };
        self.sockets.insert(self.connections, link);
        self.connections
    }

    pub(crate) fn send_to_edge(&mut self, connection: Connection, what: Socket) {
        let delay = self.chance.millis(2, 20);
        let Some(link) = self
            .sockets
            .get_mut(&connection)
            .filter(|link| !link.broken)
        else {
            return;
        };
        link.last_to_edge = link.last_to_edge.max(self.now + delay);
        let event = Event::Edge(link.process, Input::Socket(connection, what));
        self.queue.plan(link.last_to_edge, event);
    }

    pub(crate) fn send_to_encoder(&mut self, connection: Connection, signal: Signal) {
        let delay = self.chance.millis(2, 20);
        let Some(link) = self
            .sockets
            .get_mut(&connection)
            .filter(|link| !link.broken)
        else {
            return;
        };
        link.last_to_encoder = link.last_to_encoder.max(self.now + delay);
        self.queue
            .plan(link.last_to_encoder, Event::Encoder(link.encoder, signal));
    }

    /// From now on neither side hears the other.
    pub(crate) fn break_off(&mut self, connection: Connection) {
        if let Some(link) = self.sockets.get_mut(&connection) {
            link.broken = true;
        }
    }

    /// The process is gone: its kernel closes every socket of it.
    pub(crate) fn close_all(&mut self, process: Process) {
        let of = |(connection, link): (&Connection, &Link)| {
            (link.process == process).then_some(*connection)
        };
        let connections: Vec<_> = self.sockets.iter().filter_map(of).collect();
        for connection in connections {
            self.send_to_encoder(connection, Signal::Closed(connection));
            self.sockets.remove(&connection);
        }
    }
}

/// What the Date header of an answer says: whole seconds. Taken as the middle of that second.
fn date(now: Time) -> Timestamp {
    let millis = now.wall().millis();
    Timestamp::from_millis(millis - millis % 1_000) + HALF_A_SECOND
}

/// The push that tells of an item.
pub(crate) fn status(channel: Channel, item: &Item, now: Timestamp) -> Push {
    let status = Status::of(Some(item), now);
    Push {
        channel,
        version: status.version,
        sample: 0,
        shown: status.shown,
    }
}

fn kind(write: &Write) -> &'static str {
    match write {
        Write::Acquire(_) => "ACQUIRE",
        Write::GoLive { .. } => "GO LIVE",
        Write::Grace { .. } => "GRACE",
        Write::Offline { .. } => "OFFLINE",
        Write::End { .. } => "END",
    }
}
