//! One connection's place among all that are open, from accept to close.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use domain::ConnectionId;
use tokio::sync::OwnedSemaphorePermit;

use crate::clock;
use crate::front_door::Opening;
use crate::shared::Shared;

/// Who is connected, since when, and the room it takes. Dropping it gives the room back.
pub(crate) struct Presence {
    pub(crate) edge: Arc<Shared>,
    pub(crate) id: ConnectionId,
    pub(crate) peer: SocketAddr,
    pub(crate) accepted_at: Instant,
    /// What it takes of its address's budgets: nothing once it is let in, nor while a load balancer
    /// speaks for nobody but itself.
    opening: Option<Opening>,
    _room: OwnedSemaphorePermit,
}

impl Presence {
    /// A connection from `peer` begins; None where there is no room for it.
    pub(crate) fn begin(edge: &Arc<Shared>, peer: SocketAddr) -> Option<Self> {
        let opening = edge.front_door.open(peer.ip())?;
        Self::take_room(edge, peer, Some(opening))
    }

    /// A connection of a load balancer begins, which is yet to say whose it is.
    pub(crate) fn begin_behind(edge: &Arc<Shared>, proxy: SocketAddr) -> Option<Self> {
        Self::take_room(edge, proxy, None)
    }

    /// The load balancer speaks for `client`. False where that one used up a budget.
    pub(crate) fn belongs_to(&mut self, client: SocketAddr) -> bool {
        self.peer = client;
        self.opening = self.edge.front_door.open(client.ip());
        self.opening.is_some()
    }

    fn take_room(edge: &Arc<Shared>, peer: SocketAddr, opening: Option<Opening>) -> Option<Self> {
        let room = Arc::clone(&edge.room).try_acquire_owned().ok()?;
        edge.metrics.connections_accepted.inc();
        edge.metrics.connections.inc();
        Some(Self {
            edge: Arc::clone(edge),
            id: ConnectionId::from_random(clock::random()),
            peer,
            accepted_at: Instant::now(),
            opening,
            _room: room,
        })
    }

    /// It was let in: it no longer counts against its address.
    pub(crate) fn let_in(&mut self) {
        self.opening = None;
    }

    /// It failed, which counts against its address unless it was let in before.
    pub(crate) fn failed(&self) {
        if let Some(opening) = &self.opening {
            opening.failed();
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.edge.metrics.connections.dec();
    }
}
