//! Peers that mean no good: raw TCP connections that speak as much RTMP as they like.
//!
//! [`Stranger`] sends any bytes and notices when it is dropped; [`wire`] has the bytes of which
//! dialogues are made, right and wrong ones; [`Bystanders`] are publishers that are live meanwhile
//! and must not notice anything.
//!
//! Absent on purpose: judging the answers. A hostile peer is interested in being let in, in being
//! turned away and in being cut, nothing else.

mod bystanders;
pub mod wire;

pub use bystanders::Bystanders;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{MissedTickBehavior, interval, timeout};
use url::Url;

/// How long an answer may take on a busy machine: a hang guard, no promise.
const ANSWERS_WITHIN: Duration = Duration::from_secs(15);
/// Receive buffer of one that never reads: the least that systems give, so that it fills soon.
const SMALL_BUFFER: u32 = 4096;

/// A connection that nobody invited.
#[derive(Debug)]
pub struct Stranger {
    socket: TcpStream,
    opened: Instant,
    heard: Vec<u8>,
}

impl Stranger {
    /// Opens a connection to the host and port of `server`, and says nothing.
    ///
    /// # Errors
    /// When nobody accepts.
    pub async fn connect(server: &str) -> Result<Self> {
        Self::open(server, TcpSocket::new_v4()?).await
    }

