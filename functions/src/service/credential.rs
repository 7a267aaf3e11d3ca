//! Stream keys: generate, reset, reveal, and the masked view.
//!
//! A reset writes keys and gate in one transaction first and looks at the live item after, so that
//! of a reset and a publish that race one sees the other. Only then the cache is told: it may
//! refuse a dead key sooner, and is never what makes one dead.
//!
//! Invariant: a key is in the answer to its owner and nowhere else; log lines name the channel.

use std::time::Duration;

use contract::http::{MaskedStreamCredential, ResetStreamKey, StreamCredential};
use domain::authorization::Answer;
use domain::channel::{Channel, parse_key_overlap};
use domain::stream_key::{masked, public_id};
use domain::{ChannelId, StreamKey, StreamKeyHash, Timestamp};
use rand::rngs::OsRng;
use rand::{RngCore as _, TryRngCore as _};
use store::cache::Control;
use store::{EncryptedKey, NewKey, Reset};

use super::{Error, channel, ingest};
use crate::{Api, Caller};

/// Gives a channel its first key.
pub(crate) async fn generate(
    api: &Api,
    caller: &Caller,
    channel_id: &ChannelId,
    now: Timestamp,
) -> Result<StreamCredential, Error> {
    let channel = channel::owned(&api.store, &caller.user_id, channel_id).await?;
    if channel.key_hash.is_some() {
        return Err(Error::StreamKeyExists);
    }
    let (key, new) = new_key(api, &channel, now).await?;
    let added = api.store.add_first_key(&channel, &new).await;
    let auth_version = added.map_err(|error| match error {
        store::Error::Conflict => Error::StreamKeyExists,
        other => other.into(),
    })?;
    retire(api, &channel, Duration::ZERO, auth_version).await;
    tracing::info!(%channel_id, user_id = %caller.user_id, "stream key generated");
    Ok(credential(api, &channel, &key, now).await)
}

/// Puts a new key in place of the present one.
pub(crate) async fn reset(
    api: &Api,
    caller: &Caller,
    channel_id: &ChannelId,
    request: &ResetStreamKey,
    now: Timestamp,
) -> Result<StreamCredential, Error> {
    let overlap = parse_key_overlap(request.overlap_seconds)?;
    let channel = channel::owned(&api.store, &caller.user_id, channel_id).await?;
    if channel.key_hash.is_none() {
        return Err(Error::NoStreamKey);
    }
    let (key, new) = new_key(api, &channel, now).await?;
    let reset = Reset {
        overlap_until: (!overlap.is_zero()).then(|| now + overlap),
        now,
        disconnect_live: request.disconnect_live,
    };
    let auth_version = api.store.reset_key(&channel, &new, &reset).await?;
    retire(api, &channel, overlap, auth_version).await;
    audit_reset(api, caller, &channel, &reset).await;
    Ok(credential(api, &channel, &key, now).await)
}

/// The present key, for its owner's eyes. Each time is on record.
pub(crate) async fn reveal(
    api: &Api,
    caller: &Caller,
    channel_id: &ChannelId,
) -> Result<StreamCredential, Error> {
    let channel = channel::owned(&api.store, &caller.user_id, channel_id).await?;
    let created_at = channel.key_created_at.ok_or(Error::NoStreamKey)?;
    let sealed = api.store.encrypted_key(channel_id).await?;
    let sealed = sealed.ok_or(Error::NoStreamKey)?;
    if sealed.version != channel.key_version {
        // A reset came between the two reads.
        return Err(Error::Conflict);
    }
    let key = api
        .keyring
        .open(channel_id, sealed.version, &sealed.ciphertext)
        .await?;
    tracing::info!(%channel_id, user_id = %caller.user_id, "stream key revealed");
    Ok(credential(api, &channel, &key, created_at).await)
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
