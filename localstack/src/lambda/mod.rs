//! AWS Lambda on one machine: runs the unmodified binaries of functions through the Lambda Runtime API.
//!
//! A [`Function`] is one program and those of its processes that run. Each process, an instance, has a
//! runtime API of its own on a loopback port, because the variable that names it holds a host and a
//! port and nothing else. An instance has one event at a time; further ones are started while all are
//! busy, and are ended after a time without an event.
//!
//! Invariants:
//! - Every call is answered once: by the function, or with an [`Error`] as soon as it is known that the
//!   function will not answer.
//! - An instance that takes too long for an event, asks for nothing after it, or breaks the protocol is
//!   killed, as on Lambda.
//! - A program that does not start is tried again after a pause that grows, and not for each call.
//! - No instance outlives this process, however that ends ([`leash`]).
//!
//! Absent on purpose: response streaming, extensions, limits of memory and of processors, and Lambda's
//! own API for invoking.

mod event;
mod function;
mod instance;
pub mod leash;
mod output;
mod program;
mod runtime_api;

use std::time::Duration;

pub use function::Function;
pub use program::{Missing, Program, find};

/// Largest event and largest answer, in bytes (Lambda's own limits).
pub const MAX_PAYLOAD_BYTES: usize = 6 * 1024 * 1024;
/// Calls of one function that wait for an instance. Lambda has none that wait: it refuses what exceeds
/// the account's concurrency. On one machine a burst is better worked off.
pub const MAX_WAITING: usize = 256;

/// How far a function may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Instances at once.
    pub instances: usize,
    /// Longest call.
    pub timeout: Duration,
    /// Longest time from the start of a program to its first question for an event.
    pub init: Duration,
    /// How long an instance is kept that has nothing to do.
    pub idle: Duration,
}

impl Default for Limits {
    /// One machine has few processors, so more than eight instances only wait for each other. Lambda
    /// itself gives a program 10 s to begin, and keeps an idle instance for some minutes.
    fn default() -> Self {
        Self {
            instances: 8,
            timeout: Duration::from_secs(10),
            init: Duration::from_secs(10),
            idle: Duration::from_secs(5 * 60),
        }
    }
}

/// Why a call has no answer. None of these says what the caller sent.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The function said that it failed.
    #[error("{0}")]
    Failed(String),
    /// The process ended before it answered, or did not keep to the protocol; it is no more.
    #[error("the function's process was lost: {0}")]
    Lost(String),
    /// It took longer than it may; the process was killed.
    #[error("the function took longer than {} s; its process was killed", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The program does not start.
    #[error("the function does not start: {0}")]
    NotStarted(String),
    /// The event, or the answer, is larger than [`MAX_PAYLOAD_BYTES`].
    #[error("the {0} is larger than 6 MB")]
    TooLarge(&'static str),
    /// The answer is no JSON.
    #[error("the function's answer is no JSON")]
    NoJson,
    /// [`MAX_WAITING`] calls wait already.
    #[error("{MAX_WAITING} calls of the function wait already")]
    Throttled,
    /// The function was stopped.
    #[error("the function was stopped")]
    Stopped,
}
