//! The Lambda Runtime API of one instance: what its program asks and says, as messages to the instance's
//! owner, who alone decides what is accepted.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::event::Event;
use super::{Error, MAX_PAYLOAD_BYTES};

/// Messages that may wait for the owner: a program has one connection and asks one thing at a time.
pub(super) const MAX_SAID: usize = 4;
/// What of an error's text is kept, in characters.
const MAX_ERROR_CHARACTERS: usize = 1024;

/// What a program asks or says.
#[derive(Debug)]
pub(super) enum Said {
    /// It wants an event. Also says that it has begun, or is done with the last one.
    Next(oneshot::Sender<Event>),
    /// It has answered the event of this id. Whoever reads this says whether that is the one it has.
    Answered {
        request_id: String,
        answer: Result<Bytes, Error>,
        taken: oneshot::Sender<bool>,
    },
    /// It cannot begin.
    CannotBegin(String),
}

/// The routes, which tell `owner`.
pub(super) fn routes(owner: mpsc::Sender<Said>) -> Router {
    const ROOT: &str = "/2018-06-01/runtime";
    Router::new()
        .route(&format!("{ROOT}/invocation/next"), get(next))
        .route(
            &format!("{ROOT}/invocation/{{id}}/response"),
            post(response),
        )
        .route(&format!("{ROOT}/invocation/{{id}}/error"), post(error))
        .route(&format!("{ROOT}/init/error"), post(init_error))
        .layer(DefaultBodyLimit::max(MAX_PAYLOAD_BYTES))
        .with_state(owner)
}

async fn next(State(owner): State<mpsc::Sender<Said>>) -> Response {
    let (sender, event) = oneshot::channel();
    if owner.send(Said::Next(sender)).await.is_err() {
        return ended();
    }
    event.await.map_or_else(|_| ended(), Event::into_response)
}

async fn response(
    State(owner): State<mpsc::Sender<Said>>,
    Path(request_id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let too_large = body.is_err();
    let answer = body.map_err(|_| Error::TooLarge("answer"));
    let taken = answered(&owner, request_id, answer).await;
    match (taken, too_large) {
        (Taken::Yes, true) => refusal(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
        (taken, _) => taken.into_response(),
    }
}

async fn error(
    State(owner): State<mpsc::Sender<Said>>,
    Path(request_id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let failed = Error::Failed(words(body.ok().as_deref()));
    let taken = answered(&owner, request_id, Err(failed)).await;
    taken.into_response()
}

async fn init_error(
    State(owner): State<mpsc::Sender<Said>>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let said = Said::CannotBegin(words(body.ok().as_deref()));
    match owner.send(said).await {
        Ok(()) => Taken::Yes.into_response(),
        Err(_) => ended(),
    }
}

/// What became of an answer.
enum Taken {
    Yes,
    /// It is for an event that the instance does not have.
    No,
    /// Nobody listens any more.
    Ended,
}

impl IntoResponse for Taken {
    fn into_response(self) -> Response {
        match self {
            Self::Yes => (StatusCode::ACCEPTED, Json(json!({"status": "OK"}))).into_response(),
            Self::No => refusal(StatusCode::BAD_REQUEST, "InvalidRequestID"),
            Self::Ended => ended(),
        }
    }
}

async fn answered(
    owner: &mpsc::Sender<Said>,
    request_id: String,
    answer: Result<Bytes, Error>,
) -> Taken {
    let (taken, is_taken) = oneshot::channel();
    let said = Said::Answered {
        request_id,
        answer,
        taken,
    };
    if owner.send(said).await.is_err() {
        return Taken::Ended;
    }
    match is_taken.await {
        Ok(true) => Taken::Yes,
        Ok(false) => Taken::No,
        Err(_) => Taken::Ended,
    }
}

/// The instance is being ended.
fn ended() -> Response {
    refusal(StatusCode::GONE, "InstanceEnded")
}

fn refusal(status: StatusCode, kind: &str) -> Response {
    let body = json!({"errorType": kind, "errorMessage": status.to_string()});
    (status, Json(body)).into_response()
}

/// The text of an error as runtimes report it.
fn words(body: Option<&[u8]>) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Report {
        error_message: String,
    }
    let report = body.and_then(|body| serde_json::from_slice::<Report>(body).ok());
    match report {
        Some(report) => report
            .error_message
            .chars()
            .take(MAX_ERROR_CHARACTERS)
            .collect(),
        None => "it did not say why".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errors_text_is_bounded_and_may_be_missing() {
        let long = json!({"errorMessage": "x".repeat(5_000), "errorType": "Error"}).to_string();
        assert_eq!(words(Some(long.as_bytes())).len(), MAX_ERROR_CHARACTERS);
        for none in [None, Some(&b"no JSON"[..]), Some(b"{}")] {
            assert_eq!(words(none), "it did not say why");
        }
    }
}
