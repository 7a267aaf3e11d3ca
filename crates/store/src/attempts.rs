//! The `attempts` table: refused attempts, for the owner whose encoder hides the reason.
//!
//! `CH#id / <minute>-<code>-<address>`: one record for each kind, address and minute, so that an
//! encoder that tries every second costs one item a minute. Expires after
//! [`domain::attempt::KEEP_SECONDS`].

use std::time::Duration;

use domain::attempt::{Attempt, KEEP_SECONDS};
use domain::{ChannelId, Timestamp};

use crate::call::Outcome;
use crate::change::Change;
use crate::cursor::List;
use crate::item::{
    Attributes, PK, PURGE_AT, Reader, SK, channel_partition, composite_key, moment, purge_at, text,
};
use crate::schema::Table;
use crate::{Error, Page, Store};

const CHANNEL: &str = "CH#";
const REASON: &str = "reason";
const DETAIL: &str = "detail";
const IP_ADDRESS: &str = "ipAddress";
const ENCODER: &str = "encoder";
const FIRST_AT: &str = "firstAt";
const LAST_AT: &str = "lastAt";
const COUNT: &str = "count";

/// Refusals of one kind from one address within a minute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedAttempt {
    /// Names the record; sorts by its minute.
    pub id: String,
    /// The refusal's stable code.
    pub reason: String,
    /// The refusal in plain words, as of the last one.
    pub detail: String,
    /// Who tried.
    pub ip_address: String,
    /// With what, the last time.
    pub encoder: Option<String>,
    /// When it was first tried.
    pub first_at: Timestamp,
    /// When it was last tried.
    pub last_at: Timestamp,
    /// How often; too high by one where an answer of the store was lost.
    pub count: u64,
}

impl Store {
    /// Notes a refusal: counts it up in the record of its kind, address and minute.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn record_attempt(&self, attempt: &Attempt) -> Result<(), Error> {
        let key = composite_key(channel_partition(&attempt.channel_id), attempt.id());
        let kept_until = attempt.at + Duration::from_secs(KEEP_SECONDS);
        let change = Change::new()
            .set(REASON, text(attempt.refusal.code()))
            .set(DETAIL, text(attempt.refusal.advice()))
            .set(IP_ADDRESS, text(&attempt.ip_address))
            .set_some(ENCODER, attempt.encoder.as_ref().map(text))
            .set_first(FIRST_AT, moment(attempt.at))
            .set(LAST_AT, moment(attempt.at))
            .set(PURGE_AT, purge_at(kept_until))
            .set_one_more(COUNT, COUNT);
        match self.update(Table::Attempts, key, &change).await? {
            Outcome::Done(_) | Outcome::Failed(_) => Ok(()),
        }
    }

    /// A channel's refused attempts, newest first. Strongly consistent. `limit` is held between 1
    /// and [`crate::MAX_PAGE`].
    ///
    /// # Errors
    /// [`Error::InvalidCursor`], [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn attempts(
        &self,
        channel_id: &ChannelId,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Page<RefusedAttempt>, Error> {
        let list = List {
            table: Table::Attempts,
            partition: channel_partition(channel_id),
            sort_prefix: "",
            newest_first: true,
        };
        let page = self.page(&list, limit, cursor).await?;
        Ok(Page {
            items: page.items.iter().map(read).collect::<Result<_, _>>()?,
            cursor: page.cursor,
        })
    }
}

/// Reads a record with the channel that it is of.
pub(crate) fn read_image(attributes: &Attributes) -> Result<(ChannelId, RefusedAttempt), Error> {
    let reader = Reader::new(Table::Attempts, attributes);
    let channel_id = reader.after(PK, CHANNEL, ChannelId::parse)?;
    Ok((channel_id, read(attributes)?))
}

fn read(attributes: &Attributes) -> Result<RefusedAttempt, Error> {
    let reader = Reader::new(Table::Attempts, attributes);
    Ok(RefusedAttempt {
        id: reader.text(SK)?.to_owned(),
        reason: reader.text(REASON)?.to_owned(),
        detail: reader.text(DETAIL)?.to_owned(),
        ip_address: reader.text(IP_ADDRESS)?.to_owned(),
        encoder: reader.some_text(ENCODER)?.map(str::to_owned),
        first_at: reader.moment(FIRST_AT)?,
        last_at: reader.moment(LAST_AT)?,
        count: reader.number(COUNT)?,
    })
}
