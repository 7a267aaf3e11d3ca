//! The dashboard's side of the WebSocket: ticket, connect, `hello`, then typed messages with the
//! moment at which each came.
//!
//! Like the page, [`Dashboard::expect_status`] drops what is ordered below what it has seen; every
//! message is kept all the same, for stories that promise what is never sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use contract::event::Event;
use contract::http::{Metrics, Status, StatusWord};
use contract::websocket::{ClientMessage, Refused, ServerMessage, Snapshot};
use domain::ChannelId;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::{Api, Canary, wait};

/// How long a snapshot may take on a busy machine: a hang guard, no promise.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(10);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Log = Arc<Mutex<Vec<Arrived>>>;

/// One message and when it came.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// When it was read from the socket.
    pub at: Instant,
    /// The message, or why it is none.
    pub message: Result<ServerMessage, String>,
}

/// A connected dashboard.
#[derive(Debug)]
pub struct Dashboard {
    log: Log,
    reader: JoinHandle<()>,
    /// How many messages [`Dashboard::expect`] has looked at.
    seen: usize,
    /// The highest `(gen, seq)` shown.
    shown: Option<(u64, u64)>,
    /// What the connection began with.
    pub snapshot: Snapshot,
}

impl Dashboard {
    /// Connects as the user of `api` and waits for the snapshot.
    ///
    /// # Errors
    /// When any step is refused.
    pub async fn connect(
        api: &Api,
        websocket: &str,
        origin: &str,
        canary: &Canary,
    ) -> Result<Self> {
        let ticket = api.websocket_ticket().await?.ticket;
        let mut socket = open(websocket, origin, &ticket).await?;
        let hello = serde_json::to_string(&ClientMessage::Hello)?;
        socket.send(Message::text(hello)).await?;
        let log = Log::default();
        let reader = tokio::spawn(read(socket, Arc::clone(&log), canary.clone()));
        let mut dashboard = Self {
            log,
            reader,
            seen: 0,
            shown: None,
            snapshot: Snapshot {
                channels: Vec::new(),
                at: domain::Timestamp::default(),
            },
        };
        let snapshot = dashboard.expect("a snapshot", SNAPSHOT_WITHIN, |message| match message {
            ServerMessage::Snapshot(snapshot) => Some(snapshot.clone()),
            _ => None,
        });
        dashboard.snapshot = snapshot.await?.1;
        Ok(dashboard)
    }

    /// Waits for a message that `pick` takes, among those not yet looked at.
    ///
    /// # Errors
    /// When `deadline` passes first, or something came that is no message of the contract.
    pub async fn expect<T>(
        &mut self,
        what: &str,
        deadline: Duration,
        mut pick: impl FnMut(&ServerMessage) -> Option<T>,
    ) -> Result<(Instant, T)> {
        let (log, seen) = (&self.log, &mut self.seen);
        let found = wait::until(what, deadline, async || {
            while let Some(arrived) = log_at(log, *seen) {
                *seen += 1;
                let message = arrived.message.map_err(anyhow::Error::msg)?;
                if let Some(value) = pick(&message) {
                    return Ok(Some((arrived.at, value)));
                }
            }
            Ok(None)
        })
        .await;
        found.with_context(|| format!("messages so far: {:#?}", self.messages()))
    }

    /// Waits until the page would show `word`.
    ///
    /// # Errors
    /// When `deadline` passes first.
    pub async fn expect_status(
        &mut self,
        word: StatusWord,
        deadline: Duration,
    ) -> Result<(Instant, Status)> {
        let mut shown = self.shown;
        let what = format!("the status {word:?}");
        let found = self.expect(&what, deadline, |message| {
            let ServerMessage::Status(message) = message else {
                return None;
            };
            let version = (message.status.generation, message.status.sequence);
            if shown.is_some_and(|shown| version < shown) {
                return None;
            }
            shown = Some(version);
            (message.status.status == word).then(|| message.status.clone())
        });
        let found = found.await;
        self.shown = shown;
        found
    }

