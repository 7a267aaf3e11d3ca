//! The `live` table: lock and status of a channel in one item.
//!
//! Each [`Write`] becomes one UpdateItem whose condition says what [`Write::permitted`] says and
//! whose update leaves what [`Write::apply`] leaves; the crate's tests hold the two against each
//! other. A condition that fails on an item which shows what the write would have left counts as
//! done: an earlier attempt was made and its answer lost.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::live::{Acquire, EndReason, Item, State, Version, Write, Written};
use domain::{AttemptId, ChannelId, ConnectionId, Owner, SessionId};

use crate::call::Outcome;
use crate::change::Change;
use crate::item::{Attributes, PK, Reader, moment, number, text};
use crate::schema::Table;
use crate::{Error, Store};

/// The sparse index from an owner to its locks: an OFFLINE item has no owner.
pub(crate) const BY_OWNER: &str = "byOwner";
pub(crate) const OWNER: &str = "owner";
const STATE: &str = "st";
const GENERATION: &str = "gen";
const SEQUENCE: &str = "seq";
const ATTEMPT_ID: &str = "attemptId";
const CONNECTION_ID: &str = "connectionId";
const SESSION_ID: &str = "sessionId";
const KEY_VERSION: &str = "keyVersion";
const CLIENT_IP: &str = "clientIp";
const STARTED_AT: &str = "startedAt";
const LAST_LIVE_AT: &str = "lastLiveAt";
const GRACE_UNTIL: &str = "graceUntil";
const ENDED_AT: &str = "endedAt";
const REASON: &str = "reason";
const LOCK: &str = "lock:stream:";

impl Store {
    /// The channel's live item; None where it was never live. Strongly consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn live(&self, channel_id: &ChannelId) -> Result<Option<Item>, Error> {
        let found = self.get(Table::Live, key(channel_id)).await?;
        found.as_ref().map(read).transpose()
    }

    /// Makes a conditional write: one UpdateItem.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: whether it was made is not known; repeat it. [`Error::Corrupt`].
    pub async fn write_live(&self, write: &Write) -> Result<Written, Error> {
        let key = key(write.channel_id());
        match self.update(Table::Live, key, &change(write)).await? {
            Outcome::Done(attributes) => read(&attributes).map(Written::Done),
            Outcome::Failed(None) => Ok(Written::Rejected(None)),
            Outcome::Failed(Some(attributes)) => {
                let item = read(&attributes)?;
                if write.left(&item) {
                    Ok(Written::Done(item))
                } else {
                    Ok(Written::Rejected(Some(item)))
                }
            }
        }
    }

    /// The channels whose item names this owner, GRACE included. Read through an index that lags
    /// behind: read each item again before it is written.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn held_by(&self, owner: &Owner) -> Result<Vec<ChannelId>, Error> {
        let mut channels = Vec::new();
        let mut start = None;
        loop {
            let request = self
                .client
                .query()
                .table_name(self.tables.name(Table::Live))
                .index_name(BY_OWNER)
                .key_condition_expression("#owner = :owner")
                .expression_attribute_names("#owner", OWNER)
                .expression_attribute_values(":owner", text(owner.to_string()))
                .set_exclusive_start_key(start);
            let answer = request.send().await;
            let page = answer.map_err(|error| Error::of("Query", &error))?;
            for attributes in page.items() {
                channels.push(channel_id(Reader::new(Table::Live, attributes))?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(channels);
            }
        }
    }

    /// Every item that is not OFFLINE. Strongly consistent; reads the whole table.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn unfinished(&self) -> Result<Vec<Item>, Error> {
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let request = self
                .client
                .scan()
                .table_name(self.tables.name(Table::Live))
                .filter_expression("#st <> :offline")
                .expression_attribute_names("#st", STATE)
                .expression_attribute_values(":offline", state_word(State::Offline))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let answer = request.send().await;
            let page = answer.map_err(|error| Error::of("Scan", &error))?;
            for attributes in page.items() {
                items.push(read(attributes)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }
}

fn key(channel_id: &ChannelId) -> Attributes {
    Attributes::from([(PK.to_owned(), text(format!("{LOCK}{channel_id}")))])
}

