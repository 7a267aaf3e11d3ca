//! A run of publishers: one thread, one event loop.
//!
//! The loop sends what is due and sleeps until the next message; a heap holds, per publisher, the
//! moment at which it wants to be called. While publishers are still connecting it waits in the
//! poll, so that the wait for an answer is seen as it is; afterwards it sleeps to a fraction of a
//! millisecond, which the poll cannot, and looks at the sockets now and then.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::course::{Course, Step, Wishes};
use crate::dialogue::Key;
use crate::measure::{milliseconds, seconds, summary};
use crate::publisher::{Over, Publisher, Shared, State, Wait};
use crate::report::{Publishing, Storm, Window};
use crate::tally::{Sent, Tally};

/// Shortest wait the poll can do.
const POLL_RESOLUTION: Duration = Duration::from_millis(1);
/// Sockets are looked at at least so often.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Messages sent between two looks at the clock and the sockets while publishers are connecting.
const SENDS_BETWEEN_LOOKS: usize = 16;
/// A refused publisher of a storm tries again after this: OBS's first pause.
const RETRY: Duration = Duration::from_secs(2);
/// For the servers to close after the farewells.
const FAREWELL: Duration = Duration::from_secs(2);
/// Events taken at once.
const EVENTS: usize = 1024;
/// One read takes at most this of a server's answers.
const READ_BYTES: usize = 16 * 1024;

/// Everything of a run but its publishers' keys.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) shared: Shared,
    pub(crate) wishes: Wishes,
    /// Connections begun in a second.
    pub(crate) ramp: f64,
}

/// Runs to the end. `announce` is told of the moments that somebody outside may wait for.
///
/// # Errors
/// When the system gives no event queue.
pub(crate) fn run(
    run: Run,
    keys: Vec<Key>,
    announce: &mut dyn FnMut(&str),
) -> io::Result<Publishing> {
    let mut engine = Engine::new(run, keys)?;
    engine.ramp_up();
    while !engine.ended {
        engine.follow_course(announce);
        engine.fire();
        engine.wait()?;
    }
    engine.say_farewell()?;
    Ok(engine.report())
}

struct Engine {
    run: Run,
    course: Course,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    publishers: Vec<Publisher>,
    /// When a publisher wants to be called. Its count of turns tells old entries from the last.
    agenda: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    turns: Vec<u64>,
    looked_at: Instant,
    began: Instant,
    ended: bool,
    /// Somebody's state may have changed since the course was last asked.
    changed: bool,
    /// How many are neither live nor over.
    unsettled: usize,
    tally: Tally,
    failures: Failures,
    all_started_after: Option<Duration>,
    storm: Option<Cut>,
    window: Option<Measured>,
}

#[derive(Debug, Default)]
struct Failures {
    failed: usize,
    dropped: usize,
    refused: BTreeMap<String, usize>,
}

struct Cut {
    at: Instant,
    publishers: usize,
    starts_before: usize,
    refused: usize,
    back_after: Option<Duration>,
    back: usize,
}

struct Measured {
    began: Instant,
    before: Sent,
    dropped_before: usize,
    result: Option<Window>,
}

impl Engine {
    fn new(run: Run, keys: Vec<Key>) -> io::Result<Self> {
        let now = Instant::now();
        let publishers = keys.into_iter().enumerate();
        let publishers: Vec<_> = publishers
            .map(|(nth, key)| Publisher::new(nth, key))
            .collect();
        Ok(Self {
            course: Course::new(run.wishes, now),
            run,
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            buffer: vec![0; READ_BYTES],
            turns: vec![0; publishers.len()],
            publishers,
            agenda: BinaryHeap::new(),
            looked_at: now,
            began: now,
            ended: false,
            changed: true,
            unsettled: 0,
            tally: Tally::default(),
            failures: Failures::default(),
            all_started_after: None,
            storm: None,
            window: None,
        })
    }

