//! Push to an owner's dashboards through the WebSocket gateway's `@connections` API.
//!
//! Edges push what they just wrote, the fan-out of the change stream pushes it again; both use this
//! crate. A push never fails its caller: what did not arrive is repaired by the next message or by
//! the page's own snapshot.
//!
//! Invariants:
//! - A push takes at most [`PUSH_TIMEOUT`], and a process has at most [`MAX_POSTS`] posts under way:
//!   a dashboard that does not read cannot hold up anybody else's.
//! - A connection that the gateway calls gone is forgotten, unless it may not be open yet
//!   ([`OPENING`]), and one that has expired is sent nothing.
//! - Nothing larger than [`contract::websocket::MAX_MESSAGE_BYTES`] is sent.
//!
//! Absent on purpose: queues and repetition. An old status is of no use; messages carry the order
//! that their receiver needs.

mod connections;
mod post;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_apigatewaymanagement::config::Builder;
use aws_sdk_apigatewaymanagement::config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::config::timeout::TimeoutConfig;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use connections::Connections;
use contract::websocket::{MAX_MESSAGE_BYTES, ServerMessage};
use domain::{Timestamp, UserId};
use futures_util::{StreamExt as _, stream};
pub use post::Error;
use store::{Connection, Store};
use tokio::sync::Semaphore;

/// Longest post to one connection, with the wait for a place among [`MAX_POSTS`] and both attempts.
/// The gateway answers in some ten milliseconds.
pub const POST_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest attempt of a post: so that a second one fits into [`POST_TIMEOUT`].
pub const POST_ATTEMPT_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a connection may be noted and not open yet. While its `$connect` is answered the gateway
/// calls it gone, and waits for that answer for 29 s (a quota of API Gateway).
pub const OPENING: Duration = Duration::from_secs(30);
/// Longest push, the look-up of the connections included. A status is to be seen within two
/// seconds; what takes longer is left to the repair.
pub const PUSH_TIMEOUT: Duration = Duration::from_secs(3);
/// Most posts under way in a process.
pub const MAX_POSTS: usize = 64;
/// Most posts under way for one push, so that one user's many dashboards leave room for others'.
pub const MAX_POSTS_OF_A_PUSH: usize = 16;

/// How fresh the list of the user's connections must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Every connection there is now: for changes of the status.
    Fresh,
    /// A list at most two seconds old (five where nobody was connected): for samples.
    Recent,
}

/// What became of a push.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pushed {
    /// Connections that took it.
    pub sent: usize,
    /// Connections that are no more, or are not open yet.
    pub gone: usize,
    /// Connections that did not take it, or not in time.
    pub failed: usize,
}

/// Posts to dashboards. A cheap clone: all share the list of recent connections and the bound on
/// posts under way.
#[derive(Clone, Debug)]
pub struct Notifier {
    management: aws_sdk_apigatewaymanagement::Client,
    connections: Connections,
    places: Arc<Semaphore>,
}

impl Notifier {
    /// A notifier that posts through `management`, which should be built by [`client`].
    #[must_use]
    pub fn new(management: aws_sdk_apigatewaymanagement::Client, store: Store) -> Self {
        Self {
            management,
            connections: Connections::new(store),
            places: Arc::new(Semaphore::new(MAX_POSTS)),
        }
    }

    /// Sends a message to every dashboard of a user whose connection has not expired at `now`.
    /// Trouble is logged, and counted in the answer where the connections are known.
    pub async fn push(
        &self,
        user_id: &UserId,
        message: &ServerMessage,
        reach: Reach,
        now: Timestamp,
    ) -> Pushed {
        let deadline = tokio::time::Instant::now() + PUSH_TIMEOUT;
        let Some(bytes) = encode(message) else {
            return Pushed::default();
        };
        let list = self.connections.of(user_id, reach, now);
        let Ok(Some(connections)) = tokio::time::timeout_at(deadline, list).await else {
            return Pushed::default();
        };
        // Collected first: a stream that holds the closure would make this future unfit for spawning.
        let posts: Vec<_> = connections
            .iter()
            .filter(|connection| connection.expires_at > now)
            .map(|connection| {
                let posted = self.post_to(connection, bytes.clone(), now);
                tokio::time::timeout_at(deadline, posted)
            })
            .collect();
        let mut posts = stream::iter(posts).buffer_unordered(MAX_POSTS_OF_A_PUSH);
        let mut pushed = Pushed::default();
        while let Some(posted) = posts.next().await {
            match posted {
                Ok(Ok(())) => pushed.sent += 1,
                Ok(Err(Error::Gone)) => pushed.gone += 1,
                Ok(Err(Error::TooLarge | Error::Failed(_))) | Err(_) => pushed.failed += 1,
            }
        }
        if pushed.failed > 0 {
            tracing::warn!(%user_id, failed = pushed.failed, sent = pushed.sent, "push incomplete");
        }
        pushed
    }

