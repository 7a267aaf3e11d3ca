//! The `channels` table: settings, gate and the owner's list; keys are in [`crate::keys`].
//!
//! `CH#id / META` holds the settings and which key is current, `CH#id / GATE` the gate,
//! `USER#id / CH#id` the entry of the owner's list. They are made together and removed together,
//! but for the gate: it outlives its channel, so that a session that still runs is cut.

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use domain::channel::Channel;
use domain::event::{Event, What};
use domain::id::time_ordered;
use domain::limits::parse_networks;
use domain::session::Resolution;
use domain::{ChannelId, Limits, Timestamp, UserId};

use crate::change::Change;
use crate::cursor::List;
use crate::item::{
    Attributes, PK, Reader, SK, Writer, channel_partition, composite_key, moment, number, text,
};
use crate::keys::{
    AUTH_VERSION, CUT_BEFORE, GATE_PLACE, MAX_GATE_TRIES, bumped_gate,
    gate_changes_again_and_again, gate_key, key_key_of_hex, secret_key,
};
use crate::schema::{Table, built};
use crate::transaction::Transacted;
use crate::{Error, Page, Store, Trouble};

const META: &str = "META";
const NAME: &str = "name";
const GRACE_MILLIS: &str = "graceMillis";
const REGION: &str = "region";
const CREATED_AT: &str = "createdAt";
/// Texts of networks with blanks between them.
const ALLOWED_NETWORKS: &str = "allowedNetworks";
const MAXIMUM_BITRATE_KBPS: &str = "maximumBitrateKbps";
const MAXIMUM_RESOLUTION: &str = "maximumResolution";
pub(crate) const USER_ID: &str = "userId";
pub(crate) const KEY_VERSION: &str = "keyVersion";
pub(crate) const KEY_CREATED_AT: &str = "keyCreatedAt";
pub(crate) const KEY_PUBLIC_ID: &str = "keyPublicId";
pub(crate) const KEY_HASH: &str = "keyHash";
pub(crate) const KEY_RETIRED_AT: &str = "keyRetiredAt";
pub(crate) const PREVIOUS_KEY_HASH: &str = "previousKeyHash";
const CHANNEL: &str = "CH#";

/// Rounds in which a batch of reads is completed; the store leaves some out when it is busy.
const MAX_BATCH_ROUNDS: u32 = 4;

impl Store {
    /// Makes a channel without a key, with its gate and its place in the owner's list. May be
    /// repeated.
    ///
    /// # Errors
    /// [`Error::Conflict`] where there is another one of this id. [`Error::Unavailable`].
    pub async fn create_channel(&self, channel: &Channel) -> Result<(), Error> {
        let listing = listing_key(&channel.user_id, &channel.id);
        let listing = Writer::new(listing).set(CREATED_AT, moment(channel.created_at));
        let gate = Writer::new(gate_key(&channel.id)).set(AUTH_VERSION, number(0));
        let new = Change::new().when_absent(PK);
        let items = vec![
            self.transact_put(Table::Channels, write(channel), &new)?,
            self.transact_put(Table::Channels, gate.finish(), &new)?,
            self.transact_put(Table::Channels, listing.finish(), &new)?,
        ];
        match self.transact(items).await? {
            Transacted::Done => Ok(()),
            Transacted::Failed(_) if self.channel(&channel.id).await?.as_ref() == Some(channel) => {
                Ok(())
            }
            Transacted::Failed(_) => Err(Error::Conflict),
        }
    }

