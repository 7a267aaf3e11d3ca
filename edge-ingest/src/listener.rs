//! Accepts RTMP and RTMPS connections, as many as the edge has room for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::connection;
use crate::presence::Presence;
use crate::shared::Shared;

/// After an accept that failed (no file descriptor left, say): long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until the edge stops.
pub(crate) async fn run(edge: Arc<Shared>, listener: TcpListener, tls: Option<TlsAcceptor>) {
    loop {
        let accepted = tokio::select! {
            () = edge.stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => admit(&edge, socket, peer, tls.clone()),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit(edge: &Arc<Shared>, socket: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>) {
    let Some(presence) = Presence::begin(edge, peer) else {
        // Before the handshake there is no way to say why; the encoder sees a closed connection.
        edge.metrics.connections_refused.inc();
        return;
    };
    edge.tasks
        .spawn(serve(Arc::clone(edge), socket, presence, tls));
}

async fn serve(edge: Arc<Shared>, socket: TcpStream, presence: Presence, tls: Option<TlsAcceptor>) {
    // Without it the answers to connect and publish wait for the peer's delayed acknowledgement.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    match tls {
        None => connection::serve_plain(socket, presence).await,
        Some(acceptor) => {
            if let Some(socket) = shake_hands(&edge, &acceptor, socket).await {
                connection::serve_tls(socket, presence).await;
            }
        }
    }
}

/// TLS handshakes cost a millisecond of CPU each, so only so many run at once, and each has the
/// time of an RTMP handshake.
async fn shake_hands(
    edge: &Shared,
    acceptor: &TlsAcceptor,
    socket: TcpStream,
) -> Option<Box<tokio_rustls::server::TlsStream<TcpStream>>> {
    let handshake = async {
        let _turn = edge.tls_handshakes.acquire().await.ok()?;
        acceptor.accept(socket).await.ok()
    };
    let stream = tokio::select! {
        () = edge.stopping.cancelled() => None,
        stream = tokio::time::timeout(edge.settings.timeouts.handshake, handshake) => stream.ok().flatten(),
    };
    if stream.is_none() {
        edge.metrics.tls_failures.inc();
    }
    stream.map(Box::new)
}
