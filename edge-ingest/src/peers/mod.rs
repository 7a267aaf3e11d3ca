//! What edges ask each other, on a private port of their own: to yield a lock, and whether the store
//! is away.
//!
//! A lock is taken by a conditional write and by nothing else; an answer makes a publish wait, or
//! prolongs a lease whose asker all others know of. Questions and answers are signed. An edge that
//! cannot be asked is one that does not answer.

mod client;
mod seal;
mod server;

pub(crate) use client::Peers;
pub use seal::FleetSecret;
pub(crate) use server::run;

/// The asked edge's epoch; a later epoch of the same edge does not answer for it.
const TARGET: &str = "x-stream-sync-target";
/// When it was signed, in milliseconds since 1970.
const TIME: &str = "x-stream-sync-time";
/// Random, so that no call is taken twice.
const NONCE: &str = "x-stream-sync-nonce";
/// The signature, in hexadecimal digits.
const SIGNATURE: &str = "x-stream-sync-signature";
/// The longest question, in bytes.
const MAX_BODY: usize = 4 * 1024;
