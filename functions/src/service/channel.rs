//! Channels: what an owner sets, and whether they are live.

use std::time::Duration;

use contract::http::{Channel as View, CreateChannel, Page, UpdateChannel};
use contract::websocket::{ChannelSnapshot, Snapshot};
use domain::channel::{Channel, Gate, parse_grace, parse_name};
use domain::live::{Item, State};
use domain::status::{Shown, Status};
use domain::{ChannelId, Timestamp, UserId};
use futures_util::future::try_join_all;
use store::Store;
use store::cache::Cache;

use super::hold::announce;
use super::idempotency::{Repeatable, unreadable_resource};
use super::{Error, credential, limits, status};
use crate::{Api, Caller};

/// Most channels of one user: far above what one person streams on, and few enough for one
/// snapshot to fit into one WebSocket message.
pub(crate) const MAX_CHANNELS: u32 = 20;

/// Makes a channel. Two calls at the same moment may leave one channel more than are allowed.
pub(crate) async fn create(
    api: &Api,
    caller: &Caller,
    request: &CreateChannel,
    repeatable: &Repeatable,
    now: Timestamp,
) -> Result<View, Error> {
    let planned = ChannelId::from_random(rand::random());
    let make = async |id: &str| make(api, caller, request, channel_id(id)?, now).await;
    let again = async |id: &str, _| match read(api, caller, &channel_id(id)?, now).await {
        Ok(channel) => Ok(Some(channel)),
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(error),
    };
    repeatable
        .once(api, planned.as_str(), now, make, again)
        .await
}

fn channel_id(resource: &str) -> Result<ChannelId, Error> {
    ChannelId::parse(resource).map_err(|_| unreadable_resource())
}

async fn make(
    api: &Api,
    caller: &Caller,
    request: &CreateChannel,
    id: ChannelId,
    now: Timestamp,
) -> Result<View, Error> {
    let channel = Channel {
        id,
        user_id: caller.user_id.clone(),
        name: parse_name(&request.name)?,
        grace: request
            .grace_seconds
            .map_or(Ok(api.settings.default_grace), parse_grace)?,
        limits: limits::parse(&request.limits.clone().unwrap_or_default())?,
        region: api.settings.region.clone(),
        created_at: now,
        key_version: 0,
        key_created_at: None,
        key_public_id: None,
        key_hash: None,
        key_retired_at: None,
        previous_key_hash: None,
    };
    if all(&api.store, &caller.user_id).await?.len() >= MAX_CHANNELS as usize {
        return Err(Error::TooManyChannels);
    }
    api.store.create_channel(&channel).await?;
    Ok(view(&channel, &Gate::default(), None, now))
}

/// The caller's channel of this id; another's is not found.
pub(super) async fn owned(
    store: &Store,
    user_id: &UserId,
    channel_id: &ChannelId,
) -> Result<Channel, Error> {
    store
        .channel(channel_id)
        .await?
        .filter(|channel| channel.user_id == *user_id)
        .ok_or(Error::NotFound)
}

pub(crate) async fn read(
    api: &Api,
    caller: &Caller,
    channel_id: &ChannelId,
    now: Timestamp,
) -> Result<View, Error> {
    let channel = owned(&api.store, &caller.user_id, channel_id).await?;
    Ok(whole(&api.store, channel).await?.view(now))
}

pub(crate) async fn list(
    api: &Api,
    caller: &Caller,
    limit: u32,
    cursor: Option<&str>,
    now: Timestamp,
) -> Result<Page<View>, Error> {
    let page = api
        .store
        .channels_of(&caller.user_id, limit, cursor)
        .await?;
    let items = all_whole(&api.store, page.items).await?;
    Ok(Page {
        items: items.iter().map(|channel| channel.view(now)).collect(),
        cursor: page.cursor,
    })
}

