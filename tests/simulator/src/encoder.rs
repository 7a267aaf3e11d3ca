//! Encoders: they reconnect as OBS does, and rivals want the same channel.

use std::time::Duration;

use crate::event::{Channel, Connection, Event, Process, Signal, Socket};
use crate::world::World;

/// Time between two batches of media.
const FRAME_EVERY: Duration = Duration::from_millis(250);
/// How long OBS waits for the answer to a publish.
const PATIENCE: Duration = Duration::from_secs(30);
/// The first wait before OBS connects anew.
const FIRST_RETRY: Duration = Duration::from_secs(2);
/// Times that it tries.
const TRIES: u32 = 25;
/// A refused connection is noticed so soon, in milliseconds.
const REFUSED_MILLIS: (u64, u64) = (3, 120);
/// A person who was turned away tries again after so many milliseconds.
const SECOND_THOUGHT_MILLIS: (u64, u64) = (1_500, 20_000);
/// A network that vanished is noticed after so many milliseconds.
const NOTICED_MILLIS: (u64, u64) = (500, 14_000);

/// One encoder and the person at it.
#[derive(Debug)]
pub(crate) struct Encoder {
    number: usize,
    channel: Channel,
    key_version: u64,
    state: State,
    connection: Option<Connection>,
    /// While it reconnects: tries so far, and the next wait.
    retries: Option<(u32, Duration)>,
    next_edge: usize,
    /// Tells the timer of the present wait from older ones.
    wait: u64,
    /// Nobody starts it again.
    pub(crate) stopped: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Idle,
    Asking,
    Streaming,
    Waiting,
}

impl Encoder {
    pub(crate) const fn new(number: usize, channel: Channel, first_edge: usize) -> Self {
        Self {
            number,
            channel,
            key_version: 1,
            state: State::Idle,
            connection: None,
            retries: None,
            next_edge: first_edge,
            wait: 0,
            stopped: false,
        }
    }

    pub(crate) const fn channel(&self) -> Channel {
        self.channel
    }

    pub(crate) fn on(&mut self, signal: Signal, processes: &[Option<Process>], world: &mut World) {
        match signal {
            Signal::Start if self.state == State::Idle && !self.stopped => {
                self.retries = None;
                self.connect(processes, world);
            }
            Signal::Start => {}
            Signal::Stop => self.stop(world),
            Signal::NewKey(version) => self.key_version = version,
            Signal::Crash if self.connection.is_some() => {
                self.hang_up(Socket::Closed, world);
                self.lost(world);
            }
            Signal::Vanish if self.state == State::Streaming => self.vanish(world),
            Signal::Crash | Signal::Vanish => {}
            Signal::Started(connection) if self.is_on(connection) => {
                self.state = State::Streaming;
                self.retries = None;
                self.frame(connection, world);
            }
            Signal::Refused(connection) | Signal::Closed(connection) if self.is_on(connection) => {
                self.hang_up(Socket::Closed, world);
                self.lost(world);
            }
            Signal::Frame(connection) if self.is_on(connection) => self.frame(connection, world),
            Signal::Impatient(connection)
                if self.is_on(connection) && self.state == State::Asking =>
            {
                self.hang_up(Socket::Closed, world);
                self.lost(world);
            }
            Signal::Retry(wait) if wait == self.wait && self.state == State::Waiting => {
                self.connect(processes, world);
            }
            Signal::Started(_)
            | Signal::Refused(_)
            | Signal::Closed(_)
            | Signal::Frame(_)
            | Signal::Impatient(_)
            | Signal::Retry(_) => {}
        }
    }

    fn is_on(&self, connection: Connection) -> bool {
        self.connection == Some(connection)
    }

    /// Each time the next edge, as the name service has it.
    fn connect(&mut self, processes: &[Option<Process>], world: &mut World) {
        let slot = self.next_edge % processes.len();
        self.next_edge += 1;
        let Some(process) = processes[slot] else {
            self.lost(world);
            return;
        };
        let connection = world.connect(self.number, process);
        self.connection = Some(connection);
        self.state = State::Asking;
        world.send_to_edge(
            connection,
            Socket::Publish {
                channel: self.channel,
                key_version: self.key_version,
            },
        );
        world.after(
            PATIENCE,
            Event::Encoder(self.number, Signal::Impatient(connection)),
        );
    }

    fn frame(&mut self, connection: Connection, world: &mut World) {
        world.send_to_edge(connection, Socket::Media);
        world.after(
            FRAME_EVERY,
            Event::Encoder(self.number, Signal::Frame(connection)),
        );
    }

    /// The connection is gone, or was never there. While reconnecting any answer means the next try;
    /// otherwise OBS shows the reason, and it is the person who tries again.
    fn lost(&mut self, world: &mut World) {
        let was_live = self.state == State::Streaming;
        self.connection = None;
        if was_live {
            self.retries = Some((0, FIRST_RETRY));
        }
        let jitter = world.chance.millis(REFUSED_MILLIS.0, REFUSED_MILLIS.1);
        match self.retries {
            Some((tries, wait)) if tries < TRIES => {
                self.retries = Some((tries + 1, wait * 3 / 2));
                self.wait_for(wait + jitter, world);
            }
            Some(_) | None => {
                self.retries = None;
                let thought = world
                    .chance
                    .millis(SECOND_THOUGHT_MILLIS.0, SECOND_THOUGHT_MILLIS.1);
                self.wait_for(thought, world);
            }
        }
    }

    fn wait_for(&mut self, wait: Duration, world: &mut World) {
        self.wait += 1;
        self.state = if self.stopped {
            State::Idle
        } else {
            State::Waiting
        };
        world.after(wait, Event::Encoder(self.number, Signal::Retry(self.wait)));
    }

    fn hang_up(&mut self, how: Socket, world: &mut World) {
        if let Some(connection) = self.connection.take() {
            world.send_to_edge(connection, how);
        }
    }

    /// The person goes away: what still waits for its next try does not make it.
    pub(crate) fn give_up(&mut self, world: &mut World) {
        if self.connection.is_some() {
            self.hang_up(Socket::Closed, world);
        }
        self.state = State::Idle;
    }

    fn stop(&mut self, world: &mut World) {
        self.hang_up(Socket::Unpublish, world);
        self.state = State::Idle;
        self.retries = None;
    }

    /// Neither side is told; the encoder notices after a while and connects anew.
    fn vanish(&mut self, world: &mut World) {
        if let Some(connection) = self.connection.take() {
            world.tell("network", |_| format!("encoder {} is cut off", self.number));
            world.break_off(connection);
        }
        let noticed = world.chance.millis(NOTICED_MILLIS.0, NOTICED_MILLIS.1);
        self.retries = Some((0, FIRST_RETRY));
        self.wait_for(noticed, world);
    }
}
