//! An event on its way to an instance, and what Lambda says about it in headers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

/// One event for one instance.
#[derive(Debug)]
pub(super) struct Event {
    /// Names this invocation; the answer comes under it.
    pub(super) request_id: String,
    /// JSON.
    pub(super) body: Bytes,
    /// When the instance is killed, in milliseconds since 1970.
    deadline_millis: u128,
    function_arn: String,
    trace_id: String,
}

impl Event {
    /// An event for the function `name`, which has this long for it.
    pub(super) fn new(name: &str, body: Bytes, timeout: Duration) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        Self {
            request_id: request_id(rand::random()),
            body,
            deadline_millis: (now + timeout).as_millis(),
            function_arn: format!("arn:aws:lambda:us-east-1:000000000000:function:{name}"),
            trace_id: format!(
                "Root=1-{:08x}-{};Parent={:016x};Sampled=0",
                now.as_secs() & 0xffff_ffff,
                domain::id::hex(&rand::random::<[u8; 12]>()),
                rand::random::<u64>()
            ),
        }
    }
}

/// A random UUID, as Lambda's request ids are.
fn request_id(mut random: [u8; 16]) -> String {
    random[6] = (random[6] & 0x0f) | 0x40;
    random[8] = (random[8] & 0x3f) | 0x80;
    let hex = domain::id::hex(&random);
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}

impl IntoResponse for Event {
    fn into_response(self) -> Response {
        let headers = [
            (CONTENT_TYPE.as_str(), "application/json".to_owned()),
            ("lambda-runtime-aws-request-id", self.request_id),
            (
                "lambda-runtime-deadline-ms",
                self.deadline_millis.to_string(),
            ),
            ("lambda-runtime-invoked-function-arn", self.function_arn),
            ("lambda-runtime-trace-id", self.trace_id),
        ];
        (headers, self.body).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_a_random_uuid() {
        let id = request_id([0xff; 16]);
        assert_eq!(id, "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_ne!(request_id(rand::random()), request_id(rand::random()));
    }

    #[test]
    fn lambdas_headers_tell_who_is_asked_and_until_when() {
        let event = Event::new("api", Bytes::from_static(b"{}"), Duration::from_secs(10));
        let id = event.request_id.clone();
        let response = event.into_response();
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("lambda-runtime-aws-request-id"), id);
        assert!(header("lambda-runtime-invoked-function-arn").ends_with(":function:api"));
        assert!(header("lambda-runtime-trace-id").starts_with("Root=1-"));
        let deadline: u128 = header("lambda-runtime-deadline-ms").parse().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let left = deadline - now.as_millis();
        assert!((9_000..=10_000).contains(&left), "{left} ms");
    }
}
