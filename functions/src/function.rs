//! One function, from event to answer.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use domain::Timestamp;
use futures_util::FutureExt as _;
use serde_json::Value;
use store::Store;

use crate::{Api, StatusFanout, Websocket, http, service, stream, websocket};

/// A Lambda function. Cheap to clone; may be invoked any number of times at once.
#[derive(Clone)]
pub struct Function(Kind);

#[derive(Clone)]
enum Kind {
    Api(Router),
    Websocket(Arc<Websocket>),
    StatusFanout(Arc<StatusFanout>),
    Reaper(Store),
}

/// Why an invocation failed as a whole; Lambda counts it as an error of the function.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The event is not of the kind that this function takes. Says nothing of its content.
    #[error("not an event of {0}")]
    MalformedEvent(&'static str),
    /// The store gave no answer, and nothing was done that would be lost by trying again.
    #[error("the store gave no answer")]
    Store(#[from] store::Error),
    /// A defect; what it was is in the log.
    #[error("the function panicked")]
    Panicked,
}

impl Function {
    pub(crate) fn api(api: Api) -> Self {
        Self(Kind::Api(http::router(Arc::new(api))))
    }

    pub(crate) fn websocket(websocket: Websocket) -> Self {
        Self(Kind::Websocket(Arc::new(websocket)))
    }

    pub(crate) fn status_fanout(fanout: StatusFanout) -> Self {
        Self(Kind::StatusFanout(Arc::new(fanout)))
    }

    pub(crate) const fn reaper(store: Store) -> Self {
        Self(Kind::Reaper(store))
    }

    /// Answers one event, in the JSON that Lambda expects of this function.
    ///
    /// # Errors
    /// [`enum@Error`]. What a caller did wrong is no error but an answer that says so.
    pub async fn invoke(&self, event: Value) -> Result<Value, Error> {
        self.invoke_at(event, now()).await
    }

    async fn invoke_at(&self, event: Value, now: Timestamp) -> Result<Value, Error> {
        // Lambda would end the whole process and its warm connections for one bad request.
        let answer = AssertUnwindSafe(self.answer(event, now)).catch_unwind();
        answer.await.unwrap_or_else(|_| {
            tracing::error!("function panicked");
            match self.0 {
                Kind::Api(_) => Ok(http::panicked()),
                Kind::Websocket(_) | Kind::StatusFanout(_) | Kind::Reaper(_) => {
                    Err(Error::Panicked)
                }
            }
        })
    }

    async fn answer(&self, event: Value, now: Timestamp) -> Result<Value, Error> {
        match &self.0 {
            Kind::Api(router) => http::answer(router, event, now).await,
            Kind::Websocket(services) => websocket::answer(services, event, now).await,
            Kind::StatusFanout(services) => stream::answer(services, event, now).await,
            Kind::Reaper(store) => reap(store, now).await,
        }
    }
}

async fn reap(store: &Store, now: Timestamp) -> Result<Value, Error> {
    let reaped = service::reaper::reap(store, now).await?;
    tracing::info!(?reaped, "unfinished items looked at");
    Ok(serde_json::to_value(reaped).unwrap_or_default())
}

/// The moment of the invocation. A clock before 1970 is taken as 1970: tokens are then refused.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::default() + since.unwrap_or_default()
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Api(_) => "Function(api)",
            Kind::Websocket(_) => "Function(websocket)",
            Kind::StatusFanout(_) => "Function(status-fanout)",
            Kind::Reaper(_) => "Function(reaper)",
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_like_any_other_problem_and_the_next_call_goes_on() {
        let broken = async || -> &'static str { panic!("a canary that nobody may read") };
        let router = Router::new()
            .route("/broken", get(broken))
            .route("/sound", get(|| async { "sound" }));
        let function = Function(Kind::Api(router));
        let event = |path: &str| {
            json!({
                "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
                "headers": {}, "isBase64Encoded": false,
                "requestContext": {
                    "http": { "method": "GET", "path": path }, "stage": "$default", "timeEpoch": 0,
                },
            })
        };
        let answer = function.invoke(event("/broken")).await.expect("an answer");
        assert_eq!(answer["statusCode"], 500);
        assert_eq!(
            answer["headers"]["content-type"],
            "application/problem+json"
        );
        let body = answer["body"].as_str().expect("a body");
        assert!(body.contains("\"code\":\"internal\"") && !body.contains("canary"));
        let answer = function.invoke(event("/sound")).await.expect("an answer");
        assert_eq!(answer["body"], "sound");
    }

    #[test]
    fn an_invocation_may_run_on_any_thread() {
        fn is_send<T: Send>(_: &T) {}
        let function = Function(Kind::Api(Router::new()));
        is_send(&function.invoke(Value::Null));
    }
}
