//! Stream keys and gates: `KEY#sha256 / KEY` and `CH#id / GATE` of `channels`, and the table
//! `secrets` with the encrypted keys.
//!
//! A key is found by the hash of what was presented, never through an index. At most two keys of a
//! channel are valid. One that was retired stays, so that a refusal of it can be shown to its owner.
//! Every change of a key bumps the gate's `auth_version` in the same transaction, and every change of
//! a key or a gate is put on record in it.

use std::fmt;

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::channel::{Channel, Gate, Key};
use domain::event::{Event, What};
use domain::{ChannelId, StreamKeyHash, Timestamp, UserId};

use crate::change::Change;
use crate::channels::{
    KEY_CREATED_AT, KEY_HASH, KEY_PUBLIC_ID, KEY_RETIRED_AT, KEY_VERSION, PREVIOUS_KEY_HASH,
    USER_ID, meta_key,
};
use crate::item::{
    Attributes, PK, Reader, Writer, bytes, channel_partition, composite_key, moment, number, text,
};
use crate::schema::Table;
use crate::transaction::Transacted;
use crate::{Error, Store, Trouble};

pub(crate) const CHANNEL_ID: &str = "channelId";
pub(crate) const AUTH_VERSION: &str = "authVersion";
pub(crate) const CUT_BEFORE: &str = "cutBefore";
const HOLD_UNTIL: &str = "holdUntil";
const NOT_AFTER: &str = "notAfter";
const CIPHERTEXT: &str = "ciphertext";
const GATE: &str = "GATE";
const KEY: &str = "KEY";

/// Tries of a change whose gate was changed by something else meanwhile.
pub(crate) const MAX_GATE_TRIES: u32 = 4;
/// Where META is in a transaction with the gate.
const META_PLACE: usize = 0;
/// Where GATE is in it.
pub(crate) const GATE_PLACE: usize = 1;

/// A key that is to become a channel's current one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// What it is looked up by.
    pub hash: StreamKeyHash,
    /// Shown in the masked view; no part of the key.
    pub public_id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The key itself, for its owner; its version is one more than the current key's.
    pub encrypted: EncryptedKey,
}

/// A stream key, encrypted with the deployment's data key.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptedKey {
    /// The key's version; part of what the encryption authenticates.
    pub version: u64,
    /// Nonce, ciphertext and tag, as the keyring lays them out.
    pub ciphertext: Vec<u8>,
}

impl fmt::Debug for EncryptedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptedKey(version {})", self.version)
    }
}

/// How a reset treats what there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Until when the old key may start publishes. None: it is dead now.
    pub overlap_until: Option<Timestamp>,
    /// The moment of the reset.
    pub now: Timestamp,
    /// Whether a running session is to be cut.
    pub disconnect_live: bool,
}

