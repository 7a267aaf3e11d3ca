//! The status of a channel, with the last sample where the cache has one of the same version.

use contract::http::{Metrics, Status as View};
use domain::channel::Channel;
use domain::live::Item;
use domain::status::Status;
use domain::{ChannelId, Timestamp};
use store::cache::Cache;

use super::{Error, channel};
use crate::{Api, Caller};

pub(crate) async fn read(
    api: &Api,
    caller: &Caller,
    channel_id: &ChannelId,
    now: Timestamp,
) -> Result<View, Error> {
    let channel = channel::owned(&api.store, &caller.user_id, channel_id).await?;
    let live = api.store.live(channel_id).await?;
    Ok(view(&api.cache, &channel, live.as_ref(), now).await)
}

/// Samples of another version belong to another broadcast, or to before a change: none is better.
pub(super) async fn view(
    cache: &Cache,
    channel: &Channel,
    live: Option<&Item>,
    now: Timestamp,
) -> View {
    let status = Status::of(live, now);
    let version = (status.version.generation, status.version.sequence);
    let hint = cache
        .status(&channel.user_id, &channel.id)
        .await
        .filter(|hint| (hint.generation, hint.sequence) == version);
    let metrics = hint.and_then(|hint| hint.metrics).map(Metrics::from);
    View::new(channel.id.clone(), status, metrics)
}
