//! One task a publish: from the publish command to the end of its session.
//!
//! [`admission`] authorizes, takes the lock and confirms; [`life`] goes live, samples, and leaves
//! in grace or for good. It is the only writer of the lock it holds, and it outlives its
//! connection: the edge owns it and awaits it.

mod admission;
mod dashboard;
mod life;
mod lock;
mod session_log;

use std::sync::Arc;
use std::time::Instant;

use domain::{ConnectionId, Refusal};

use crate::attempts::{self, Attempted};
use crate::link::PublisherEnd;
use crate::shared::Shared;

/// A publish command, as the connection heard it.
#[derive(Clone, Debug)]
pub(crate) struct Publish {
    pub(crate) attempted: Attempted,
    pub(crate) connection_id: ConnectionId,
    pub(crate) accepted_at: Instant,
    pub(crate) requested_at: Instant,
}

/// Decides on a publish and, where it is let in, lives it to its end.
pub(crate) async fn run(edge: Arc<Shared>, publish: Publish, mut line: PublisherEnd) {
    let Some(slot) = Slot::reserve(&edge) else {
        refuse(&edge, &publish, &mut line, Refusal::ServiceUnavailable);
        return;
    };
    let verdict = admission::admit(&edge, &publish).await;
    let waited = publish.requested_at.elapsed();
    edge.metrics.admission_seconds.observe(waited.as_secs_f64());
    match verdict {
        Ok(admitted) => {
            edge.metrics.publishes_started.inc();
            // A connection that is gone by now is found dropped by the life's first look.
            line.answer(Ok(()));
            life::run(edge.clone(), publish, line, admitted, slot).await;
        }
        Err(refusal) => refuse(&edge, &publish, &mut line, refusal),
    }
}

fn refuse(edge: &Arc<Shared>, publish: &Publish, line: &mut PublisherEnd, refusal: Refusal) {
    line.answer(Err(refusal.clone()));
    attempts::report(edge, publish.attempted.clone(), refusal);
}

/// Room for one publisher, given back when dropped: at the end of the connection, not of the grace.
#[derive(Debug)]
struct Slot(Arc<Shared>);

impl Slot {
    fn reserve(edge: &Arc<Shared>) -> Option<Self> {
        let room = edge.admits() && edge.registry.reserve(edge.settings.capacity);
        room.then(|| Self(Arc::clone(edge)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.registry.release();
    }
}
