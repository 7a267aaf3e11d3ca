//! One publisher: its socket, its dialogue, and where it is in the file.
//!
//! It writes each message when it is due, in one `write`. When the server does not read fast enough
//! the rest waits for the socket, later messages queue behind it, and what is sent too late shows
//! as lateness: as from an encoder whose upstream is full, except that nothing is ever skipped.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::dialogue::{Dialogue, Key, Outcome};
use crate::plan::Plan;
use crate::tally::Tally;
use crate::target::Target;

/// From the connection's begin to `NetStream.Publish.Start`: what OBS waits at most.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time between `NetStream.Publish.Start` and the first media: the phases of all
/// connections are spread over it.
const PHASES: Duration = Duration::from_secs(2);

/// Where a publisher is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not connected yet, or waiting to connect again.
    Idle,
    /// From connect to the server's decision.
    Talking,
    /// Media is sent.
    Live,
    /// It has said farewell and waits for the server to close.
    Ending,
    /// Nothing more happens.
    Over(Over),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// No connection, no dialogue, or none in time.
    Failed,
    /// The server turned it away with this code.
    Refused(String),
    /// The server closed while it was live.
    Dropped,
    /// It ended on purpose.
    Ended,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The next message is due then.
    Until(Instant),
    /// For the socket.
    Socket,
}

/// What all publishers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) target: Target,
    pub(crate) plan: Plan,
    pub(crate) chunk_size: usize,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Publisher {
    number: usize,
    key: Key,
    state: State,
    socket: Option<TcpStream>,
    dialogue: Option<Dialogue>,
    /// What goes out before any media: the dialogue.
    out: Vec<u8>,
    /// Metadata and sequence headers, until the first media is due.
    preamble: Option<Vec<u8>>,
    opened_at: Instant,
    /// When the loop that it is in began.
    lap_began: Instant,
    cursor: usize,
    offset: usize,
}

impl Publisher {
    pub(crate) fn new(number: usize, key: Key) -> Self {
        Self {
            number,
            key,
            state: State::Idle,
            socket: None,
            dialogue: None,
            out: Vec::new(),
            preamble: None,
            opened_at: Instant::now(),
            lap_began: Instant::now(),
            cursor: 0,
            offset: 0,
        }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Its socket is closed and it can connect again.
    pub(crate) fn cut(&mut self) {
        self.end(State::Idle);
    }

    fn end(&mut self, state: State) {
        self.state = state;
        self.socket = None;
        self.dialogue = None;
        self.out = Vec::new();
        self.preamble = None;
    }

    /// Connects. Says until when the server has time to decide.
    pub(crate) fn open(&mut self, shared: &Shared, registry: &Registry) -> Instant {
        self.opened_at = Instant::now();
        let socket = shared.target.connect(self.number).and_then(|mut socket| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            registry.register(&mut socket, Token(self.number), interest)?;
            Ok(socket)
        });
        match socket {
            Ok(socket) => {
                let (app, url) = (shared.target.app(), shared.target.url());
                let key = self.key.clone();
                self.dialogue = Some(Dialogue::new(app, &url, key, shared.chunk_size));
                self.out = Dialogue::opening();
                self.socket = Some(socket);
                self.state = State::Talking;
            }
            Err(_) => self.end(State::Over(Over::Failed)),
        }
        self.opened_at + START_TIMEOUT
    }

    /// Gives up on a server that has not decided in time.
    pub(crate) fn give_up(&mut self, now: Instant) {
        if self.state == State::Talking && now >= self.opened_at + START_TIMEOUT {
            self.end(State::Over(Over::Failed));
        }
    }

    /// Reads what the server sent. The wait between connect and Publish.Start goes to the tally.
    pub(crate) fn read(&mut self, shared: &Shared, buffer: &mut [u8], tally: &mut Tally) {
        while let Some(socket) = &mut self.socket {
            match socket.read(buffer) {
                Ok(0) => self.lost(),
                Ok(count) => {
                    self.heard(shared, &buffer[..count], tally);
                    if count < buffer.len() {
                        return;
                    }
                }
                Err(error) if is_not_yet(&error) => return,
                Err(_) => self.lost(),
            }
        }
    }

