//! A dashboard's WebSocket: who may open it, and what its messages are answered.
//!
//! API Gateway keeps the sockets; a function is called for each event of one. Nothing can be
//! posted while `$connect` runs, and what a route returns is not sent to the page: the page sends
//! `hello` and the answer is posted to its connection.
//!
//! A socket ends when its token would. Nobody waits for that moment: from then on nothing is pushed
//! to it, its next message closes it (the page sends one each 25 s), and one that sends none falls to
//! the gateway's own limit, ten minutes without a message in either direction.
//!
//! Absent on purpose: changes through the socket; it only shows.

use std::time::Duration;

use contract::websocket::ServerMessage;
use domain::{Timestamp, UserId};
use store::{Connection, MAX_CONNECTIONS, Store};

use super::{Error, channel, ticket};
use crate::Websocket;
use crate::chain::Chain;

/// Longest life of a connection's record: API Gateway ends every socket after 2 h.
const MAX_LIFE: Duration = Duration::from_secs(2 * 60 * 60 + 10 * 60);
/// Stable code of the answer to a message that is none.
const UNKNOWN_ACTION: &str = "unknown_action";
/// Stable code of the answer to a connection that is not known (any more).
const UNKNOWN_CONNECTION: &str = "unknown_connection";

/// Why a socket is not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// The page's origin is not allowed.
    #[error("the origin is not allowed")]
    Origin,
    /// No ticket, or one that is not good.
    #[error("the ticket is not good")]
    Ticket,
    /// The user has as many open as are pushed to.
    #[error("the user has too many dashboards open")]
    TooMany,
    /// The store gave no answer.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// Lets a dashboard in. A client that sends no `Origin` is no browser and needs the ticket only.
pub(crate) async fn connect(
    websocket: &Websocket,
    connection_id: &str,
    origin: Option<&str>,
    given: Option<&str>,
    now: Timestamp,
) -> Result<(), Refused> {
    // First the origin: a page that is not ours must not use up somebody's ticket.
    if origin.is_some_and(|origin| !is_allowed(&websocket.allowed_origins, origin)) {
        return Err(Refused::Origin);
    }
    let given = given.ok_or(Refused::Ticket)?;
    let ticket = ticket::take(&websocket.store, given, now).await?;
    let ticket = ticket.ok_or(Refused::Ticket)?;
    let connection = Connection {
        id: connection_id.to_owned(),
        user_id: ticket.user_id,
        connected_at: now,
        expires_at: ticket.session_expires_at.min(now + MAX_LIFE),
    };
    admit(&websocket.store, &connection, now).await?;
    tracing::info!(user_id = %connection.user_id, connection_id, "dashboard connected");
    Ok(())
}

/// Notes a connection where its user may have one more. Two at the same moment may both be let in.
async fn admit(store: &Store, connection: &Connection, now: Timestamp) -> Result<(), Refused> {
    let open = store.connections_of(&connection.user_id, now).await;
    if open.map_err(Error::from)?.len() >= MAX_CONNECTIONS {
        return Err(Refused::TooMany);
    }
    let added = store.add_connection(connection).await;
    added.map_err(Error::from)?;
    Ok(())
}

/// Whose connection it is, where it may go on; None where that has been seen to.
async fn speaker(
    websocket: &Websocket,
    connection_id: &str,
    now: Timestamp,
) -> Result<Option<UserId>, Error> {
    match websocket.store.connection(connection_id).await? {
        Some(connection) if connection.expires_at > now => Ok(Some(connection.user_id)),
        Some(_) => {
            tracing::info!(connection_id, "dashboard's token has ended");
            if let Err(error) = websocket.notifier.close(connection_id).await {
                tracing::warn!(error = %Chain(&error), connection_id, "connection not closed");
            }
            Ok(None)
        }
        None => {
            let answer = ServerMessage::Error {
                code: UNKNOWN_CONNECTION.into(),
                detail: "this connection has ended; connect again with a new ticket".into(),
            };
            post(websocket, connection_id, &answer).await;
            Ok(None)
        }
    }
}

fn is_allowed(allowed: &[String], origin: &str) -> bool {
    allowed.iter().any(|one| one.eq_ignore_ascii_case(origin))
}

/// Posts everything there is to show.
pub(crate) async fn hello(
    websocket: &Websocket,
    connection_id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(user_id) = speaker(websocket, connection_id, now).await? else {
        return Ok(());
    };
    let snapshot = channel::snapshot(&websocket.store, &websocket.cache, &user_id, now).await?;
    post(websocket, connection_id, &ServerMessage::Snapshot(snapshot)).await;
    Ok(())
}

pub(crate) async fn ping(
    websocket: &Websocket,
    connection_id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    match speaker(websocket, connection_id, now).await {
        // A store that is away for a while ends no socket.
        Ok(Some(_)) | Err(Error::Unavailable(_)) => {
            post(websocket, connection_id, &ServerMessage::Pong).await;
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Answers what is neither `hello` nor `ping`.
pub(crate) async fn unknown(
    websocket: &Websocket,
    connection_id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    if speaker(websocket, connection_id, now).await?.is_some() {
        let answer = ServerMessage::Error {
            code: UNKNOWN_ACTION.into(),
            detail: "send {\"action\":\"hello\"} or {\"action\":\"ping\"}".into(),
        };
        post(websocket, connection_id, &answer).await;
    }
    Ok(())
}

/// Forgets a dashboard that is gone.
pub(crate) async fn disconnect(websocket: &Websocket, connection_id: &str) -> Result<(), Error> {
    let store = &websocket.store;
    if let Some(Connection { user_id, .. }) = store.connection(connection_id).await? {
        store.remove_connection(&user_id, connection_id).await?;
        tracing::info!(%user_id, connection_id, "dashboard disconnected");
    }
    Ok(())
}

/// A page that does not get its answer asks again or connects anew, so that a failure is logged
/// and no more.
async fn post(websocket: &Websocket, connection_id: &str, message: &ServerMessage) {
    match websocket.notifier.post(connection_id, message).await {
        Ok(()) => {}
        Err(notify::Error::Gone) => tracing::debug!(connection_id, "dashboard is gone"),
        Err(error) => {
            tracing::warn!(error = %Chain(&error), connection_id, "answer not posted");
        }
    }
}
