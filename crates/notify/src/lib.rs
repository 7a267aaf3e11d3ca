//! Push to an owner's dashboards.

use std::time::Duration;

use aws_sdk_apigatewaymanagement::config::timeout::TimeoutConfig;
use contract::websocket::ServerMessage;
use domain::UserId;
use store::Store;

/// Longest attempt to post one message to one connection.
pub const POST_TIMEOUT: Duration = Duration::from_secs(1);

/// How fresh the list of the user's connections must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Every connection there is now.
    Fresh,
    /// A list at most two seconds old.
    Recent,
}

/// What became of a push.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pushed {
    /// Connections that took it.
    pub sent: usize,
    /// Connections that are no more, and were forgotten.
    pub gone: usize,
    /// Connections that could not be reached in time.
    pub failed: usize,
}

/// Why one message did not reach one connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection is no more.
    #[error("the connection is gone")]
    Gone,
    /// The message is over the limit.
    #[error("the message is too large")]
    TooLarge,
    /// The gateway was slow, away, or refused.
    #[error("the gateway did not take the message: {0}")]
    Failed(String),
}

/// Posts to dashboards. A cheap clone.
#[derive(Clone, Debug)]
pub struct Notifier {
    management: aws_sdk_apigatewaymanagement::Client,
    store: Store,
}

impl Notifier {
    /// A notifier that posts through `management`, built by [`client`].
    #[must_use]
    pub fn new(management: aws_sdk_apigatewaymanagement::Client, store: Store) -> Self {
        Self { management, store }
    }

    /// Sends a message to every dashboard of a user.
    pub async fn push(&self, user_id: &UserId, message: &ServerMessage, reach: Reach) -> Pushed {
        let _ = (user_id, message, reach, &self.store);
        Pushed::default()
    }

    /// Sends a message to one connection.
    ///
    /// # Errors
    /// [`enum@Error`].
    pub async fn post(&self, connection_id: &str, message: &ServerMessage) -> Result<(), Error> {
        let _ = (connection_id, message, &self.management);
        Err(Error::Failed("not there yet".into()))
    }
}

/// The gateway's management client with this crate's bounds.
#[must_use]
pub fn client(
    sdk: &aws_config::SdkConfig,
    management_url: &str,
) -> aws_sdk_apigatewaymanagement::Client {
    let config = aws_sdk_apigatewaymanagement::config::Builder::from(sdk)
        .endpoint_url(management_url)
        .timeout_config(
            TimeoutConfig::builder()
                .operation_timeout(POST_TIMEOUT)
                .build(),
        )
        .build();
    aws_sdk_apigatewaymanagement::Client::from_conf(config)
}
