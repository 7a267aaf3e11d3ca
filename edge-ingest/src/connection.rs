//! One task a connection: moves bytes between the socket and the sans-IO session, and keeps its
//! deadlines. It knows no RTMP and asks the store nothing.
//!
//! [`Connection::open`] until the encoder is let in, then
//! [`Connection::flow`]: media. Every wait has a deadline: [`crate::settings::Timeouts`]. A flowing
//! plain connection is moved to a worker (module [`crate::media_workers`]).

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use domain::Refusal;
use domain::stream_key::redacted;
use rtmp::Event;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::attempts::Attempted;
use crate::clock;
use crate::grant::Grant;
use crate::link::{Closure, ConnectionEnd, Signal, Verdict, link};
use crate::memory;
use crate::presence::Presence;
use crate::presented::Presented;
use crate::publisher::{self, Publish};
use crate::sample::Sample;
use crate::seldom::Seldom;
use crate::shared::Shared;
use crate::socket;

/// Time between two looks at a publishing connection (requirement 2.4).
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// Samples are due at multiples of this from the edge's start: those of many connections together
/// wake the publishers' threads once.
const SAMPLE_GRID: Duration = Duration::from_millis(100);
/// Media flows undelayed for so long before its reads may wait for the common tick: LIVE and the
/// first picture come as fast as they can.
const SETTLE_AFTER: Duration = Duration::from_secs(1);

/// Serves a plain connection until it is over.
pub(crate) async fn serve_plain(socket: TcpStream, presence: Presence) {
    let mut connection = Box::new(Connection::new(socket, presence));
    let edge = Arc::clone(connection.edge());
    let end = match Box::pin(connection.open()).await {
        Ok(()) => connection.flow(Some(SETTLE_AFTER)).await,
        Err(end) => end,
    };
    match end {
        End::Settled => edge.media_workers.adopt(connection),
        end => Box::pin(connection.finish(end)).await,
    }
}

