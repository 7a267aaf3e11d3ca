//! Load for RTMP servers on this machine, and the floor to measure them against.
//!
//! `rtmp-load` publishes one file over many connections, each message at its time ([`plan`] lays the
//! bytes out once for all of them, `publish` drives them), or does what hostile peers do
//! (`slowloris`, `handshakes`). `rtmp-discard` ([`discard`]) answers the dialogue and drops what
//! comes: the least that a server with a task a connection can cost. `compare` beside this package
//! puts both and the servers under test on cores of their own and sets their costs side by side.
//!
//! The generator has to be far cheaper than any server: bytes are laid out once, a message is one
//! `write` of a slice, one thread has no locks, and nothing is allocated while media flows.
//!
//! Absent on purpose: other machines as targets, playing, decoding, and keys in any output.

mod amf0;
mod course;
pub mod descriptors;
mod dialogue;
pub mod discard;
pub mod flv;
mod handshakes;
pub mod measure;
pub mod options;
pub mod plan;
mod publish;
mod publisher;
mod replies;
pub mod report;
mod slowloris;
pub mod synthetic;
mod tally;
pub mod target;

use std::io;

pub use dialogue::Key;
pub use tally::Sent;

use report::{Outcome, Report};
use target::Target;

/// What a run does, with all it needs; made by [`options::Options`].
#[derive(Debug)]
pub struct Mode(Kind);

#[derive(Debug)]
pub(crate) enum Kind {
    Publish(Box<publish::Run>, Vec<Key>),
    Slowloris(slowloris::Wishes),
    Handshakes(handshakes::Wishes),
}

/// Does it, to the end. `announce` is told of the moments that somebody outside may wait for.
///
/// # Errors
/// When the system gives no event queue.
pub fn run(target: &Target, mode: Mode, announce: &mut dyn FnMut(&str)) -> io::Result<Report> {
    let outcome = match mode.0 {
        Kind::Publish(run, keys) => Outcome::Publish(Box::new(publish::run(*run, keys, announce)?)),
        Kind::Slowloris(wishes) => Outcome::Slowloris(slowloris::run(target, wishes)?),
        Kind::Handshakes(wishes) => Outcome::Handshakes(handshakes::run(target, wishes)?),
    };
    Ok(Report::new(target.address().to_string(), outcome))
}
