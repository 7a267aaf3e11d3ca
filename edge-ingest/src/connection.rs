//! One task a connection: moves bytes between the socket and the sans-IO session, and keeps its
//! deadlines. It knows no RTMP and asks the store nothing.
//!
//! Reads go into a buffer that belongs to the worker thread, so that an idle connection holds
//! none. Every wait has a deadline: [`crate::settings::Timeouts`].

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::ready;
use std::time::{Duration, Instant};

use domain::{ConnectionId, Refusal};
use rtmp::Event;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use crate::attempts::Attempted;
use crate::clock;
use crate::link::{Closure, ConnectionEnd, Signal, link};
use crate::presented::Presented;
use crate::publisher::{self, Publish};
use crate::sample::Sample;
use crate::shared::Shared;

/// One read takes at most this: a keyframe of an ordinary stream in one system call.
const READ_BYTES: usize = 64 * 1024;
/// Time between two looks at a publishing connection (requirement 2.4).
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// After a refusal the peer may still be sending: what arrives in this time is read and dropped,
/// because closing with unread bytes would reset the connection and lose the refusal.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes read and dropped while lingering.
const LINGER_BYTES: usize = 256 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// Serves one connection until it is over. Whatever happens, its publisher has been told.
pub(crate) async fn serve<S>(edge: &Arc<Shared>, socket: S, peer: SocketAddr)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = Connection::new(edge, socket, peer);
    let end = connection.drive().await;
    connection.finish(end).await;
}

/// Why a connection is over.
#[derive(Debug)]
enum End {
    /// The peer closed, or the socket failed.
    PeerLeft,
    /// The encoder said that it stops publishing.
    Unpublished,
    /// The peer broke the protocol or a limit.
    Protocol(rtmp::Error),
    /// A step took too long.
    TimedOut(Step),
    /// The publish was turned away; the refusal is in the output.
    Refused,
    /// The publisher's task asked for it, or the edge stops.
    Closed,
}

/// Which deadline runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Handshake,
    Publish,
    /// The verdict is awaited; the publisher's own bounds end it.
    Verdict,
    Media,
}

struct Connection<S> {
    edge: Arc<Shared>,
    socket: S,
    session: rtmp::Session,
    id: ConnectionId,
    peer: SocketAddr,
    accepted_at: Instant,
    step: Step,
    deadline: tokio::time::Instant,
    /// The application and the encoder's name, from connect on.
    connected: Option<(rtmp::Secret, Option<String>)>,
    publish: Option<ConnectionEnd>,
    /// Fired by the publisher's task; before there is one, when the edge stops.
    close: CancellationToken,
    media_bytes: u64,
}

/// What a turn of the loop woke up for.
enum Woken {
    /// Bytes were read and fed to the session.
    Received(Result<(), End>),
    Deadline,
    SampleDue,
    Verdict(Result<(), Refusal>),
    Close,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn new(edge: &Arc<Shared>, socket: S, peer: SocketAddr) -> Self {
        let limits = edge.settings.limits;
        Self {
            edge: Arc::clone(edge),
            socket,
            session: rtmp::Session::new(limits, clock::random()),
            id: ConnectionId::from_random(clock::random()),
            peer,
            accepted_at: Instant::now(),
            step: Step::Handshake,
            deadline: tokio::time::Instant::now() + edge.settings.timeouts.handshake,
            connected: None,
            publish: None,
            close: edge.stopping.clone(),
            media_bytes: 0,
        }
    }

