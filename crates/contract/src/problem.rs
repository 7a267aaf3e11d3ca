//! Errors of the HTTP API: RFC 9457 problem details with a stable `code`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The media type that goes with [`Problem`].
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What the caller may read of an error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
pub struct Problem {
    /// Always `about:blank`: `code` says which problem it is.
    #[schemars(extend("const" = "about:blank"))]
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status in words.
    pub title: String,
    /// The HTTP status.
    #[schemars(range(min = 400, max = 599))]
    pub status: u16,
    /// What is wrong with this request and what to do about it.
    pub detail: String,
    /// Stable: programs decide on it.
    pub code: Code,
    /// The field of the request that is wrong, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// Stable codes of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ProblemCode")]
pub enum Code {
    /// 401: no token, or one that is not valid here.
    Unauthenticated,
    /// 404: there is no such thing, or it is not the caller's.
    NotFound,
    /// 405: the path exists, the method does not.
    MethodNotAllowed,
    /// 400: the body is not the JSON that this call takes.
    MalformedBody,
    /// 400: a query parameter or header cannot be read.
    MalformedRequest,
    /// 413: the body is larger than any call takes.
    BodyTooLarge,
    /// 415: the body is not `application/json`.
    UnsupportedMediaType,
    /// 422: a field's value is out of its bounds.
    InvalidValue,
    /// 409: the channel has a stream key already; reset it instead.
    StreamKeyExists,
    /// 409: the channel has no stream key yet; generate one first.
    NoStreamKey,
    /// 409: somebody changed the same thing at the same time; read it again and decide anew.
    Conflict,
    /// 409: the user has as many channels as are allowed.
    TooManyChannels,
    /// 409: the channel is live; end the stream first.
    ChannelIsLive,
    /// 409: the stream key was reported as leaked and is dead; reset it.
    StreamKeyRetired,
    /// 409: a request with the same `Idempotency-Key` is still being worked on; try again.
    RequestInFlight,
    /// 422: the `Idempotency-Key` was used for another request.
    IdempotencyKeyReused,
    /// 429: too many of these from one address; try again after `Retry-After`.
    TooManyRequests,
    /// 500: our fault; the log says more.
    Internal,
    /// 503: the store is away; try again.
    Unavailable,
}

impl Code {
    /// The HTTP status that goes with it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::MalformedBody | Self::MalformedRequest => 400,
            Self::Unauthenticated => 401,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::StreamKeyExists
            | Self::NoStreamKey
            | Self::Conflict
            | Self::TooManyChannels
            | Self::ChannelIsLive
            | Self::StreamKeyRetired
            | Self::RequestInFlight => 409,
            Self::BodyTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::InvalidValue | Self::IdempotencyKeyReused => 422,
            Self::TooManyRequests => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }

    /// The status in words (RFC 9110).
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self.status() {
            400 => "Bad Request",
            401 => "Unauthorized",
            404 => "Not Found",
            405 => "Method Not Allowed",
            409 => "Conflict",
            413 => "Content Too Large",
            415 => "Unsupported Media Type",
            422 => "Unprocessable Content",
            429 => "Too Many Requests",
            503 => "Service Unavailable",
            _ => "Internal Server Error",
        }
    }
}

impl Problem {
    /// A problem with this code and these words for the caller.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".into(),
            title: code.title().into(),
            status: code.status(),
            detail: detail.into(),
            code,
            field: None,
        }
    }

    /// The same, naming the field that is wrong.
    #[must_use]
    pub fn in_field(self, field: impl Into<String>) -> Self {
        Self {
            field: Some(field.into()),
            ..self
        }
    }
}
