//! What a lock held here says when a publish, here or on another edge, asks for it.

use std::sync::Arc;
use std::time::Duration;

use domain::ChannelId;
use domain::live::Yield;
use tokio::time::timeout;

use crate::registry::{Held, Order};
use crate::shared::Shared;
use crate::sweeper;

/// Asks whoever holds the channel's lock of this generation to give it up, within `limit`.
///
/// Media that flows keeps it. A publisher whose encoder has fallen silent stops, writes what it
/// leaves and closes; a lock that nobody here answers for is given back.
pub(crate) async fn ask_here(
    edge: &Arc<Shared>,
    channel_id: &ChannelId,
    generation: u64,
    limit: Duration,
) -> Yield {
    match edge.registry.holder(channel_id, generation) {
        Held::InTheMaking => Yield::MediaFlows,
        Held::By(grant) if grant.flows() => Yield::MediaFlows,
        Held::By(grant) => {
            edge.registry.order(channel_id, Order::Leave);
            let given_back = timeout(limit, grant.until_given_back()).await;
            given_back.map_or(Yield::Silent, |()| Yield::Yielded)
        }
        Held::ByNobody => {
            let owner = edge.fleet.epoch().owner.clone();
            let settled = timeout(limit, sweeper::settle(edge, channel_id, &owner)).await;
            settled.map_or(Yield::Silent, |_| Yield::Yielded)
        }
    }
}
