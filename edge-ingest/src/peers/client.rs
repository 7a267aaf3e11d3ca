//! Asking other edges.

use std::time::Duration;

use contract::peer::{
    OUTAGE_PATH, OutageAnswer, OutageRequest, YIELD_PATH, YieldAnswer, YieldRequest,
};
use domain::edge::Edge;
use domain::live::Yield;
use domain::{ChannelId, Owner};
use reqwest::header::CONTENT_TYPE;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::seal::{Call, FleetSecret};
use super::{NONCE, SIGNATURE, TARGET, TIME};
use crate::clock;
use crate::shared::Shared;

/// How long an edge has for its answer: enough for a store's write on its side, and little beside
/// what an encoder waits.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_millis(300);
/// Times that a holder is asked to yield.
const QUESTIONS: u32 = 2;

/// The way to the other edges.
#[derive(Debug)]
pub(crate) struct Peers {
    /// For publishes.
    yields: reqwest::Client,
    /// For the lease's thread: connections are driven by the runtime that opened them.
    outages: reqwest::Client,
    secret: Option<FleetSecret>,
}

fn client() -> reqwest::Client {
    // Without TLS and proxies there is nothing in a client that can fail.
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN);
    client.build().unwrap_or_default()
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("this edge or that one has no peer port")]
    NoWay,
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("question or answer is no JSON of ours: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the answer is not signed with the fleet's secret")]
    Forged,
}

impl Peers {
    /// Asks nobody where there is no secret.
    pub(crate) fn new(secret: Option<FleetSecret>) -> Self {
        Self {
            yields: client(),
            outages: client(),
            secret,
        }
    }

    /// Asks the edge that holds a lock to give it up.
    pub(crate) async fn ask_to_yield(
        &self,
        edge: &Shared,
        holder: &Owner,
        channel_id: &ChannelId,
        generation: u64,
    ) -> Yield {
        let address = edge
            .fleet
            .others(|others| others.peer_address(holder).map(str::to_owned));
        let question = YieldRequest {
            channel_id: channel_id.clone(),
            generation,
        };
        for _ in 0..QUESTIONS {
            let answer = self.ask::<_, YieldAnswer>(
                &self.yields,
                address.as_deref(),
                holder,
                YIELD_PATH,
                &question,
            );
            match answer.await {
                Ok(answer) if Yield::from(answer.holder) == Yield::Silent => {}
                Ok(answer) => return answer.holder.into(),
                Err(error) => {
                    tracing::debug!(%holder, %channel_id, %error, "a holder did not answer");
                }
            }
        }
        Yield::Silent
    }

    /// Whether another edge says that the store is away for it, too.
    pub(crate) async fn is_store_away_for(&self, edge: &Shared, other: &Edge) -> bool {
        let question = OutageRequest {
            edge_id: edge.fleet.epoch().owner.edge_id.clone(),
        };
        let (address, target) = (other.peer_address.as_deref(), other.owner());
        let answer =
            self.ask::<_, OutageAnswer>(&self.outages, address, &target, OUTAGE_PATH, &question);
        match answer.await {
            Ok(answer) => !answer.reaches_store,
            Err(error) => {
                tracing::debug!(edge_id = %other.id, %error, "no answer about the store");
                false
            }
        }
    }

    async fn ask<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        client: &reqwest::Client,
        address: Option<&str>,
        target: &Owner,
        path: &str,
        question: &Q,
    ) -> Result<A, Unanswered> {
        let (secret, address) = self.secret.as_ref().zip(address).ok_or(Unanswered::NoWay)?;
        let body = serde_json::to_vec(question)?;
        let nonce = domain::id::hex(&clock::random::<16>());
        let call = Call {
            path,
            target,
            at: clock::now(),
            nonce: &nonce,
            body: &body,
        };
        let request = client
            .post(format!("http://{address}{path}"))
            .header(CONTENT_TYPE, "application/json")
            .header(TARGET, target.to_string())
            .header(TIME, call.at.millis())
            .header(NONCE, &nonce)
            .header(SIGNATURE, call.signature(secret));
        let answer = request.body(body.clone()).send().await?;
        let answer = answer.error_for_status()?;
        let signature = answer.headers().get(SIGNATURE).cloned();
        let answered = answer.bytes().await?;
        let signed = signature
            .is_some_and(|signature| call.is_answered(secret, &answered, signature.as_bytes()));
        if signed {
            Ok(serde_json::from_slice(&answered)?)
        } else {
            Err(Unanswered::Forged)
        }
    }
}