    fn ramp_up(&mut self) {
        let mut at = self.began;
        for number in 0..self.publishers.len() {
            self.call_at(number, at);
            at += Duration::from_secs_f64(1.0 / self.run.ramp);
        }
    }

    fn call_at(&mut self, number: usize, at: Instant) {
        self.turns[number] += 1;
        self.agenda.push(Reverse((at, number, self.turns[number])));
    }

    fn in_state(&self, wanted: impl Fn(&State) -> bool) -> usize {
        self.publishers
            .iter()
            .filter(|publisher| wanted(publisher.state()))
            .count()
    }

    fn live(&self) -> usize {
        self.in_state(|state| *state == State::Live)
    }

    fn follow_course(&mut self, announce: &mut dyn FnMut(&str)) {
        if !self.changed && Instant::now() < self.course.wakes_at() {
            return;
        }
        self.changed = false;
        loop {
            let live = self.live();
            self.unsettled = self.in_state(|state| matches!(state, State::Idle | State::Talking));
            let now = Instant::now();
            let settled = self.unsettled == 0;
            let Some(step) = self.course.next(now, settled, live > 0) else {
                return;
            };
            let all = self.publishers.len();
            match step {
                Step::AllStarted => {
                    self.all_started_after = Some(now - self.began);
                    announce(&format!("live {live} of {all}"));
                }
                Step::Cut => self.cut_all(now),
                Step::AllBack => {
                    if let Some(storm) = &mut self.storm {
                        storm.back_after = Some(now - storm.at);
                        storm.back = live;
                    }
                    announce(&format!("back {live} of {all}"));
                }
                Step::WindowBegins => {
                    self.begin_window(now);
                    announce("window begins");
                }
                Step::WindowEnds => {
                    self.end_window(now);
                    announce("window ends");
                }
                Step::End => self.ended = true,
            }
        }
    }

    fn cut_all(&mut self, now: Instant) {
        self.storm = Some(Cut {
            at: now,
            publishers: self.live(),
            starts_before: self.tally.starts.len(),
            refused: 0,
            back_after: None,
            back: 0,
        });
        let live = |number: &usize| *self.publishers[*number].state() == State::Live;
        let cut: Vec<usize> = (0..self.publishers.len()).filter(live).collect();
        for number in cut {
            self.publishers[number].cut();
            self.call_at(number, now);
        }
    }

    fn begin_window(&mut self, now: Instant) {
        self.tally.lateness = Default::default();
        self.window = Some(Measured {
            began: now,
            before: self.tally.sent,
            dropped_before: self.failures.dropped,
            result: None,
        });
    }

    fn end_window(&mut self, now: Instant) {
        let publishers = self.live();
        if let Some(window) = &mut self.window {
            window.result = Some(Window {
                seconds: seconds(now - window.began),
                publishers,
                dropped: self.failures.dropped - window.dropped_before,
                lateness_ms: self.tally.lateness.summary(),
                sent: self.tally.sent.since(&window.before),
            });
        }
    }

    /// Calls everybody whose time has come.
    fn fire(&mut self) {
        let mut sends = 0;
        while let Some(Reverse((at, number, turn))) = self.agenda.peek().copied() {
            if at > Instant::now() || sends == SENDS_BETWEEN_LOOKS {
                return;
            }
            self.agenda.pop();
            if self.turns[number] == turn {
                self.call(number);
                sends += 1;
            }
        }
    }

    fn call(&mut self, number: usize) {
        let publisher = &mut self.publishers[number];
        match publisher.state() {
            State::Idle => {
                let decided_by = publisher.open(&self.run.shared, self.poll.registry());
                self.call_at(number, decided_by);
            }
            State::Talking => publisher.give_up(Instant::now()),
            State::Live => self.pump(number),
            State::Ending | State::Over(_) => return,
        }
        self.note_end(number);
    }

    fn pump(&mut self, number: usize) {
        match self.publishers[number].pump(&self.run.shared, &mut self.tally) {
            Wait::Until(due) => self.call_at(number, due),
            Wait::Socket => {}
        }
    }

