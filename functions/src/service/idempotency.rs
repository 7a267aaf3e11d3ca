//! Requests that carry an `Idempotency-Key`: sent again, they make nothing twice.
//!
//! What a request makes is planned and written down before it is made. A repetition is answered with
//! what was made, read anew: no answer is kept, because it may hold a stream key. A request that
//! failed is forgotten, but for one whose writes may have been made: that one stays until nobody can
//! be working on it, and is then finished by whoever repeats it.

use aws_lc_rs::digest::{SHA256, digest};
use domain::Timestamp;
use domain::id::hex;
use serde::Serialize;
use store::{Begun, RepeatableRequest};

use super::Error;
use crate::chain::Chain;
use crate::{Api, Caller};

/// Most characters of an `Idempotency-Key`.
pub(crate) const MAX_KEY_CHARACTERS: usize = 255;
/// Random bytes that name one try.
const ATTEMPT_BYTES: usize = 16;

/// The value of the header: 1 to [`MAX_KEY_CHARACTERS`] visible ASCII characters. Kept as its hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct IdempotencyKey {
    sha256: String,
}

impl IdempotencyKey {
    /// None where it is not well formed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let well_formed = (1..=MAX_KEY_CHARACTERS).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        well_formed.then(|| Self {
            sha256: sha256(text.as_bytes()),
        })
    }
}

/// What became of an earlier request with the same key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Earlier {
    /// It made what was planned.
    Finished,
    /// It never ended, and may have made it or not.
    Unfinished,
}

/// A request, with what tells its repetitions from others; nothing where it carries no key.
#[derive(Clone, Debug)]
pub(crate) struct Repeatable(Option<RepeatableRequest>);

impl Repeatable {
    /// `operation` and `target` say what is asked for, `body` how.
    pub(crate) fn new(
        caller: &Caller,
        key: Option<IdempotencyKey>,
        operation: &str,
        target: &str,
        body: &impl Serialize,
    ) -> Self {
        Self(key.map(|key| {
            // Parsed before, so that it can be written.
            let asked = serde_json::to_vec(&(operation, target, body)).unwrap_or_default();
            RepeatableRequest {
                user_id: caller.user_id.clone(),
                key_sha256: key.sha256,
                request_sha256: sha256(&asked),
                attempt: hex(&rand::random::<[u8; ATTEMPT_BYTES]>()),
            }
        }))
    }

    /// Lets `make` make what is planned, or `again` find what an earlier request made; `again` finds
    /// nothing where it was not made.
    pub(crate) async fn once<T>(
        &self,
        api: &Api,
        planned: &str,
        now: Timestamp,
        make: impl AsyncFnOnce(&str) -> Result<T, Error>,
        again: impl AsyncFnOnce(&str, Earlier) -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        let Some(request) = &self.0 else {
            return make(planned).await;
        };
        let made = match api.store.begin_request(request, planned, now).await? {
            Begun::First => make(planned).await,
            Begun::Unfinished(resource) => match again(&resource, Earlier::Unfinished).await {
                Ok(Some(made)) => Ok(made),
                Ok(None) => make(&resource).await,
                Err(error) => Err(error),
            },
            Begun::Finished(resource) => {
                let made = again(&resource, Earlier::Finished).await?;
                return made.ok_or(Error::NotFound);
            }
            Begun::InFlight => return Err(Error::RequestInFlight),
            Begun::Another => return Err(Error::IdempotencyKeyReused),
        };
        let kept = match &made {
            Ok(_) => api.store.finish_request(request).await,
            Err(Error::Unavailable(_)) => Ok(()),
            Err(_) => api.store.forget_request(request).await,
        };
        if let Err(error) = kept {
            // It stays as one that never ended; a repetition finds what it made.
            tracing::warn!(error = %Chain(&error), "the end of a repeatable request is not on record");
        }
        made
    }
}

/// What an earlier request was to make cannot be read.
pub(super) const fn unreadable_resource() -> Error {
    let (table, what) = ("idempotency", "resource");
    Error::Store(store::Error::Corrupt { table, what })
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_1_to_255_visible_characters() {
        for text in ["", "two words", "k\u{e4}se", &"x".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(text), None, "{text}");
        }
        let longest = IdempotencyKey::parse(&"x".repeat(255));
        assert!(longest.is_some_and(|key| key.sha256.len() == 64));
    }
}
