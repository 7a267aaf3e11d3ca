//! The signature on what edges ask each other: HMAC-SHA256 with the fleet's secret over everything
//! that matters, for one edge's epoch, for half a minute, once.

use std::fmt;
use std::time::Duration;

use domain::{Owner, Timestamp};
use hmac::{Hmac, KeyInit as _, Mac as _};
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};

/// How far the clocks of two edges may be apart, and how long a call may be under way.
const VALID_FOR: Duration = Duration::from_secs(30);
/// Calls remembered, so that none is taken twice; a fleet asks a few in a second.
const REMEMBERED: u64 = 100_000;
/// The shortest secret that is one, in bytes.
const SHORTEST: usize = 16;

/// The secret that all edges of a fleet share.
#[derive(Clone)]
pub struct FleetSecret([u8; 32]);

impl FleetSecret {
    /// From the fleet's secret; None where it is too short to be one (under 16 bytes).
    #[must_use]
    pub fn derive(secret: &[u8]) -> Option<Self> {
        let mut digest = Sha256::new_with_prefix(b"edge to edge");
        digest.update(secret);
        (secret.len() >= SHORTEST).then(|| Self(digest.finalize().into()))
    }
}

impl fmt::Debug for FleetSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FleetSecret(..)")
    }
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'call> {
    pub(super) path: &'call str,
    /// The edge and epoch that is asked.
    pub(super) target: &'call Owner,
    pub(super) at: Timestamp,
    pub(super) nonce: &'call str,
    pub(super) body: &'call [u8],
}

/// Why a call was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Rejection {
    #[error("not signed with the fleet's secret")]
    Forged,
    #[error("signed too long ago, or by a clock that is wrong")]
    Stale,
    #[error("taken before")]
    Repeated,
}

impl Call<'_> {
    fn mac(&self, secret: &FleetSecret) -> Hmac<Sha256> {
        let mut mac = mac(secret);
        let at = self.at.millis();
        // The body goes last: nothing before it can hold a line break.
        mac.update(
            format!(
                "POST\n{}\n{}\n{at}\n{}\n",
                self.path, self.target, self.nonce
            )
            .as_bytes(),
        );
        mac.update(self.body);
        mac
    }

    /// The signature, in hexadecimal digits.
    pub(super) fn signature(&self, secret: &FleetSecret) -> String {
        domain::id::hex(&self.mac(secret).finalize().into_bytes())
    }

    /// Over the question's signature and the answer: nobody else can have answered this very call.
    fn answer_mac(&self, secret: &FleetSecret, answer: &[u8]) -> Hmac<Sha256> {
        let mut mac = mac(secret);
        mac.update(b"answer\n");
        mac.update(self.signature(secret).as_bytes());
        mac.update(answer);
        mac
    }

    /// The answer's signature, in hexadecimal digits.
    pub(super) fn answer_signature(&self, secret: &FleetSecret, answer: &[u8]) -> String {
        domain::id::hex(&self.answer_mac(secret, answer).finalize().into_bytes())
    }

    /// Whether an answer was signed for this call.
    pub(super) fn is_answered(
        &self,
        secret: &FleetSecret,
        answer: &[u8],
        signature: &[u8],
    ) -> bool {
        let signature = std::str::from_utf8(signature).ok().and_then(unhex);
        let mac = self.answer_mac(secret, answer);
        signature.is_some_and(|signature| mac.verify_slice(&signature).is_ok())
    }
}

fn mac(secret: &FleetSecret) -> Hmac<Sha256> {
    #[allow(clippy::expect_used, reason = "HMAC takes a key of any length")]
    Hmac::<Sha256>::new_from_slice(&secret.0).expect("any length")
}

/// Checks calls, and remembers those that were taken.
#[derive(Debug)]
pub(super) struct Gate {
    secret: FleetSecret,
    taken: Cache<String, ()>,
}

impl Gate {
    pub(super) fn new(secret: FleetSecret) -> Self {
        let taken = Cache::builder()
            .max_capacity(REMEMBERED)
            .time_to_live(2 * VALID_FOR)
            .build();
        Self { secret, taken }
    }