/// Serves a connection over TLS until it is over.
pub(crate) async fn serve_tls<S: AsyncRead + AsyncWrite + Unpin>(socket: S, presence: Presence) {
    let mut connection = Box::new(Connection::new(socket, presence));
    let end = match Box::pin(connection.open()).await {
        Ok(()) => connection.flow(None).await,
        Err(end) => end,
    };
    Box::pin(connection.finish(end)).await;
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
    /// It grew while all connections together held as much as they may.
    OutOfMemory,
    /// A step took too long.
    TimedOut(&'static str),
    /// The publish was turned away; the answer is in the output.
    Refused(Refusal),
    /// The publisher's task asked for it, or the edge stops.
    Closed,
    /// Not over: media flows steadily, for a media worker to read.
    Settled,
}

impl End {
    /// Whether it counts against the address of one who was never let in. A valid key that is
    /// refused does not: an encoder repeats it every other second while its channel is taken or
    /// the store is away, and the others behind its address must not be shut out for that.
    const fn is_a_failure(&self) -> bool {
        matches!(
            self,
            Self::Refused(Refusal::Unauthorized) | Self::Protocol(_) | Self::TimedOut(_)
        )
    }
}

/// What a connection looks for beside its media.
enum Seen {
    /// The publisher wants it closed.
    Close,
    /// The time for a sample has come.
    SampleTime,
}

/// One encoder's connection. Kept in a box: the tasks that hold it stay small, and moving it
/// between threads moves a pointer.
pub(crate) struct Connection<S> {
    socket: S,
    session: rtmp::Session,
    presence: Presence,
    /// The application and the encoder's name, from connect on.
    connected: Option<(rtmp::Secret, Option<String>)>,
    publish: Option<ConnectionEnd>,
    /// What it was let in under.
    grant: Option<Arc<Grant>>,
    /// Audio and video at the last batch, in bytes.
    media_received: u64,
    /// And at the last sample.
    media_bytes: u64,
    media_moved_at: Instant,
    memory: memory::Share,
}

impl Connection<TcpStream> {
    /// Takes the socket out of the runtime that drives it now, to be put into another by
    /// [`Connection::resume`].
    pub(crate) fn suspend(self: Box<Self>) -> io::Result<Box<Connection<std::net::TcpStream>>> {
        self.with_socket(TcpStream::into_std)
    }

    /// Media until the end.
    pub(crate) async fn flow_to_end(mut self: Box<Self>) {
        let end = self.flow(None).await;
        Box::pin(self.finish(end)).await;
    }
}

impl Connection<std::net::TcpStream> {
    /// Puts the socket into the runtime that this is called on.
    pub(crate) fn resume(self: Box<Self>) -> io::Result<Box<Connection<TcpStream>>> {
        self.with_socket(TcpStream::from_std)
    }
}

impl<S> Connection<S> {
    pub(crate) const fn edge(&self) -> &Arc<Shared> {
        &self.presence.edge
    }

    fn with_socket<T>(
        self,
        change: impl FnOnce(S) -> io::Result<T>,
    ) -> io::Result<Box<Connection<T>>> {
        Ok(Box::new(Connection {
            socket: change(self.socket)?,
            session: self.session,
            presence: self.presence,
            connected: self.connected,
            publish: self.publish,
            grant: self.grant,
            media_received: self.media_received,
            media_bytes: self.media_bytes,
            media_moved_at: self.media_moved_at,
            memory: self.memory,
        }))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn new(socket: S, presence: Presence) -> Self {
        Self {
            socket,
            memory: presence.edge.memory.share(),
            session: rtmp::Session::new(presence.edge.settings.limits, clock::random()),
            presence,
            connected: None,
            publish: None,
            grant: None,
            media_received: 0,
            media_bytes: 0,
            media_moved_at: Instant::now(),
        }
    }

    /// From the first byte to `NetStream.Publish.Start`.
    async fn open(&mut self) -> Result<(), End> {
        let timeouts = self.presence.edge.settings.timeouts;
        let stopping = self.presence.edge.stopping.clone();
        let deadline = self.presence.accepted_at + timeouts.handshake;
        let shaken = |connection: &Self| connection.session.phase() != rtmp::Phase::Handshake;
        self.receive_until(shaken, &stopping, deadline, "handshake")
            .await?;
        let deadline = self.presence.accepted_at + timeouts.publish;
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

    async fn answer(&mut self, verdict: Verdict) -> Result<(), End> {
        match verdict {
            Ok(grant) => {
                self.grant = Some(grant);
                self.presence.let_in();
                let wanted = self.edge().services.media_sink.is_some();
                self.session.want_media(wanted);
                self.session.accept_publish();
                self.media_moved_at = Instant::now();
                // An encoder that did not wait for the answer has media in already.
                self.heard(Ok(())).await
            }
            Err(refusal) => {
                self.refuse(&refusal);
                Err(End::Refused(refusal))
            }
        }
    }

    fn refuse(&mut self, refusal: &Refusal) {
        let (code, description) = (refusal.net_stream_code(), refusal.to_string());
        self.session.refuse_publish(code, &description);
    }

    /// Media, until it ends or has flowed steadily for `settle_after`.
    async fn flow(&mut self, settle_after: Option<Duration>) -> End {
        let close = self
            .publish
            .as_ref()
            .map_or_else(CancellationToken::new, |publish| publish.close.clone());
        let mut closed = std::pin::pin!(close.cancelled());
        let mut samples = self.sample_times();
        let mut seldom = Seldom::new(|context| match closed.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Seen::Close),
            Poll::Pending => samples.poll_tick(context).map(|_| Seen::SampleTime),
        });
        let began = Instant::now();
        loop {
            let turn = tokio::select! {
                biased;
                seen = poll_fn(|context| seldom.poll(context)) => match seen {
                    Seen::Close => Err(End::Closed),
                    Seen::SampleTime => {
                        let settled = settle_after.is_some_and(|after| began.elapsed() >= after);
                        self.sample_in_time(settled)
                    }
                },
                received = receive(&mut self.socket, &mut self.session) => self.heard(received).await,
            };
            if let Err(end) = turn {
                return end;
            }
        }
    }

    /// Each [`SAMPLE_INTERVAL`], from the first place of the grid that is so far away.
    fn sample_times(&self) -> Interval {
        let started_at = self.presence.edge.started_at;
        let least = started_at.elapsed() + SAMPLE_INTERVAL;
        let places = least.as_millis().div_ceil(SAMPLE_GRID.as_millis());
        let first = SAMPLE_GRID * u32::try_from(places).unwrap_or(u32::MAX);
        let mut times = tokio::time::interval_at((started_at + first).into(), SAMPLE_INTERVAL);
        times.set_missed_tick_behavior(MissedTickBehavior::Skip);
        times
    }

    /// Acts on what was received and writes the answers. What came before a mistake is still
    /// heard: an unpublish, say.
    async fn heard(&mut self, received: Result<(), End>) -> Result<(), End> {
        self.handle_events_where_granted()?;
        self.flush().await?;
        received?;
        if self.memory.holds(self.session.held_bytes()) {
            Ok(())
        } else {
            Err(End::OutOfMemory)
        }
    }

    /// Nothing that came is acted upon once the grant was taken back or this edge lost its lease.
    fn handle_events_where_granted(&mut self) -> Result<(), End> {
        let Some(grant) = self.grant.clone() else {
            return self.handle_events();
        };
        let received = media_bytes(&self.session);
        let media_came = std::mem::replace(&mut self.media_received, received) < received;
        let mut handled = Ok(());
        let granted = grant.hand_on(media_came, || handled = self.handle_events());
        if granted { handled } else { Err(End::Closed) }
    }

    fn handle_events(&mut self) -> Result<(), End> {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Connected(info) => {
                    let encoder = Some(redacted(&info.encoder)).filter(|name| !name.is_empty());
                    self.connected = Some((info.app, encoder));
                }
                Event::PublishRequested(request) => self.begin_publish(&request),
                Event::MediaStarted => self.media_started(),
                Event::Media(media) => self.hand_on(&media),
                Event::Unpublished => return Err(End::Unpublished),
            }
        }
        Ok(())
    }

    fn hand_on(&self, media: &rtmp::Media) {
        if let Some((grant, sink)) = self
            .grant
            .as_ref()
            .zip(self.edge().services.media_sink.as_ref())
        {
            sink.accept(&grant.channel_id, grant.generation, media);
        }
    }

    fn begin_publish(&mut self, request: &rtmp::PublishRequest) {
        let (app, encoder) = match &self.connected {
            Some((app, encoder)) => (app.expose(), encoder.clone()),
            None => ("", None),
        };
        let secret = &self.presence.edge.settings.fingerprint_secret;
        let presented = Presented::new(app, request.publish_name.expose(), secret);
        let publish = Publish {
            attempted: Attempted {
                presented,
                ip: self.presence.peer.ip(),
                encoder,
            },
            connection_id: self.presence.id.clone(),
            accepted_at: self.presence.accepted_at,
            requested_at: Instant::now(),
        };
        let (mine, theirs) = link();
        self.publish = Some(mine);
        let edge = Arc::clone(&self.presence.edge);
        self.presence
            .edge
            .tasks
            .spawn(publisher::run(edge, publish, theirs));
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
        let sample = Sample::of(&self.session, self.presence.edge.started_at);
        let received = media_bytes(&self.session);
        if received > self.media_bytes {
            self.media_bytes = received;
            self.media_moved_at = Instant::now();
        }
        publish.samples.send_replace(Some(sample));
    }

    fn sample_in_time(&mut self, settled: bool) -> Result<(), End> {
        self.sample();
        if self.media_moved_at.elapsed() > self.presence.edge.settings.timeouts.no_media {
            return Err(End::TimedOut("media"));
        }
        if settled && self.media_bytes > 0 {
            return Err(End::Settled);
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), End> {
        let output = self.session.take_output();
        if output.is_empty() {
            return Ok(());
        }
        let limit = self.presence.edge.settings.timeouts.write;
        let written = socket::write(&mut self.socket, &output, limit).await;
        written.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => End::TimedOut("write"),
            _ => End::PeerLeft,
        })
    }

    /// Tells the publisher how it ended, says the last words and closes.
    async fn finish(mut self: Box<Self>, end: End) {
        self.log(&end);
        if end.is_a_failure() {
            self.presence.failed();
        }
        self.sample();
        let publish = self.publish.take();
        let last_words = publish.as_ref().and_then(ConnectionEnd::last_words);
        if let Some(refusal) = &last_words {
            self.refuse(refusal);
        }
        if let Some(publish) = publish {
            let closure = match end {
                End::Unpublished => Closure::Unpublished,
                End::PeerLeft
                | End::Protocol(_)
                | End::OutOfMemory
                | End::TimedOut(_)
                | End::Refused(_)
                | End::Closed
                | End::Settled => Closure::Dropped,
            };
            publish.signal(Signal::Closed(closure));
        }
        let flushed = self.flush().await;
        let spoken = last_words.is_some() || matches!(end, End::Refused(_) | End::Protocol(_));
        if flushed.is_ok() && spoken {
            socket::close_gently(&mut self.socket).await;
        }
    }

    fn log(&self, end: &End) {
        let (id, client_ip) = (&self.presence.id, self.presence.peer.ip());
        match end {
            End::Protocol(error) => {
                self.presence.edge.metrics.protocol_errors.inc();
                tracing::info!(connection_id = %id, %client_ip, %error, "connection broke the protocol");
            }
            End::TimedOut(step) => {
                tracing::info!(connection_id = %id, %client_ip, step, "connection timed out");
            }
            End::OutOfMemory => {
                self.presence.edge.metrics.out_of_memory.inc();
                tracing::warn!(connection_id = %id, %client_ip,
                    "connection closed: all connections together hold as much as they may");
            }
            End::PeerLeft | End::Unpublished | End::Refused(_) | End::Closed | End::Settled => {
                tracing::debug!(connection_id = %id, %client_ip, ?end, "connection over");
            }
        }
    }
}

/// Audio and video so far: what an encoder says about itself is no media.
fn media_bytes(session: &rtmp::Session) -> u64 {
    let counters = session.counters();
    counters.audio_bytes + counters.video_bytes
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
