//! Reads JSON bodies, and says what is wrong with them without repeating any of it.

use ::http::Request;
use ::http::header::CONTENT_TYPE;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::FromRequest;
use contract::http::MAX_BODY_BYTES;
use contract::problem::Code;
use contract::reading::Object;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::describe::{Operation, Reads, Schemas};
use super::problem::{Problem, problem};

/// What may be wrong with any body.
const REFUSALS: [Code; 3] = [
    Code::MalformedBody,
    Code::BodyTooLarge,
    Code::UnsupportedMediaType,
];

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

impl<T: JsonSchema> Reads for Json<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        operation.takes_body(true, schemas.read::<T>());
        operation.may_refuse(&REFUSALS);
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

impl<T: JsonSchema> Reads for OptionalJson<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        operation.takes_body(false, schemas.read::<T>());
        operation.may_refuse(&REFUSALS);
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
        .map(|Object(object)| object)
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
    use contract::http::{CreateChannel, ResetStreamKey, UpdateChannel};

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
            "invalid type at line 1, column 24: expected a whole number in its bounds"
        );
        assert_eq!(
            complaint::<UpdateChannel>("[null, null]"),
            "invalid type at line 1, column 0: expected an object"
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
