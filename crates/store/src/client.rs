//! The bounds of every call to DynamoDB, and what its answers say of the time.

use std::fmt;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use domain::Timestamp;

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

/// Tells the store's own time, from the `Date` of each answer, to whoever wants to set a clock by it.
/// It is in whole seconds; how long the answer was under way is told with it.
pub struct DateObserver<F>(F);

/// When an attempt was sent.
#[derive(Debug)]
struct Sent(Instant);

impl Storable for Sent {
    type Storer = StoreReplace<Self>;
}

impl<F: Fn(Timestamp, Duration) + Send + Sync> DateObserver<F> {
    /// Calls `observe` for each answer that has a date.
    pub const fn new(observe: F) -> Self {
        Self(observe)
    }
}

impl<F> fmt::Debug for DateObserver<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DateObserver")
    }
}

impl<F: Fn(Timestamp, Duration) + Send + Sync> Intercept for DateObserver<F> {
    fn name(&self) -> &'static str {
        "DateObserver"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(Sent(Instant::now()));
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
        let millis = date.and_then(|date| u64::try_from(date.to_millis().ok()?).ok());
        let sent = config.load::<Sent>();
        if let Some((millis, Sent(sent))) = millis.zip(sent) {
            (self.0)(Timestamp::from_millis(millis), sent.elapsed());
        }
        Ok(())
    }
}
