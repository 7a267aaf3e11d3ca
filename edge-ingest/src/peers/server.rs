//! Answering other edges.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use contract::peer::{
    OUTAGE_PATH, OutageAnswer, OutageRequest, YIELD_PATH, YieldAnswer, YieldRequest,
};
use domain::{Owner, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;

use super::seal::{Call, FleetSecret, Gate};
use super::{MAX_BODY, NONCE, SIGNATURE, TARGET, TIME};
use crate::clock;
use crate::shared::Shared;
use crate::yielding::ask_here;

/// How long a publisher may take to stop and write, so that the answer is still in time.
const YIELD_WITHIN: Duration = Duration::from_millis(250);

struct Peer {
    edge: Arc<Shared>,
    gate: Gate,
    secret: FleetSecret,
}

/// Answers until the edge has left the fleet: while it drains its locks are still asked for.
pub(crate) async fn run(edge: Arc<Shared>, listener: TcpListener, secret: FleetSecret) {
    let left = edge.left.clone();
    let gate = Gate::new(secret.clone());
    let routes = Router::new()
        .route(YIELD_PATH, post(give_way))
        .route(OUTAGE_PATH, post(outage))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Arc::new(Peer { edge, gate, secret }));
    let server = axum::serve(listener, routes).with_graceful_shutdown(left.cancelled_owned());
    if let Err(error) = server.await {
        tracing::error!(%error, "the peer port stopped");
    }
}

async fn give_way(
    State(peer): State<Arc<Peer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<impl IntoResponse, StatusCode> {
    let asked = Asked::read(YIELD_PATH, &headers, &body)?;
    let YieldRequest {
        channel_id,
        generation,
    } = peer.take(&asked)?;
    let holder = ask_here(&peer.edge, &channel_id, generation, None, YIELD_WITHIN).await;
    let holder = holder.into();
    peer.answer(&asked, &YieldAnswer { holder })
}

async fn outage(
    State(peer): State<Arc<Peer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<impl IntoResponse, StatusCode> {
    let asked = Asked::read(OUTAGE_PATH, &headers, &body)?;
    let question: OutageRequest = peer.take(&asked)?;
    let reaches_store = peer.edge.fleet.reaches_store(&question.edge_id);
    peer.answer(&asked, &OutageAnswer { reaches_store })
}

/// A question as it came, with what it says of itself.
struct Asked<'asked> {
    path: &'static str,
    target: Owner,
    at: Timestamp,
    nonce: &'asked str,
    signature: &'asked str,
    body: &'asked [u8],
}

impl<'asked> Asked<'asked> {
    fn read(
        path: &'static str,
        headers: &'asked HeaderMap,
        body: &'asked [u8],
    ) -> Result<Self, StatusCode> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let target = header(TARGET).and_then(|text| Owner::parse(text).ok());
        let at = header(TIME).and_then(|text| text.parse().ok());
        let said = target.zip(at).zip(header(NONCE).zip(header(SIGNATURE)));
        let ((target, at), (nonce, signature)) = said.ok_or(StatusCode::UNAUTHORIZED)?;
        Ok(Self {
            path,
            target,
            at: Timestamp::from_millis(at),
            nonce,
            signature,
            body,
        })
    }

    const fn call(&self) -> Call<'_> {
        Call {
            path: self.path,
            target: &self.target,
            at: self.at,
            nonce: self.nonce,
            body: self.body,
        }
    }
}

impl Peer {
    /// The question, where it is signed and for the present epoch.
    fn take<Q: DeserializeOwned>(&self, asked: &Asked<'_>) -> Result<Q, StatusCode> {
        let taken = self.gate.take(&asked.call(), asked.signature, clock::now());
        if let Err(rejection) = taken {
            tracing::warn!(%rejection, "a call on the peer port was not taken");
            return Err(StatusCode::UNAUTHORIZED);
        }
        if asked.target != self.edge.fleet.epoch().owner {
            return Err(StatusCode::MISDIRECTED_REQUEST);
        }
        serde_json::from_slice(asked.body).map_err(|_| StatusCode::BAD_REQUEST)
    }

    /// The answer, signed for this question.
    fn answer<A: Serialize>(
        &self,
        asked: &Asked<'_>,
        answer: &A,
    ) -> Result<impl IntoResponse + use<A>, StatusCode> {
        let body = serde_json::to_vec(answer).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        let signature = asked.call().answer_signature(&self.secret, &body);
        let headers = [
            (CONTENT_TYPE.as_str(), "application/json".to_owned()),
            (SIGNATURE, signature),
        ];
        Ok((headers, body))
    }
}