impl Store {
    /// What a key opens; None where it was never one of ours. A retired key is found too: ask
    /// [`Key::is_valid`]. Strongly consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn key(&self, hash: &StreamKeyHash) -> Result<Option<Key>, Error> {
        self.key_of_hex(&hash.to_hex()).await
    }

    async fn key_of_hex(&self, hash: &str) -> Result<Option<Key>, Error> {
        let found = self.get(Table::Channels, key_key_of_hex(hash)).await?;
        found.as_ref().map(read_key).transpose()
    }

    /// A channel's gate; open under version 0 where there is none. Strongly consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn gate(&self, channel_id: &ChannelId) -> Result<Gate, Error> {
        match self.get(Table::Channels, gate_key(channel_id)).await? {
            Some(found) => read_gate(&found),
            None => Ok(Gate::default()),
        }
    }

    /// Gives a channel its first key; returns the gate's new `auth_version`. May be repeated with
    /// the same key.
    ///
    /// # Errors
    /// [`Error::Conflict`] where it has another one. [`Error::Unavailable`].
    pub async fn add_first_key(&self, seen: &Channel, new: &NewKey) -> Result<u64, Error> {
        if seen.key_version != 0 {
            return Err(Error::Conflict);
        }
        self.replace_key(seen, new, None).await
    }

    /// Gives a channel a new key in place of its current one, and ends the overlap of the one
    /// before that; returns the gate's new `auth_version`. May be repeated with the same key.
    ///
    /// # Errors
    /// [`Error::Conflict`] where the key changed since the channel was `seen`, or where there is
    /// none. [`Error::Unavailable`].
    pub async fn reset_key(
        &self,
        seen: &Channel,
        new: &NewKey,
        reset: &Reset,
    ) -> Result<u64, Error> {
        if seen.key_hash.is_none() {
            return Err(Error::Conflict);
        }
        self.replace_key(seen, new, Some(reset)).await
    }

    /// Puts a channel on hold: no publish is admitted before `until`, and what is live is to be cut.
    /// Returns the gate's new `auth_version`, which is to be announced.
    ///
    /// # Errors
    /// [`Error::Conflict`] where there is no such channel. [`Error::Unavailable`].
    pub async fn hold(
        &self,
        channel_id: &ChannelId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<u64, Error> {
        let held = |change: Change, next| {
            change
                .set(HOLD_UNTIL, moment(until))
                .set(CUT_BEFORE, number(next))
        };
        self.change_gate(channel_id, held, &What::Held { until }, now)
            .await
    }

    /// Lifts a hold; returns the gate's new `auth_version`, which is to be announced.
    ///
    /// # Errors
    /// [`Error::Conflict`] where there is no such channel. [`Error::Unavailable`].
    pub async fn lift_hold(&self, channel_id: &ChannelId, now: Timestamp) -> Result<u64, Error> {
        let lifted = |change: Change, _| change.remove(HOLD_UNTIL);
        self.change_gate(channel_id, lifted, &What::HoldLifted, now)
            .await
    }

    /// Ends a key for good because it was reported, whether it is a channel's current one or inside its
    /// overlap, and puts the report on record; a running session goes on. Returns the gate's new `auth_version`, which is to be announced; None where
    /// the key was dead already. May be repeated.
    ///
    /// # Errors
    /// [`Error::Conflict`] where the channel is gone. [`Error::Unavailable`].
    pub async fn retire_key(
        &self,
        hash: &StreamKeyHash,
        key: &Key,
        now: Timestamp,
    ) -> Result<Option<u64>, Error> {
        let hash = hash.to_hex();
        for _ in 0..MAX_GATE_TRIES {
            let found = self.key_of_hex(&hash).await?;
            if found.is_none_or(|found| !found.is_valid(now)) {
                return Ok(None);
            }
            let gate = self.gate(&key.channel_id).await?;
            let channel = self.channel(&key.channel_id).await?;
            let channel = channel.ok_or(Error::Conflict)?;
            let items = self.retirement(&channel, &hash, &gate, now)?;
            if self.transact(items).await? == Transacted::Done {
                return Ok(Some(gate.auth_version + 1));
            }
            // A reset or another report came between: look again.
        }
        let trouble = Trouble::new("TransactWriteItems", "the key changes again and again");
        Err(Error::Unavailable(trouble))
    }

    /// The writes that end a key. The channel says so where it is its current one, so that a reset
    /// that has not seen it gives no overlap to a dead key.
    fn retirement(
        &self,
        channel: &Channel,
        hash: &str,
        gate: &Gate,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, Error> {
        let seen = Change::new().when_some(KEY_HASH, channel.key_hash.as_ref().map(text));
        let meta = if channel.key_hash.as_deref() == Some(hash) {
            seen.set(KEY_RETIRED_AT, moment(now))
        } else {
            seen.set_some(KEY_RETIRED_AT, channel.key_retired_at.map(moment))
        };
        let dead = Change::new()
            .when_present(PK)
            .set(NOT_AFTER, moment(Timestamp::default()));
        let reported = gate_changed(&channel.id, gate, What::KeyReported, now);
        Ok(vec![
            self.transact_update(Table::Channels, meta_key(&channel.id), &meta)?,
            self.transact_update(
                Table::Channels,
                gate_key(&channel.id),
                &bumped_gate(gate, None),
            )?,
            self.transact_update(Table::Channels, key_key_of_hex(hash), &dead)?,
            self.transact_audit(&reported)?,
        ])
    }

    /// Changes a gate under its next version, and puts on record what was done. May be repeated: a
    /// version that was skipped harms nobody.
    async fn change_gate(
        &self,
        channel_id: &ChannelId,
        change: impl Fn(Change, u64) -> Change,
        what: &What,
        now: Timestamp,
    ) -> Result<u64, Error> {
        for _ in 0..MAX_GATE_TRIES {
            let key = gate_key(channel_id);
            let seen = self.get(Table::Channels, key.clone()).await?;
            let gate = read_gate(&seen.ok_or(Error::Conflict)?)?;
            let next = gate.auth_version + 1;
            let changed = change(bumped_gate(&gate, None), next);
            let done = gate_changed(channel_id, &gate, what.clone(), now);
            let items = vec![
                self.transact_update(Table::Channels, key, &changed)?,
                self.transact_audit(&done)?,
            ];
            if self.transact(items).await? == Transacted::Done {
                return Ok(next);
            }
        }
        Err(gate_changes_again_and_again())
    }

    /// The current key, encrypted; None before the first.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn encrypted_key(
        &self,
        channel_id: &ChannelId,
    ) -> Result<Option<EncryptedKey>, Error> {
        let found = self.get(Table::Secrets, secret_key(channel_id)).await?;
        let read = |item: Attributes| {
            let reader = Reader::new(Table::Secrets, &item);
            Ok(EncryptedKey {
                version: reader.number(KEY_VERSION)?,
                ciphertext: reader.bytes(CIPHERTEXT)?,
            })
        };
        found.map(read).transpose()
    }

    async fn replace_key(
        &self,
        seen: &Channel,
        new: &NewKey,
        reset: Option<&Reset>,
    ) -> Result<u64, Error> {
        if new.encrypted.version != seen.key_version + 1 {
            return Err(Error::Conflict);
        }
        for _ in 0..MAX_GATE_TRIES {
            let gate = self.gate(&seen.id).await?;
            let items = self.replacement(seen, new, reset, &gate).await?;
            match self.transact(items).await? {
                Transacted::Done => return Ok(gate.auth_version + 1),
                Transacted::Failed(places) if places == [GATE_PLACE] => {}
                Transacted::Failed(places) => {
                    return self.replaced_already(seen, new, &places).await;
                }
            }
        }
        Err(gate_changes_again_and_again())
    }

    /// A failed condition counts as success where the channel shows this very key: an attempt was
    /// made and its answer lost. Keys are random, so that nobody else's write leaves it.
    async fn replaced_already(
        &self,
        seen: &Channel,
        new: &NewKey,
        places: &[usize],
    ) -> Result<u64, Error> {
        if !places.contains(&META_PLACE) {
            return Err(Error::Conflict);
        }
        let found = self.channel(&seen.id).await?;
        let hash = new.hash.to_hex();
        if found.is_none_or(|found| found.key_hash.as_ref() != Some(&hash)) {
            return Err(Error::Conflict);
        }
        Ok(self.gate(&seen.id).await?.auth_version)
    }

    /// The writes that make `new` the current key.
    async fn replacement(
        &self,
        seen: &Channel,
        new: &NewKey,
        reset: Option<&Reset>,
        gate: &Gate,
    ) -> Result<Vec<TransactWriteItem>, Error> {
        let always = Change::new();
        let unused = Change::new().when_absent(PK);
        let mut items = vec![
            self.transact_update(Table::Channels, meta_key(&seen.id), &current_key(seen, new))?,
            self.transact_update(
                Table::Channels,
                gate_key(&seen.id),
                &bumped_gate(gate, reset),
            )?,
            self.transact_put(Table::Channels, write_key(seen, new), &unused)?,
            self.transact_put(Table::Secrets, write_secret(&seen.id, new), &always)?,
            self.transact_audit(&replaced(seen, new, reset))?,
        ];
        let Some(reset) = reset else {
            return Ok(items);
        };
        // Not as of now: an edge whose clock is behind would let a dead key in for a while.
        let dead = Timestamp::default();
        let end = match seen.key_retired_at {
            Some(_) => dead,
            None => reset.overlap_until.unwrap_or(dead),
        };
        for (hash, end) in [
            (&seen.key_hash, end),
            (&self.overlapping(seen, reset.now).await?, dead),
        ] {
            if let Some(hash) = hash {
                let retired = Change::new().when_present(PK).set(NOT_AFTER, moment(end));
                items.push(self.transact_update(
                    Table::Channels,
                    key_key_of_hex(hash),
                    &retired,
                )?);
            }
        }
        Ok(items)
    }

    /// The key before the current one, where it is still inside its overlap. One that ended keeps
    /// its end.
    async fn overlapping(&self, seen: &Channel, now: Timestamp) -> Result<Option<String>, Error> {
        let Some(hash) = &seen.previous_key_hash else {
            return Ok(None);
        };
        let found = self.key_of_hex(hash).await?;
        Ok(found.filter(|key| key.is_valid(now)).map(|_| hash.clone()))
    }
}

