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
    opening: Option<Opening>,
    _room: OwnedSemaphorePermit,
}

impl Presence {
    /// A connection from `peer` begins; None where there is no room for it.
    pub(crate) fn begin(edge: &Arc<Shared>, peer: SocketAddr) -> Option<Self> {
        let opening = edge.front_door.open(peer.ip())?;
        let room = Arc::clone(&edge.room).try_acquire_owned().ok()?;
        edge.metrics.connections_accepted.inc();
        edge.metrics.connections.inc();
        Some(Self {
            edge: Arc::clone(edge),
            id: ConnectionId::from_random(clock::random()),
            peer,
            accepted_at: Instant::now(),
            opening: Some(opening),
            _room: room,
        })
    }

    /// It was let in: it no longer counts against its address.
    pub(crate) fn let_in(&mut self) {
        self.opening = None;
    }

    /// Whether it has been let in.
    pub(crate) const fn is_let_in(&self) -> bool {
        self.opening.is_none()
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.edge.metrics.connections.dec();
    }
}
