//! A scripted encoder: says which `NetStream` code a publish was answered with, which ffmpeg does
//! not print, and needs no processor time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
use rml_rtmp::sessions::{
    ClientSession, ClientSessionConfig, ClientSessionEvent, ClientSessionResult,
    PublishRequestType, StreamMetadata,
};
use rml_rtmp::time::RtmpTimestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};
use url::Url;

/// How long any step of the dialogue may take on a busy machine: a hang guard, no promise.
const STEP: Duration = Duration::from_secs(10);
/// An AVC sequence header: FLV video tag bytes around a baseline parameter set of 640x360.
const SEQUENCE_HEADER: &[u8] = &[
    0x17, 0, 0, 0, 0, 1, 0x42, 0xC0, 0x1E, 0xFF, 0xE1, 0, 10, 0x67, 0x42, 0xC0, 0x1E, 0xDA, 0x02,
    0x80, 0xBF, 0xE5, 0xC0, 1, 0, 4, 0x68, 0xCE, 0x3C, 0x80,
];
/// A keyframe of one slice whose content nobody decodes.
const KEYFRAME: &[u8] = &[0x17, 1, 0, 0, 0, 0, 0, 0, 5, 0x65, 0x88, 0x84, 0, 0x10];

/// A frame between keyframes, of one slice.
const FRAME: &[u8] = &[0x27, 1, 0, 0, 0, 0, 0, 0, 5, 0x41, 0x9A, 0x24, 0, 0x10];

/// A connection that is publishing.
pub struct Publisher {
    socket: TcpStream,
    session: ClientSession,
    events: VecDeque<ClientSessionEvent>,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

/// What became of a publish.
#[derive(Debug)]
pub enum Outcome {
    /// `NetStream.Publish.Start` came.
    Accepted(Box<Publisher>),
    /// This other code came.
    Refused(String),
}

impl Outcome {
    /// The publisher that was let in.
    ///
    /// # Errors
    /// When it was refused.
    pub fn accepted(self) -> Result<Box<Publisher>> {
        match self {
            Self::Accepted(publisher) => Ok(publisher),
            Self::Refused(code) => bail!("the publish was refused with {code}"),
        }
    }

    /// The code it was refused with.
    ///
    /// # Errors
    /// When it was let in.
    pub fn refused(self) -> Result<String> {
        match self {
            Self::Accepted(_) => bail!("the publish was accepted"),
            Self::Refused(code) => Ok(code),
        }
    }
}

impl Publisher {
    /// Publishes `key` to `server`, which is what an encoder's server field holds.
    ///
    /// # Errors
    /// When the dialogue breaks before an answer to the publish.
    pub async fn publish(server: &str, key: &str) -> Result<Outcome> {
        let url = Url::parse(server)?;
        let host = url.host_str().context("the server has no host")?;
        let port = url.port().unwrap_or(1935);
        let mut socket = TcpStream::connect((host, port)).await?;
        socket.set_nodelay(true)?;
        let early = shake_hands(&mut socket).await?;
        let mut config = ClientSessionConfig::new();
        config.tc_url = Some(server.to_owned());
        let (session, first) = ClientSession::new(config)?;
        let mut this = Self {
            socket,
            session,
            events: VecDeque::new(),
        };
        this.act(first).await?;
        let answers = this.session.handle_input(&early)?;
        this.act(answers).await?;
        let app = url.path().trim_matches('/').to_owned();
        let request = this.session.request_connection(app)?;
        this.act(vec![request]).await?;
        match this.next_event().await? {
            ClientSessionEvent::ConnectionRequestAccepted => {}
            other => bail!("connect was answered with {other:?}"),
        }
        this.ask_to_publish(key).await
    }

    async fn ask_to_publish(mut self, key: &str) -> Result<Outcome> {
        let request = self
            .session
            .request_publishing(key.to_owned(), PublishRequestType::Live)?;
        self.act(vec![request]).await?;
        loop {
            match self.next_event().await? {
                ClientSessionEvent::PublishRequestAccepted => {
                    return Ok(Outcome::Accepted(Box::new(self)));
                }
                ClientSessionEvent::UnhandleableOnStatusCode { code } => {
                    return Ok(Outcome::Refused(code));
                }
                // onFCPublish and the like.
                _ => {}
            }
        }
    }

