//! `@connections`: how the rest of the system reaches an open WebSocket (POST, GET, DELETE).
//!
//! Spoken by the ordinary management client. As on AWS an unknown id is 410 Gone, a full queue 429,
//! and a call that is not signed 403: the signature is not verified here, but a page of a stranger
//! cannot send the header without asking first, and nobody answers such a question.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::connections::{Connections, NotTaken};
use super::event;

/// Largest message to a client, in bytes (API Gateway's own limit).
pub(super) const MAX_MESSAGE_BYTES: usize = 128 * 1024;

/// Sends a message.
pub(super) async fn post(
    State(connections): State<Connections>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_signed(&headers) {
        return not_signed();
    }
    if body.len() > MAX_MESSAGE_BYTES {
        return error(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException");
    }
    let Ok(text) = String::from_utf8(body.into()) else {
        return error(StatusCode::BAD_REQUEST, "BadRequestException");
    };
    let posted = connections
        .find(&id)
        .ok_or(NotTaken::Gone)
        .and_then(|connection| connection.post(text));
    match posted {
        Ok(()) => StatusCode::OK.into_response(),
        Err(NotTaken::Gone) => gone(),
        Err(NotTaken::Full) => error(StatusCode::TOO_MANY_REQUESTS, "LimitExceededException"),
    }
}

/// Says since when it is connected, and from where.
pub(super) async fn get(
    State(connections): State<Connections>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !is_signed(&headers) {
        return not_signed();
    }
    match connections.find(&id) {
        None => gone(),
        Some(connection) => axum::Json(json!({
            "connectedAt": connection.about.connected_at,
            "identity": {
                "sourceIp": connection.about.source.to_string(),
                "userAgent": connection.about.user_agent,
            },
            "lastActiveAt": connection.last_active(),
        }))
        .into_response(),
    }
}

/// Closes it.
pub(super) async fn delete(
    State(connections): State<Connections>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !is_signed(&headers) {
        return not_signed();
    }
    match connections.find(&id) {
        None => gone(),
        Some(connection) => {
            connection.close.cancel();
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

fn is_signed(headers: &HeaderMap) -> bool {
    event::header(headers, AUTHORIZATION).starts_with("AWS4-HMAC-SHA256 ")
}

fn not_signed() -> Response {
    error(StatusCode::FORBIDDEN, "ForbiddenException")
}

fn gone() -> Response {
    error(StatusCode::GONE, "GoneException")
}

fn error(status: StatusCode, kind: &'static str) -> Response {
    let body: Value = json!({"message": status.canonical_reason()});
    (status, [("x-amzn-errortype", kind)], axum::Json(body)).into_response()
}
