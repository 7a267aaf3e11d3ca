//! A function: its instances, and the calls that they answer.
//!
//! Each instance is one task, which alone owns it: it takes a call, has it answered, takes the next. A
//! call goes to the instance that was busy last, so that those beyond what is needed come to their end;
//! where none is free it waits, in order, and one more instance is started for it.
//!
//! What becomes of a call does not hang on whoever waits for it: as on Lambda, a caller that goes away
//! cancels nothing that has begun.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::instance::{Instance, Lost};
use super::{Error, Limits, MAX_WAITING, Program};

/// First pause after a program did not start; it doubles each time that it fails again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause: a person who mended the program does not want to wait for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A function. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Function(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    program: Program,
    limits: Limits,
    state: Mutex<State>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    /// Calls that no instance has taken yet, the oldest first.
    waiting: VecDeque<Call>,
    /// Where a call goes to that an instance can take now; the one that was busy last is the last.
    free: Vec<oneshot::Sender<Call>>,
    /// Instances, those that begin included.
    instances: usize,
    /// Those of them that can take a call soon: they begin, or have answered and not asked yet for the
    /// next event.
    soon: usize,
    /// How often in a row the program did not start, and until when it is left alone.
    failures: u32,
    paused: Option<(Instant, Error)>,
}

/// Why an instance has no further call.
#[derive(Debug)]
enum End {
    /// None came for a time, or the function was stopped.
    Unneeded,
    Lost(Lost),
}

/// An event, and where its answer goes to.
#[derive(Debug)]
struct Call {
    event: Bytes,
    answer: oneshot::Sender<Result<Bytes, Error>>,
}

impl Call {
    fn fail(self, error: Error) {
        tell(self.answer, Err(error));
    }
}

/// What the caller of an instance is told that was lost during its event.
impl From<&Lost> for Error {
    fn from(lost: &Lost) -> Self {
        match lost {
            Lost::TimedOut(limit) => Self::TimedOut(*limit),
            Lost::System(_)
            | Lost::Exited(_)
            | Lost::CannotBegin(_)
            | Lost::NeverAsked(_)
            | Lost::NoAnswer => Self::Lost(lost.to_string()),
        }
    }
}

fn tell(caller: oneshot::Sender<Result<Bytes, Error>>, answer: Result<Bytes, Error>) {
    // It may wait no longer; then nobody needs to know.
    let _ = caller.send(answer);
}

impl Function {
    /// A function that runs this program; nothing is started yet.
    #[must_use]
    pub fn new(program: Program, limits: Limits) -> Self {
        Self(Arc::new(Inner {
            program,
            limits,
            state: Mutex::default(),
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
        }))
    }

    /// Starts a first instance, so that no call waits for one, and waits until it has begun.
    ///
    /// # Errors
    /// The program does not start: the error says why, with what the program wrote last.
    pub async fn warm(&self) -> Result<(), Error> {
        let begun = {
            let mut state = self.0.state();
            if state.instances > 0 {
                return Ok(());
            }
            self.0.start(&mut state)
        };
        begun.await.unwrap_or(Err(Error::Stopped))
    }

