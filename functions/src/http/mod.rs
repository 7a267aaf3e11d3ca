//! The HTTP API: routes, and what all of them have in common.
//!
//! Every answer is JSON, a problem of RFC 9457 or empty, and is never kept by a cache. Every
//! request leaves one log line: method, route as it is written here, status, user, duration; never
//! a path, a query or a body.
//!
//! The API's description is made of the routes and of their handlers' types, and is itself a route.
//!
//! Absent on purpose: CORS headers (the page comes from the same origin).

mod answer;
mod authenticate;
mod describe;
mod document;
mod event;
mod extract;
mod handlers;
mod problem;
mod routes;

use std::sync::Arc;
use std::time::Instant;

use ::http::header::CACHE_CONTROL;
use ::http::{HeaderValue, Request};
use axum::body::Body;
use axum::extract::MatchedPath;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::{Extension, Router};
use contract::problem::Code;

use self::authenticate::Call;
pub(crate) use self::event::{answer, panicked};
use self::routes::{Routes, operation};
use crate::Api;

/// The API: all routes, and what their answers have in common.
pub(crate) fn router(api: Arc<Api>) -> Router {
    let (router, document) = routes(&api).finish();
    router
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::not_found)
        .layer(Extension(document))
        .layer(from_fn(finish))
        .with_state(api)
}

/// All routes, with the problems that their services come upon.
fn routes(api: &Arc<Api>) -> Routes {
    use Code::{
        ChannelIsLive, Conflict, InvalidValue, NoStreamKey, StreamKeyExists, TooManyChannels,
    };

    Routes::default()
        .get(
            "/v1/channels",
            handlers::list_channels,
            operation("listChannels", "The caller's channels."),
        )
        .post(
            "/v1/channels",
            handlers::create_channel,
            operation("createChannel", "Makes a channel.")
                .may_refuse(&[InvalidValue, TooManyChannels]),
        )
        .get(
            "/v1/channels/{id}",
            handlers::read_channel,
            operation("readChannel", "A channel, and whether it is live."),
        )
        .patch(
            "/v1/channels/{id}",
            handlers::update_channel,
            operation(
                "updateChannel",
                "Changes a channel's settings; what is absent stays.",
            )
            .may_refuse(&[InvalidValue, Conflict]),
        )
        .delete(
            "/v1/channels/{id}",
            handlers::delete_channel,
            operation("deleteChannel", "Removes a channel and its keys.")
                .may_refuse(&[ChannelIsLive, Conflict]),
        )
        .get(
            "/v1/channels/{id}/stream-key",
            handlers::masked_stream_key,
            operation(
                "maskedStreamKey",
                "Which stream key there is, without the key.",
            )
            .may_refuse(&[NoStreamKey]),
        )
        .post(
            "/v1/channels/{id}/stream-key",
            handlers::generate_stream_key,
            operation("generateStreamKey", "Makes the channel's first stream key.")
                .may_refuse(&[StreamKeyExists]),
        )
        .post(
            "/v1/channels/{id}/stream-key/reset",
            handlers::reset_stream_key,
            operation(
                "resetStreamKey",
                "Puts a new stream key in place of the present one.",
            )
            .may_refuse(&[InvalidValue, NoStreamKey, Conflict]),
        )
        .post(
            "/v1/channels/{id}/stream-key/reveal",
            handlers::reveal_stream_key,
            operation(
                "revealStreamKey",
                "The stream key itself. Each time is on record.",
            )
            .may_refuse(&[NoStreamKey, Conflict]),
        )
        .get(
            "/v1/channels/{id}/status",
            handlers::status,
            operation(
                "channelStatus",
                "The channel's status, with the last sample while it is live.",
            ),
        )
        .get(
            "/v1/channels/{id}/sessions",
            handlers::sessions,
            operation("listSessions", "The channel's broadcasts, newest first."),
        )
        .get(
            "/v1/ingest-endpoints",
            handlers::ingest_endpoints,
            operation(
                "listIngestEndpoints",
                "Where encoders may publish to, the nearest first.",
            ),
        )
        .post(
            "/v1/websocket-tickets",
            handlers::websocket_ticket,
            operation(
                "createWebsocketTicket",
                "A ticket for one connection to the WebSocket.",
            ),
        )
        // What is above needs a token, what is below does not.
        .need_a_token(api)
        .get(
            "/v1/health",
            handlers::health,
            operation("health", "Says that the function runs."),
        )
        .get(
            "/v1/openapi.json",
            document::description,
            operation("description", "This description."),
        )
        .get(
            "/ingests",
            handlers::ingests,
            operation(
                "ingests",
                "Where encoders may publish to, as OBS reads it from Twitch.",
            ),
        )
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
