//! Connections that complete the handshake and close: what a port scanner, a health check or an
//! attacker without a key can make a server do.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::dialogue::{Dialogue, SERVER_HANDSHAKE_BYTES};
use crate::measure::{seconds, summary};
use crate::report::Handshakes;
use crate::target::Target;

/// A handshake that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Shortest wait between two looks.
const TURN: Duration = Duration::from_millis(1);
/// Events taken at once.
const EVENTS: usize = 1024;

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes {
    pub(crate) handshakes: usize,
    /// Handshakes begun in a second.
    pub(crate) rate: f64,
    /// The run ends by then.
    pub(crate) duration: Duration,
}

struct Hand {
    socket: TcpStream,
    opened_at: Instant,
    opened: bool,
    received: Vec<u8>,
}

#[derive(Default)]
struct Counted {
    failed: usize,
    timed_out: usize,
    completed: Vec<Duration>,
}

/// Runs until each handshake is complete or has failed, or the time is over.
///
/// # Errors
/// When the system gives no event queue.
pub(crate) fn run(target: &Target, wishes: Wishes) -> io::Result<Handshakes> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(EVENTS);
    // Those that are open, in the order of opening; the first one's number is `first`.
    let (mut first, mut open): (usize, VecDeque<Option<Hand>>) = (0, VecDeque::new());
    let mut counted = Counted::default();
    let began = Instant::now();
    let begun = |first: usize, open: &VecDeque<_>| first + open.len();
    while began.elapsed() < wishes.duration {
        let wanted = began.elapsed().as_secs_f64() * wishes.rate + 1.0;
        while begun(first, &open) < wishes.handshakes && as_f64(begun(first, &open)) < wanted {
            let hand = shake(target, begun(first, &open), &poll);
            counted.failed += usize::from(hand.is_err());
            open.push_back(hand.ok());
        }
        poll.poll(&mut events, Some(TURN))?;
        for event in &events {
            let place = event.token().0.checked_sub(first);
            if let Some(place) = place.and_then(|place| open.get_mut(place)) {
                step(place, &mut counted);
            }
        }
        open.iter_mut().for_each(|hand| give_up(hand, &mut counted));
        while open.front().is_some_and(Option::is_none) {
            open.pop_front();
            first += 1;
        }
        if begun(first, &open) == wishes.handshakes && open.is_empty() {
            break;
        }
    }
    Ok(Handshakes {
        handshakes: wishes.handshakes,
        completed: counted.completed.len(),
        failed: counted.failed,
        timed_out: counted.timed_out,
        seconds: seconds(began.elapsed()),
        handshake_ms: summary(&counted.completed),
    })
}

fn shake(target: &Target, nth: usize, poll: &Poll) -> io::Result<Hand> {
    let opened_at = Instant::now();
    let mut socket = target.connect(nth)?;
    poll.registry().register(
        &mut socket,
        Token(nth),
        Interest::READABLE | Interest::WRITABLE,
    )?;
    Ok(Hand {
        socket,
        opened_at,
        opened: false,
        received: Vec::new(),
    })
}

fn step(place: &mut Option<Hand>, counted: &mut Counted) {
    let Some(hand) = place else { return };
    match hand.go_on() {
        Ok(false) => {}
        Ok(true) => {
            counted.completed.push(hand.opened_at.elapsed());
            *place = None;
        }
        Err(error) if is_not_yet(&error) => {}
        Err(_) => {
            counted.failed += 1;
            *place = None;
        }
    }
}

impl Hand {
    /// True when the server's half is here and has been echoed.
    fn go_on(&mut self) -> io::Result<bool> {
        if !self.opened {
            // 1537 bytes always fit into a new socket's buffer.
            let _ = self.socket.write(&Dialogue::opening())?;
            self.opened = true;
        }
        let mut buffer = [0; 4096];
        loop {
            let count = self.socket.read(&mut buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.received.extend_from_slice(&buffer[..count]);
            if self.received.len() >= SERVER_HANDSHAKE_BYTES {
                let echo = Dialogue::echo(&self.received).unwrap_or_default();
                let _ = self.socket.write(echo)?;
                return Ok(true);
            }
        }
    }
}

fn give_up(place: &mut Option<Hand>, counted: &mut Counted) {
    if place
        .as_ref()
        .is_some_and(|hand| hand.opened_at.elapsed() >= TIMEOUT)
    {
        counted.timed_out += 1;
        *place = None;
    }
}

fn is_not_yet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
    )
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
