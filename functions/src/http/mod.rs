//! The HTTP API: routes, and what all of them have in common.
//!
//! Every answer is JSON, a problem of RFC 9457 or empty, and is never kept by a cache. Every
//! request leaves one log line: method, route as it is written here, status, user, duration; never
//! a path, a query or a body.
//!
//! Absent on purpose: CORS headers (the page comes from the same origin).

mod authenticate;
mod event;
mod extract;
mod handlers;
mod problem;

use std::sync::Arc;
use std::time::Instant;

use ::http::header::CACHE_CONTROL;
use ::http::{HeaderValue, Request};
use axum::Router;
use axum::body::Body;
use axum::extract::MatchedPath;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post};

use self::authenticate::Call;
pub(crate) use self::event::{answer, panicked};
use crate::Api;

/// All routes.
pub(crate) fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/v1/health", get(handlers::health))
        .route("/ingests", get(handlers::ingests))
        .route("/v1/key-reports", post(handlers::report_key))
        .merge(owners_routes(&api))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::not_found)
        .layer(from_fn(finish))
        .with_state(api)
}

/// The routes that need a token.
fn owners_routes(api: &Arc<Api>) -> Router<Arc<Api>> {
    Router::new()
        .route(
            "/v1/channels",
            get(handlers::list_channels).post(handlers::create_channel),
        )
        .route(
            "/v1/channels/{id}",
            get(handlers::read_channel)
                .patch(handlers::update_channel)
                .delete(handlers::delete_channel),
        )
        .route(
            "/v1/channels/{id}/stream-key",
            get(handlers::masked_stream_key).post(handlers::generate_stream_key),
        )
        .route(
            "/v1/channels/{id}/stream-key/reset",
            post(handlers::reset_stream_key),
        )
        .route(
            "/v1/channels/{id}/stream-key/reveal",
            post(handlers::reveal_stream_key),
        )
        .route("/v1/channels/{id}/disconnect", post(handlers::disconnect))
        .route("/v1/channels/{id}/hold", delete(handlers::lift_hold))
        .route("/v1/channels/{id}/status", get(handlers::status))
        .route("/v1/channels/{id}/sessions", get(handlers::sessions))
        .route("/v1/channels/{id}/events", get(handlers::events))
        .route("/v1/ingest-endpoints", get(handlers::ingest_endpoints))
        .route("/v1/websocket-tickets", post(handlers::websocket_ticket))
        .route_layer(from_fn_with_state(Arc::clone(api), authenticate::require))
}

/// Keeps answers out of caches and puts the request on record.
async fn finish(request: Request<Body>, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    let call = response.extensions().get::<Call>();
    tracing::info!(
        %method,
        route = route.as_ref().map_or("none", MatchedPath::as_str),
        status = response.status().as_u16(),
        user_id = call.map(|call| tracing::field::display(&call.caller.user_id)),
        duration_ms = began.elapsed().as_millis(),
        "request answered"
    );
    response
}
