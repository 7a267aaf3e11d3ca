//! The Lambda functions: `api` (HTTP), `websocket` (the dashboards' sockets), `status-fanout` (the
//! change streams: repair, session log, event log), `reaper` (what no edge is left to finish).
//!
//! A [`Function`] takes a real Lambda event as JSON and gives the JSON that Lambda expects. The
//! binaries run it under the Lambda runtime; the local stack calls it from its gateway: same code,
//! same JSON. Data flows from the event through `http` (parse) to `service` (load, decide in
//! `domain`, write conditionally) to `store`.
//!
//! Invariants:
//! - The clock is read once for each invocation, in [`Function::invoke`].
//! - Nobody reads or changes what is another user's; it is not even said to exist.
//! - A stream key is in the answer to its owner and in no log line, error or panic message.
//! - Whatever is sent to the HTTP API is answered with a problem of a stable code or with success.

mod authenticator;
mod chain;
mod function;
mod http;
mod keyring;
mod service;
mod settings;
pub mod startup;
mod stream;
mod websocket;

use notify::Notifier;
use store::Store;
use store::cache::Cache;

pub use authenticator::{Authenticator, Caller, InvalidUrl, Rejection};
pub use function::{Error, Function};
pub use keyring::{Error as KeyringError, InvalidFile as InvalidKeyFile, Keyring};
pub use settings::Settings;

/// Everything that any of the functions uses; built once.
#[derive(Clone, Debug)]
pub struct Services {
    /// What is kept.
    pub store: Store,
    /// What makes look-ups cheap.
    pub cache: Cache,
    /// The way to the dashboards.
    pub notifier: Notifier,
    /// Seals stream keys.
    pub keyring: Keyring,
    /// Says who calls.
    pub authenticator: Authenticator,
    /// The deployment's choices.
    pub settings: Settings,
}

/// What `api` has a right to.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) cache: Cache,
    pub(crate) keyring: Keyring,
    pub(crate) authenticator: Authenticator,
    pub(crate) settings: Settings,
}

/// What `websocket` has a right to.
#[derive(Clone, Debug)]
pub(crate) struct Websocket {
    pub(crate) store: Store,
    pub(crate) cache: Cache,
    pub(crate) notifier: Notifier,
    pub(crate) allowed_origins: Vec<String>,
}

/// What `status-fanout` has a right to.
#[derive(Clone, Debug)]
pub(crate) struct StatusFanout {
    pub(crate) store: Store,
    pub(crate) notifier: Notifier,
}

/// The HTTP API: takes events of an HTTP API with payload format 2.0.
#[must_use]
pub fn api(services: Services) -> Function {
    Function::api(Api {
        store: services.store,
        cache: services.cache,
        keyring: services.keyring,
        authenticator: services.authenticator,
        settings: services.settings,
    })
}

/// The dashboards' sockets: takes `$connect`, `$disconnect` and message events of a WebSocket API.
#[must_use]
pub fn websocket(services: Services) -> Function {
    Function::websocket(Websocket {
        store: services.store,
        cache: services.cache,
        notifier: services.notifier,
        allowed_origins: services.settings.allowed_origins,
    })
}

/// The change streams of live items, refused attempts and audit records: takes DynamoDB stream events
/// with new and old images.
#[must_use]
pub fn status_fanout(services: Services) -> Function {
    Function::status_fanout(StatusFanout {
        store: services.store,
        notifier: services.notifier,
    })
}

/// What no edge is left to finish: takes any scheduled event.
#[must_use]
pub fn reaper(services: Services) -> Function {
    Function::reaper(services.store)
}
