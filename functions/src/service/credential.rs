//! Stream keys: generate, reset, reveal, and the masked view.
//!
//! A reset writes keys and gate in one transaction first and looks at the live item after, so that
//! of a reset and a publish that race one sees the other. Only then the cache is told: it may
//! refuse a dead key sooner, and is never what makes one dead.
//!
//! Invariant: a key is in the answer to its owner and nowhere else; log lines name the channel.

use std::cmp::Ordering;
use std::time::Duration;

use contract::http::{MaskedStreamCredential, ResetStreamKey, StreamCredential};
use domain::authorization::Answer;
use domain::channel::{Channel, parse_key_overlap};
use domain::event::{Event, What};
use domain::id::time_ordered;
use domain::stream_key::{masked, public_id};
use domain::{ChannelId, StreamKey, StreamKeyHash, Timestamp};
use rand::rngs::OsRng;
use rand::{RngCore as _, TryRngCore as _};
use store::cache::Control;
use store::{EncryptedKey, NewKey, Reset};

use super::idempotency::{Repeatable, unreadable_resource};
use super::{Error, channel, ingest};
use crate::{Api, Caller};

/// The version of a channel's first key.
const FIRST_VERSION: u64 = 1;

/// Gives a channel its first key.
pub(crate) async fn generate(
    api: &Api,
    caller: &Caller,
    channel_id: &ChannelId,
    repeatable: &Repeatable,
    now: Timestamp,
) -> Result<StreamCredential, Error> {
    let channel = channel::owned(&api.store, &caller.user_id, channel_id).await?;
    let make = async |_: &str| first_key(api, caller, &channel, now).await;
    let again = async |version: &str, _| made_before(api, caller, channel_id, version, now).await;
    repeatable
        .once(api, &FIRST_VERSION.to_string(), now, make, again)
        .await
}

async fn first_key(
    api: &Api,
    caller: &Caller,
    channel: &Channel,
    now: Timestamp,
) -> Result<StreamCredential, Error> {
    if channel.key_hash.is_some() {
        return Err(Error::StreamKeyExists);
    }
    let (key, new) = new_key(api, channel, now).await?;
    let added = api.store.add_first_key(channel, &new).await;
    let auth_version = added.map_err(|error| match error {
        store::Error::Conflict => Error::StreamKeyExists,
        other => other.into(),
    })?;
    retire(api, channel, Duration::ZERO, auth_version).await;
    tracing::info!(channel_id = %channel.id, user_id = %caller.user_id, "stream key generated");
    Ok(credential(api, channel, &key, now).await)
}

/// Puts a new key in place of the present one.
pub(crate) async fn reset(
    api: &Api,
    caller: &Caller,
    channel_id: &ChannelId,
    request: &ResetStreamKey,
    repeatable: &Repeatable,
    now: Timestamp,
) -> Result<StreamCredential, Error> {
    let overlap = parse_key_overlap(request.overlap_seconds)?;
    let channel = channel::owned(&api.store, &caller.user_id, channel_id).await?;
    let planned = (channel.key_version + 1).to_string();
    let make = async |version: &str| {
        // Where an earlier request planned it, and another one has made it since.
        if *version != planned {
            return Err(Error::Conflict);
        }
        next_key(api, caller, &channel, request, overlap, now).await
    };
    let again = async |version: &str, _| made_before(api, caller, channel_id, version, now).await;
    repeatable.once(api, &planned, now, make, again).await
}

async fn next_key(
    api: &Api,
    caller: &Caller,
    channel: &Channel,
    request: &ResetStreamKey,
    overlap: Duration,
    now: Timestamp,
) -> Result<StreamCredential, Error> {
    if channel.key_hash.is_none() {
        return Err(Error::NoStreamKey);
    }
    let (key, new) = new_key(api, channel, now).await?;
    let reset = Reset {
        overlap_until: (!overlap.is_zero()).then(|| now + overlap),
        now,
        disconnect_live: request.disconnect_live,
    };
    let auth_version = api.store.reset_key(channel, &new, &reset).await?;
    retire(api, channel, overlap, auth_version).await;
    audit_reset(api, caller, channel, &reset).await;
    Ok(credential(api, channel, &key, now).await)
}

/// The key of this version, which an earlier request was to make; None where it was not made.
async fn made_before(
    api: &Api,
    caller: &Caller,
    channel_id: &ChannelId,
    version: &str,
    now: Timestamp,
) -> Result<Option<StreamCredential>, Error> {
    let version: u64 = version.parse().map_err(|_| unreadable_resource())?;
    let channel = channel::owned(&api.store, &caller.user_id, channel_id).await?;
    match channel.key_version.cmp(&version) {
        Ordering::Less => Ok(None),
        Ordering::Equal => present_key(api, &channel, now).await.map(Some),
        // Another one took its place since.
        Ordering::Greater => Err(Error::Conflict),
    }
}