    /// A channel; None where there is none. Strongly consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn channel(&self, channel_id: &ChannelId) -> Result<Option<Channel>, Error> {
        let found = self.get(Table::Channels, meta_key(channel_id)).await?;
        found.as_ref().map(read).transpose()
    }

    /// A user's channels, ordered by id. Strongly consistent. `limit` is held between 1 and
    /// [`crate::MAX_PAGE`].
    ///
    /// # Errors
    /// [`Error::InvalidCursor`], [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn channels_of(
        &self,
        user_id: &UserId,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Page<Channel>, Error> {
        let list = List {
            table: Table::Channels,
            partition: user_partition(user_id),
            sort_prefix: CHANNEL,
            newest_first: false,
        };
        let page = self.page(&list, limit, cursor).await?;
        let ids = page.items.iter().map(|item| {
            let reader = Reader::new(Table::Channels, item);
            reader.after(SK, CHANNEL, ChannelId::parse)
        });
        let ids = ids.collect::<Result<Vec<_>, _>>()?;
        Ok(Page {
            items: self.channels(&ids).await?,
            cursor: page.cursor,
        })
    }

    /// The channels of these ids, in their order, without those that were removed meanwhile.
    async fn channels(&self, ids: &[ChannelId]) -> Result<Vec<Channel>, Error> {
        let table = self.tables.name(Table::Channels);
        let mut wanted: Vec<Attributes> = ids.iter().map(meta_key).collect();
        let mut found = Vec::with_capacity(ids.len());
        for _ in 0..MAX_BATCH_ROUNDS {
            if wanted.is_empty() {
                break;
            }
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(wanted))
                .consistent_read(true);
            let request = self.client.batch_get_item();
            let answer = request.request_items(&table, built(keys.build())?).send();
            let mut answer = answer
                .await
                .map_err(|error| Error::of("BatchGetItem", &error))?;
            let items = answer.responses.as_mut().and_then(|all| all.remove(&table));
            for item in items.unwrap_or_default() {
                found.push(read(&item)?);
            }
            let left = answer
                .unprocessed_keys
                .and_then(|mut all| all.remove(&table));
            wanted = left.map(|left| left.keys).unwrap_or_default();
        }
        if !wanted.is_empty() {
            let trouble = Trouble::new("BatchGetItem", "keys left out again and again");
            return Err(Error::Unavailable(trouble));
        }
        // The store answers in an order of its own.
        found.sort_by_key(|channel| ids.iter().position(|id| *id == channel.id));
        Ok(found)
    }

    /// Changes what the owner may set: name, grace and limits of `new`, and puts on record that it was
    /// done. Everything else of it is ignored. Where the limits change, so does the gate, in the same
    /// transaction; its new `auth_version` is returned, which is to be announced.
    ///
    /// # Errors
    /// [`Error::Conflict`] where one of them is no longer what was `seen`, or the channel is gone.
    /// [`Error::Unavailable`].
    pub async fn update_channel(
        &self,
        seen: &Channel,
        new: &Channel,
        now: Timestamp,
    ) -> Result<Option<u64>, Error> {
        let change = changed_settings(seen, new);
        let changed = Event {
            channel_id: seen.id.clone(),
            id: format!("settings.{}", time_ordered(now, rand::random())),
            at: now,
            what: What::SettingsChanged {
                settings: seen.settings_changed_in(new),
            },
        };
        if seen.limits != new.limits {
            let updated = self.update_with_gate(new, &change, &changed);
            return updated.await.map(Some);
        }
        let items = vec![
            self.transact_update(Table::Channels, meta_key(&seen.id), &change)?,
            self.transact_audit(&changed)?,
        ];
        match self.transact(items).await? {
            Transacted::Done => Ok(None),
            Transacted::Failed(_) => self.updated_already(new).await.map(|_| None),
        }
    }

    async fn update_with_gate(
        &self,
        new: &Channel,
        change: &Change,
        changed: &Event,
    ) -> Result<u64, Error> {
        for _ in 0..MAX_GATE_TRIES {
            let gate = self.gate(&new.id).await?;
            let bumped = bumped_gate(&gate, None);
            let items = vec![
                self.transact_update(Table::Channels, meta_key(&new.id), change)?,
                self.transact_update(Table::Channels, gate_key(&new.id), &bumped)?,
                self.transact_audit(changed)?,
            ];
            match self.transact(items).await? {
                Transacted::Done => return Ok(gate.auth_version + 1),
                Transacted::Failed(places) if places == [GATE_PLACE] => {}
                Transacted::Failed(_) => return self.updated_already(new).await,
            }
        }
        Err(gate_changes_again_and_again())
    }

    /// A failed condition counts as success where the channel shows these very settings.
    async fn updated_already(&self, new: &Channel) -> Result<u64, Error> {
        let found = self.channel(&new.id).await?;
        if found.is_some_and(|found| has_settings_of(&found, new)) {
            return Ok(self.gate(&new.id).await?.auth_version);
        }
        Err(Error::Conflict)
    }

    /// Removes a channel with its keys. Its gate stays and cuts the sessions that still run; its
    /// live item and its logs stay too.
    ///
    /// # Errors
    /// [`Error::Conflict`] where its key changed since it was read, or it is gone.
    /// [`Error::Unavailable`].
    pub async fn delete_channel(&self, channel: &Channel) -> Result<(), Error> {
        let always = Change::new();
        let seen = Change::new()
            .when_present(PK)
            .when(KEY_VERSION, number(channel.key_version));
        let cut = Change::new()
            .set_one_more(AUTH_VERSION, AUTH_VERSION)
            .set_one_more(CUT_BEFORE, AUTH_VERSION);
        let listing = listing_key(&channel.user_id, &channel.id);
        let mut items = vec![
            self.transact_delete(Table::Channels, meta_key(&channel.id), &seen)?,
            self.transact_delete(Table::Channels, listing, &always)?,
            self.transact_update(Table::Channels, gate_key(&channel.id), &cut)?,
            self.transact_delete(Table::Secrets, secret_key(&channel.id), &always)?,
        ];
        let hashes = channel.key_hash.iter().chain(&channel.previous_key_hash);
        for hash in hashes {
            items.push(self.transact_delete(Table::Channels, key_key_of_hex(hash), &always)?);
        }
        match self.transact(items).await? {
            Transacted::Done => Ok(()),
            Transacted::Failed(_) => Err(Error::Conflict),
        }
    }
}

