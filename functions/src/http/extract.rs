//! Reads path and headers of a request, says what is wrong with them, and describes what is right;
//! `query` and `body` do the same for the rest of it.
//!
//! What the caller sent is never repeated in an answer: it may be a stream key in the wrong place.

use std::convert::Infallible;

use ::http::request::Parts;
use axum::extract::{FromRequestParts, Path};
use contract::problem::Code;
use domain::ChannelId;
use lambda_http::request::RequestContext;
use serde_json::json;

use super::describe::{Operation, Reads, Schemas};
use super::problem::{Problem, no_such_thing, problem};
use crate::service::idempotency::{IdempotencyKey, MAX_KEY_CHARACTERS};

/// A POST with this header makes nothing twice.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

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

impl Reads for Channel {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        let id = schemas.read::<ChannelId>();
        operation.takes_from_path("id", "The channel.", id);
        operation.may_refuse(&[Code::NotFound]);
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

impl Reads for Idempotency {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        let pattern = format!("^[!-~]{{1,{MAX_KEY_CHARACTERS}}}$");
        let words = "Sent again with the same key, the request makes nothing twice.";
        let key = json!({ "type": "string", "pattern": pattern });
        operation.takes_from_header("Idempotency-Key", words, key);
        operation.may_refuse(&[
            Code::MalformedRequest,
            Code::RequestInFlight,
            Code::IdempotencyKeyReused,
        ]);
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

impl Reads for SourceAddress {
    fn describe(_: &mut Operation, _: &mut Schemas) {}
}
