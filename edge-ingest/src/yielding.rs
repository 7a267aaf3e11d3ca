//! What a lock held here says when a publish, here or on another edge, asks for it.

use std::sync::Arc;
use std::time::Duration;

use domain::ChannelId;
use domain::live::Yield;
use tokio::time::timeout;

use crate::registry::{Claimed, Held};
use crate::shared::Shared;
use crate::sweeper;

/// Asks whoever holds the channel's lock of this generation to give it up, within `limit`. `asker` is
/// the claim of a publish on this very edge.
///
/// Media that flows keeps it. A publisher whose encoder has fallen silent stops, writes what it
/// leaves and closes; a lock that nobody here answers for is given back.
pub(crate) async fn ask_here(
    edge: &Arc<Shared>,
    channel_id: &ChannelId,
    generation: u64,
    asker: Option<&Claimed>,
    limit: Duration,
) -> Yield {
    match edge.registry.holder(channel_id, generation, asker) {
        Held::InTheMaking => Yield::MediaFlows,
        Held::By(grant) if grant.flows() => Yield::MediaFlows,
        Held::By(grant) => {
            edge.registry.order_to_leave(channel_id);
            let given_back = timeout(limit, grant.until_given_back()).await;
            given_back.map_or(Yield::Silent, |()| Yield::Yielded)
        }
        Held::ByNobody => {
            // A task of its own: what it began it ends, however long the asker waits.
            let settled = edge.tasks.spawn_on(
                sweeper::settle_own(Arc::clone(edge), channel_id.clone()),
                &edge.runtime,
            );
            match timeout(limit, settled).await {
                Ok(Ok(true)) => Yield::Yielded,
                Ok(_) | Err(_) => Yield::Silent,
            }
        }
    }
}
