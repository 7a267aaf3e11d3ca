//! The HTTP API: every request becomes one event for the function `api`, its answer the response.
//!
//! Absent on purpose: routes, tokens, CORS. The function decides; strangers' pages are not answered.

use std::net::{IpAddr, SocketAddr};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::event;
use super::function::{self, Function};

/// Largest body that reaches a function, in bytes. API Gateway takes 10 MB; no call of ours takes
/// more than 16 KiB, and the function says so itself up to here.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// What a function answers with (payload 2.0).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// Answers any request by asking the function.
pub(super) async fn handle(
    State(api): State<Function>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    };
    let event = build(&parts, peer.ip(), &body);
    match api.invoke(event).await {
        Ok(answer) => respond(answer),
        Err(error) => failed(&error),
    }
}

fn build(parts: &http::request::Parts, source: IpAddr, body: &Bytes) -> Value {
    event::http(&event::Http {
        method: &parts.method,
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        source,
        body,
        request_id: &super::random_id(),
        at: super::now(),
    })
}

/// A response from a function's answer. One without `statusCode` is itself the body, as API Gateway
/// has it.
fn respond(answer: Value) -> Response {
    if answer.get("statusCode").is_none() {
        return axum::Json(answer).into_response();
    }
    serde_json::from_value(answer)
        .ok()
        .and_then(spell)
        .unwrap_or_else(|| {
            tracing::error!("a function's answer is no HTTP response");
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        })
}

fn spell(answer: Answer) -> Option<Response> {
    let body = match (answer.body.unwrap_or_default(), answer.is_base64_encoded) {
        (text, false) => Body::from(text),
        (text, true) => Body::from(STANDARD.decode(text).ok()?),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status_code).ok()?;
    let headers = response.headers_mut();
    for (name, value) in answer.headers {
        let value = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        headers.insert(
            HeaderName::try_from(name).ok()?,
            HeaderValue::try_from(value).ok()?,
        );
    }
    for cookie in answer.cookies {
        headers.append(SET_COOKIE, HeaderValue::try_from(cookie).ok()?);
    }
    Some(response)
}

fn failed(error: &function::Error) -> Response {
    match error {
        function::Error::Failed(_) => {
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
        function::Error::TimedOut(_) | function::Error::Throttled => {
            message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
    }
}

/// What API Gateway itself says.
fn message(status: StatusCode, text: &str) -> Response {
    let content_type = HeaderValue::from_static("application/json");
    let body = json!({"message": text}).to_string();
    (status, [(CONTENT_TYPE, content_type)], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(response: Response) -> String {
        let body = to_bytes(response.into_body(), 1024).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn an_answer_becomes_status_headers_cookies_and_body() {
        let response = respond(json!({
            "statusCode": 201,
            "headers": {"content-type": "application/json", "x-count": 3},
            "cookies": ["a=1", "b=2"],
            "body": "e30=",
            "isBase64Encoded": true,
        }));
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["x-count"], "3");
        assert_eq!(response.headers().get_all(SET_COOKIE).iter().count(), 2);
        assert_eq!(text(response).await, "{}");
    }

    #[tokio::test]
    async fn an_answer_without_a_status_is_itself_the_body() {
        let response = respond(json!({"ok": true}));
        assert_eq!(response.status(), 200);
        assert_eq!(text(response).await, "{\"ok\":true}");
    }

    #[tokio::test]
    async fn an_answer_that_is_no_response_is_an_internal_error() {
        for answer in [
            json!({"statusCode": "many"}),
            json!({"statusCode": 200, "headers": {"a b": "c"}}),
            json!({"statusCode": 200, "body": "!", "isBase64Encoded": true}),
        ] {
            assert_eq!(respond(answer).status(), 500);
        }
    }
}