pub(crate) async fn update(
    api: &Api,
    caller: &Caller,
    channel_id: &ChannelId,
    request: &UpdateChannel,
    now: Timestamp,
) -> Result<View, Error> {
    let name = request.name.as_deref().map(parse_name).transpose()?;
    let grace = request.grace_seconds.map(parse_grace).transpose()?;
    let seen = owned(&api.store, &caller.user_id, channel_id).await?;
    let new = Channel {
        limits: limits::changed(&seen.limits, request.limits.as_ref())?,
        name: name.unwrap_or_else(|| seen.name.clone()),
        grace: grace.unwrap_or(seen.grace),
        ..seen.clone()
    };
    if new != seen
        && let Some(auth_version) = api.store.update_channel(&seen, &new, now).await?
    {
        // The edge that has a stream of it judges that by the new limits.
        announce(api, channel_id, auth_version).await;
    }
    Ok(whole(&api.store, new).await?.view(now))
}

/// Removes a channel and its keys. The session log stays, and so does the gate: it cuts a publish
/// that was confirmed between the look at `live` and the removal.
pub(crate) async fn delete(
    api: &Api,
    caller: &Caller,
    channel_id: &ChannelId,
    now: Timestamp,
) -> Result<(), Error> {
    let channel = owned(&api.store, &caller.user_id, channel_id).await?;
    let live = api.store.live(channel_id).await?;
    if live.is_some_and(|item| is_in_use(&item, now)) {
        return Err(Error::ChannelIsLive);
    }
    let gate = api.store.gate(channel_id).await?;
    api.store.delete_channel(&channel).await?;
    // The removal moves the gate by one; had somebody else moved it, the key would be another.
    credential::retire(api, &channel, Duration::ZERO, gate.auth_version + 1).await;
    tracing::info!(%channel_id, user_id = %caller.user_id, "channel deleted");
    Ok(())
}

/// Whether a publisher has the channel or may come back to it.
fn is_in_use(item: &Item, now: Timestamp) -> bool {
    item.state != State::Offline && !item.is_abandoned(now)
}

/// Everything a dashboard shows first.
pub(super) async fn snapshot(
    store: &Store,
    cache: &Cache,
    user_id: &UserId,
    now: Timestamp,
) -> Result<Snapshot, Error> {
    let channels = all_whole(store, all(store, user_id).await?).await?;
    let channels = channels.iter().map(async |whole| ChannelSnapshot {
        channel: View {
            limits: None,
            ..whole.view(now)
        },
        status: status::view(cache, &whole.channel, whole.live.as_ref(), now).await,
    });
    Ok(Snapshot {
        channels: futures_util::future::join_all(channels).await,
        at: now,
    })
}

/// All channels of a user, up to what is allowed.
async fn all(store: &Store, user_id: &UserId) -> Result<Vec<Channel>, Error> {
    let page = store.channels_of(user_id, MAX_CHANNELS, None).await?;
    Ok(page.items)
}

/// A channel with what else is kept of it.
struct Whole {
    channel: Channel,
    gate: Gate,
    live: Option<Item>,
}

impl Whole {
    fn view(&self, now: Timestamp) -> View {
        view(&self.channel, &self.gate, self.live.as_ref(), now)
    }
}

async fn whole(store: &Store, channel: Channel) -> Result<Whole, Error> {
    let (gate, live) = tokio::try_join!(store.gate(&channel.id), store.live(&channel.id))?;
    Ok(Whole {
        channel,
        gate,
        live,
    })
}

/// All at a time: a page is bounded.
async fn all_whole(store: &Store, channels: Vec<Channel>) -> Result<Vec<Whole>, Error> {
    try_join_all(channels.into_iter().map(|channel| whole(store, channel))).await
}

fn view(channel: &Channel, gate: &Gate, live: Option<&Item>, now: Timestamp) -> View {
    let status = Status::of(live, now);
    View {
        id: channel.id.clone(),
        user_id: channel.user_id.clone(),
        name: channel.name.clone(),
        grace_seconds: channel.grace.as_secs(),
        limits: Some(channel.limits.clone().into()),
        region: channel.region.clone(),
        created_at: channel.created_at,
        is_live: status.shown == Shown::Live,
        last_live_at: live.and_then(|item| item.last_live_at),
        ingest_server_id: status.edge_id,
        has_stream_key: channel.key_hash.is_some(),
        hold_until: gate.held(now),
    }
}
