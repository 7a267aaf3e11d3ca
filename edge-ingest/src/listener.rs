//! Accepts RTMP connections, as many as the edge has room for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::connection;
use crate::shared::Shared;

/// After an accept that failed (no file descriptor left, say): long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until the edge stops.
pub(crate) async fn run(edge: Arc<Shared>, listener: TcpListener) {
    let room = Arc::new(Semaphore::new(edge.settings.max_connections() as usize));
    loop {
        let accepted = tokio::select! {
            () = edge.stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => admit(&edge, &room, socket, peer),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit(edge: &Arc<Shared>, room: &Arc<Semaphore>, socket: TcpStream, peer: SocketAddr) {
    let Ok(permit) = room.clone().try_acquire_owned() else {
        // Before the handshake there is no way to say why; the encoder sees a closed connection.
        edge.metrics.connections_refused.inc();
        return;
    };
    edge.metrics.connections_accepted.inc();
    edge.metrics.connections.inc();
    let edge = Arc::clone(edge);
    edge.tasks.clone().spawn(async move {
        connection::serve(&edge, socket, peer).await;
        edge.metrics.connections.dec();
        drop(permit);
    });
}
