//! The bounds of every call to DynamoDB.

use std::time::Duration;

use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;

/// Longest wait for a connection: within an attempt, so that a store that cannot be reached is
/// told from one that is slow.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(300);
/// Longest attempt. A lease's call must leave time for a second try within its heartbeat.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(400);
/// Longest call with all its attempts: below the heartbeat's second. The client itself has no such
/// bound.
pub const OPERATION_TIMEOUT: Duration = Duration::from_millis(900);
/// Most attempts of one call; those that fail at once still fit into [`OPERATION_TIMEOUT`].
pub const MAX_ATTEMPTS: u32 = 4;
/// First wait between attempts (the client draws between zero and this, then doubles it).
pub const INITIAL_BACKOFF: Duration = Duration::from_millis(25);
/// Longest wait between attempts.
pub const MAX_BACKOFF: Duration = Duration::from_millis(200);

/// The DynamoDB client's configuration with this crate's bounds, for reads and writes alike. The
/// caller may add an endpoint or an HTTP client before it builds the client.
#[must_use]
pub fn config_for(sdk: &aws_config::SdkConfig) -> Builder {
    Builder::from(sdk)
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .operation_timeout(OPERATION_TIMEOUT)
                .build(),
        )
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(MAX_ATTEMPTS)
                .with_initial_backoff(INITIAL_BACKOFF)
                .with_max_backoff(MAX_BACKOFF),
        )
}