    fn heard(&mut self, shared: &Shared, bytes: &[u8], tally: &mut Tally) {
        let Some(dialogue) = &mut self.dialogue else {
            return;
        };
        match (dialogue.receive(bytes, &mut self.out), &self.state) {
            (Err(_), _) => self.lost(),
            (Ok(Some(Outcome::Refused { code })), State::Talking) => {
                self.end(State::Over(Over::Refused(code)));
            }
            (Ok(Some(Outcome::Started { stream_id })), State::Talking) => {
                tally.started(self.opened_at.elapsed());
                self.begin_media(shared, stream_id);
            }
            // A status while it is live is followed by the server's closing, if it means anything.
            (Ok(_), _) => {}
        }
    }

    fn begin_media(&mut self, shared: &Shared, stream_id: u32) {
        let plan = &shared.plan;
        let preamble = plan.preamble(self.number, stream_id);
        let into_loop = Duration::from_millis(plan.messages()[preamble.begin].at.into());
        self.lap_began = Instant::now() + phase(self.number) - into_loop;
        self.cursor = preamble.begin;
        self.offset = plan.start_of(preamble.begin);
        self.preamble = Some(preamble.bytes);
        self.state = State::Live;
    }

    fn lost(&mut self) {
        let over = match self.state {
            State::Live => Over::Dropped,
            State::Ending => Over::Ended,
            State::Idle | State::Talking | State::Over(_) => Over::Failed,
        };
        self.end(State::Over(over));
    }

    /// Writes everything that is due.
    pub(crate) fn pump(&mut self, shared: &Shared, tally: &mut Tally) -> Wait {
        match self.write(&shared.plan, tally) {
            Ok(wait) => wait,
            Err(error) if is_not_yet(&error) => Wait::Socket,
            Err(_) => {
                self.lost();
                Wait::Socket
            }
        }
    }

    fn write(&mut self, plan: &Plan, tally: &mut Tally) -> io::Result<Wait> {
        loop {
            let Some(socket) = &mut self.socket else {
                return Ok(Wait::Socket);
            };
            let between_messages = self.offset == plan.start_of(self.cursor);
            if !self.out.is_empty() && between_messages {
                let written = socket.write(&self.out)?;
                tally.wrote(written);
                self.out.drain(..written);
                continue;
            }
            if self.state != State::Live {
                return Ok(Wait::Socket);
            }
            let message = plan.messages()[self.cursor];
            let due = self.lap_began + Duration::from_millis(message.at.into());
            let now = Instant::now();
            if now < due {
                return Ok(Wait::Until(due));
            }
            if let Some(preamble) = self.preamble.take() {
                self.out.extend_from_slice(&preamble);
                continue;
            }
            let written = socket.write(&plan.bytes()[self.offset..message.end])?;
            tally.wrote(written);
            self.offset += written;
            if self.offset == message.end {
                tally.sent(message.payload_bytes, now - due);
                self.advance(plan);
            }
        }
    }

    fn advance(&mut self, plan: &Plan) {
        self.cursor += 1;
        if self.cursor == plan.messages().len() {
            self.cursor = 0;
            self.offset = 0;
            self.lap_began += Duration::from_millis(plan.loop_milliseconds().into());
        }
    }

    /// Stops on purpose: says so, and lets the server close.
    pub(crate) fn finish(&mut self, shared: &Shared, tally: &mut Tally) {
        let between_messages = self.offset == shared.plan.start_of(self.cursor);
        if self.state != State::Live || !between_messages {
            return;
        }
        if let Some(dialogue) = &self.dialogue {
            self.out.extend_from_slice(&dialogue.farewell());
        }
        self.state = State::Ending;
        self.pump(shared, tally);
        if let Some(socket) = &self.socket {
            // A socket that cannot be shut down is closed already.
            let _ = socket.shutdown(Shutdown::Write);
        }
    }
}

/// When number `number` begins: multiples of the golden ratio lie evenly however many there are.
fn phase(number: usize) -> Duration {
    let number = u32::try_from(number % 1_000_000).unwrap_or(0);
    PHASES.mul_f64((f64::from(number) * 0.618_033_988_749_895).fract())
}

/// The socket has to be waited for; while it connects, too.
fn is_not_yet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_of_neighbours_lie_apart_and_fill_the_time() {
        let mut phases: Vec<Duration> = (0..200).map(phase).collect();
        phases.sort_unstable();
        assert!(phases.iter().all(|phase| *phase < PHASES));
        let gaps = phases.windows(2).map(|pair| pair[1] - pair[0]);
        let widest = gaps.clone().max().expect("there are gaps");
        assert!(widest < PHASES / 100, "{widest:?}");
        assert!(gaps.min().expect("there are gaps") > PHASES / 1000);
    }
}