    async fn post_to(
        &self,
        connection: &Connection,
        bytes: Blob,
        now: Timestamp,
    ) -> Result<(), Error> {
        let posted = self.post_bytes(&connection.id, bytes).await;
        match &posted {
            Ok(()) | Err(Error::TooLarge) => {}
            // It misses nothing: what it shows first is read after it has opened.
            Err(Error::Gone) if now < connection.connected_at + OPENING => {}
            Err(Error::Gone) => self.connections.forget(connection).await,
            Err(error) => {
                let Connection { id, user_id, .. } = connection;
                tracing::debug!(%user_id, connection_id = id, %error, "post failed");
            }
        }
        posted
    }

    /// Sends a message to one connection. A connection that is gone is not forgotten here: whose it
    /// is is not known.
    ///
    /// # Errors
    /// [`enum@Error`].
    pub async fn post(&self, connection_id: &str, message: &ServerMessage) -> Result<(), Error> {
        let bytes = encode(message).ok_or(Error::TooLarge)?;
        self.post_bytes(connection_id, bytes).await
    }

    /// Closes a connection. One that is gone already counts as closed.
    ///
    /// # Errors
    /// [`Error::Failed`].
    pub async fn close(&self, connection_id: &str) -> Result<(), Error> {
        let request = self.management.delete_connection();
        let closed = request.connection_id(connection_id).send().await;
        match closed.map_err(|error| Error::of(&error)) {
            Ok(_) | Err(Error::Gone) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn post_bytes(&self, connection_id: &str, bytes: Blob) -> Result<(), Error> {
        let posted = async {
            // The semaphore is never closed; if it were, the bound would be gone and nothing else.
            let _place = self.places.acquire().await;
            let request = self.management.post_to_connection();
            request
                .connection_id(connection_id)
                .data(bytes)
                .send()
                .await
        };
        // The wait for a place counts: what comes too late is of no use.
        let answer = tokio::time::timeout(POST_TIMEOUT, posted).await;
        match answer {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Error::of(&error)),
            Err(_) => Err(Error::Failed("timed out".into())),
        }
    }
}

/// The message as the page reads it; None where it is too large to be sent.
fn encode(message: &ServerMessage) -> Option<Blob> {
    let bytes = match serde_json::to_vec(message) {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::error!(%error, "message cannot be written");
            return None;
        }
    };
    if bytes.len() > MAX_MESSAGE_BYTES {
        let (bytes, limit) = (bytes.len(), MAX_MESSAGE_BYTES);
        tracing::error!(bytes, limit, "message too large, not sent");
        return None;
    }
    Some(Blob::new(bytes))
}

/// The gateway's management client with this crate's bounds. `management_url` is where
/// `/@connections` is found.
#[must_use]
pub fn client(
    sdk: &aws_config::SdkConfig,
    management_url: &str,
) -> aws_sdk_apigatewaymanagement::Client {
    let config = Builder::from(sdk)
        .endpoint_url(management_url)
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(POST_ATTEMPT_TIMEOUT)
                .operation_attempt_timeout(POST_ATTEMPT_TIMEOUT)
                .operation_timeout(POST_TIMEOUT)
                .build(),
        )
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(2)
                .with_initial_backoff(Duration::from_millis(50)),
        )
        .build();
    aws_sdk_apigatewaymanagement::Client::from_conf(config)
}
