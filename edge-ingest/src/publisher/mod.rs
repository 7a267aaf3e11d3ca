//! One task a publish: from the publish command to the end of its session.
//!
//! [`admission`] authorizes, takes the lock and confirms; [`life`] goes live, samples, and leaves
//! in grace or for good; what is left of it in grace is a [`session`]. It is the only writer of the lock it holds, and it outlives its
//! connection: the edge owns it and awaits it.

mod admission;
mod dashboard;
mod life;
mod lock;
mod session;
mod session_log;

use std::sync::Arc;
use std::time::Instant;

use domain::{ConnectionId, Refusal};

use self::admission::NotAdmitted;
use self::life::Publisher;
pub(crate) use self::session::Session;
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
    // Boxed, like every step that is over before media flows: what a publisher's task holds while it
    // waits for the next second is then small.
    let epoch = edge.fleet.epoch();
    // From here on the next epoch does not begin before this publish is over.
    let holding = epoch.hold();
    let verdict = Box::pin(admission::admit(&edge, &epoch, &publish, &mut line)).await;
    let waited = publish.requested_at.elapsed();
    edge.metrics.admission_seconds.observe(waited.as_secs_f64());
    let admitted = match verdict {
        Ok(admitted) => admitted,
        Err(NotAdmitted::Refused(refusal)) => return refuse(&edge, &publish, &mut line, refusal),
        Err(NotAdmitted::KeyOfNobody) => {
            // Nobody is to be told, so nobody is looked for.
            attempts::note(&edge, &publish.attempted, &Refusal::Unauthorized);
            return line.answer(Err(Refusal::Unauthorized));
        }
        Err(NotAdmitted::Left) => return,
    };
    edge.metrics.publishes_started.inc();
    // A connection that is gone by now is found dropped by the life's first look.
    line.answer(Ok(Arc::clone(&admitted.grant)));
    let publisher = Publisher::new(&edge, publish, line, holding, admitted);
    life::run(publisher, slot).await;
}

fn refuse(edge: &Arc<Shared>, publish: &Publish, line: &mut PublisherEnd, refusal: Refusal) {
    line.answer(Err(refusal.clone()));
    attempts::note(edge, &publish.attempted, &refusal);
    attempts::tell(edge, publish.attempted.clone(), refusal);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of the future that an async function of three arguments returns.
    fn size_of_future<A, B, C, F>(_: impl Fn(A, B, C) -> F) -> usize {
        std::mem::size_of::<F>()
    }

    #[test]
    fn what_a_publisher_holds_between_two_samples_is_small() {
        use crate::connection::{Connection, serve_plain};
        use tokio::net::TcpStream;

        let flow = |connection: Box<Connection<TcpStream>>, (), ()| connection.flow_to_end();
        let opening = |socket: TcpStream, presence, ()| serve_plain(socket, presence);
        let at_rest = size_of_future(run) + size_of_future(flow);
        assert!(at_rest < 3 * 1024, "the two tasks take {at_rest} bytes");
        let held = size_of::<Publisher>() + size_of::<Connection<TcpStream>>();
        assert!(held < 4 * 1024, "what they hold takes {held} bytes");
        assert!(size_of_future(opening) < 1024);
    }
}
