//! One task a connection: moves bytes between the socket and the sans-IO session, and keeps its
//! deadlines. It knows no RTMP and asks the store nothing.
//!
//! [`Connection::negotiate`] until the encoder asks to publish, [`Connection::await_verdict`], then
//! [`Connection::flow`]: media. Every wait has a deadline: [`crate::settings::Timeouts`]. A flowing
//! plain connection may be moved to a worker that reads at a common tick (module
//! [`crate::media_workers`]).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{ConnectionId, Refusal};
use rtmp::Event;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::attempts::Attempted;
use crate::clock;
use crate::link::{Closure, ConnectionEnd, Signal, link};
use crate::presented::Presented;
use crate::publisher::{self, Publish};
use crate::sample::Sample;
use crate::shared::Shared;
use crate::socket;

/// Time between two looks at a publishing connection (requirement 2.4).
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// Media flows undelayed for so long before its reads may wait for the common tick: LIVE and the
/// first picture come as fast as they can.
const SETTLE_AFTER: Duration = Duration::from_secs(1);

/// Serves a plain connection until it is over.
pub(crate) async fn serve_plain(
    edge: &Arc<Shared>,
    socket: TcpStream,
    peer: SocketAddr,
    room: OwnedSemaphorePermit,
) {
    let mut connection = Connection::new(edge, socket, peer, room);
    let settle_after = edge.media_workers.as_ref().map(|_| SETTLE_AFTER);
    let end = match connection.open().await {
        Ok(()) => connection.flow(settle_after).await,
        Err(end) => end,
    };
    match (end, &edge.media_workers) {
        (End::Settled, Some(workers)) => workers.adopt(connection),
        (end, _) => connection.finish(end).await,
    }
}

/// Serves a connection over TLS until it is over.
pub(crate) async fn serve_tls<S: AsyncRead + AsyncWrite + Unpin>(
    edge: &Arc<Shared>,
    socket: S,
    peer: SocketAddr,
    room: OwnedSemaphorePermit,
) {
    let mut connection = Connection::new(edge, socket, peer, room);
    let end = match connection.open().await {
        Ok(()) => connection.flow(None).await,
        Err(end) => end,
    };
    connection.finish(end).await;
}

/// Why a connection is over, here at least.
#[derive(Debug)]
pub(crate) enum End {
    /// The peer closed, or the socket failed.
    PeerLeft,
    /// The encoder said that it stops publishing.
    Unpublished,
    /// The peer broke the protocol or a limit.
    Protocol(rtmp::Error),
    /// A step took too long.
    TimedOut(&'static str),
    /// The publish was turned away; the refusal is in the output.
    Refused,
    /// The publisher's task asked for it, or the edge stops.
    Closed,
    /// Not over: media flows steadily and may be read at the common tick.
    Settled,
}

/// One encoder's connection.
pub(crate) struct Connection<S> {
    edge: Arc<Shared>,
    socket: S,
    session: rtmp::Session,
    id: ConnectionId,
    peer: SocketAddr,
    accepted_at: Instant,
    /// The application and the encoder's name, from connect on.
    connected: Option<(rtmp::Secret, Option<String>)>,
    publish: Option<ConnectionEnd>,
    media_bytes: u64,
    media_moved_at: Instant,
    /// Given back when the connection is dropped.
    presence: Presence,
}

/// A connection's place among all that are open.
struct Presence {
    edge: Arc<Shared>,
    _room: OwnedSemaphorePermit,
}

impl Presence {
    fn new(edge: &Arc<Shared>, room: OwnedSemaphorePermit) -> Self {
        edge.metrics.connections_accepted.inc();
        edge.metrics.connections.inc();
        Self {
            edge: Arc::clone(edge),
            _room: room,
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.edge.metrics.connections.dec();
    }
}

impl Connection<TcpStream> {
    /// Takes the socket out of the runtime that drives it now, to be put into another by
    /// [`Connection::resume`].
    pub(crate) fn suspend(self) -> io::Result<Connection<std::net::TcpStream>> {
        self.with_socket(TcpStream::into_std)
    }

    /// Media until the end.
    pub(crate) async fn flow_to_end(mut self) {
        let end = self.flow(None).await;
        self.finish(end).await;
    }
}

impl Connection<std::net::TcpStream> {
    /// Puts the socket into the runtime that this is called on.
    pub(crate) fn resume(self) -> io::Result<Connection<TcpStream>> {
        self.with_socket(TcpStream::from_std)
    }
}

impl<S> Connection<S> {
    pub(crate) const fn edge(&self) -> &Arc<Shared> {
        &self.edge
    }