    fn ready(&mut self, number: usize) {
        self.changed = true;
        let publisher = &mut self.publishers[number];
        let before = publisher.state().clone();
        if matches!(before, State::Idle | State::Over(_)) {
            return;
        }
        publisher.read(&self.run.shared, &mut self.buffer, &mut self.tally);
        self.pump(number);
        self.note_end(number);
    }

    /// Counts a publisher that has just ended; in a storm it may try again.
    fn note_end(&mut self, number: usize) {
        let State::Over(over) = self.publishers[number].state().clone() else {
            return;
        };
        self.changed = true;
        // What it had on the agenda is void.
        self.turns[number] += 1;
        if self.course.retries() && over != Over::Ended {
            if let Some(storm) = &mut self.storm {
                storm.refused += 1;
            }
            self.publishers[number].cut();
            self.call_at(number, Instant::now() + RETRY);
            return;
        }
        match over {
            Over::Failed => self.failures.failed += 1,
            Over::Dropped => self.failures.dropped += 1,
            Over::Refused(code) => *self.failures.refused.entry(shown(&code)).or_default() += 1,
            Over::Ended => {}
        }
    }

    fn wait(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let due = self.agenda.peek().map(|Reverse((at, ..))| *at);
        let wake = due.map_or(self.course.wakes_at(), |due| {
            due.min(self.course.wakes_at())
        });
        let gap = wake.saturating_duration_since(now);
        if gap >= POLL_RESOLUTION || self.unsettled > 0 {
            // A poll takes whole milliseconds; the rest of them is slept.
            let whole = Duration::from_millis(u64::try_from(gap.as_millis()).unwrap_or(0));
            let at_least = if gap.is_zero() {
                Duration::ZERO
            } else {
                POLL_RESOLUTION
            };
            return self.look(whole.max(at_least).min(LOOK_EVERY * 20));
        }
        std::thread::sleep(gap);
        if now - self.looked_at >= LOOK_EVERY {
            return self.look(Duration::ZERO);
        }
        Ok(())
    }

    fn look(&mut self, timeout: Duration) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        self.looked_at = Instant::now();
        let ready: Vec<usize> = self.events.iter().map(|event| event.token().0).collect();
        for number in ready {
            self.ready(number);
        }
        Ok(())
    }

    fn say_farewell(&mut self) -> io::Result<()> {
        for number in 0..self.publishers.len() {
            self.publishers[number].finish(&self.run.shared, &mut self.tally);
        }
        let until = Instant::now() + FAREWELL;
        while self.in_state(|state| *state == State::Ending) > 0 && Instant::now() < until {
            self.look(LOOK_EVERY)?;
        }
        Ok(())
    }

    fn report(mut self) -> Publishing {
        let storm = self.storm.map(|storm| Storm {
            publishers: storm.publishers,
            back: storm.back,
            all_back_ms: storm.back_after.map(milliseconds),
            tries_refused: storm.refused,
            start_ms: summary(&self.tally.starts.split_off(storm.starts_before)),
        });
        let refused: usize = self.failures.refused.values().sum();
        Publishing {
            connections: self.publishers.len(),
            started: self.tally.starts.len(),
            failed: self.failures.failed,
            refused,
            refused_codes: self.failures.refused,
            dropped: self.failures.dropped,
            all_started_ms: self.all_started_after.map(milliseconds),
            seconds: seconds(self.began.elapsed()),
            nominal_kbps: self.run.shared.plan.bits_per_second() / 1000,
            nominal_messages_per_second: self.run.shared.plan.messages_per_second(),
            start_ms: summary(&self.tally.starts),
            lateness_ms: self.tally.lateness.summary(),
            sent: self.tally.sent,
            storm,
            window: self.window.and_then(|window| window.result),
        }
    }
}

/// A status code as it may be printed: a server that puts other words there may repeat a key.
fn shown(code: &str) -> String {
    let plain = code.len() <= 64
        && code.starts_with("Net")
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    if plain {
        code.to_owned()
    } else {
        "other".to_owned()
    }
}
