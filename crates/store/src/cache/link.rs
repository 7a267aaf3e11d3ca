//! The connections to Redis, kept by one task, and the breaker in front of them.
//!
//! There is a connection for commands and one that listens. While there is none a call ends at
//! once: the breaker is open. It opens when calls fail in a row, when either connection ends, or
//! when the listening one no longer answers; from then on only the task tries, once a second, and a
//! call is spared the wait. Both connections are made anew then: a peer that went away without a
//! word leaves a connection that no timeout of a call would end.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult};
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Control;
use super::entry::{CONTROL_CHANNEL, read_control};
use super::near::Near;

/// Longest attempt to connect, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the breaker stays open before the next attempt.
const OPEN_FOR: Duration = Duration::from_secs(1);
/// Failures in a row that open the breaker: one or two may be a hiccup.
const FAILURES_TO_OPEN: u32 = 3;
/// How often the listening connection is asked whether it is alive.
const PING_EVERY: Duration = Duration::from_secs(10);
/// What Redis says of an entry that is no text, or no hash.
const WRONG_TYPE: &str = "WRONGTYPE";
/// Least time between two warnings about the same trouble.
const WARN_EVERY: Duration = Duration::from_secs(30);

pub(super) struct Link {
    client: Client,
    call_timeout: Duration,
    /// None while the breaker is open.
    connection: RwLock<Option<MultiplexedConnection>>,
    failures: AtomicU32,
    broken: Notify,
    near: Arc<Near>,
}

impl std::fmt::Debug for Link {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

/// Two fresh connections.
struct Connected {
    commands: MultiplexedConnection,
    listening: (PubSubSink, PubSubStream),
}

impl Link {
    pub(super) fn new(client: Client, call_timeout: Duration, near: Arc<Near>) -> Self {
        Self {
            client,
            call_timeout,
            connection: RwLock::new(None),
            failures: AtomicU32::new(0),
            broken: Notify::new(),
            near,
        }
    }

    /// Makes a call. None where Redis is away, slow, or refuses.
    pub(super) async fn call<T>(
        &self,
        operation: &'static str,
        call: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    ) -> Option<T> {
        let connection = self.connection();
        match timeout(self.call_timeout, call(connection?)).await {
            Ok(Ok(answer)) => {
                self.failures.store(0, Ordering::Relaxed);
                Some(answer)
            }
            // Somebody else's entry under our name: Redis is well.
            Ok(Err(error)) if error.code() == Some(WRONG_TYPE) => None,
            Ok(Err(error)) => {
                let reason = reason(&error);
                tracing::debug!(operation, reason, "cache call failed");
                self.count_failure()
            }
            Err(_) => {
                tracing::debug!(operation, "cache call timed out");
                self.count_failure()
            }
        }
    }

    fn connection(&self) -> Option<MultiplexedConnection> {
        let held = self.connection.read();
        held.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_connection(&self, connection: Option<MultiplexedConnection>) {
        let held = self.connection.write();
        *held.unwrap_or_else(PoisonError::into_inner) = connection;
    }

    fn count_failure<T>(&self) -> Option<T> {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures == FAILURES_TO_OPEN {
            self.set_connection(None);
            self.broken.notify_one();
        }
        None
    }

    /// Keeps the connections until `stop`. Says `tried` after the first attempt.
    pub(super) async fn keep(
        &self,
        controls: broadcast::Sender<Control>,
        tried: watch::Sender<bool>,
        stop: CancellationToken,
    ) {
        let mut warned: Option<Instant> = None;
        let kept = stop.run_until_cancelled(async {
            loop {
                let reason = match self.connect().await {
                    Ok(listening) => {
                        tried.send_replace(true);
                        tracing::info!("cache connected");
                        self.listen(listening, &controls).await
                    }
                    Err(reason) => reason,
                };
                self.set_connection(None);
                tried.send_replace(true);
                if warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
                    warned = Some(Instant::now());
                    tracing::warn!(reason, "cache is away; going on without it");
                }
                tokio::time::sleep(OPEN_FOR).await;
            }
        });
        kept.await;
        self.set_connection(None);
    }

    /// Makes both connections and closes the breaker.
    async fn connect(&self) -> Result<(PubSubSink, PubSubStream), &'static str> {
        let connected = timeout(CONNECT_TIMEOUT, self.connections()).await;
        let connected = connected.map_err(|_| "connecting timed out")?;
        let connected = connected.map_err(|error| reason(&error))?;
        // A failure that was told about the connections before these is no longer of interest.
        let _ = timeout(Duration::ZERO, self.broken.notified()).await;
        self.failures.store(0, Ordering::Relaxed);
        // Whatever was said while nobody listened was missed.
        self.near.begin_round();
        self.set_connection(Some(connected.commands));
        Ok(connected.listening)
    }

    async fn connections(&self) -> RedisResult<Connected> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(self.call_timeout));
        let commands = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let (mut sink, stream) = self.client.get_async_pubsub().await?.split();
        sink.subscribe(CONTROL_CHANNEL).await?;
        Ok(Connected {
            commands,
            listening: (sink, stream),
        })
    }

    /// Passes messages on until the link is broken; says why.
    async fn listen(
        &self,
        (mut sink, mut stream): (PubSubSink, PubSubStream),
        controls: &broadcast::Sender<Control>,
    ) -> &'static str {
        let mut pings = tokio::time::interval(PING_EVERY);
        loop {
            tokio::select! {
                message = stream.next() => match message {
                    Some(message) => self.hear(message.get_payload_bytes(), controls),
                    None => return "the listening connection ended",
                },
                () = self.broken.notified() => return "calls fail in a row",
                _ = pings.tick() => match timeout(CONNECT_TIMEOUT, sink.ping::<redis::Value>()).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(_)) | Err(_) => return "the listening connection is silent",
                },
            }
        }
    }

    fn hear(&self, payload: &[u8], controls: &broadcast::Sender<Control>) {
        self.near.begin_round();
        match read_control(payload) {
            // Nobody listening is no fault.
            Some(control) => drop(controls.send(control)),
            None => tracing::debug!("control message could not be read"),
        }
    }
}

/// The kind of an error: constant words, because messages may quote what was sent.
fn reason(error: &RedisError) -> &'static str {
    if error.is_timeout() {
        "timed out"
    } else if error.is_connection_refusal() {
        "connection refused"
    } else if error.is_io_error() {
        "connection lost"
    } else {
        "refused by the server"
    }
}