    fn with_socket<T>(self, change: impl FnOnce(S) -> io::Result<T>) -> io::Result<Connection<T>> {
        Ok(Connection {
            socket: change(self.socket)?,
            edge: self.edge,
            session: self.session,
            id: self.id,
            peer: self.peer,
            accepted_at: self.accepted_at,
            connected: self.connected,
            publish: self.publish,
            media_bytes: self.media_bytes,
            media_moved_at: self.media_moved_at,
            presence: self.presence,
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn new(edge: &Arc<Shared>, socket: S, peer: SocketAddr, room: OwnedSemaphorePermit) -> Self {
        Self {
            edge: Arc::clone(edge),
            socket,
            session: rtmp::Session::new(edge.settings.limits, clock::random()),
            id: ConnectionId::from_random(clock::random()),
            peer,
            accepted_at: Instant::now(),
            connected: None,
            publish: None,
            media_bytes: 0,
            media_moved_at: Instant::now(),
            presence: Presence::new(edge, room),
        }
    }

    /// From the first byte to `NetStream.Publish.Start`.
    async fn open(&mut self) -> Result<(), End> {
        let timeouts = self.edge.settings.timeouts;
        let stopping = self.edge.stopping.clone();
        let deadline = self.accepted_at + timeouts.handshake;
        let shaken = |connection: &Self| connection.session.phase() != rtmp::Phase::Handshake;
        self.receive_until(shaken, &stopping, deadline, "handshake")
            .await?;
        let deadline = self.accepted_at + timeouts.publish;
        self.receive_until(
            |connection| connection.publish.is_some(),
            &stopping,
            deadline,
            "publish",
        )
        .await?;
        self.await_verdict().await
    }

    async fn receive_until(
        &mut self,
        done: impl Fn(&Self) -> bool,
        stopping: &CancellationToken,
        deadline: Instant,
        step: &'static str,
    ) -> Result<(), End> {
        while !done(self) {
            tokio::select! {
                biased;
                () = stopping.cancelled() => return Err(End::Closed),
                () = tokio::time::sleep_until(deadline.into()) => return Err(End::TimedOut(step)),
                received = receive(&mut self.socket, &mut self.session) => self.heard(received).await?,
            }
        }
        Ok(())
    }

    /// While the publish is decided the socket is still read: an encoder that leaves is noticed.
    async fn await_verdict(&mut self) -> Result<(), End> {
        loop {
            let Some(publish) = &mut self.publish else {
                return Err(End::Closed);
            };
            tokio::select! {
                biased;
                verdict = &mut publish.verdict => {
                    // A publisher's task that ended without a word has failed.
                    return self.answer(verdict.unwrap_or(Err(Refusal::ServiceUnavailable))).await;
                }
                received = receive(&mut self.socket, &mut self.session) => self.heard(received).await?,
            }
        }
    }

    async fn answer(&mut self, verdict: Result<(), Refusal>) -> Result<(), End> {
        match verdict {
            Ok(()) => {
                self.session.accept_publish();
                self.media_moved_at = Instant::now();
                self.flush().await
            }
            Err(refusal) => {
                self.session
                    .refuse_publish(refusal.net_stream_code(), &refusal.to_string());
                Err(End::Refused)
            }
        }
    }

    /// Media, until it ends or has flowed steadily for `settle_after`.
    async fn flow(&mut self, settle_after: Option<Duration>) -> End {
        let close = self
            .publish
            .as_ref()
            .map_or_else(CancellationToken::new, |publish| publish.close.clone());
        let mut closed = std::pin::pin!(close.cancelled());
        let mut samples = tokio::time::interval(SAMPLE_INTERVAL);
        samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
        samples.reset();
        let began = Instant::now();
        loop {
            let turn = tokio::select! {
                biased;
                () = &mut closed => Err(End::Closed),
                _ = samples.tick() => {
                    let settled = settle_after.is_some_and(|after| began.elapsed() >= after);
                    self.sample_in_time().and(if settled && self.media_bytes > 0 { Err(End::Settled) } else { Ok(()) })
                }
                received = receive(&mut self.socket, &mut self.session) => self.heard(received).await,
            };
            if let Err(end) = turn {
                return end;
            }
        }
    }

    /// Acts on what was received and writes the answers. What came before a mistake is still
    /// heard: an unpublish, say.
    async fn heard(&mut self, received: Result<(), End>) -> Result<(), End> {
        self.handle_events()?;
        self.flush().await?;
        received
    }

    fn handle_events(&mut self) -> Result<(), End> {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Connected(info) => {
                    let encoder = Some(info.encoder).filter(|name| !name.is_empty());
                    self.connected = Some((info.app, encoder));
                }
                Event::PublishRequested(request) => self.begin_publish(&request),
                Event::MediaStarted => self.media_started(),
                // Nobody takes media yet: the session was not asked for any.
                Event::Media(_) => {}
                Event::Unpublished => return Err(End::Unpublished),
            }
        }
        Ok(())
    }

    fn begin_publish(&mut self, request: &rtmp::PublishRequest) {
        let (app, encoder) = match &self.connected {
            Some((app, encoder)) => (app.expose(), encoder.clone()),
            None => ("", None),
        };
        let secret = &self.edge.settings.fingerprint_secret;
        let presented = Presented::new(app, request.publish_name.expose(), secret);
        let publish = Publish {
            attempted: Attempted {
                presented,
                ip: self.peer.ip(),
                encoder,
            },
            connection_id: self.id.clone(),
            accepted_at: self.accepted_at,
            requested_at: Instant::now(),
        };
        let (mine, theirs) = link();
        self.publish = Some(mine);
        let edge = Arc::clone(&self.edge);
        self.edge.tasks.spawn(publisher::run(edge, publish, theirs));
    }

    fn media_started(&mut self) {
        self.sample();
        if let Some(publish) = &self.publish {
            publish.signal(Signal::MediaStarted);
        }
    }

    /// Hands the latest look to the publisher.
    fn sample(&mut self) {
        let Some(publish) = &self.publish else { return };
        let sample = Sample::of(&self.session, self.edge.started_at);
        if sample.reading.media_bytes > self.media_bytes {
            self.media_bytes = sample.reading.media_bytes;
            self.media_moved_at = Instant::now();
        }
        publish.samples.send_replace(Some(sample));
    }

    fn sample_in_time(&mut self) -> Result<(), End> {
        self.sample();
        if self.media_moved_at.elapsed() > self.edge.settings.timeouts.no_media {
            return Err(End::TimedOut("media"));
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), End> {
        let output = self.session.take_output();
        if output.is_empty() {
            return Ok(());
        }
        let limit = self.edge.settings.timeouts.write;
        socket::write(&mut self.socket, &output, limit)
            .await
            .map_err(|_| End::PeerLeft)
    }

    /// Tells the publisher how it ended, says the last words and closes.
    async fn finish(mut self, end: End) {
        self.log(&end);
        self.sample();
        if let Some(publish) = self.publish.take() {
            let closure = match end {
                End::Unpublished => Closure::Unpublished,
                End::PeerLeft
                | End::Protocol(_)
                | End::TimedOut(_)
                | End::Refused
                | End::Closed
                | End::Settled => Closure::Dropped,
            };
            publish.signal(Signal::Closed(closure));
        }
        let flushed = self.flush().await;
        if flushed.is_ok() && matches!(end, End::Refused | End::Protocol(_)) {
            socket::close_gently(&mut self.socket).await;
        }
    }

    fn log(&self, end: &End) {
        let (id, client_ip) = (&self.id, self.peer.ip());
        match end {
            End::Protocol(error) => {
                self.edge.metrics.protocol_errors.inc();
                tracing::info!(connection_id = %id, %client_ip, %error, "connection broke the protocol");
            }
            End::TimedOut(step) => {
                tracing::info!(connection_id = %id, %client_ip, step, "connection timed out");
            }
            End::PeerLeft | End::Unpublished | End::Refused | End::Closed | End::Settled => {
                tracing::debug!(connection_id = %id, %client_ip, ?end, "connection over");
            }
        }
    }
}

/// Reads once and feeds the session, without a copy in between.
async fn receive<S: AsyncRead + Unpin>(
    socket: &mut S,
    session: &mut rtmp::Session,
) -> Result<(), End> {
    let mut outcome = Ok(());
    match socket::read(socket, |bytes| outcome = session.receive(bytes)).await {
        Ok(0) | Err(_) => Err(End::PeerLeft),
        Ok(_) => outcome.map_err(End::Protocol),
    }
}
