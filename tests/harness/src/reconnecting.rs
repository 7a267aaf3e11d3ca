//! An encoder that comes back by itself, as OBS does, and remembers what happened to it.
//!
//! Its first publish counts: who is refused then is told so and stops. Later on it retries whatever
//! the answer was, each time with the next server, with timestamps from zero; a stream that started
//! makes it begin anew with the shortest wait.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::publisher::Outcome;
use crate::{Publisher, Servers, wait};

/// Messages a second: enough to be media, cheap enough for a hundred encoders in one process.
const PACE: Duration = Duration::from_millis(100);
/// A keyframe each 2 s, as the dashboard advises.
const FRAMES_PER_KEYFRAME: u32 = 20;
/// How long the end of an encoder may take: a hang guard.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// When an encoder tries again.
#[derive(Clone, Copy, Debug)]
pub struct Habit {
    /// From the loss to the first try.
    pub first: Duration,
    /// Each further wait is so many times the one before.
    pub factor: f64,
    /// How often at most.
    pub tries: u32,
}

impl Habit {
    /// 2.0, 5.0, 9.5 s after the loss, and so on.
    pub const OBS: Self = Self {
        first: Duration::from_secs(2),
        factor: 1.5,
        tries: 25,
    };
    /// At once and all the time: shows the moment from which on a publish is let in.
    pub const IMPATIENT: Self = Self {
        first: Duration::from_millis(50),
        factor: 1.0,
        tries: u32::MAX,
    };
}

/// What happened to an encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It connects to this server.
    Tries(String),
    /// `NetStream.Publish.Start` came, from this server.
    Started(String),
    /// This other code came.
    Refused(String),
    /// No answer to the publish came.
    Failed(String),
    /// The connection of a stream that had started is gone.
    Lost,
    /// It does not try any more.
    GaveUp,
}

/// An event and when it happened.
#[derive(Clone, Debug)]
pub struct Happened {
    /// When.
    pub at: Instant,
    /// What.
    pub event: Event,
}

/// How an encoder ends.
#[derive(Debug)]
enum Ending {
    /// It says goodbye.
    Unpublish,
    /// It is gone.
    Vanish,
}

/// A running encoder. Dropping it makes it vanish.
#[derive(Debug)]
pub struct ReconnectingPublisher {
    history: History,
    end: Option<oneshot::Sender<Ending>>,
    task: JoinHandle<()>,
}

type History = Arc<Mutex<Vec<Happened>>>;

/// What the encoder's task works with.
struct Encoder {
    servers: Servers,
    /// How many servers were picked so far, counted from where it was told to begin.
    picked: usize,
    key: String,
    habit: Habit,
    history: History,
}

/// What ended a stream.
enum StreamEnd {
    Lost,
    Ended,
}

impl ReconnectingPublisher {
    /// Publishes `key` to the server of number `first`, and from then on to the next ones.
    #[must_use]
    pub fn start(servers: &Servers, first: usize, key: &str, habit: Habit) -> Self {
        let history = History::default();
        let encoder = Encoder {
            servers: servers.clone(),
            picked: first,
            key: key.to_owned(),
            habit,
            history: Arc::clone(&history),
        };
        let (end, ended) = oneshot::channel();
        Self {
            history,
            end: Some(end),
            task: tokio::spawn(encoder.run(ended)),
        }
    }

