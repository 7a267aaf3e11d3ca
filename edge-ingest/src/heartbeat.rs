//! The edge's own item: registered at the start, beaten once a second, fenced at the end.
//!
//! A beat that finds the epoch fenced closes the edge to new publishers. Dropping the running ones
//! and starting a new epoch comes with the two-level lease.

use std::sync::Arc;
use std::time::Duration;

use domain::edge::Write;
use domain::lease::Heartbeat;
use tokio::time::MissedTickBehavior;

use crate::shared::Shared;

/// Time between two beats.
const INTERVAL: Duration = Duration::from_secs(1);

/// Beats until the edge stops or is fenced.
pub(crate) async fn run(edge: Arc<Shared>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count = 0;
    loop {
        tokio::select! {
            () = edge.stopping.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Some(next) = beat(&edge, count + 1).await {
            count = next;
        }
        if edge.fenced.is_cancelled() {
            return;
        }
    }
}

async fn beat(edge: &Shared, next: u64) -> Option<u64> {
    let write = Write::Beat {
        edge_id: edge.owner.edge_id.clone(),
        heartbeat: Heartbeat {
            epoch: edge.owner.epoch,
            number: next,
        },
        publishers: edge.registry.publishing(),
    };
    match edge.services.store.write_edge(&write).await {
        Ok(true) => Some(next),
        Ok(false) => {
            tracing::error!(edge_id = %edge.owner.edge_id, epoch = edge.owner.epoch,
                "this edge was fenced: it admits nobody any more, restart it");
            edge.fenced.cancel();
            None
        }
        Err(error) => {
            edge.metrics.store_errors.inc();
            tracing::warn!(%error, "heartbeat not acknowledged");
            None
        }
    }
}
