//! Single live, explored: the real decisions in every order of what may happen around them.
//!
//! What decides is the domain's own code, unchanged: what each conditional write demands and leaves
//! ([`domain::live::Write`], [`domain::edge::Write`]), a publish's way to the lock
//! ([`domain::live::Attempt`]), the holder's lease ([`domain::lease::Lease`]), a watcher's silence
//! ([`domain::lease::Watch`]), what an item shows ([`domain::status::Status`]), who is admitted
//! ([`domain::authorization::admit`]). What is modelled is the world around it: one store with the
//! live item of one channel and the edges' items, edge processes, publishes with their encoders,
//! timers and sweepers, a key reset, a page. One [`Action`] is one step of one of them; a read, a
//! write that reaches the store, and an answer that is acted upon are steps of their own, and any
//! step of any other may come between.
//!
//! # Writes under way
//! Who waits for an answer sends again until there is one. So a write under way reaches the store at
//! any time after it was decided, any number of times: its answer arrives, or is lost and the next
//! copy finds what the first one left. When an epoch ends or a process is killed its writes stay
//! under way and may arrive when nobody waits for them. A copy of a write that was answered may
//! arrive later still.
//!
//! # Time
//! There is no clock to count. Of each moment a state knows only whether a whole lease has passed
//! since ([`Action::Elapse`] makes it so, for all that one edge sent so far), and a real lease made
//! from that says whether it is held (`holder.rs`). A watcher may fence an edge as soon as a lease has
//! passed since the first send of the heartbeat that the store shows, and at any time after it.
//!
//! That is sound because of one inequality: a watcher receives a heartbeat after it was first sent,
//! and waits for [`domain::lease::SILENCE`], which is longer than [`domain::lease::LEASE`] however
//! far clocks may drift (a test holds the constants to it). So no watcher fences earlier than here,
//! and a holder's deadline, which counts from the first send too, has passed by then. Everything else
//! about time is left open: steps take as long as they like, edges' clocks have nothing to do with
//! each other, wall clocks say anything. Wrong rules about time are seen: a deadline that counts from
//! the answer outlives the first send's lease, and a watcher with a wall clock does not wait for it.
//!
//! # What watchers know
//! A watcher's reading is of any time up to now. A fence compares the heartbeat that was seen, so one
//! decided on an old reading does nothing and need not be told apart from none. A publish decides on
//! a reading of now, on one from before the holder's death, or before the holder was read at all.
//!
//! # What is not here
//! OUTAGE_HOLD, drains, a watch's own account of silence, the index by owner and the `swept` flag
//! (whoever sweeps reads the item itself), the number of seconds of any promise, several channels.
//! The simulator and the domain's unit tests have those.

mod action;
mod bounds;
mod decisions;
mod explore;
mod holder;
mod kept;
mod moves;
mod names;
mod page;
mod plant;
mod properties;
mod reduce;
mod state;
mod store;
mod story;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stateright::{Model, Property};

pub use action::Action;
pub use bounds::Bounds;
pub use decisions::View;
pub use explore::{Counterexample, Limits, Outcome, Progress, explore};
pub use kept::{Keep, Kept, Shelf};
pub use plant::Plant;
pub use properties::Broken;
pub use state::{Parting, State};

/// The world within bounds, as the checker explores it.
#[derive(Clone, Debug)]
pub struct World {
    bounds: Bounds,
    /// Once set nothing happens any more: what is left to explore is given up.
    stopped: Arc<AtomicBool>,
}

impl World {
    /// A world that is no larger than this.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            stopped: Arc::default(),
        }
    }

    /// How large it is.
    #[must_use]
    pub const fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Gives up what is left to explore, or takes that back.
    pub(crate) fn stop(&self, stopped: bool) {
        self.stopped.store(stopped, Ordering::Relaxed);
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(&self.bounds)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if !self.stopped.load(Ordering::Relaxed) {
            state.actions(&self.bounds, actions);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(state.after(&self.bounds, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::properties()
    }
}