    /// The same from another address of this machine.
    ///
    /// # Errors
    /// When nobody accepts.
    pub async fn connect_from(address: IpAddr, server: &str) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((address, 0).into())?;
        Self::open(server, socket).await
    }

    /// The same with next to no room for what the server says.
    ///
    /// # Errors
    /// When nobody accepts.
    pub async fn connect_hard_of_hearing(server: &str) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(SMALL_BUFFER)?;
        Self::open(server, socket).await
    }

    async fn open(server: &str, socket: TcpSocket) -> Result<Self> {
        let url = Url::parse(server)?;
        let host = url.host_str().context("the server has no host")?;
        let port = url.port().unwrap_or(1935);
        let address = lookup_host((host, port)).await?.find(SocketAddr::is_ipv4);
        let address = address.context("the server has no IPv4 address")?;
        let socket = socket.connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            opened: Instant::now(),
            heard: Vec::new(),
        })
    }

    /// When the connection was opened.
    #[must_use]
    pub fn opened(&self) -> Instant {
        self.opened
    }

    /// Sends all of it.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.socket.write_all(bytes).await?)
    }

    /// Sends as much of it as the server takes, hearing what it says meanwhile, and waits until it
    /// closes. Gives the time since the connection was opened.
    ///
    /// # Errors
    /// When it is still open after `deadline`.
    pub async fn pours(mut self, bytes: &[u8], deadline: Duration) -> Result<Duration> {
        let opened = self.opened;
        let (mut ear, mut mouth) = self.socket.split();
        let mut buffer = [0; 4096];
        let pour = async {
            // The server may close before it has taken everything.
            let _ = mouth.write_all(bytes).await;
            std::future::pending::<()>().await;
        };
        let listen = async { while matches!(ear.read(&mut buffer).await, Ok(1..)) {} };
        let closed = async {
            tokio::select! {
                () = pour => {}
                () = listen => {}
            }
        };
        let closed = timeout(deadline, closed).await;
        closed.context("the connection is still open")?;
        Ok(opened.elapsed())
    }

    /// Sends `bytes`, again and again, one byte each `each`, until it is dropped. Gives the time
    /// since the connection was opened.
    ///
    /// # Errors
    /// When it is still open after `deadline`.
    pub async fn drips(
        mut self,
        bytes: &[u8],
        each: Duration,
        deadline: Duration,
    ) -> Result<Duration> {
        let drops: Vec<&[u8]> = bytes.chunks(1).collect();
        self.repeats(&drops, each, deadline).await
    }

    /// Sends `pieces`, again and again, one each `each`, until it is dropped. Gives the time since
    /// the connection was opened.
    ///
    /// # Errors
    /// When it is still open after `deadline`.
    pub async fn repeats(
        &mut self,
        pieces: &[&[u8]],
        each: Duration,
        deadline: Duration,
    ) -> Result<Duration> {
        let opened = self.opened;
        let (mut ear, mut mouth) = self.socket.split();
        let mut ticks = interval(each);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pieces = pieces.iter().cycle();
        let mut buffer = [0; 4096];
        let dropped = async {
            loop {
                tokio::select! {
                    _ = ticks.tick() => {
                        let piece = pieces.next().copied().unwrap_or_default();
                        if mouth.write_all(piece).await.is_err() { return; }
                    }
                    heard = ear.read(&mut buffer) => if !matches!(heard, Ok(1..)) { return },
                }
            }
        };
        let dropped = timeout(deadline, dropped).await;
        dropped.context("the connection is still open")?;
        Ok(opened.elapsed())
    }

    /// Sends `bytes`, again and again, as fast as they are taken and without ever listening, until
    /// it is dropped. Gives for how long the server had taken nothing when it did so.
    ///
    /// # Errors
    /// When it is still open after `deadline`.
    pub async fn talks_without_listening(
        mut self,
        bytes: &[u8],
        deadline: Duration,
    ) -> Result<Duration> {
        let mut taken_at = Instant::now();
        let talk = async {
            let mut rest = bytes;
            while let Ok(count @ 1..) = self.socket.write(rest).await {
                taken_at = Instant::now();
                rest = Some(&rest[count..])
                    .filter(|rest| !rest.is_empty())
                    .unwrap_or(bytes);
            }
        };
        let dropped = timeout(deadline, talk).await;
        dropped.context("the connection is still open")?;
        Ok(taken_at.elapsed())
    }

    /// Goes through a whole handshake.
    ///
    /// # Errors
    /// When the server does not do its part.
    pub async fn shakes_hands(&mut self) -> Result<()> {
        self.send(&wire::hello()[..wire::PACKET_BYTES]).await?;
        self.finishes_the_handshake().await
    }

    /// Goes through the rest of a handshake of which all but the last byte of C1 has been sent.
    ///
    /// # Errors
    /// When the server does not do its part.
    pub async fn finishes_the_handshake(&mut self) -> Result<()> {
        self.send(&wire::hello()[wire::PACKET_BYTES..]).await?;
        let mut answer = [0; wire::SERVER_HANDSHAKE_BYTES];
        let read = timeout(ANSWERS_WITHIN, self.socket.read_exact(&mut answer));
        read.await.context("the handshake is not answered")??;
        self.send(&answer[1..=wire::PACKET_BYTES]).await
    }

    /// Shakes hands, and connects to `app`, whole answer included.
    ///
    /// # Errors
    /// When the server does not do its part.
    pub async fn introduces_itself(&mut self) -> Result<()> {
        self.shakes_hands().await?;
        self.send(&wire::connect("live", "rtmp://127.0.0.1/live"))
            .await?;
        self.hears("NetConnection.Connect.Success").await
    }

    /// Goes all the way to `NetStream.Publish.Start`, which takes a valid key.
    ///
    /// # Errors
    /// When it is turned away.
    pub async fn is_let_in(&mut self, key: &str) -> Result<()> {
        self.introduces_itself().await?;
        self.send(&wire::create_stream()).await?;
        self.send(&wire::publish(key.as_bytes())).await?;
        self.hears("NetStream.Publish.Start").await
    }

    /// Listens until the server has said `text`.
    ///
    /// # Errors
    /// When it closes, or does not say it.
    pub async fn hears(&mut self, text: &str) -> Result<()> {
        let listen = async {
            let mut buffer = [0; 4096];
            while !contains(&self.heard, text.as_bytes()) {
                match self.socket.read(&mut buffer).await? {
                    0 => bail!("the server closed without saying {text}"),
                    count => self.heard.extend_from_slice(&buffer[..count]),
                }
            }
            self.heard.clear();
            Ok(())
        };
        timeout(ANSWERS_WITHIN, listen)
            .await
            .with_context(|| format!("the server does not say {text}"))?
    }

    /// Waits, silently, until it is dropped. Gives the time since the connection was opened.
    ///
    /// # Errors
    /// When it is still open after `deadline`.
    pub async fn is_dropped(&mut self, deadline: Duration) -> Result<Duration> {
        let mut buffer = [0; 4096];
        let listen = async { while matches!(self.socket.read(&mut buffer).await, Ok(1..)) {} };
        let dropped = timeout(deadline, listen).await;
        dropped.context("the connection is still open")?;
        Ok(self.opened.elapsed())
    }
}

fn contains(heard: &[u8], text: &[u8]) -> bool {
    heard.windows(text.len()).any(|window| window == text)
}
