//! Reads path, query and body of a request, and says what is wrong with them.
//!
//! What the caller sent is never repeated in an answer: it may be a stream key in the wrong place.

use std::convert::Infallible;

use ::http::Request;
use ::http::header::CONTENT_TYPE;
use ::http::request::Parts;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query};
use contract::http::MAX_BODY_BYTES;
use contract::problem::Code;
use domain::ChannelId;
use lambda_http::request::RequestContext;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::service::idempotency::{IdempotencyKey, MAX_KEY_CHARACTERS};

use super::problem::{Problem, no_such_thing, problem};
use crate::service::event::Part;

/// A POST with this header makes nothing twice.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Entries of a page where the caller does not say.
const DEFAULT_LIMIT: u32 = 20;

/// The `{id}` of the path. A text that cannot be an id names nothing and is not looked up: it may
/// be a stream key, and requests to the store may be on record somewhere.
#[derive(Debug)]
pub(super) struct Channel(pub(super) ChannelId);

impl<S: Send + Sync> FromRequestParts<S> for Channel {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| no_such_thing())?;
        let id = Some(id).filter(|id| id.starts_with(ChannelId::PREFIX));
        id.and_then(|id| ChannelId::parse(id).ok())
            .map(Self)
            .ok_or_else(no_such_thing)
    }
}

/// `limit` and `cursor` of a list.
#[derive(Debug)]
pub(super) struct Paging {
    pub(super) limit: u32,
    pub(super) cursor: Option<String>,
}

#[derive(Deserialize)]
struct RawPaging {
    limit: Option<String>,
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(raw) = Query::<RawPaging>::from_request_parts(parts, state)
            .await
            .map_err(|_| problem(Code::MalformedRequest, "the query cannot be read"))?;
        let limit = raw.limit.as_deref().map_or(Ok(DEFAULT_LIMIT), limit)?;
        let cursor = raw.cursor;
        Ok(Self { limit, cursor })
    }
}

/// `limit`, and `after` or `cursor`, of the event log.
#[derive(Debug)]
pub(super) struct EventPaging {
    pub(super) limit: u32,
    pub(super) part: Part,
}

#[derive(Deserialize)]
struct RawAfter {
    after: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for EventPaging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Paging { limit, cursor } = Paging::from_request_parts(parts, state).await?;
        let Query(RawAfter { after }) = Query::from_request_parts(parts, state)
            .await
            .map_err(|_| problem(Code::MalformedRequest, "the query cannot be read"))?;
        let malformed = |detail: &str| problem(Code::MalformedRequest, detail).in_field("after");
        let part = match (after, cursor) {
            (None, cursor) => Part::Newest(cursor),
            (Some(_), Some(_)) => return Err(malformed("send either after or cursor")),
            (Some(after), None) => {
                let after = after.parse();
                Part::After(after.map_err(|_| malformed("after must be the number of an event"))?)
            }
        };
        Ok(Self { limit, part })
    }
}

fn limit(text: &str) -> Result<u32, Problem> {
    let detail = format!("limit must be a number from 1 to {}", store::MAX_PAGE);
    match text.parse() {
        Ok(limit) if (1..=store::MAX_PAGE).contains(&limit) => Ok(limit),
        Ok(_) => Err(problem(Code::InvalidValue, detail).in_field("limit")),
        Err(_) => Err(problem(Code::MalformedRequest, detail).in_field("limit")),
    }
}

/// The `Idempotency-Key` header, where there is one.
#[derive(Debug)]
pub(super) struct Idempotency(pub(super) Option<IdempotencyKey>);

impl<S: Send + Sync> FromRequestParts<S> for Idempotency {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else {
            return Ok(Self(None));
        };
        let key = value.to_str().ok().and_then(IdempotencyKey::parse);
        key.map(|key| Self(Some(key))).ok_or_else(|| {
            let detail = format!(
                "Idempotency-Key must be 1 to {MAX_KEY_CHARACTERS} visible ASCII characters"
            );
            problem(Code::MalformedRequest, detail).in_field(IDEMPOTENCY_KEY)
        })
    }
}