    async fn drive(&mut self) -> End {
        let mut samples = tokio::time::interval(SAMPLE_INTERVAL);
        samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (media, deciding) = (self.step == Step::Media, self.step == Step::Verdict);
            let woken = tokio::select! {
                biased;
                () = self.close.cancelled() => Woken::Close,
                verdict = verdict(self.publish.as_mut()), if deciding => Woken::Verdict(verdict),
                () = tokio::time::sleep_until(self.deadline), if !deciding => Woken::Deadline,
                _ = samples.tick(), if media => Woken::SampleDue,
                received = receive(&mut self.socket, &mut self.session) => Woken::Received(received),
            };
            if let Err(end) = self.turn(woken) {
                return end;
            }
            if let Err(end) = self.flush().await {
                return end;
            }
            if self.step == Step::Media && self.media_bytes == 0 {
                samples.reset();
            }
        }
    }

    fn turn(&mut self, woken: Woken) -> Result<(), End> {
        match woken {
            Woken::Received(received) => {
                // What came before a mistake is still to be heard: an unpublish, say.
                self.handle_events()?;
                received
            }
            Woken::Deadline => Err(End::TimedOut(self.step)),
            Woken::SampleDue => {
                self.sample();
                Ok(())
            }
            Woken::Verdict(Ok(())) => {
                self.session.accept_publish();
                self.expect(Step::Media);
                Ok(())
            }
            Woken::Verdict(Err(refusal)) => {
                self.session
                    .refuse_publish(refusal.net_stream_code(), &refusal.to_string());
                Err(End::Refused)
            }
            Woken::Close => Err(End::Closed),
        }
    }

    fn handle_events(&mut self) -> Result<(), End> {
        if self.step == Step::Handshake && self.session.phase() != rtmp::Phase::Handshake {
            self.expect(Step::Publish);
        }
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
        self.close = mine.close.clone();
        self.publish = Some(mine);
        self.step = Step::Verdict;
        let edge = Arc::clone(&self.edge);
        self.edge.tasks.spawn(publisher::run(edge, publish, theirs));
    }

    fn media_started(&mut self) {
        self.sample();
        if let Some(publish) = &self.publish {
            publish.signal(Signal::MediaStarted);
        }
    }

    /// Hands the latest look to the publisher; media that moved restarts the no-media deadline.
    fn sample(&mut self) {
        let Some(publish) = &self.publish else { return };
        let sample = Sample::of(&self.session, self.edge.started_at);
        if sample.reading.media_bytes > self.media_bytes {
            self.media_bytes = sample.reading.media_bytes;
            self.deadline = tokio::time::Instant::now() + self.edge.settings.timeouts.no_media;
        }
        publish.samples.send_replace(Some(sample));
    }

    fn expect(&mut self, step: Step) {
        let timeouts = &self.edge.settings.timeouts;
        self.step = step;
        self.deadline = match step {
            Step::Handshake => self.accepted_at.into(),
            Step::Publish => tokio::time::Instant::from(self.accepted_at) + timeouts.publish,
            Step::Verdict => return,
            Step::Media => tokio::time::Instant::now() + timeouts.no_media,
        };
    }

    async fn flush(&mut self) -> Result<(), End> {
        let output = self.session.take_output();
        if output.is_empty() {
            return Ok(());
        }
        let write = self.socket.write_all(&output);
        match timeout(self.edge.settings.timeouts.write, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::PeerLeft),
        }
    }

    /// Tells the publisher how it ended, says the last words and closes.
    async fn finish(mut self, end: End) {
        let (id, client_ip) = (&self.id, self.peer.ip());
        match &end {
            End::Protocol(error) => {
                self.edge.metrics.protocol_errors.inc();
                tracing::info!(connection_id = %id, %client_ip, %error, "connection broke the protocol");
            }
            End::TimedOut(step) => {
                tracing::info!(connection_id = %id, %client_ip, ?step, "connection timed out");
            }
            End::PeerLeft | End::Unpublished | End::Refused | End::Closed => {
                tracing::debug!(connection_id = %id, %client_ip, ?end, "connection over");
            }
        }
        if self.publish.is_some() {
            self.sample();
        }
        if let Some(publish) = self.publish.take() {
            let closure = match end {
                End::Unpublished => Closure::Unpublished,
                End::PeerLeft
                | End::Protocol(_)
                | End::TimedOut(_)
                | End::Refused
                | End::Closed => Closure::Dropped,
            };
            publish.signal(Signal::Closed(closure));
        }
        let _ = self.flush().await;
        if matches!(end, End::Refused | End::Protocol(_)) {
            self.linger().await;
        }
    }

    async fn linger(&mut self) {
        let drained = async {
            self.socket.shutdown().await?;
            let mut left = LINGER_BYTES;
            while left > 0 {
                match read(&mut self.socket, |_| ()).await? {
                    0 => break,
                    count => left = left.saturating_sub(count),
                }
            }
            Ok::<(), io::Error>(())
        };
        // Either way the socket is closed next.
        let _ = timeout(LINGER, drained).await;
    }
}

/// Reads once and feeds the session, without a copy in between.
async fn receive<S: AsyncRead + Unpin>(
    socket: &mut S,
    session: &mut rtmp::Session,
) -> Result<(), End> {
    let mut outcome = Ok(());
    match read(socket, |bytes| outcome = session.receive(bytes)).await {
        Ok(0) | Err(_) => Err(End::PeerLeft),
        Ok(_) => outcome.map_err(End::Protocol),
    }
}

/// Reads once into the worker's buffer; what was read is seen by `take` alone. Nothing is lost
/// when the future is dropped before it is ready.
async fn read<S: AsyncRead + Unpin>(
    socket: &mut S,
    mut take: impl FnMut(&[u8]),
) -> io::Result<usize> {
    poll_fn(|context| {
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut unread = ReadBuf::new(buffer);
            ready!(Pin::new(&mut *socket).poll_read(context, &mut unread))?;
            take(unread.filled());
            std::task::Poll::Ready(Ok(unread.filled().len()))
        })
    })
    .await
}

async fn verdict(publish: Option<&mut ConnectionEnd>) -> Result<(), Refusal> {
    match publish {
        // A publisher's task that ended without a word has failed.
        Some(publish) => (&mut publish.verdict)
            .await
            .unwrap_or(Err(Refusal::ServiceUnavailable)),
        None => std::future::pending().await,
    }
}