    /// Waits for the next samples.
    ///
    /// # Errors
    /// When `deadline` passes first.
    pub async fn expect_metrics(&mut self, deadline: Duration) -> Result<(Instant, Vec<Metrics>)> {
        let metrics = self.expect("metrics", deadline, |message| match message {
            ServerMessage::Metrics(metrics) => Some(metrics.samples.clone()),
            _ => None,
        });
        metrics.await
    }

    /// Waits for the news of an attempt that was turned away.
    ///
    /// # Errors
    /// When `deadline` passes first.
    pub async fn expect_refused(&mut self, deadline: Duration) -> Result<(Instant, Refused)> {
        let refused = self.expect("a refused attempt", deadline, |message| match message {
            ServerMessage::Refused(refused) => Some(refused.clone()),
            _ => None,
        });
        refused.await
    }

    /// Waits for the next event of a channel.
    ///
    /// # Errors
    /// When `deadline` passes first.
    pub async fn expect_event(
        &mut self,
        channel: &ChannelId,
        deadline: Duration,
    ) -> Result<(Instant, Event)> {
        let event = self.expect("an event", deadline, |message| match message {
            ServerMessage::Event(told) if told.channel_id == *channel => Some(told.event.clone()),
            _ => None,
        });
        event.await
    }

    /// Everything that came so far.
    #[must_use]
    pub fn messages(&self) -> Vec<Arrived> {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Every sample that came so far, in order.
    #[must_use]
    pub fn samples(&self) -> Vec<Metrics> {
        let messages = self.messages().into_iter();
        let samples = messages.filter_map(|arrived| match arrived.message {
            Ok(ServerMessage::Metrics(metrics)) => Some(metrics.samples),
            _ => None,
        });
        samples.flatten().collect()
    }

    /// Whether a status with this word ever came, in order or not.
    #[must_use]
    pub fn was_ever_sent(&self, word: StatusWord) -> bool {
        self.messages().iter().any(|arrived| {
            matches!(&arrived.message, Ok(ServerMessage::Status(sent)) if sent.status.status == word)
        })
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Opens the socket as the page at `origin` would.
///
/// # Errors
/// When the connection is refused.
pub async fn open(websocket: &str, origin: &str, ticket: &str) -> Result<Socket> {
    let mut url = url::Url::parse(websocket)?;
    url.query_pairs_mut().append_pair("ticket", ticket);
    let mut request = url.as_str().into_client_request()?;
    request
        .headers_mut()
        .insert("origin", HeaderValue::from_str(origin)?);
    let (socket, answer) = connect_async(request)
        .await
        .context("the WebSocket does not open")?;
    ensure!(
        answer.status().as_u16() == 101,
        "the WebSocket was answered {}",
        answer.status()
    );
    Ok(socket)
}

fn log_at(log: &Log, place: usize) -> Option<Arrived> {
    log.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(place)
        .cloned()
}

/// Reads until the socket ends. The log grows only as long as a story runs.
async fn read(mut socket: Socket, log: Log, canary: Canary) {
    while let Some(frame) = socket.next().await {
        let at = Instant::now();
        let message = match frame {
            Ok(Message::Text(text)) => understand(&text, &canary),
            Ok(Message::Ping(_) | Message::Pong(_)) => continue,
            Ok(other) => Err(format!("the socket gave {other:?}")),
            Err(error) => Err(format!("the socket broke: {error}")),
        };
        let arrived = Arrived { at, message };
        log.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(arrived);
    }
}

fn understand(text: &str, canary: &Canary) -> Result<ServerMessage, String> {
    canary
        .check("a WebSocket message", text)
        .map_err(|leak| leak.to_string())?;
    serde_json::from_str(text)
        .map_err(|error| format!("no message of the contract: {error}: {text}"))
}
