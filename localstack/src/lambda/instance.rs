//! One instance: a process of a function's program, and the runtime API that it talks to.
//!
//! Its life is a line: it begins (until it asks for its first event), then waits, answers, waits. Whoever
//! owns it calls [`Instance::invoke`] and [`Instance::ready`] in turn, and drops it as soon as one of
//! them says that it is [`Lost`]; dropping it kills the process.

use std::net::Ipv4Addr;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::event::Event;
use super::output::Output;
use super::program::Program;
use super::runtime_api::{self, Said};
use super::{Error, MAX_PAYLOAD_BYTES};

/// How long a killed process may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// A process and its runtime API.
#[derive(Debug)]
pub(super) struct Instance {
    /// Tells it apart in the log.
    pub(super) id: String,
    child: Child,
    said: mpsc::Receiver<Said>,
    /// Where its next event goes to, once it asked for one.
    asked: Option<oneshot::Sender<Event>>,
    output: Output,
    _runtime_api: AbortOnDropHandle<()>,
}

/// Why an instance can be used no more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
    #[error("it ended with {0}")]
    Exited(ExitStatus),
    #[error("it says that it cannot begin: {0}")]
    CannotBegin(String),
    #[error("it did not ask for an event within {} s", .0.as_secs_f64())]
    NeverAsked(Duration),
    #[error("it asked for another event before it had answered the last one")]
    NoAnswer,
    #[error("it had {} s for the event", .0.as_secs_f64())]
    TimedOut(Duration),
}

impl Instance {
    /// Starts a process of this program. What it writes is read by one of `tasks`.
    pub(super) async fn spawn(program: &Program, tasks: &TaskTracker) -> Result<Self, Lost> {
        let id = format!("{:08x}", rand::random::<u32>());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        let (owner, said) = mpsc::channel(runtime_api::MAX_SAID);
        let routes = runtime_api::routes(owner);
        // Accepting fails only for single connections; then the program sees it.
        let served = async move { drop(axum::serve(listener, routes).await) };
        let served = AbortOnDropHandle::new(tokio::spawn(served));
        let mut child = program.command(&id, &address).spawn()?;
        let output = Output::of(&mut child, &program.name, &id, tasks);
        Ok(Self {
            id,
            child,
            said,
            asked: None,
            output,
            _runtime_api: served,
        })
    }

    /// Waits until it asks for an event, at most until `deadline`.
    pub(super) async fn ready(&mut self, within: Duration) -> Result<(), Lost> {
        let asked = timeout(within, self.asks()).await;
        asked.unwrap_or(Err(Lost::NeverAsked(within)))
    }

    async fn asks(&mut self) -> Result<(), Lost> {
        while self.asked.as_ref().is_none_or(oneshot::Sender::is_closed) {
            match self.listen().await? {
                Said::Next(asked) => self.asked = Some(asked),
                Said::CannotBegin(words) => return Err(Lost::CannotBegin(words)),
                Said::Answered { taken, .. } => refuse(taken),
            }
        }
        Ok(())
    }

    /// What it says next. What it said before it ended comes first.
    async fn listen(&mut self) -> Result<Said, Lost> {
        tokio::select! {
            biased;
            Some(said) = self.said.recv() => Ok(said),
            status = self.child.wait() => Err(Lost::Exited(status?)),
        }
    }

    /// Waits for its end, while it has nothing to do.
    pub(super) async fn ended(&mut self) -> Lost {
        self.child
            .wait()
            .await
            .map_or_else(Lost::from, Lost::Exited)
    }

    /// Hands it an event and waits for what it answers to that, at most for `limit`. The outer error
    /// says that it is lost.
    pub(super) async fn invoke(
        &mut self,
        function: &str,
        body: Bytes,
        limit: Duration,
    ) -> Result<Result<Bytes, Error>, Lost> {
        if body.len() > MAX_PAYLOAD_BYTES {
            return Ok(Err(Error::TooLarge("event")));
        }
        let event = Event::new(function, body, limit);
        let answered = timeout(limit, self.hand_over(event)).await;
        answered.unwrap_or(Err(Lost::TimedOut(limit)))
    }

    async fn hand_over(&mut self, mut event: Event) -> Result<Result<Bytes, Error>, Lost> {
        let request_id = event.request_id.clone();
        loop {
            self.asks().await?;
            let Some(asked) = self.asked.take() else {
                continue;
            };
            match asked.send(event) {
                Ok(()) => return self.answer(&request_id).await,
                // Its connection broke just now; it asks again.
                Err(back) => event = back,
            }
        }
    }

    async fn answer(&mut self, request_id: &str) -> Result<Result<Bytes, Error>, Lost> {
        loop {
            match self.listen().await? {
                Said::Answered {
                    request_id: of,
                    answer,
                    taken,
                } if of == request_id => {
                    // Nobody waits for it where the program hung up meanwhile.
                    let _ = taken.send(true);
                    return Ok(answer);
                }
                Said::Answered { taken, .. } => refuse(taken),
                Said::Next(_) => return Err(Lost::NoAnswer),
                Said::CannotBegin(words) => return Err(Lost::CannotBegin(words)),
            }
        }
    }

    /// Kills it, where it still runs, and gives its last words.
    pub(super) async fn end(mut self) -> String {
        let began = Instant::now();
        let killed = timeout(GONE_WITHIN, self.child.kill()).await;
        if !matches!(killed, Ok(Ok(()))) {
            tracing::warn!(instance = self.id, took = ?began.elapsed(), "cannot end an instance");
        }
        self.output.last_words().await
    }
}

fn refuse(taken: oneshot::Sender<bool>) {
    // Nobody waits for it where the program hung up meanwhile.
    let _ = taken.send(false);
}
