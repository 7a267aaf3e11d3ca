//! The WebSocket API: `$connect` before the upgrade, one event for each message, `$disconnect` at the
//! end.
//!
//! Each connection is one task that alone owns the socket: it reads, writes what others queued, and
//! waits for at most one running function call, during which it does not read (so a client that sends
//! faster than it is served is slowed down, not queued). As on AWS a function's answer to a message is
//! not sent to the client; functions post through `@connections`.
//!
//! Absent on purpose: deciding who may connect (the function does), and binary messages, which no part
//! of stream-sync sends.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::header::{HOST, USER_AGENT};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::connections::Place;
use super::function::Error;
use super::{Sockets, event, now, random_id};

/// Largest frame from a client, in bytes (API Gateway's limit).
pub(super) const MAX_FRAME_BYTES: usize = 32 * 1024;
/// Largest message from a client, of several frames, in bytes (API Gateway's limit).
pub(super) const MAX_MESSAGE_BYTES: usize = 128 * 1024;
/// Without a message in either direction for this long the connection ends (API Gateway's limit).
pub(super) const IDLE: Duration = Duration::from_secs(10 * 60);
/// No connection lives longer (API Gateway's limit).
pub(super) const MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);
/// A reader that does not take one message in this long is taken for gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to answer a closing handshake.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The routes there are besides `$default`: what `$request.body.action` may select.
const ROUTES: [&str; 2] = ["hello", "ping"];
const DEFAULT_ROUTE: &str = "$default";

/// How a connection ended.
#[derive(Clone, Copy, Debug)]
struct End {
    code: u16,
    reason: &'static str,
}

const CLOSED_BY_CLIENT: End = End {
    code: close_code::NORMAL,
    reason: "Connection Closed Normally",
};
const LOST: End = End {
    code: close_code::ABNORMAL,
    reason: "",
};
const GOING_AWAY: End = End {
    code: close_code::AWAY,
    reason: "Going away",
};
const TOO_LARGE: End = End {
    code: close_code::SIZE,
    reason: "Message too long",
};
const NOT_TEXT: End = End {
    code: close_code::UNSUPPORTED,
    reason: "Unsupported data",
};
const DELETED: End = End {
    code: close_code::NORMAL,
    reason: "Closed by the server",
};

/// Asks `$connect`; where it agrees, opens the connection.
pub(super) async fn upgrade(
    State(sockets): State<Sockets>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let room = sockets.connections.reserve();
    let Some(room) = room.filter(|_| !sockets.tracker.is_closed()) else {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    };
    let about = event::Connection {
        id: random_id(),
        domain: event::header(&headers, HOST).to_owned(),
        source: peer.ip(),
        user_agent: Some(event::header(&headers, USER_AGENT).to_owned())
            .filter(|agent| !agent.is_empty()),
        connected_at: now(),
    };
    let asked = event::connect(&about, &headers, &query.unwrap_or_default(), &random_id());
    if let Some(refusal) = refusal(sockets.function.invoke(asked).await) {
        return refusal.into_response();
    }
    let place = sockets.connections.open(room, about);
    // The task is owned from here on, also while the handshake is still on its way.
    let owned = sockets.tracker.token();
    upgrade
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .on_upgrade(move |socket| async move {
            let _owned = owned;
            Task {
                socket,
                place,
                sockets,
            }
            .run()
            .await;
        })
}

/// The status that a connection is refused with, or none where it may be.
fn refusal(answer: Result<Value, Error>) -> Option<StatusCode> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(Error::Throttled) => return Some(StatusCode::TOO_MANY_REQUESTS),
        Err(Error::Failed(_) | Error::TimedOut(_)) => {
            return Some(StatusCode::INTERNAL_SERVER_ERROR);
        }
    };
    let code = answer.get("statusCode").and_then(Value::as_u64)?;
    if code < 400 {
        return None;
    }
    let status = u16::try_from(code)
        .ok()
        .and_then(|code| StatusCode::from_u16(code).ok());
    Some(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
}

/// One connection.
struct Task {
    socket: WebSocket,
    place: Place,
    sockets: Sockets,
}

/// What the task does next.
enum Step {
    Received(Option<Result<Message, axum::Error>>),
    Queued(String),
    Answered(Result<(), Value>),
    Ended(End),
}

impl Task {
    async fn run(mut self) {
        let end = self.serve().await;
        self.close(end).await;
        let about = self.place.connection.about.clone();
        // Out of the list first: what is posted from here on is told that nobody listens.
        drop(self.place);
        let event = event::disconnect(&about, end.code, end.reason, &random_id(), now());
        // The function logged a failure; there is nobody else to tell.
        drop(self.sockets.function.invoke(event).await);
    }

