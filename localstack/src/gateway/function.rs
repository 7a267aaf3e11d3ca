//! What events are handed to, whoever runs it.
//!
//! The gateway, the change stream and the schedule know a function only as this: JSON in, JSON out,
//! within a time, as Lambda has it. Tests put a closure here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use stream_sync::lambda;
use tokio::sync::Semaphore;

/// Longest that one call may take: API Gateway's own limit for an integration is 30 s (HTTP) and
/// 29 s (WebSocket).
pub(crate) const TIMEOUT: Duration = Duration::from_secs(29);

/// Calls of one function at once. Lambda starts one process for each; here they share this one, or
/// wait for one of a few.
const MAX_CALLS: usize = 256;

type Call = dyn Fn(Value) -> BoxFuture<'static, Result<Value, Error>> + Send + Sync;

/// A function. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Function {
    name: &'static str,
    call: Arc<Call>,
    calls: Arc<Semaphore>,
}

/// Why there is no answer. The function logged what it knows; this is for whoever called.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It ended with an error.
    #[error("the function failed: {0}")]
    Failed(String),
    /// It took longer than it may: its own limit, or [`TIMEOUT`].
    #[error("the function took longer than {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// As many calls run as are allowed.
    #[error("too many calls of the function are running already")]
    Throttled,
}

impl From<String> for Error {
    fn from(words: String) -> Self {
        Self::Failed(words)
    }
}

impl From<lambda::Error> for Error {
    fn from(error: lambda::Error) -> Self {
        match error {
            lambda::Error::TimedOut(limit) => Self::TimedOut(limit),
            lambda::Error::Throttled => Self::Throttled,
            lambda::Error::Failed(_)
            | lambda::Error::Lost(_)
            | lambda::Error::NotStarted(_)
            | lambda::Error::TooLarge(_)
            | lambda::Error::NoJson
            | lambda::Error::Stopped => Self::Failed(error.to_string()),
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Function").field(&self.name).finish()
    }
}

impl Function {
    /// A function of this name that runs `call`.
    pub(crate) fn new<F>(name: &'static str, call: F) -> Self
    where
        F: Fn(Value) -> BoxFuture<'static, Result<Value, Error>> + Send + Sync + 'static,
    {
        Self {
            name,
            call: Arc::new(call),
            calls: Arc::new(Semaphore::new(MAX_CALLS)),
        }
    }

    /// Hands it an event and waits for the answer. A failure is logged here.
    ///
    /// # Errors
    /// [`Error`].
    pub(crate) async fn invoke(&self, event: Value) -> Result<Value, Error> {
        let outcome = self.run(event).await;
        if let Err(error) = &outcome {
            tracing::error!(function = self.name, %error, "function call failed");
        }
        outcome
    }

    async fn run(&self, event: Value) -> Result<Value, Error> {
        let _permit = self.calls.try_acquire().map_err(|_| Error::Throttled)?;
        tokio::time::timeout(TIMEOUT, (self.call)(event))
            .await
            .map_err(|_| Error::TimedOut(TIMEOUT))?
    }
}