    /// Has an event answered.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn invoke(&self, event: &Value) -> Result<Value, Error> {
        let (answer, answered) = oneshot::channel();
        let event = event.to_string().into();
        self.0.submit(Call { event, answer });
        let answer = answered.await.unwrap_or(Err(Error::Stopped))?;
        serde_json::from_slice(&answer).map_err(|_| Error::NoJson)
    }

    /// How many instances there are, those that begin included.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.0.state().instances
    }

    /// Kills every instance and waits until all are gone. Calls that are not answered yet fail.
    pub async fn stop(&self) {
        self.0.shutdown.cancel();
        self.0.fail_all(&Error::Stopped);
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every holder leaves it whole: none can panic between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the call to a free instance, or has it wait for one.
    fn submit(self: &Arc<Self>, mut call: Call) {
        let mut state = self.state();
        if self.shutdown.is_cancelled() {
            return call.fail(Error::Stopped);
        }
        while let Some(free) = state.free.pop() {
            match free.send(call) {
                Ok(()) => return,
                // That one has just come to its end.
                Err(back) => call = back,
            }
        }
        if state.waiting.len() >= MAX_WAITING {
            return call.fail(Error::Throttled);
        }
        state.waiting.push_back(call);
        self.start_what_is_needed(&mut state);
    }

    /// Starts an instance for each call that waits and that no instance can take soon.
    fn start_what_is_needed(self: &Arc<Self>, state: &mut State) {
        while state.soon < state.waiting.len() && state.instances < self.limits.instances {
            let paused = state.paused.as_ref();
            match paused.filter(|(until, _)| *until > Instant::now()) {
                None => drop(self.start(state)),
                // One of those that run takes it sooner or later.
                Some(_) if state.instances > 0 => return,
                Some((_, error)) => {
                    let error = error.clone();
                    fail(&mut state.waiting, &error);
                }
            }
        }
    }

    /// Starts an instance. Whether it has begun can be waited for.
    fn start(self: &Arc<Self>, state: &mut State) -> oneshot::Receiver<Result<(), Error>> {
        let (begun, is_begun) = oneshot::channel();
        state.instances += 1;
        state.soon += 1;
        self.tasks.spawn(Arc::clone(self).live(begun));
        is_begun
    }

    /// The life of one instance.
    async fn live(self: Arc<Self>, begun: oneshot::Sender<Result<(), Error>>) {
        let instance = self.begin().await;
        // Nobody may wait for it.
        let _ = begun.send(instance.as_ref().map(|_| ()).map_err(Error::clone));
        if let Ok(instance) = instance {
            self.serve(instance).await;
        }
        let mut state = self.state();
        state.instances -= 1;
        state.free.retain(|free| !free.is_closed());
        // After the end nothing waits, so that nothing is started.
        self.start_what_is_needed(&mut state);
    }

    async fn begin(&self) -> Result<Instance, Error> {
        let began = Instant::now();
        let instance = self.shutdown.run_until_cancelled(self.spawn()).await;
        let Some(instance) = instance else {
            return Err(Error::Stopped);
        };
        let mut state = self.state();
        let function = &self.program.name;
        match &instance {
            Ok(instance) => {
                state.failures = 0;
                state.paused = None;
                let init_ms = began.elapsed().as_millis();
                tracing::info!(function, instance = instance.id, init_ms, "function began");
            }
            Err(error) => {
                state.soon -= 1;
                let pause = pause(state.failures);
                state.failures = state.failures.saturating_add(1);
                state.paused = Some((Instant::now() + pause, error.clone()));
                tracing::error!(function, %error, pause_ms = pause.as_millis(), "function does not start");
            }
        }
        instance
    }

    async fn spawn(&self) -> Result<Instance, Error> {
        let not_started = |lost: &Lost, last_words: &str| {
            let path = self.program.path.display();
            Error::NotStarted(format!("{path}: {lost}; it wrote: {last_words}"))
        };
        let instance = Instance::spawn(&self.program, &self.tasks).await;
        let mut instance = instance.map_err(|lost| not_started(&lost, ""))?;
        match instance.ready(self.limits.init).await {
            Ok(()) => Ok(instance),
            Err(lost) => Err(not_started(&lost, &instance.end().await)),
        }
    }

    /// Has calls answered by an instance until it is not needed any more, or lost.
    async fn serve(self: &Arc<Self>, mut instance: Instance) {
        let end = loop {
            let call = match self.next(&mut instance).await {
                Ok(call) => call,
                Err(end) => break end,
            };
            if let Err(end) = self.answer(&mut instance, call).await {
                break end;
            }
        };
        let (function, id) = (&self.program.name, instance.id.clone());
        let last_words = instance.end().await;
        match end {
            End::Unneeded => tracing::info!(function, instance = id, "function ended"),
            End::Lost(lost) => {
                tracing::error!(function, instance = id, reason = %lost, last_words, "function lost");
            }
        }
    }

    /// The next call for an instance that can take one.
    async fn next(self: &Arc<Self>, instance: &mut Instance) -> Result<Call, End> {
        let mut call = {
            let mut state = self.state();
            state.soon -= 1;
            if let Some(call) = first_wanted(&mut state.waiting) {
                return Ok(call);
            }
            let (free, call) = oneshot::channel();
            state.free.push(free);
            call
        };
        let end = tokio::select! {
            biased;
            call = &mut call => return call.map_err(|_| End::Unneeded),
            () = self.shutdown.cancelled() => End::Unneeded,
            lost = instance.ended() => End::Lost(lost),
            () = tokio::time::sleep(self.limits.idle) => End::Unneeded,
        };
        call.close();
        // One that came at this very moment goes to another instance.
        if let Ok(call) = call.try_recv() {
            self.submit(call);
        }
        Err(end)
    }

    /// Has one call answered, and waits until the instance can take the next one.
    async fn answer(&self, instance: &mut Instance, call: Call) -> Result<(), End> {
        let (function, limit) = (&self.program.name, self.limits.timeout);
        let Call { event, answer } = call;
        let invoked = instance.invoke(function, event, limit);
        let Some(invoked) = self.shutdown.run_until_cancelled(invoked).await else {
            tell(answer, Err(Error::Stopped));
            return Err(End::Unneeded);
        };
        let outcome = match invoked {
            Ok(outcome) => outcome,
            Err(lost) => {
                tell(answer, Err(Error::from(&lost)));
                return Err(End::Lost(lost));
            }
        };
        // Before the caller knows and calls again.
        self.state().soon += 1;
        tell(answer, outcome);
        // As on Lambda the invocation is over only when the program asks for the next one.
        let ready = self.shutdown.run_until_cancelled(instance.ready(limit));
        let Some(Err(lost)) = ready.await else {
            return Ok(());
        };
        self.state().soon -= 1;
        Err(End::Lost(lost))
    }

    fn fail_all(&self, error: &Error) {
        fail(&mut self.state().waiting, error);
    }
}

fn fail(waiting: &mut VecDeque<Call>, error: &Error) {
    for call in waiting.drain(..) {
        call.fail(error.clone());
    }
}

/// The first call that somebody still waits for.
fn first_wanted(waiting: &mut VecDeque<Call>) -> Option<Call> {
    std::iter::from_fn(|| waiting.pop_front()).find(|call| !call.answer.is_closed())
}

/// How long a program is left alone that did not start, after it had failed so often before.
fn pause(failures: u32) -> Duration {
    FIRST_PAUSE
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_and_is_bounded() {
        let pauses = [0, 1, 2, 7, 31, u32::MAX].map(|failures| pause(failures).as_millis());
        assert_eq!(pauses, [100, 200, 400, 10_000, 10_000, 10_000]);
    }
}
