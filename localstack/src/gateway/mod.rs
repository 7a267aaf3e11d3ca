//! API Gateway on one machine: HTTP API, WebSocket API and `@connections` in front of the functions.
//!
//! It speaks the real event shapes ([`event`]) to whatever a [`Function`] runs, so the functions are
//! the very ones that run on AWS. Everything on this listener answers only to the host names that it
//! was given: a stranger's page that had its name point at this machine gets nothing. `@connections` is
//! apart, because only this machine may reach it: whoever does may speak to any dashboard.
//!
//! Absent on purpose: CORS, TLS, and any decision about who may do what.

mod connections;
pub(crate) mod event;
mod function;
mod http_api;
mod management;
#[cfg(test)]
mod tests;
mod websocket;

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use domain::Timestamp;
use http::StatusCode;
use http::header::HOST;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use connections::{Connections, MAX_CONNECTIONS};
pub(crate) use function::Function;

/// Where `@connections` answers below the listener's address.
pub(crate) const MANAGEMENT_PATH: &str = "/management";
/// Where the WebSocket is.
pub(crate) const WEBSOCKET_PATH: &str = "/ws";

/// The names that are always this machine's own.
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// What every WebSocket connection needs.
#[derive(Clone, Debug)]
struct Sockets {
    function: Function,
    connections: Connections,
    shutdown: CancellationToken,
    tracker: TaskTracker,
}

/// The gateway of one stack.
#[derive(Debug)]
pub(crate) struct Gateway {
    api: Function,
    sockets: Sockets,
}

impl Gateway {
    /// A gateway in front of the functions `api` and `websocket`.
    pub(crate) fn new(api: Function, websocket: Function) -> Self {
        Self::with_room_for(MAX_CONNECTIONS, api, websocket)
    }

    fn with_room_for(connections: usize, api: Function, websocket: Function) -> Self {
        Self {
            api,
            sockets: Sockets {
                function: websocket,
                connections: Connections::new(connections),
                shutdown: CancellationToken::new(),
                tracker: TaskTracker::new(),
            },
        }
    }

    /// Its routes, without `@connections`.
    pub(crate) fn routes(&self) -> Router {
        let http_api = Router::new()
            .route("/v1/{*path}", any(http_api::handle))
            .route("/ingests", any(http_api::handle))
            .with_state(self.api.clone());
        let sockets = Router::new()
            .route(WEBSOCKET_PATH, get(websocket::upgrade))
            .with_state(self.sockets.clone());
        http_api.merge(sockets)
    }

    /// `@connections`.
    pub(crate) fn management_routes(&self) -> Router {
        let management = get(management::get)
            .post(management::post)
            .delete(management::delete);
        Router::new()
            .route(
                &format!("{MANAGEMENT_PATH}/@connections/{{id}}"),
                management,
            )
            // One byte more than is taken, so that the answer is the one API Gateway gives.
            .layer(DefaultBodyLimit::max(management::MAX_MESSAGE_BYTES + 1))
            .with_state(self.sockets.connections.clone())
    }

    /// Closes every WebSocket and waits until each has been told and `$disconnect` has run.
    pub(crate) async fn close_sockets(&self) {
        self.sockets.shutdown.cancel();
        self.sockets.tracker.close();
        self.sockets.tracker.wait().await;
    }
}

/// Answers on `listener` until `shutdown`, to requests for this host name or this machine's own ones.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: Router,
    host: &str,
    shutdown: CancellationToken,
) {
    let host = host.to_ascii_lowercase();
    let app = routes
        .layer(from_fn_with_state(host, only_known_hosts))
        .into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, app).with_graceful_shutdown(shutdown.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the gateway's listener failed");
    }
}

async fn only_known_hosts(State(given): State<String>, request: Request, next: Next) -> Response {
    let host = event::header(request.headers(), HOST).to_ascii_lowercase();
    let name = without_port(&host);
    if name == given || OWN_NAMES.contains(&name) {
        return next.run(request).await;
    }
    let words = format!("This address answers to {given}, localhost and 127.0.0.1 only.\n");
    (StatusCode::MISDIRECTED_REQUEST, words).into_response()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// An id of the form that API Gateway gives to requests and connections: 88 random bits.
pub(crate) fn random_id() -> String {
    let random: [u8; 11] = rand::random();
    URL_SAFE.encode(random)
}

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
