//! Errors as problem details, and what of them goes to the log.

use ::http::header::{CONTENT_TYPE, RETRY_AFTER};
use ::http::{HeaderValue, StatusCode};
use axum::Json;
use axum::response::{IntoResponse, Response};
use contract::problem::{Code, Problem as Body};

use crate::chain::Chain;
use crate::keyring;
use crate::service::Error;

/// When an address that sent too much may try again: what it sends is counted by the minute.
const RETRY_AFTER_SECONDS: &str = "60";

/// A problem as an answer.
#[derive(Debug)]
pub(super) struct Problem(pub(super) Body);

pub(super) fn problem(code: Code, detail: impl Into<String>) -> Problem {
    Problem(Body::new(code, detail))
}

impl Problem {
    pub(super) fn in_field(self, field: &'static str) -> Self {
        Self(self.0.in_field(field))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.0)).into_response();
        let content_type = HeaderValue::from_static(contract::problem::CONTENT_TYPE);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        if status == StatusCode::TOO_MANY_REQUESTS {
            let seconds = HeaderValue::from_static(RETRY_AFTER_SECONDS);
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }
}

pub(super) async fn not_found() -> Problem {
    no_such_thing()
}

pub(super) async fn method_not_allowed() -> Problem {
    problem(
        Code::MethodNotAllowed,
        "this path does not take that method",
    )
}

pub(super) fn no_such_thing() -> Problem {
    problem(Code::NotFound, "there is no such thing here")
}

pub(super) fn internal() -> Problem {
    problem(
        Code::Internal,
        "something went wrong on our side; it is on record",
    )
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => no_such_thing(),
            Error::InvalidValue { field, detail } => {
                problem(Code::InvalidValue, detail).in_field(field)
            }
            Error::MalformedRequest { field, detail } => {
                problem(Code::MalformedRequest, detail).in_field(field)
            }
            Error::StreamKeyExists => problem(
                Code::StreamKeyExists,
                "the channel has a stream key already; reset it to get a new one",
            ),
            Error::NoStreamKey => problem(
                Code::NoStreamKey,
                "the channel has no stream key yet; generate one first",
            ),
            Error::Conflict => problem(
                Code::Conflict,
                "it was changed at the same time; read it again and decide anew",
            ),
            Error::TooManyChannels => problem(
                Code::TooManyChannels,
                format!(
                    "a user has at most {} channels; delete one first",
                    crate::service::channel::MAX_CHANNELS
                ),
            ),
            Error::ChannelIsLive => problem(
                Code::ChannelIsLive,
                "the channel is live; end the stream first",
            ),
            Error::StreamKeyRetired => problem(
                Code::StreamKeyRetired,
                "the stream key was reported as leaked and is dead; reset it to get a new one",
            ),
            Error::RequestInFlight => problem(
                Code::RequestInFlight,
                "a request with this Idempotency-Key is still being worked on; try again",
            ),
            Error::IdempotencyKeyReused => problem(
                Code::IdempotencyKeyReused,
                "this Idempotency-Key was used for another request; take a new one",
            ),
            Error::TooManyRequests => problem(
                Code::TooManyRequests,
                "too many of these from your address; try again in a minute",
            ),
            Error::Unavailable(_) => {
                tracing::warn!(error = %Chain(&error), "store unavailable");
                problem(Code::Unavailable, "the store is away; try again")
            }
            Error::Keyring(keyring::Error::Unavailable(_)) => {
                tracing::warn!(error = %Chain(&error), "KMS unavailable");
                let detail = "stream keys cannot be sealed or opened now; try again";
                problem(Code::Unavailable, detail)
            }
            Error::Store(_) | Error::Keyring(_) => {
                tracing::error!(error = %Chain(&error), "request failed");
                internal()
            }
        }
    }
}