/// The update and the condition of a write.
fn change(write: &Write) -> Change {
    match write {
        Write::Acquire(acquire) => acquisition(acquire),
        Write::GoLive {
            owner,
            generation,
            now,
            ..
        } => held(Change::new(), owner, *generation)
            .when(STATE, state_word(State::Starting))
            .set(STATE, state_word(State::Live))
            .set(LAST_LIVE_AT, moment(*now))
            .remove(GRACE_UNTIL)
            .set_one_more(SEQUENCE, SEQUENCE),
        Write::Grace {
            owner,
            generation,
            now,
            grace_until,
            ..
        } => held(Change::new(), owner, *generation)
            .when_one_of(STATE, [State::Starting, State::Live].map(state_word))
            .set(STATE, state_word(State::Grace))
            .set(GRACE_UNTIL, moment(*grace_until))
            .set(ENDED_AT, moment(*now))
            .set_one_more(SEQUENCE, SEQUENCE),
        Write::Offline {
            seen, now, reason, ..
        } => ended(*now, *reason)
            .when(STATE, state_word(State::Grace))
            .when(GENERATION, number(seen.generation))
            .when(SEQUENCE, number(seen.sequence)),
        Write::End {
            owner,
            generation,
            now,
            reason,
            ..
        } => {
            let end = held(ended(*now, *reason), owner, *generation);
            if reason.ends(State::Live) {
                end.when_one_of(STATE, [State::Starting, State::Live].map(state_word))
            } else {
                end.when(STATE, state_word(State::Starting))
            }
        }
    }
}

fn acquisition(acquire: &Acquire) -> Change {
    let claim = &acquire.claim;
    let change = Change::new()
        .set(STATE, state_word(State::Starting))
        .set(GENERATION, number(acquire.generation()))
        .set(SEQUENCE, number(0))
        .set(OWNER, text(claim.owner.to_string()))
        .set(ATTEMPT_ID, text(claim.attempt_id.as_str()))
        .set(CONNECTION_ID, text(claim.connection_id.as_str()))
        .set(SESSION_ID, text(acquire.session_id.as_str()))
        .set(KEY_VERSION, number(claim.key_version))
        .set(CLIENT_IP, text(&claim.client_ip))
        .set(STARTED_AT, moment(acquire.started_at));
    match acquire.seen {
        None => change.when_absent(PK),
        Some(seen) => change
            .when(GENERATION, number(seen.generation))
            .when(SEQUENCE, number(seen.sequence)),
    }
}

fn held(change: Change, owner: &Owner, generation: u64) -> Change {
    change
        .when(OWNER, text(owner.to_string()))
        .when(GENERATION, number(generation))
}

fn ended(now: domain::Timestamp, reason: EndReason) -> Change {
    Change::new()
        .set(STATE, state_word(State::Offline))
        .set(ENDED_AT, moment(now))
        .set(REASON, text(reason.as_str()))
        .set_one_more(SEQUENCE, SEQUENCE)
        .remove(OWNER)
        .remove(ATTEMPT_ID)
        .remove(CONNECTION_ID)
        .remove(GRACE_UNTIL)
}

fn state_word(state: State) -> AttributeValue {
    text(match state {
        State::Offline => "OFFLINE",
        State::Starting => "STARTING",
        State::Live => "LIVE",
        State::Grace => "GRACE",
    })
}

fn parse_state(word: &str) -> Result<State, ()> {
    match word {
        "OFFLINE" => Ok(State::Offline),
        "STARTING" => Ok(State::Starting),
        "LIVE" => Ok(State::Live),
        "GRACE" => Ok(State::Grace),
        _ => Err(()),
    }
}

fn channel_id(reader: Reader<'_>) -> Result<ChannelId, Error> {
    reader.after(PK, LOCK, ChannelId::parse)
}

pub(crate) fn read(attributes: &Attributes) -> Result<Item, Error> {
    let reader = Reader::new(Table::Live, attributes);
    Ok(Item {
        channel_id: channel_id(reader)?,
        state: reader.parsed(STATE, parse_state)?,
        version: Version {
            generation: reader.number(GENERATION)?,
            sequence: reader.number(SEQUENCE)?,
        },
        owner: reader.some_parsed(OWNER, Owner::parse)?,
        attempt_id: reader.some_parsed(ATTEMPT_ID, AttemptId::parse)?,
        connection_id: reader.some_parsed(CONNECTION_ID, ConnectionId::parse)?,
        session_id: reader.some_parsed(SESSION_ID, SessionId::parse)?,
        key_version: reader.number(KEY_VERSION)?,
        client_ip: reader.some_text(CLIENT_IP)?.map(str::to_owned),
        started_at: reader.some_moment(STARTED_AT)?,
        last_live_at: reader.some_moment(LAST_LIVE_AT)?,
        grace_until: reader.some_moment(GRACE_UNTIL)?,
        ended_at: reader.some_moment(ENDED_AT)?,
        reason: reader.some_parsed(REASON, |word| EndReason::parse(word).ok_or(()))?,
    })
}