/// What is put on record of a change of the gate. One channel has one gate of each version.
fn gate_changed(channel_id: &ChannelId, seen: &Gate, what: What, now: Timestamp) -> Event {
    Event {
        channel_id: channel_id.clone(),
        id: format!("gate.{}", seen.auth_version + 1),
        at: now,
        what,
    }
}

/// What is put on record of a new key. One channel has one key of each version.
fn replaced(seen: &Channel, new: &NewKey, reset: Option<&Reset>) -> Event {
    Event {
        channel_id: seen.id.clone(),
        id: format!("key.{}", new.encrypted.version),
        at: new.created_at,
        what: reset.map_or(What::KeyGenerated, |reset| What::KeyReset {
            overlap_until: reset.overlap_until,
            disconnect_live: reset.disconnect_live,
        }),
    }
}

fn current_key(seen: &Channel, new: &NewKey) -> Change {
    Change::new()
        .when(KEY_VERSION, number(seen.key_version))
        .when_some(KEY_HASH, seen.key_hash.as_ref().map(text))
        .when_some(KEY_RETIRED_AT, seen.key_retired_at.map(moment))
        .remove(KEY_RETIRED_AT)
        .set(KEY_VERSION, number(new.encrypted.version))
        .set(KEY_HASH, text(new.hash.to_hex()))
        .set(KEY_PUBLIC_ID, text(&new.public_id))
        .set(KEY_CREATED_AT, moment(new.created_at))
        .set_some(PREVIOUS_KEY_HASH, seen.key_hash.as_ref().map(text))
}

