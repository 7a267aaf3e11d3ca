//! Cuts running publishers whose key was revoked or whose channel is held, and has them judged by the
//! limits that their channel has now.
//!
//! A control message says that a channel's gate changed; it may be lost, so the gates of all
//! publishers are read again every [`REREAD`]. Only what the gate itself says cuts anybody; of a
//! stream that exceeds new limits its publisher's task takes care.

use std::sync::Arc;
use std::time::Duration;

use domain::live::EndReason;
use domain::{ChannelId, channel::Gate};
use futures_util::StreamExt;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::shared::Shared;

/// How long a cut may be late where its control message was lost.
const REREAD: Duration = Duration::from_secs(20);
/// Gates read at once: enough for a thousand publishers in a second, few enough not to crowd out
/// admissions.
const CONCURRENT_READS: usize = 16;

/// Listens and re-reads until the edge stops.
pub(crate) async fn run(edge: Arc<Shared>) {
    let mut controls = edge.services.cache.controls();
    let mut rereads = tokio::time::interval(REREAD);
    rereads.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut listening = true;
    loop {
        tokio::select! {
            () = edge.stopping.cancelled() => return,
            _ = rereads.tick() => check(&edge, edge.registry.channels()).await,
            control = controls.recv(), if listening => match control {
                Ok(control) => {
                    if edge.registry.has_earlier(&control.channel_id, control.auth_version) {
                        check(&edge, vec![control.channel_id]).await;
                    }
                }
                Err(RecvError::Lagged(_)) => check(&edge, edge.registry.channels()).await,
                Err(RecvError::Closed) => listening = false,
            },
        }
    }
}

async fn check(edge: &Shared, channels: Vec<ChannelId>) {
    let checks = futures_util::stream::iter(channels)
        .for_each_concurrent(CONCURRENT_READS, |channel_id| check_one(edge, channel_id));
    tokio::select! {
        () = edge.stopping.cancelled() => {}
        () = checks => {}
    }
}

async fn check_one(edge: &Shared, channel_id: ChannelId) {
    let gate = match edge.services.store.gate(&channel_id).await {
        Ok(gate) => gate,
        Err(error) => {
            edge.metrics.store_errors.inc();
            tracing::warn!(%channel_id, %error, "cannot read the channel's gate");
            return;
        }
    };
    edge.registry.cut(&channel_id, &gate, reason(&gate));
    if edge.registry.has_earlier(&channel_id, gate.auth_version) {
        judge_anew(edge, &channel_id, gate.auth_version).await;
    }
}

/// The gate changed since the publisher was let in, perhaps because the limits did. They are read
/// after the gate, so that they are at least as new.
async fn judge_anew(edge: &Shared, channel_id: &ChannelId, auth_version: u64) {
    match edge.services.store.channel(channel_id).await {
        Ok(Some(channel)) => {
            let limits = Arc::new(channel.limits);
            edge.registry.judge(channel_id, auth_version, &limits);
        }
        // It was deleted, and its gate has cut whoever was there.
        Ok(None) => {}
        Err(error) => {
            edge.metrics.store_errors.inc();
            tracing::warn!(%channel_id, %error, "cannot read the channel's limits");
        }
    }
}

fn reason(gate: &Gate) -> EndReason {
    match gate.held(clock::now()) {
        Some(_) => EndReason::Disconnected,
        None => EndReason::Revoked,
    }
}
