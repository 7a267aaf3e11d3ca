//! Single live, explored: the real decisions in every order of what may happen around them.
#![allow(missing_docs, reason = "header follows")]

mod action;
mod bounds;
mod decisions;
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

pub use action::Action;
pub use bounds::Bounds;
pub use plant::Plant;
pub use properties::Broken;
pub use state::State;
pub use kept::*; pub use holder::*; pub use page::*;

use stateright::{Model, Property};

/// The world to explore.
#[derive(Clone, Copy, Debug)]
pub struct World(Bounds);

impl World {
    pub const fn new(bounds: Bounds) -> Self { Self(bounds) }
    pub const fn bounds(&self) -> &Bounds { &self.0 }
}

impl Model for World {
    type State = State;
    type Action = Action;
    fn init_states(&self) -> Vec<State> { vec![State::first(&self.0)] }
    fn actions(&self, state: &State, actions: &mut Vec<Action>) { state.actions(&self.0, actions) }
    fn next_state(&self, state: &State, action: Action) -> Option<State> { Some(state.after(&self.0, action)) }
    fn properties(&self) -> Vec<Property<Self>> { properties::properties() }
}
