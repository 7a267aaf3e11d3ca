//! How large a world is explored. Whatever is bounded is named here.

use crate::Plant;

/// The bounds of one exploration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Edge processes.
    pub edges: usize,
    /// Publish attempts on each.
    pub attempts: usize,
    /// Epochs that an edge may begin.
    pub epochs: u8,
    /// Heartbeats that an edge sends in all.
    pub heartbeats: u8,
    /// Edge processes that may be killed.
    pub crashes: u8,
    /// Writes of which a copy may stay under way when they were answered, one at a time.
    pub copies: u8,
    /// Whether a publish may decide before its edge has read the holder's.
    pub unread: bool,
    /// Writes that give back what the dead left, under way at once.
    pub chores: usize,
    /// Whether the owner may reset the key.
    pub reset: bool,
    /// Whether a page watches.
    pub page: bool,
    /// Whether states with the same future are made the same.
    pub reduced: bool,
    /// A rule that is broken on purpose.
    pub plant: Option<Plant>,
}

impl Bounds {
    /// Most edges of any exploration.
    pub const MOST_EDGES: usize = 3;
    /// Most publish attempts of any exploration, on all edges together.
    pub const MOST_PUBLISHES: usize = 4;
    /// Most chores under way at once, in any exploration.
    pub const MOST_CHORES: usize = 2;

    /// Everything may happen that the model knows, with so many edges and attempts on each.
    #[must_use]
    pub const fn full(edges: usize, attempts: usize) -> Self {
        Self {
            edges,
            attempts,
            epochs: 2,
            heartbeats: 1,
            crashes: 1,
            copies: 1,
            unread: true,
            chores: 2,
            reset: true,
            page: true,
            reduced: true,
            plant: None,
        }
    }

    /// Publish attempts on all edges together.
    #[must_use]
    pub const fn publishes(&self) -> usize {
        self.edges * self.attempts
    }

    /// The edge of a publish.
    #[must_use]
    pub const fn edge_of(&self, publish: usize) -> usize {
        publish / self.attempts
    }

    /// The publishes on an edge.
    pub fn publishes_of(&self, edge: usize) -> std::ops::Range<usize> {
        edge * self.attempts..(edge + 1) * self.attempts
    }

    /// Whether this rule is broken.
    #[must_use]
    pub fn breaks(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }
}
