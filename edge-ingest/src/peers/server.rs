//! Answering other edges.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use contract::peer::{
    OUTAGE_PATH, OutageAnswer, OutageRequest, YIELD_PATH, YieldAnswer, YieldRequest,
};
use domain::{Owner, Timestamp};
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
}

/// Answers until the edge has left the fleet: while it drains its locks are still asked for.
pub(crate) async fn run(edge: Arc<Shared>, listener: TcpListener, secret: FleetSecret) {
    let left = edge.left.clone();
    let gate = Gate::new(secret);
    let routes = Router::new()
        .route(YIELD_PATH, post(give_way))
        .route(OUTAGE_PATH, post(outage))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Arc::new(Peer { edge, gate }));
    let server = axum::serve(listener, routes).with_graceful_shutdown(left.cancelled_owned());
    if let Err(error) = server.await {
        tracing::error!(%error, "the peer port stopped");
    }
}

async fn give_way(
    State(peer): State<Arc<Peer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<YieldAnswer>, StatusCode> {
    let question: YieldRequest = peer.take(YIELD_PATH, &headers, &body)?;
    let YieldRequest {
        channel_id,
        generation,
    } = question;
    let holder = ask_here(&peer.edge, &channel_id, generation, YIELD_WITHIN).await;
    Ok(Json(YieldAnswer {
        holder: holder.into(),
    }))
}

async fn outage(
    State(peer): State<Arc<Peer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<OutageAnswer>, StatusCode> {
    let question: OutageRequest = peer.take(OUTAGE_PATH, &headers, &body)?;
    let reaches_store = peer.edge.fleet.reaches_store(&question.edge_id);
    Ok(Json(OutageAnswer { reaches_store }))
}

impl Peer {
    /// The question, where it is signed and for the present epoch.
    fn take<Q: DeserializeOwned>(
        &self,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Q, StatusCode> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let target = header(TARGET).and_then(|text| Owner::parse(text).ok());
        let at = header(TIME).and_then(|text| text.parse().ok());
        let (Some(target), Some(at), Some(nonce), Some(signature)) =
            (target, at, header(NONCE), header(SIGNATURE))
        else {
            return Err(StatusCode::UNAUTHORIZED);
        };
        let call = Call {
            path,
            target: &target,
            at: Timestamp::from_millis(at),
            nonce,
            body,
        };
        if let Err(rejection) = self.gate.take(&call, signature, clock::now()) {
            tracing::warn!(%rejection, "a call on the peer port was not taken");
            return Err(StatusCode::UNAUTHORIZED);
        }
        if target != self.edge.fleet.epoch().owner {
            return Err(StatusCode::MISDIRECTED_REQUEST);
        }
        serde_json::from_slice(body).map_err(|_| StatusCode::BAD_REQUEST)
    }
}
