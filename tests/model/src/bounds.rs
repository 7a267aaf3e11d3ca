//! How large a world is explored. Whatever is bounded is named here.

use std::fmt;

use crate::Plant;

/// The bounds of one exploration.
///
/// In each of them answers are lost and writes repeated, leases lapse, watchers fence, sweepers and
/// timers write late, encoders drop or stop, and what was under way when an epoch ended may still
/// arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Edge processes.
    pub edges: usize,
    /// Publish attempts on each.
    pub attempts: usize,
    /// Epochs that an edge may begin.
    pub epochs: u8,
    /// Heartbeats that are sent after registrations, by all edges together. One is worth to be told
    /// from its predecessor only where it saves a lease that has run out.
    pub heartbeats: u8,
    /// Edge processes that may be killed.
    pub kills: u8,
    /// Writes of which a copy stays under way when they were answered, one at a time.
    pub copies: u8,
    /// Whether a publish may decide before its edge has read the holder's.
    pub unread: bool,
    /// Writes that give back what the dead and the dropped left, under way at once.
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

    /// What always happens, and nothing beside it.
    #[must_use]
    pub const fn plain(edges: usize, attempts: usize) -> Self {
        Self {
            edges,
            attempts,
            epochs: 2,
            heartbeats: 1,
            kills: 0,
            copies: 0,
            unread: false,
            chores: 1,
            reset: false,
            page: false,
            reduced: true,
            plant: None,
        }
    }

    /// Everything that the model knows, but for the page: it only looks on.
    #[must_use]
    pub const fn full(edges: usize, attempts: usize) -> Self {
        Self {
            kills: 1,
            copies: 1,
            unread: true,
            chores: 2,
            reset: true,
            ..Self::plain(edges, attempts)
        }
    }

    /// The same with a rule broken. Nothing is reduced: the reductions rest on the rules.
    #[must_use]
    pub const fn planted(self, plant: Plant) -> Self {
        Self {
            reduced: false,
            plant: Some(plant),
            ..self
        }
    }

    /// Whether there is room for so many edges and attempts.
    #[must_use]
    pub const fn fits(&self) -> bool {
        let edges = self.edges >= 1 && self.edges <= Self::MOST_EDGES;
        let attempts = self.attempts >= 1 && self.publishes() <= Self::MOST_PUBLISHES;
        edges && attempts && self.chores >= 1 && self.chores <= Self::MOST_CHORES
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
    #[must_use]
    pub const fn publishes_of(&self, edge: usize) -> std::ops::Range<usize> {
        edge * self.attempts..(edge + 1) * self.attempts
    }

    /// Whether this rule is broken.
    #[must_use]
    pub fn breaks(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yes = |it: bool| if it { "yes" } else { "no" };
        write!(
            f,
            "{} edges x {} attempts; at most {} epochs of an edge, {} heartbeats in all, {} kills, \
             {} copies of answered writes, {} chores at once; unread edges: {}, key reset: {}, \
             page: {}, reduced: {}",
            self.edges,
            self.attempts,
            self.epochs,
            self.heartbeats,
            self.kills,
            self.copies,
            self.chores,
            yes(self.unread),
            yes(self.reset),
            yes(self.page),
            yes(self.reduced),
        )?;
        self.plant
            .map_or(Ok(()), |plant| write!(f, "; broken on purpose: {plant}"))
    }
}