fn grace_millis(channel: &Channel) -> u64 {
    u64::try_from(channel.grace.as_millis()).unwrap_or(u64::MAX)
}

fn changed_settings(seen: &Channel, new: &Channel) -> Change {
    let change = Change::new()
        .when(NAME, text(&seen.name))
        .when(GRACE_MILLIS, number(grace_millis(seen)))
        .set(NAME, text(&new.name))
        .set(GRACE_MILLIS, number(grace_millis(new)));
    let before = limit_attributes(&seen.limits).into_iter();
    let change = before.fold(change, |change, (name, limit)| {
        change.when_some(name, limit)
    });
    let after = limit_attributes(&new.limits).into_iter();
    after.fold(change, |change, (name, limit)| change.set_some(name, limit))
}

fn has_settings_of(found: &Channel, new: &Channel) -> bool {
    found.name == new.name && found.grace == new.grace && found.limits == new.limits
}

/// What is not limited is absent.
fn limit_attributes(limits: &Limits) -> [(&'static str, Option<AttributeValue>); 3] {
    let networks = limits.allowed_networks.iter().map(ToString::to_string);
    let networks = networks.collect::<Vec<_>>().join(" ");
    let resolution = limits.maximum_resolution;
    [
        (
            ALLOWED_NETWORKS,
            (!networks.is_empty()).then(|| text(networks)),
        ),
        (
            MAXIMUM_BITRATE_KBPS,
            limits.maximum_bitrate_kbps.map(|kbps| number(kbps.into())),
        ),
        (
            MAXIMUM_RESOLUTION,
            resolution.map(|resolution| text(resolution.to_string())),
        ),
    ]
}

fn read_limits(reader: &Reader<'_>) -> Result<Limits, Error> {
    let networks = |text: &str| parse_networks(&text.split(' ').collect::<Vec<_>>());
    let networks = reader.some_parsed(ALLOWED_NETWORKS, networks)?;
    let resolution = |text| Resolution::parse(text).ok_or(());
    Ok(Limits {
        allowed_networks: networks.unwrap_or_default(),
        maximum_bitrate_kbps: reader.some_number(MAXIMUM_BITRATE_KBPS)?,
        maximum_resolution: reader.some_parsed(MAXIMUM_RESOLUTION, resolution)?,
    })
}

pub(crate) fn meta_key(channel_id: &ChannelId) -> Attributes {
    composite_key(channel_partition(channel_id), META)
}

fn user_partition(user_id: &UserId) -> String {
    format!("USER#{user_id}")
}

fn listing_key(user_id: &UserId, channel_id: &ChannelId) -> Attributes {
    composite_key(user_partition(user_id), channel_partition(channel_id))
}

fn write(channel: &Channel) -> Attributes {
    let writer = Writer::new(meta_key(&channel.id));
    let limits = limit_attributes(&channel.limits).into_iter();
    limits
        .fold(writer, |writer, (name, limit)| writer.set_some(name, limit))
        .set(USER_ID, text(channel.user_id.as_str()))
        .set(NAME, text(&channel.name))
        .set(GRACE_MILLIS, number(grace_millis(channel)))
        .set(REGION, text(&channel.region))
        .set(CREATED_AT, moment(channel.created_at))
        .set(KEY_VERSION, number(channel.key_version))
        .set_some(KEY_CREATED_AT, channel.key_created_at.map(moment))
        .set_some(KEY_PUBLIC_ID, channel.key_public_id.as_ref().map(text))
        .set_some(KEY_HASH, channel.key_hash.as_ref().map(text))
        .set_some(KEY_RETIRED_AT, channel.key_retired_at.map(moment))
        .set_some(
            PREVIOUS_KEY_HASH,
            channel.previous_key_hash.as_ref().map(text),
        )
        .finish()
}

fn read(attributes: &Attributes) -> Result<Channel, Error> {
    let reader = Reader::new(Table::Channels, attributes);
    Ok(Channel {
        id: reader.after(PK, CHANNEL, ChannelId::parse)?,
        user_id: reader.parsed(USER_ID, UserId::parse)?,
        name: reader.text(NAME)?.to_owned(),
        grace: reader
            .number(GRACE_MILLIS)
            .map(std::time::Duration::from_millis)?,
        limits: read_limits(&reader)?,
        region: reader.text(REGION)?.to_owned(),
        created_at: reader.moment(CREATED_AT)?,
        key_version: reader.number(KEY_VERSION)?,
        key_created_at: reader.some_moment(KEY_CREATED_AT)?,
        key_public_id: reader.some_text(KEY_PUBLIC_ID)?.map(str::to_owned),
        key_hash: reader.some_text(KEY_HASH)?.map(str::to_owned),
        key_retired_at: reader.some_moment(KEY_RETIRED_AT)?,
        previous_key_hash: reader.some_text(PREVIOUS_KEY_HASH)?.map(str::to_owned),
    })
}