    async fn serve(&mut self) -> End {
        let oldest = Instant::now() + MAX_AGE;
        let mut idle = Instant::now() + IDLE;
        let mut call: Option<BoxFuture<'static, Result<(), Value>>> = None;
        loop {
            let step = self.next(&mut call, oldest.min(idle)).await;
            let outcome = match step {
                Step::Ended(end) => Err(end),
                Step::Queued(text) => self.send(text).await,
                Step::Answered(Ok(())) => continue,
                Step::Answered(Err(failure)) => self.send(failure.to_string()).await,
                Step::Received(received) => match text_of(received) {
                    Err(end) => Err(end),
                    Ok(None) => continue,
                    Ok(Some(text)) => {
                        call = Some(self.invoke(&text));
                        Ok(())
                    }
                },
            };
            if let Err(end) = outcome {
                return end;
            }
            self.place.connection.touch(now());
            idle = Instant::now() + IDLE;
        }
    }

    async fn next(
        &mut self,
        call: &mut Option<BoxFuture<'static, Result<(), Value>>>,
        deadline: Instant,
    ) -> Step {
        let calling = call.is_some();
        let answer = async {
            match call.as_mut() {
                Some(running) => running.await,
                None => std::future::pending().await,
            }
        };
        let step = tokio::select! {
            biased;
            () = self.sockets.shutdown.cancelled() => Step::Ended(GOING_AWAY),
            () = self.place.connection.close.cancelled() => Step::Ended(DELETED),
            () = tokio::time::sleep_until(deadline) => Step::Ended(GOING_AWAY),
            answer = answer => Step::Answered(answer),
            Some(text) = self.place.queue.recv() => Step::Queued(text),
            received = self.socket.recv(), if !calling => Step::Received(received),
        };
        if matches!(step, Step::Answered(_)) {
            *call = None;
        }
        step
    }

    /// Starts the function call that a message is for. Fails with what API Gateway tells the client.
    fn invoke(&self, text: &str) -> BoxFuture<'static, Result<(), Value>> {
        let request_id = random_id();
        let about = &self.place.connection.about;
        let event = event::message(about, route(text), text, &request_id, now());
        let function = self.sockets.function.clone();
        let connection_id = about.id.clone();
        async move {
            function.invoke(event).await.map(drop).map_err(|_logged| {
                json!({
                    "message": "Internal server error",
                    "connectionId": connection_id,
                    "requestId": request_id,
                })
            })
        }
        .boxed()
    }

    async fn send(&mut self, text: String) -> Result<(), End> {
        let sent = timeout(SEND_TIMEOUT, self.socket.send(Message::Text(text.into())));
        match sent.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(LOST),
        }
    }

    /// Says why, where the client is still there. What was queued goes first: the last status of a
    /// stack that stops is worth more than the moment it takes.
    async fn close(&mut self, end: End) {
        if end.code == LOST.code {
            return;
        }
        let closing = async {
            while let Ok(text) = self.place.queue.try_recv() {
                self.socket.send(Message::Text(text.into())).await?;
            }
            let frame = CloseFrame {
                code: end.code,
                reason: end.reason.into(),
            };
            self.socket.send(Message::Close(Some(frame))).await?;
            while let Some(Ok(_)) = self.socket.recv().await {}
            Ok::<(), axum::Error>(())
        };
        // A client that does not answer is left; it is gone either way.
        drop(timeout(CLOSE_TIMEOUT, closing).await);
    }
}

/// The text of a message, none for what the protocol itself answers, or how the connection ended.
fn text_of(received: Option<Result<Message, axum::Error>>) -> Result<Option<String>, End> {
    match received {
        Some(Ok(Message::Text(text))) => Ok(Some(text.as_str().to_owned())),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Ok(Message::Binary(_))) => Err(NOT_TEXT),
        Some(Ok(Message::Close(_))) => Err(CLOSED_BY_CLIENT),
        Some(Err(error)) if is_too_large(&error) => Err(TOO_LARGE),
        Some(Err(_)) | None => Err(LOST),
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref())
        .is_some_and(|error| matches!(error, tokio_tungstenite::tungstenite::Error::Capacity(_)))
}

/// The route that `$request.body.action` selects.
fn route(text: &str) -> &'static str {
    let body: Option<Value> = serde_json::from_str(text).ok();
    let action = body.as_ref().and_then(|body| body.get("action")?.as_str());
    ROUTES
        .into_iter()
        .find(|route| Some(*route) == action)
        .unwrap_or(DEFAULT_ROUTE)
}
