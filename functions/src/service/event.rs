//! The event log of a channel.

use contract::event::Event;
use contract::http::Page;
use domain::ChannelId;
use domain::event::Logged;

use super::{Error, channel};
use crate::{Api, Caller};

/// Which part of the log is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// What comes after this number, oldest first.
    After(u64),
    /// The newest, or what is older than where the cursor is; newest first.
    Newest(Option<String>),
}

/// A part of the log. Of [`Part::After`] no cursor is given: the last number is the next `after`, and
/// an empty page is the end.
pub(crate) async fn list(
    api: &Api,
    caller: &Caller,
    channel_id: &ChannelId,
    limit: u32,
    part: &Part,
) -> Result<Page<Event>, Error> {
    channel::owned(&api.store, &caller.user_id, channel_id).await?;
    let (logged, cursor): (Vec<Logged>, _) = match part {
        Part::After(number) => {
            let logged = api.store.events_after(channel_id, *number, limit).await?;
            (logged, None)
        }
        Part::Newest(cursor) => {
            let page = api.store.events(channel_id, limit, cursor.as_deref());
            let page = page.await?;
            (page.items, page.cursor)
        }
    };
    Ok(Page {
        items: logged.into_iter().map(Event::from).collect(),
        cursor,
    })
}
