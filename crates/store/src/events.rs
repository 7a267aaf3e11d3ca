//! The `events` table: each channel's event log, and the `audit` table, from which events of owners'
//! own doings get there.
//!
//! `CH#id / number`: numbers begin at 1, have no gap and are never given twice, whoever appends at
//! the same time. `EVENT#channel#id / 0`: where to look for an event, so that one that is told again
//! is found and not appended again; it expires after [`PLACE_KEPT`]. Events themselves do not.
//!
//! An append is two conditional puts. The first notes, once for each event, a place that the event
//! is not before. The second puts it at the first free place from there on, looking at every event
//! that it passes. Whoever appends the same event begins at the same place and passes the same
//! events, so that one of them puts it and all others find it; and nobody puts anything behind a
//! free place, so that there is no gap. It needs no transaction, and no item that all write to.
//!
//! `audit`: `CH#id / <event id>`, written in one transaction with what it tells of, or before it.
//! Its change stream leads to the log; the records expire after [`AUDIT_KEPT`].

use std::ops::ControlFlow;
use std::time::Duration;

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::event::{Event, Logged};
use domain::{ChannelId, Timestamp};

use crate::call::Outcome;
use crate::change::Change;
use crate::cursor::List;
use crate::event_item::{read, write};
use crate::item::{
    Attributes, PK, PURGE_AT, Reader, SK, Writer, channel_partition, composite_key, number,
    numbered_key, purge_at, text,
};
use crate::schema::Table;
use crate::{Error, MAX_PAGE, Page, Store, Trouble};

/// The first place that an event can be at.
const FIRST: &str = "first";
/// How long an event that is told again is known: a change stream keeps its records for one day.
const PLACE_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long an audit record is kept beside its event.
const AUDIT_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Tries of one append, each of which lost its place to another event. A channel has one shard in
/// each of three streams, so that hardly more than three append at a time.
const MAX_APPEND_TRIES: u32 = 32;

impl Store {
    /// Appends an event to its channel's log; where it is there already, says its place. May be
    /// repeated, and at the same time.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: whether it was appended is not known; repeat it. [`Error::Corrupt`].
    pub async fn append_event(&self, event: &Event, now: Timestamp) -> Result<Logged, Error> {
        let mut place = self.first_place(event, now).await?;
        for _ in 0..MAX_APPEND_TRIES {
            let key = numbered_key(channel_partition(&event.channel_id), place);
            let free = Change::new().when_absent(PK);
            if let Outcome::Done(_) = self.put(Table::Events, write(key, event), &free).await? {
                return Ok(Logged {
                    number: place,
                    event: event.clone(),
                });
            }
            place = match self.look_from(event, place).await? {
                ControlFlow::Break(found) => return Ok(found),
                ControlFlow::Continue(free) => free,
            };
        }
        let trouble = Trouble::new("PutItem", "others append to the log again and again");
        Err(Error::Unavailable(trouble))
    }

    /// The place that an event is not before. It is noted before the event is put anywhere, and never
    /// changed: nobody looks too late for it.
    async fn first_place(&self, event: &Event, now: Timestamp) -> Result<u64, Error> {
        let newest = self.entries(&log(&event.channel_id), 1, None).await?;
        let last = newest.first().map(|item| read(Table::Events, item));
        let next = last.transpose()?.map_or(0, |last| last.number) + 1;
        let key = numbered_key(format!("EVENT#{}#{}", event.channel_id, event.id), 0);
        let noted = Writer::new(key.clone())
            .set(FIRST, number(next))
            .set(PURGE_AT, purge_at(now + PLACE_KEPT))
            .finish();
        let new = Change::new().when_absent(PK);
        if let Outcome::Done(_) = self.put(Table::Events, noted, &new).await? {
            return Ok(next);
        }
        let noted = self.get(Table::Events, key).await?.ok_or_else(|| {
            Error::Unavailable(Trouble::new("GetItem", "what was noted has just expired"))
        })?;
        Reader::new(Table::Events, &noted).number(FIRST)
    }

    /// Looks for an event from a place on: it, or the first place that was free.
    async fn look_from(
        &self,
        event: &Event,
        mut place: u64,
    ) -> Result<ControlFlow<Logged, u64>, Error> {
        loop {
            let seen = place.saturating_sub(1);
            let passed = self.events_after(&event.channel_id, seen, MAX_PAGE).await?;
            let Some(last) = passed.last() else {
                return Ok(ControlFlow::Continue(place));
            };
            place = last.number + 1;
            if let Some(found) = passed.into_iter().find(|one| one.event.id == event.id) {
                return Ok(ControlFlow::Break(found));
            }
        }
    }

    /// A channel's events with a number above `after`, in their order. Strongly consistent. `limit`
    /// is held between 1 and [`MAX_PAGE`]; nothing comes after an answer that is empty.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn events_after(
        &self,
        channel_id: &ChannelId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Logged>, Error> {
        let request = self
            .client
            .query()
            .table_name(self.tables.name(Table::Events))
            .key_condition_expression("#pk = :pk AND #sk > :after")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":pk", text(channel_partition(channel_id)))
            .expression_attribute_values(":after", number(after))
            .consistent_read(true)
            .limit(i32::try_from(limit.clamp(1, MAX_PAGE)).unwrap_or(1));
        let answer = request.send().await;
        let page = answer.map_err(|error| Error::of("Query", &error))?;
        let items = page.items().iter();
        items.map(|item| read(Table::Events, item)).collect()
    }

    /// A channel's events, newest first. Strongly consistent. `limit` is held between 1 and
    /// [`MAX_PAGE`].
    ///
    /// # Errors
    /// [`Error::InvalidCursor`], [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn events(
        &self,
        channel_id: &ChannelId,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Page<Logged>, Error> {
        let page = self.page(&log(channel_id), limit, cursor).await?;
        let items = page.items.iter();
        Ok(Page {
            items: items
                .map(|item| read(Table::Events, item))
                .collect::<Result<_, _>>()?,
            cursor: page.cursor,
        })
    }

    /// Puts on record what an owner is about to do, where nothing else that is written tells of it.
    /// `status-fanout` appends it to the log. May be repeated.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: then it must not be done.
    pub async fn record_audit(&self, event: &Event) -> Result<(), Error> {
        match self
            .put(Table::Audit, audited(event), &Change::new())
            .await?
        {
            Outcome::Done(_) | Outcome::Failed(_) => Ok(()),
        }
    }

    /// The same as a part of the transaction that does what it tells of.
    pub(crate) fn transact_audit(&self, event: &Event) -> Result<TransactWriteItem, Error> {
        self.transact_put(Table::Audit, audited(event), &Change::new())
    }
}

fn audited(event: &Event) -> Attributes {
    let key = composite_key(channel_partition(&event.channel_id), event.id.as_str());
    let mut item = write(key, event);
    item.insert(PURGE_AT.to_owned(), purge_at(event.at + AUDIT_KEPT));
    item
}

fn log(channel_id: &ChannelId) -> List {
    List {
        table: Table::Events,
        partition: channel_partition(channel_id),
        sort_prefix: "",
        newest_first: true,
    }
}
