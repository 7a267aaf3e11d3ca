//! Reports of stream keys that were found where they should not be.
//!
//! Whoever holds a key may end it, and learns nothing: the answer is the same whether it was a key
//! of ours or not. A running session goes on, as after a reset: who found the key of somebody who is
//! live must not be able to end the broadcast.

use domain::authorization::Answer;
use domain::{StreamKey, Timestamp};

use super::Error;
use super::hold::announce;
use crate::Api;

/// Reports that one address may send in a minute.
pub(crate) const MAX_REPORTS_A_MINUTE: u64 = 10;

/// Ends the key that `text` is, if it is one.
pub(crate) async fn report(
    api: &Api,
    text: &str,
    address: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let store = &api.store;
    let counted = store.count_key_report(address, MAX_REPORTS_A_MINUTE, now);
    if !counted.await? {
        return Err(Error::TooManyRequests);
    }
    let Ok(key) = StreamKey::parse(text) else {
        return Ok(());
    };
    let hash = key.hash();
    let Some(key) = store.key(&hash).await? else {
        return Ok(());
    };
    let auth_version = match store.retire_key(&hash, &key, now).await {
        Ok(Some(auth_version)) => auth_version,
        // Dead already, or its channel is gone: there is nothing left to end.
        Ok(None) | Err(store::Error::Conflict) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let revoked = Answer::Revoked { auth_version };
    api.cache.remember(&hash, &revoked).await;
    announce(api, &key.channel_id, auth_version).await;
    tracing::warn!(channel_id = %key.channel_id, user_id = %key.user_id, address, "stream key reported as leaked and retired");
    Ok(())
}