/// The present key, for its owner's eyes.
pub(crate) async fn reveal(
    api: &Api,
    caller: &Caller,
    channel_id: &ChannelId,
    now: Timestamp,
) -> Result<StreamCredential, Error> {
    let channel = channel::owned(&api.store, &caller.user_id, channel_id).await?;
    let revealed = present_key(api, &channel, now).await?;
    tracing::info!(%channel_id, user_id = %caller.user_id, "stream key revealed");
    Ok(revealed)
}

/// Opens the present key. It is on record before it is shown: no reveal is missing from the log, and one
/// that failed after its record is there all the same.
async fn present_key(
    api: &Api,
    channel: &Channel,
    now: Timestamp,
) -> Result<StreamCredential, Error> {
    let created_at = channel.key_created_at.ok_or(Error::NoStreamKey)?;
    if channel.key_retired_at.is_some() {
        return Err(Error::StreamKeyRetired);
    }
    let sealed = api.store.encrypted_key(&channel.id).await?;
    let sealed = sealed.ok_or(Error::NoStreamKey)?;
    if sealed.version != channel.key_version {
        // A reset came between the two reads.
        return Err(Error::Conflict);
    }
    let key = api
        .keyring
        .open(&channel.id, sealed.version, &sealed.ciphertext)
        .await?;
    let revealed = Event {
        channel_id: channel.id.clone(),
        id: format!("reveal.{}", time_ordered(now, rand::random())),
        at: now,
        what: What::KeyRevealed,
    };
    api.store.record_audit(&revealed).await?;
    Ok(credential(api, channel, &key, created_at).await)
}

/// What stands in the page while the key is not revealed.
pub(crate) async fn masked_view(
    api: &Api,
    caller: &Caller,
    channel_id: &ChannelId,
) -> Result<MaskedStreamCredential, Error> {
    let channel = channel::owned(&api.store, &caller.user_id, channel_id).await?;
    let shown = channel.key_public_id.as_deref().zip(channel.key_created_at);
    let (public_id, created_at) = shown.ok_or(Error::NoStreamKey)?;
    Ok(MaskedStreamCredential {
        masked_key: masked(public_id),
        ingest_url: ingest::url_for(api, &channel.region).await,
        created_at,
        retired_at: channel.key_retired_at,
        user_id: channel.user_id,
        channel_id: channel.id,
    })
}

/// Draws a key from the operating system and prepares what is kept of it.
async fn new_key(
    api: &Api,
    channel: &Channel,
    now: Timestamp,
) -> Result<(StreamKey, NewKey), Error> {
    let mut random = OsRng.unwrap_err();
    let key = StreamKey::generate(|bytes| random.fill_bytes(bytes));
    let version = channel.key_version + 1;
    let ciphertext = api.keyring.seal(&channel.id, version, &key).await?;
    let new = NewKey {
        hash: key.hash(),
        public_id: public_id(random.next_u32().to_le_bytes()),
        created_at: now,
        encrypted: EncryptedKey {
            version,
            ciphertext,
        },
    };
    Ok((key, new))
}

/// Tells the cache and the edges which keys a change of the gate has ended.
pub(super) async fn retire(api: &Api, channel: &Channel, overlap: Duration, auth_version: u64) {
    let replaced = channel.key_hash.as_deref().filter(|_| overlap.is_zero());
    // The key before it had its overlap ended by the same change.
    let ended = [replaced, channel.previous_key_hash.as_deref()];
    for hash in ended
        .into_iter()
        .flatten()
        .filter_map(StreamKeyHash::from_hex)
    {
        let revoked = Answer::Revoked { auth_version };
        api.cache.remember(&hash, &revoked).await;
    }
    let control = Control {
        channel_id: channel.id.clone(),
        auth_version,
    };
    api.cache.announce(control).await;
}

/// Puts the reset on record, with the session that it cuts. The edge that has the session cuts it.
async fn audit_reset(api: &Api, caller: &Caller, channel: &Channel, reset: &Reset) {
    let cut = if reset.disconnect_live {
        let live = api.store.live(&channel.id).await.ok().flatten();
        live.filter(|item| item.state.is_held() && item.key_version <= channel.key_version)
    } else {
        None
    };
    let session_id = cut
        .and_then(|item| item.session_id)
        .map(tracing::field::display);
    tracing::info!(
        channel_id = %channel.id,
        user_id = %caller.user_id,
        disconnect_live = reset.disconnect_live,
        session_id,
        "stream key reset"
    );
}

async fn credential(
    api: &Api,
    channel: &Channel,
    key: &StreamKey,
    created_at: Timestamp,
) -> StreamCredential {
    StreamCredential {
        user_id: channel.user_id.clone(),
        channel_id: channel.id.clone(),
        stream_key: key.expose().to_owned(),
        ingest_url: ingest::url_for(api, &channel.region).await,
        created_at,
    }
}