    /// Says what it is, as encoders do in their metadata before any media.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send_name(&mut self, encoder: &str) -> Result<()> {
        let mut metadata = StreamMetadata::new();
        metadata.encoder = Some(encoder.to_owned());
        let packet = self.session.publish_metadata(&metadata)?;
        self.act(vec![packet]).await
    }

    /// Sends one keyframe with its sequence header, as of `millis` on the stream's own clock.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send_keyframe(&mut self, millis: u32) -> Result<()> {
        self.send(&[SEQUENCE_HEADER, KEYFRAME], millis).await
    }

    /// Sends one frame that is no keyframe, as of `millis` on the stream's own clock.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send_frame(&mut self, millis: u32) -> Result<()> {
        self.send(&[FRAME], millis).await
    }

    async fn send(&mut self, tags: &[&'static [u8]], millis: u32) -> Result<()> {
        for tag in tags {
            let data = Bytes::from_static(tag);
            let at = RtmpTimestamp::new(millis);
            let packet = self.session.publish_video_data(data, at, false)?;
            self.act(vec![packet]).await?;
        }
        Ok(())
    }

    /// Ends the stream as encoders do: by saying so.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn unpublish(mut self: Box<Self>) -> Result<()> {
        let goodbye = self.session.stop_publishing()?;
        self.act(goodbye).await?;
        Ok(self.socket.shutdown().await?)
    }

    /// Waits until the server closes the connection, and says when that was.
    ///
    /// # Errors
    /// When it is still open after `deadline`.
    pub async fn is_closed(&mut self, deadline: Duration) -> Result<Instant> {
        let closed = timeout(deadline, self.closes()).await;
        closed.context("the connection is still open")
    }

    /// Waits until the server closes the connection, for ever if need be, and says when that was.
    /// What the server sends is dropped, as OBS does while it publishes.
    pub async fn closes(&mut self) -> Instant {
        let mut bytes = [0; 4096];
        loop {
            match self.socket.read(&mut bytes).await {
                Ok(0) | Err(_) => return Instant::now(),
                Ok(_) => {}
            }
        }
    }

    async fn next_event(&mut self) -> Result<ClientSessionEvent> {
        let until = tokio::time::Instant::now() + STEP;
        let mut bytes = [0; 4096];
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let read = timeout_at(until, self.socket.read(&mut bytes));
            let length = read.await.context("the server does not answer")??;
            if length == 0 {
                bail!("the server closed the connection without an answer");
            }
            let results = self.session.handle_input(&bytes[..length])?;
            self.act(results).await?;
        }
    }

    async fn act(&mut self, results: Vec<ClientSessionResult>) -> Result<()> {
        for result in results {
            match result {
                ClientSessionResult::OutboundResponse(packet) => {
                    self.socket.write_all(&packet.bytes).await?;
                }
                ClientSessionResult::RaisedEvent(event) => self.events.push_back(event),
                ClientSessionResult::UnhandleableMessageReceived(_) => {}
            }
        }
        Ok(())
    }
}

/// Gives the bytes that came behind the handshake.
async fn shake_hands(socket: &mut TcpStream) -> Result<Vec<u8>> {
    let mut handshake = Handshake::new(PeerType::Client);
    let hello = handshake.generate_outbound_p0_and_p1()?;
    socket.write_all(&hello).await?;
    let until = tokio::time::Instant::now() + STEP;
    let mut bytes = [0; 4096];
    loop {
        let read = timeout_at(until, socket.read(&mut bytes));
        let length = read.await.context("the handshake is not answered")??;
        if length == 0 {
            bail!("the server closed the connection in the handshake");
        }
        match handshake.process_bytes(&bytes[..length])? {
            HandshakeProcessResult::InProgress { response_bytes } => {
                socket.write_all(&response_bytes).await?;
            }
            HandshakeProcessResult::Completed {
                response_bytes,
                remaining_bytes,
            } => {
                socket.write_all(&response_bytes).await?;
                return Ok(remaining_bytes);
            }
        }
    }
}
