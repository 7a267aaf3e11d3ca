//! Disconnect and hold: what is live ends, and nothing gets in for a while.
//!
//! The gate is written first; then the cache is told, which makes refusals cheap, and then the edges,
//! of which the one that has the publisher cuts it.

use contract::http::{Disconnect, Hold};
use domain::channel::parse_hold;
use domain::{ChannelId, Timestamp};
use store::cache::Control;

use super::idempotency::{Earlier, Repeatable, unreadable_resource};
use super::{Error, channel};
use crate::{Api, Caller};

/// Cuts the channel's publisher and lets nobody in until the hold is over.
pub(crate) async fn disconnect(
    api: &Api,
    caller: &Caller,
    channel_id: &ChannelId,
    request: &Disconnect,
    repeatable: &Repeatable,
    now: Timestamp,
) -> Result<Hold, Error> {
    let hold = parse_hold(request.hold_seconds)?;
    channel::owned(&api.store, &caller.user_id, channel_id).await?;
    let planned = (now + hold).to_string();
    let make = async |until: &str| {
        let hold = view(channel_id, until)?;
        let auth_version = api.store.hold(channel_id, hold.hold_until, now).await?;
        let until = Some(hold.hold_until);
        api.cache
            .remember_hold(channel_id, auth_version, until)
            .await;
        announce(api, channel_id, auth_version).await;
        tracing::info!(%channel_id, user_id = %caller.user_id, until = %hold.hold_until, "channel held");
        Ok(hold)
    };
    // Holding it once more harms nobody.
    let again = async |until: &str, earlier| match earlier {
        Earlier::Finished => view(channel_id, until).map(Some),
        Earlier::Unfinished => Ok(None),
    };
    repeatable.once(api, &planned, now, make, again).await
}

/// Lifts a hold; nothing happens where there is none.
pub(crate) async fn lift(
    api: &Api,
    caller: &Caller,
    channel_id: &ChannelId,
    now: Timestamp,
) -> Result<(), Error> {
    channel::owned(&api.store, &caller.user_id, channel_id).await?;
    let gate = api.store.gate(channel_id).await?;
    if gate.held(now).is_none() {
        return Ok(());
    }
    let auth_version = api.store.lift_hold(channel_id, now).await?;
    api.cache
        .remember_hold(channel_id, auth_version, None)
        .await;
    announce(api, channel_id, auth_version).await;
    tracing::info!(%channel_id, user_id = %caller.user_id, "hold lifted");
    Ok(())
}

/// Tells the edges that a gate changed.
pub(super) async fn announce(api: &Api, channel_id: &ChannelId, auth_version: u64) {
    let channel_id = channel_id.clone();
    let control = Control {
        channel_id,
        auth_version,
    };
    api.cache.announce(control).await;
}

fn view(channel_id: &ChannelId, until: &str) -> Result<Hold, Error> {
    Ok(Hold {
        channel_id: channel_id.clone(),
        hold_until: Timestamp::parse(until).map_err(|_| unreadable_resource())?,
    })
}