pub(crate) fn gate_changes_again_and_again() -> Error {
    Error::Unavailable(Trouble::new(
        "changing a gate",
        "it changes again and again",
    ))
}

pub(crate) fn bumped_gate(gate: &Gate, reset: Option<&Reset>) -> Change {
    let next = gate.auth_version + 1;
    let change = Change::new()
        .when(AUTH_VERSION, number(gate.auth_version))
        .set(AUTH_VERSION, number(next));
    if reset.is_some_and(|reset| reset.disconnect_live) {
        change.set(CUT_BEFORE, number(next))
    } else {
        change
    }
}

pub(crate) fn gate_key(channel_id: &ChannelId) -> Attributes {
    composite_key(channel_partition(channel_id), GATE)
}

pub(crate) fn key_key_of_hex(hash: &str) -> Attributes {
    composite_key(format!("KEY#{hash}"), KEY)
}

pub(crate) fn secret_key(channel_id: &ChannelId) -> Attributes {
    Attributes::from([(CHANNEL_ID.to_owned(), text(channel_id.as_str()))])
}

fn write_key(channel: &Channel, new: &NewKey) -> Attributes {
    Writer::new(key_key_of_hex(&new.hash.to_hex()))
        .set(CHANNEL_ID, text(channel.id.as_str()))
        .set(USER_ID, text(channel.user_id.as_str()))
        .set(KEY_VERSION, number(new.encrypted.version))
        .finish()
}

fn write_secret(channel_id: &ChannelId, new: &NewKey) -> Attributes {
    Writer::new(secret_key(channel_id))
        .set(KEY_VERSION, number(new.encrypted.version))
        .set(CIPHERTEXT, bytes(&new.encrypted.ciphertext))
        .finish()
}

fn read_key(attributes: &Attributes) -> Result<Key, Error> {
    let reader = Reader::new(Table::Channels, attributes);
    Ok(Key {
        channel_id: reader.parsed(CHANNEL_ID, ChannelId::parse)?,
        user_id: reader.parsed(USER_ID, UserId::parse)?,
        version: reader.number(KEY_VERSION)?,
        not_after: reader.some_moment(NOT_AFTER)?,
    })
}

fn read_gate(attributes: &Attributes) -> Result<Gate, Error> {
    let reader = Reader::new(Table::Channels, attributes);
    Ok(Gate {
        auth_version: reader.number(AUTH_VERSION)?,
        hold_until: reader.some_moment(HOLD_UNTIL)?,
        cut_before: reader.some_number(CUT_BEFORE)?.unwrap_or(0),
    })
}