    /// Takes a call once.
    pub(super) fn take(
        &self,
        call: &Call<'_>,
        signature: &str,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let signature = unhex(signature).ok_or(Rejection::Forged)?;
        let mac = call.mac(&self.secret);
        mac.verify_slice(&signature)
            .map_err(|_| Rejection::Forged)?;
        if now.since(call.at).max(call.at.since(now)) > VALID_FOR {
            return Err(Rejection::Stale);
        }
        let fresh = self
            .taken
            .entry(call.nonce.to_owned())
            .or_insert(())
            .is_fresh();
        if fresh {
            Ok(())
        } else {
            Err(Rejection::Repeated)
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use domain::EdgeId;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_900_000_000_000);

    fn secret(byte: u8) -> FleetSecret {
        FleetSecret::derive(&[byte; 16]).expect("long enough")
    }

    fn owner(epoch: u64) -> Owner {
        Owner {
            edge_id: EdgeId::from_random([1; 16]),
            epoch,
        }
    }

    fn call<'call>(target: &'call Owner, body: &'call [u8]) -> Call<'call> {
        Call {
            path: "/v1/yield",
            target,
            at: NOW,
            nonce: "once",
            body,
        }
    }

    #[test]
    fn a_call_is_taken_once() {
        let (gate, target) = (Gate::new(secret(1)), owner(1));
        let call = call(&target, b"{}");
        let signature = call.signature(&secret(1));
        assert_eq!(gate.take(&call, &signature, NOW), Ok(()));
        assert_eq!(gate.take(&call, &signature, NOW), Err(Rejection::Repeated));
    }

    #[test]
    fn an_answer_is_believed_for_the_call_that_it_was_signed_for() {
        let (one, two) = (owner(1), owner(2));
        let (asked, other) = (call(&one, b"{}"), call(&two, b"{}"));
        let signature = asked.answer_signature(&secret(1), b"yes");
        let believed = |call: &Call<'_>, answer: &[u8], signature: &str| {
            call.is_answered(&secret(1), answer, signature.as_bytes())
        };
        assert!(believed(&asked, b"yes", &signature));
        assert!(!believed(&asked, b"no", &signature));
        assert!(!believed(&other, b"yes", &signature));
        let foreign = asked.answer_signature(&secret(2), b"yes");
        assert!(!believed(&asked, b"yes", &foreign));
        // A question's own signature sent back answers nothing.
        assert!(!believed(&asked, b"{}", &asked.signature(&secret(1))));
    }

    #[test]
    fn a_call_that_was_changed_or_is_for_another_epoch_is_forged() {
        let gate = Gate::new(secret(1));
        let (one, two) = (owner(1), owner(2));
        let signature = call(&one, b"{}").signature(&secret(1));
        let other = Call {
            path: "/v1/outage",
            ..call(&one, b"{}")
        };
        for changed in [call(&one, b"{ }"), call(&two, b"{}"), other] {
            assert_eq!(gate.take(&changed, &signature, NOW), Err(Rejection::Forged));
        }
        let foreign = call(&one, b"{}").signature(&secret(2));
        for signature in [foreign.as_str(), "", "zz", "00"] {
            let taken = gate.take(&call(&one, b"{}"), signature, NOW);
            assert_eq!(taken, Err(Rejection::Forged));
        }
    }

    #[test]
    fn a_call_is_good_for_half_a_minute() {
        let (gate, target) = (Gate::new(secret(1)), owner(1));
        let call = call(&target, b"{}");
        let signature = call.signature(&secret(1));
        let late = Duration::from_millis(30_001);
        for now in [NOW + late, NOW - late] {
            assert_eq!(gate.take(&call, &signature, now), Err(Rejection::Stale));
        }
        assert_eq!(gate.take(&call, &signature, NOW + VALID_FOR), Ok(()));
    }

    #[test]
    fn a_short_secret_is_none_and_none_is_shown() {
        assert!(FleetSecret::derive(&[1; 15]).is_none());
        assert_eq!(format!("{:?}", secret(1)), "FleetSecret(..)");
    }
}
