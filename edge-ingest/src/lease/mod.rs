//! This edge's lease, and what it knows of the other edges'.
//!
//! [`Fleet`] holds both decisions of `domain::lease` behind locks that are never held across a wait;
//! [`keeper`] is the thread that keeps them fed: heartbeats, readings, fences, questions. It has a
//! runtime and a store client of its own, so that a thousand publishers cannot delay a heartbeat.
//! [`Epoch`] is what everything else asks: whose locks are these, and may media be handed on now?

mod epoch;
mod fleet;
pub(crate) mod keeper;

pub(crate) use epoch::{Epoch, Holding};
pub(crate) use fleet::{FIRST_EPOCH, Fleet};