/// The address that the request came from, as API Gateway saw it.
#[derive(Debug)]
pub(super) struct SourceAddress(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for SourceAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let address = match parts.extensions.get::<RequestContext>() {
            Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.clone(),
            _ => None,
        };
        // Who cannot be told apart shares one budget.
        Ok(Self(address.unwrap_or_else(|| "unknown".to_owned())))
    }
}

/// A JSON body.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, Problem> {
        let is_json = is_json(&request);
        let body = read(request).await?;
        parse(is_json, &body).map(Self)
    }
}

/// A JSON body that may be left out.
#[derive(Debug)]
pub(super) struct OptionalJson<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, Problem> {
        let is_json = is_json(&request);
        let body = read(request).await?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        parse(is_json, &body).map(Self)
    }
}

async fn read(request: Request<Body>) -> Result<Bytes, Problem> {
    to_bytes(request.into_body(), MAX_BODY_BYTES)
        .await
        .map_err(|_| {
            let detail = format!("a body has at most {MAX_BODY_BYTES} bytes");
            problem(Code::BodyTooLarge, detail)
        })
}

fn is_json(request: &Request<Body>) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn parse<T: DeserializeOwned>(is_json: bool, body: &[u8]) -> Result<T, Problem> {
    if !is_json {
        let detail = "send the body as Content-Type: application/json";
        return Err(problem(Code::UnsupportedMediaType, detail));
    }
    serde_json::from_slice(body)
        .map_err(|error| problem(Code::MalformedBody, what_is_wrong(&error)))
}

/// Says what the body lacks in our words, and where, without repeating any of it.
fn what_is_wrong(error: &serde_json::Error) -> String {
    let place = format!("line {}, column {}", error.line(), error.column());
    if !error.is_data() {
        return format!("the body is not JSON at {place}");
    }
    let text = error.to_string();
    // The message may quote the body; what is expected and the place come last and are ours.
    let (text, _) = text.rsplit_once(" at line ").unwrap_or((&text, ""));
    if let Some((said, expected)) = text.rsplit_once(", expected ") {
        let kind = said.split([':', '`']).next().unwrap_or_default().trim();
        return format!("{kind} at {place}: expected {expected}");
    }
    if text.starts_with("missing field `") || text.starts_with("duplicate field `") {
        return format!("{text} at {place}");
    }
    format!("a value cannot be taken at {place}")
}

#[cfg(test)]
mod tests {
    use contract::http::{CreateChannel, ResetStreamKey};

    use super::*;

    fn complaint<T: DeserializeOwned>(body: &str) -> String {
        match parse::<T>(true, body.as_bytes()) {
            Ok(_) => panic!("taken"),
            Err(problem) => problem.0.detail,
        }
    }

    #[test]
    fn a_body_is_judged_in_words_that_name_what_is_wrong() {
        assert_eq!(
            complaint::<CreateChannel>("{\"name\":\"a\""),
            "the body is not JSON at line 1, column 11"
        );
        assert_eq!(
            complaint::<CreateChannel>("{}"),
            "missing field `name` at line 1, column 2"
        );
        assert_eq!(
            complaint::<CreateChannel>("{\"name\":\"a\",\"colour\":1}"),
            "unknown field at line 1, column 20: expected one of `name`, `graceSeconds`, `limits`"
        );
        assert_eq!(
            complaint::<ResetStreamKey>("{\"overlapSeconds\":\"soon\"}"),
            "invalid type at line 1, column 24: expected u64"
        );
    }

    #[test]
    fn what_was_sent_is_never_repeated() {
        let canary = "live0canary";
        for body in [
            format!("{{\"{canary}\":1}}"),
            format!("{{\"a at line {canary}, expected {canary}\":1}}"),
            format!("{{\"overlapSeconds\":\"{canary}\"}}"),
            format!("{{\"overlapSeconds\":\", expected {canary} at line 1\"}}"),
            format!("[\"{canary}\"]"),
            format!("\"{canary}\""),
            format!("{{\"disconnectLive\":\"missing field `{canary}\"}}"),
            canary.to_owned(),
        ] {
            let complaint = complaint::<ResetStreamKey>(&body);
            assert!(!complaint.contains(canary), "{complaint}");
        }
    }
}
