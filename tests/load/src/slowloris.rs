//! Sockets that begin a handshake and then send one byte every few seconds: what a server must
//! reap by the clock, because something always arrives.

use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::measure::summary;
use crate::report::Slowloris;
use crate::target::Target;

/// How often the sockets' clocks are looked at; reaping is seen by the poll.
const TURN: Duration = Duration::from_millis(50);
/// Events taken at once.
const EVENTS: usize = 1024;

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes {
    pub(crate) sockets: usize,
    /// Sockets opened in a second.
    pub(crate) ramp: f64,
    /// Between two bytes.
    pub(crate) interval: Duration,
    /// The run ends by then.
    pub(crate) duration: Duration,
}

struct Slow {
    socket: TcpStream,
    opened_at: Instant,
    next_byte: Instant,
    connected: bool,
}

/// Runs until the server has closed every socket, or the time is over.
///
/// # Errors
/// When the system gives no event queue.
pub(crate) fn run(target: &Target, wishes: Wishes) -> io::Result<Slowloris> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(EVENTS);
    let mut slow: Vec<Option<Slow>> = Vec::new();
    let mut result = Counted::default();
    let began = Instant::now();
    while began.elapsed() < wishes.duration {
        let wanted = (began.elapsed().as_secs_f64() + TURN.as_secs_f64()) * wishes.ramp;
        while slow.len() < wishes.sockets && as_f64(slow.len()) < wanted {
            let opened = open(target, slow.len(), wishes, &poll);
            result.failed += usize::from(opened.is_err());
            slow.push(opened.ok());
        }
        poll.poll(&mut events, Some(TURN))?;
        for event in &events {
            read(&mut slow[event.token().0], &mut result);
        }
        slow.iter_mut()
            .for_each(|slow| drip(slow, wishes.interval, &mut result));
        if slow.len() == wishes.sockets && slow.iter().all(Option::is_none) {
            break;
        }
    }
    Ok(Slowloris {
        sockets: wishes.sockets,
        connected: result.connected,
        failed: result.failed,
        reaped: result.reaped.len(),
        left: slow.iter().flatten().count(),
        reaped_ms: summary(&result.reaped),
    })
}

#[derive(Default)]
struct Counted {
    connected: usize,
    failed: usize,
    reaped: Vec<Duration>,
}

fn open(target: &Target, nth: usize, wishes: Wishes, poll: &Poll) -> io::Result<Slow> {
    let opened_at = Instant::now();
    let mut socket = target.connect(nth)?;
    poll.registry().register(
        &mut socket,
        Token(nth),
        Interest::READABLE | Interest::WRITABLE,
    )?;
    Ok(Slow {
        socket,
        opened_at,
        next_byte: opened_at + wishes.interval,
        connected: false,
    })
}

fn read(place: &mut Option<Slow>, counted: &mut Counted) {
    let mut buffer = [0; 4096];
    while let Some(slow) = place {
        match slow.socket.read(&mut buffer) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return connected(place, counted);
            }
            // Not connected yet.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return,
            Ok(0) | Err(_) => return closed(place, counted),
        }
    }
}

/// C0 goes out at once: the server sees that somebody means to speak RTMP.
fn connected(place: &mut Option<Slow>, counted: &mut Counted) {
    let Some(slow) = place else { return };
    if !slow.connected && slow.socket.write(&[3]).is_ok() {
        slow.connected = true;
        counted.connected += 1;
    }
}

fn drip(place: &mut Option<Slow>, interval: Duration, counted: &mut Counted) {
    let Some(slow) = place else { return };
    let now = Instant::now();
    if !slow.connected || now < slow.next_byte {
        return;
    }
    slow.next_byte = now + interval;
    if slow.socket.write(&[0]).is_err() {
        closed(place, counted);
    }
}

fn closed(place: &mut Option<Slow>, counted: &mut Counted) {
    let Some(slow) = place.take() else { return };
    if slow.connected {
        counted.reaped.push(slow.opened_at.elapsed());
    } else {
        counted.failed += 1;
    }
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
