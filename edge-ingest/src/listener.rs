//! Accepts RTMP and RTMPS connections, as many as the edge has room for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connection;
use crate::presence::Presence;
use crate::proxy_protocol::{self, Speaker};
use crate::shared::Shared;
use crate::tls;

/// After an accept that failed (no file descriptor left, say): long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until the edge drains.
pub(crate) async fn run(edge: Arc<Shared>, listener: TcpListener, acceptor: Option<TlsAcceptor>) {
    loop {
        let accepted = tokio::select! {
            () = edge.draining.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => admit(&edge, socket, peer, acceptor.clone()),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit(edge: &Arc<Shared>, socket: TcpStream, peer: SocketAddr, acceptor: Option<TlsAcceptor>) {
    let proxies = &edge.settings.proxies;
    let proxied = proxies.iter().any(|proxies| proxies.include(peer.ip()));
    let presence = if proxied {
        Presence::begin_behind(edge, peer)
    } else {
        Presence::begin(edge, peer)
    };
    let Some(presence) = presence else {
        // Before the handshake there is no way to say why; the encoder sees a closed connection.
        edge.metrics.connections_refused.inc();
        return;
    };
    let tasks = &edge.tasks;
    let edge = Arc::clone(edge);
    if proxied {
        tasks.spawn(serve_behind(edge, socket, presence, acceptor));
    } else {
        tasks.spawn(serve(edge, socket, presence, acceptor));
    }
}

/// Serves a load balancer's connection as that of the client it speaks for.
async fn serve_behind(
    edge: Arc<Shared>,
    mut socket: TcpStream,
    mut presence: Presence,
    acceptor: Option<TlsAcceptor>,
) {
    let Some(speaker) = hear_speaker(&edge, &mut socket, &presence).await else {
        return;
    };
    let welcome = match speaker {
        Speaker::Client(client) => presence.belongs_to(client),
        Speaker::Proxy => true,
    };
    if welcome {
        serve(edge, socket, presence, acceptor).await;
    } else {
        edge.metrics.connections_refused.inc();
    }
}

/// The header is part of the handshake: it has its time, together with what follows.
async fn hear_speaker(
    edge: &Shared,
    socket: &mut TcpStream,
    presence: &Presence,
) -> Option<Speaker> {
    let deadline = presence.accepted_at + edge.settings.timeouts.handshake;
    let header = proxy_protocol::read_header(socket);
    let heard = tokio::select! {
        () = edge.stopping.cancelled() => return None,
        heard = tokio::time::timeout_at(deadline.into(), header) => heard,
    };
    match heard.unwrap_or_else(|late| Err(io::Error::from(late).into())) {
        Ok(speaker) => Some(speaker),
        Err(proxy_protocol::Error::Unfinished(error)) if has_left(&error) => None,
        Err(error) => {
            edge.metrics.proxy_header_failures.inc();
            tracing::info!(proxy_ip = %presence.peer.ip(), %error, "no PROXY header");
            None
        }
    }
}

async fn serve(
    edge: Arc<Shared>,
    socket: TcpStream,
    presence: Presence,
    acceptor: Option<TlsAcceptor>,
) {
    // Without it the answers to connect and publish wait for the peer's delayed acknowledgement.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    match acceptor {
        None => connection::serve_plain(socket, presence).await,
        Some(acceptor) => {
            if let Some(socket) = shake_hands(&edge, &acceptor, socket, &presence).await {
                connection::serve_tls(socket, presence).await;
            }
        }
    }
}

/// Has the time of an RTMP handshake, and counts against the address where it fails like one.
async fn shake_hands(
    edge: &Shared,
    acceptor: &TlsAcceptor,
    socket: TcpStream,
    presence: &Presence,
) -> Option<Box<TlsStream<TcpStream>>> {
    let handshake = tls::shake_hands(acceptor, &edge.tls_turns, socket);
    let limit = edge.settings.timeouts.handshake;
    let shaken = tokio::select! {
        () = edge.stopping.cancelled() => return None,
        shaken = tokio::time::timeout(limit, handshake) => shaken.unwrap_or_else(|late| Err(late.into())),
    };
    match shaken {
        Ok(stream) => Some(Box::new(stream)),
        Err(error) => {
            edge.metrics.tls_failures.inc();
            tracing::debug!(client_ip = %presence.peer.ip(), %error, "no TLS handshake");
            if !has_left(&error) {
                presence.failed();
            }
            None
        }
    }
}

/// Whether the peer closed, as health checks do, rather than broke anything.
fn has_left(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}
