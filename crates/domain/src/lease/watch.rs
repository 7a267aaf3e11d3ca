//! What an edge knows of the others: who beats, who has fallen silent, whose locks are free.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{POLL, SILENCE};
use crate::edge::{Edge, State, is_dead};
use crate::{EdgeId, Moment, Owner};

/// The one that fenced an epoch sweeps its locks at once; the others begin so much later.
pub const SWEPT_BY_OTHERS_AFTER: Duration = Duration::from_secs(2);

/// The other edges, as last read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watch {
    me: EdgeId,
    others: BTreeMap<EdgeId, Other>,
    /// Whether anything was read at all.
    informed: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Other {
    edge: Edge,
    /// When its present heartbeat was first received, or waiting began anew.
    waiting_since: Moment,
    /// When it was first seen fenced.
    fenced_since: Option<Moment>,
}

impl Watch {
    /// Nothing was read yet.
    #[must_use]
    pub const fn new(me: EdgeId) -> Self {
        Self {
            me,
            others: BTreeMap::new(),
            informed: false,
        }
    }

    /// All edges were read: asked at `began`, answered at `now`. An answer that took longer than
    /// [`POLL`] says nothing about silence.
    pub fn received(&mut self, began: Moment, now: Moment, edges: Vec<Edge>) {
        self.informed = true;
        let slow = now.since(began) > POLL;
        let mut before = std::mem::take(&mut self.others);
        let others = edges.into_iter().filter(|edge| edge.id != self.me);
        self.others = others
            .map(|edge| {
                let known = before.remove(&edge.id);
                (edge.id.clone(), Other::seen(edge, known, slow, now))
            })
            .collect();
    }

    /// A reading failed: whoever seemed silent may have been beating unseen.
    pub fn missed(&mut self, now: Moment) {
        for other in self.others.values_mut() {
            other.waiting_since = now;
        }
    }

    /// Waits anew for one edge: it was told that the store is away for this one, too, and counts
    /// on not being fenced.
    pub fn wait_anew(&mut self, edge_id: &EdgeId, now: Moment) {
        if let Some(other) = self.others.get_mut(edge_id) {
            other.waiting_since = now;
        }
    }

    /// Edges to be fenced: silent for [`SILENCE`].
    pub fn silent(&self, now: Moment) -> impl Iterator<Item = &Edge> {
        self.alive()
            .filter(move |other| now >= other.waiting_since + SILENCE)
            .map(|other| &other.edge)
    }

    /// When [`Watch::silent`] will next have something to say, if nothing is heard until then.
    #[must_use]
    pub fn next_silence(&self) -> Option<Moment> {
        self.alive()
            .map(|other| other.waiting_since + SILENCE)
            .min()
    }

    /// This edge fenced that epoch, or found it fenced.
    pub fn fenced(&mut self, owner: &Owner, now: Moment) {
        let other = self.others.get_mut(&owner.edge_id);
        if let Some(other) = other.filter(|other| other.edge.epoch == owner.epoch) {
            other.edge.state = State::Fenced;
            other.edge.swept = false;
            other.fenced_since.get_or_insert(now);
        }
    }

    /// Whether an owner is known to be dead. One that is not among the edges as last read may have
    /// started since: None, ask the store.
    #[must_use]
    pub fn is_dead(&self, owner: &Owner) -> Option<bool> {
        let edge = &self.others.get(&owner.edge_id)?.edge;
        (edge.epoch >= owner.epoch).then(|| is_dead(owner, Some(edge)))
    }

    /// An owner's last heartbeat, where its epoch lives.
    #[must_use]
    pub fn heartbeat(&self, owner: &Owner) -> Option<u64> {
        let edge = &self.others.get(&owner.edge_id)?.edge;
        (edge.owner() == *owner && edge.state != State::Fenced).then_some(edge.heartbeat)
    }

    /// Where an owner's edge is reached by other edges.
    #[must_use]
    pub fn peer_address(&self, owner: &Owner) -> Option<&str> {
        self.others
            .get(&owner.edge_id)?
            .edge
            .peer_address
            .as_deref()
    }

    /// Every other edge that could fence this one, fenced ones too: they may have begun another
    /// epoch since. None where that is not known, because nothing was read yet.
    #[must_use]
    pub fn could_fence(&self) -> Option<Vec<&Edge>> {
        let others = self.others.values().map(|other| &other.edge);
        self.informed.then(|| others.collect())
    }

    /// Fenced epochs whose locks nobody has finished giving back, and whose fencer has had its time.
    pub fn unswept(&self, now: Moment) -> impl Iterator<Item = &Edge> {
        let due = move |other: &&Other| {
            let since = other.fenced_since;
            !other.edge.swept && since.is_some_and(|since| now >= since + SWEPT_BY_OTHERS_AFTER)
        };
        self.others.values().filter(due).map(|other| &other.edge)
    }

    fn alive(&self) -> impl Iterator<Item = &Other> {
        let alive = |other: &&Other| other.edge.state != State::Fenced;
        self.others.values().filter(alive)
    }
}

impl Other {
    fn seen(mut edge: Edge, known: Option<Self>, slow: bool, now: Moment) -> Self {
        let known = known.filter(|known| known.edge.epoch == edge.epoch);
        // A reading that began before this edge's own fence cannot bring an epoch back.
        if known.as_ref().is_some_and(|k| k.fenced_since.is_some()) {
            edge.state = State::Fenced;
        }
        let fenced = edge.state == State::Fenced;
        let unheard = known
            .as_ref()
            .filter(|known| !slow && known.edge.heartbeat == edge.heartbeat);
        Self {
            waiting_since: unheard.map_or(now, |known| known.waiting_since),
            fenced_since: fenced.then(|| known.and_then(|k| k.fenced_since).unwrap_or(now)),
            edge,
        }
    }
}