    /// All that happened so far, in order.
    #[must_use]
    pub fn history(&self) -> Vec<Happened> {
        let history = self.history.lock();
        history.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What happened from `since` on that `pick` takes.
    #[must_use]
    pub fn since(&self, since: Instant, pick: impl Fn(&Event) -> bool) -> Vec<Happened> {
        let history = self.history().into_iter();
        history
            .filter(|happened| happened.at >= since && pick(&happened.event))
            .collect()
    }

    /// Waits for the first event from `since` on that `pick` takes.
    ///
    /// # Errors
    /// When `deadline` passes first.
    pub async fn until(
        &self,
        what: &str,
        since: Instant,
        deadline: Duration,
        pick: impl Fn(&Event) -> bool,
    ) -> Result<Happened> {
        let found = wait::until(what, deadline, async || {
            Ok(self.since(since, &pick).into_iter().next())
        });
        let found = found.await;
        found.with_context(|| format!("what happened: {:#?}", self.history()))
    }

    /// Waits until a stream starts, from `since` on, and says when.
    ///
    /// # Errors
    /// When `deadline` passes first.
    pub async fn starts(&self, since: Instant, deadline: Duration) -> Result<Instant> {
        let started = |event: &Event| matches!(event, Event::Started(_));
        let happened = self.until("a stream to start", since, deadline, started);
        Ok(happened.await?.at)
    }

    /// The server that its stream is on; None where it has none just now.
    #[must_use]
    pub fn server(&self) -> Option<String> {
        match self.history().pop()?.event {
            Event::Started(server) => Some(server),
            Event::Tries(_)
            | Event::Refused(_)
            | Event::Failed(_)
            | Event::Lost
            | Event::GaveUp => None,
        }
    }

    /// How often a started stream was lost.
    #[must_use]
    pub fn losses(&self) -> usize {
        let history = self.history();
        let lost = history.iter().filter(|h| h.event == Event::Lost);
        lost.count()
    }

    /// Ends the stream by saying so.
    ///
    /// # Errors
    /// When it hangs.
    pub async fn unpublish(self) -> Result<()> {
        self.finish(Ending::Unpublish).await
    }

    /// Closes the socket without a word.
    ///
    /// # Errors
    /// When it hangs.
    pub async fn vanish(self) -> Result<()> {
        self.finish(Ending::Vanish).await
    }

    async fn finish(mut self, how: Ending) -> Result<()> {
        if let Some(end) = self.end.take() {
            // Nobody listens where it gave up before.
            let _ = end.send(how);
        }
        let ended = tokio::time::timeout(ENDS_WITHIN, &mut self.task).await;
        Ok(ended.context("the encoder hangs")??)
    }
}

impl Drop for ReconnectingPublisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Encoder {
    async fn run(mut self, mut end: oneshot::Receiver<Ending>) {
        let mut tried = 0;
        let mut delay = self.habit.first;
        let mut ever_started = false;
        loop {
            let publisher = tokio::select! {
                publisher = self.publish() => publisher,
                _ = &mut end => return,
            };
            if let Some(publisher) = publisher {
                match self.stream(publisher, &mut end).await {
                    StreamEnd::Ended => return,
                    StreamEnd::Lost => self.note(Event::Lost),
                }
                (tried, delay, ever_started) = (0, self.habit.first, true);
            }
            if !ever_started || tried == self.habit.tries {
                return self.note(Event::GaveUp);
            }
            tokio::select! {
                () = sleep(delay) => {}
                _ = &mut end => return,
            }
            tried += 1;
            delay = delay.mul_f64(self.habit.factor);
        }
    }

    /// One try. None where it was not let in.
    async fn publish(&mut self) -> Option<Box<Publisher>> {
        let server = self.servers.pick(self.picked);
        self.picked += 1;
        let Some(server) = server else {
            self.note(Event::Failed("there is no server".to_owned()));
            return None;
        };
        self.note(Event::Tries(server.clone()));
        match Publisher::publish(&server, &self.key).await {
            Ok(Outcome::Accepted(publisher)) => {
                self.note(Event::Started(server));
                return Some(publisher);
            }
            Ok(Outcome::Refused(code)) => self.note(Event::Refused(code)),
            Err(error) => self.note(Event::Failed(format!("{error:#}"))),
        }
        None
    }

    async fn stream(
        &self,
        mut publisher: Box<Publisher>,
        end: &mut oneshot::Receiver<Ending>,
    ) -> StreamEnd {
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let began = Instant::now();
        for frame in 0_u32.. {
            tokio::select! {
                _ = publisher.closes() => return StreamEnd::Lost,
                _ = ticks.tick() => {}
                ending = &mut *end => {
                    if let Ok(Ending::Unpublish) = ending {
                        // A connection that is gone needs no goodbye.
                        let _ = publisher.unpublish().await;
                    }
                    return StreamEnd::Ended;
                }
            }
            let millis = u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX);
            let sent = if frame % FRAMES_PER_KEYFRAME == 0 {
                publisher.send_keyframe(millis).await
            } else {
                publisher.send_frame(millis).await
            };
            if sent.is_err() {
                return StreamEnd::Lost;
            }
        }
        StreamEnd::Lost
    }

    fn note(&self, event: Event) {
        let at = Instant::now();
        let history = self.history.lock();
        let mut history = history.unwrap_or_else(PoisonError::into_inner);
        history.push(Happened { at, event });
    }
}
