//! Lets a request through with its caller, or answers 401.

use std::sync::Arc;

use ::http::Request;
use ::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::body::Body;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use contract::problem::Code;
use domain::Timestamp;

use super::event::Now;
use super::problem::problem;
use crate::{Api, Caller, Rejection};

/// Who calls, and when. On each request that needs a token, and on its answer for the log.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) caller: Caller,
    pub(super) now: Timestamp,
}

pub(super) async fn require(
    State(api): State<Arc<Api>>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    // A request without its moment would be judged as of 1970: no token was valid then.
    let now = request.extensions().get::<Now>().map(|now| now.0);
    let now = now.unwrap_or_default();
    let authorization = request.headers().get(AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok());
    match api.authenticator.authenticate(authorization, now).await {
        Ok(caller) => {
            let call = Call { caller, now };
            request.extensions_mut().insert(call.clone());
            let mut response = next.run(request).await;
            response.extensions_mut().insert(call);
            response
        }
        Err(rejection) => refused(&rejection),
    }
}

/// The caller reads the same words whatever is wrong with the token.
fn refused(rejection: &Rejection) -> Response {
    if matches!(rejection, Rejection::NoKeys) {
        tracing::error!(reason = %rejection, "nobody can be authenticated");
        let detail = "tokens cannot be checked at the moment; try again";
        return problem(Code::Unavailable, detail).into_response();
    }
    tracing::info!(reason = %rejection, "request not authenticated");
    let detail = "send a valid token as Authorization: Bearer <token>";
    let challenge = [(WWW_AUTHENTICATE, "Bearer")];
    (challenge, problem(Code::Unauthenticated, detail)).into_response()
}
