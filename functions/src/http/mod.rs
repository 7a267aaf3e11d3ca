//! The HTTP API: routes, and what all of them have in common.
//!
//! Every answer is JSON, a problem of RFC 9457 or empty, and is never kept by a cache. Every
//! request leaves one log line: method, route as it is written here, status, user, duration; never
//! a path, a query or a body.
//!
//! The API's description is made of its routes and of their handlers' types, and is itself a route.
//!
//! Absent on purpose: CORS headers (the page comes from the same origin).

mod answer;
mod authenticate;
mod body;
mod describe;
mod document;
mod event;
mod extract;
mod handlers;
mod problem;
mod query;
mod router;
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

use self::authenticate::Call;
pub(crate) use self::event::{answer, panicked};
use crate::Api;

/// All routes, and what their answers have in common.
pub(crate) fn router(api: Arc<Api>) -> Router {
    let (router, document) = routes::routes(&api).finish();
    router
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::not_found)
        .layer(Extension(document))
        .layer(from_fn(finish))
        .with_state(api)
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
