//! Events of an HTTP API (payload format 2.0), from JSON to the router and back.

use std::convert::Infallible;

use ::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST};
use axum::Router;
use axum::body::to_bytes;
use axum::response::Response;
use contract::problem::CONTENT_TYPE as PROBLEM;
use domain::Timestamp;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Body, Context, LambdaEvent, Request, service_fn};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::problem;
use crate::Error;

/// The moment of the invocation, on each request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now(pub(super) Timestamp);

pub(crate) async fn answer(router: &Router, event: Value, now: Timestamp) -> Result<Value, Error> {
    const NAME: &str = "an HTTP API with payload format 2.0";
    let mut event: ApiGatewayV2httpRequest =
        serde_json::from_value(event).map_err(|_| Error::MalformedEvent(NAME))?;
    harmless(&mut event);
    let service = service_fn(|mut request: Request| {
        request.extensions_mut().insert(Now(now));
        let router = router.clone();
        async move { Ok::<_, Infallible>(whole(router.oneshot(request).await).await) }
    });
    let event = LambdaEvent::new(LambdaRequest::ApiGatewayV2(event), Context::default());
    let Ok(response) = Adapter::from(service).oneshot(event).await;
    serde_json::to_value(response).map_err(|_| Error::Panicked)
}

/// The response with its body read: a body still to be read may not be shared between threads, and
/// callers may spawn an invocation.
async fn whole(response: Result<Response, Infallible>) -> ::http::Response<Body> {
    let Ok(response) = response;
    let (parts, body) = response.into_parts();
    // Every body is made in this process, from memory: reading it does not fail.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    ::http::Response::from_parts(parts, Body::from(body.to_vec()))
}

/// What is answered where the router did not come to an answer.
pub(crate) fn panicked() -> Value {
    let body = serde_json::to_string(&problem::internal().0).unwrap_or_default();
    json!({
        "statusCode": 500,
        "headers": { CONTENT_TYPE.as_str(): PROBLEM, CACHE_CONTROL.as_str(): "no-store" },
        "multiValueHeaders": {},
        "body": body,
        "isBase64Encoded": false,
        "cookies": [],
    })
}

/// Takes out what the conversion to a request would panic on, and the stage's name, which is the
/// first part of the path on a stage with one. No route looks at the host.
fn harmless(event: &mut ApiGatewayV2httpRequest) {
    event.headers.remove(HOST);
    event.request_context.domain_name = None;
    let stage = event.request_context.stage.take().unwrap_or_default();
    let path = event.raw_path.take().unwrap_or_default();
    let inner = path.strip_prefix(&format!("/{stage}"));
    let inner = inner.filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let path = inner.unwrap_or(&path).trim_start_matches('/');
    event.raw_path = Some(format!("/{path}"));
    let query = event.raw_query_string.take().unwrap_or_default();
    event.raw_query_string = Some(query.chars().filter(is_in_query).collect());
}

/// What a query may consist of (RFC 3986). Anything else is sent by no client that means well.
fn is_in_query(character: &char) -> bool {
    character.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%/?".contains(*character)
}
