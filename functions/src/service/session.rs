//! The session log of a channel.

use contract::http::{Page, Session};
use domain::ChannelId;

use super::{Error, channel};
use crate::{Api, Caller};

/// A page of the log, newest first.
pub(crate) async fn list(
    api: &Api,
    caller: &Caller,
    channel_id: &ChannelId,
    limit: u32,
    cursor: Option<&str>,
) -> Result<Page<Session>, Error> {
    channel::owned(&api.store, &caller.user_id, channel_id).await?;
    let page = api.store.sessions(channel_id, limit, cursor).await?;
    Ok(Page {
        items: page.items.into_iter().map(Session::from).collect(),
        cursor: page.cursor,
    })
}
