//! What a token claims, and what it must claim.

use std::time::Duration;

use domain::{Timestamp, UserId};
use jsonwebtoken::Validation;
use serde::Deserialize;

use super::jwks::VerificationKey;
use super::{Caller, Rejection};

/// How far the identity provider's clock may be from ours.
const LEEWAY: Duration = Duration::from_secs(30);

/// What a token must say.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) issuer: String,
    pub(super) audience: String,
}

/// The claims that are read. Times are seconds since the epoch, with fractions at will (RFC 7519).
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    aud: Option<Audience>,
    client_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Checks the signature and reads the claims, which nobody has judged yet.
pub(super) fn read(token: &str, key: &VerificationKey) -> Result<Claims, Rejection> {
    use jsonwebtoken::errors::ErrorKind;

    let mut validation = Validation::new(key.algorithm);
    // The library would judge time by its own clock; `Claims::check` judges all of it.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    jsonwebtoken::decode(token, &key.key, &validation)
        .map(|token| token.claims)
        .map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => Rejection::Signature,
            _ => Rejection::Malformed,
        })
}

impl Claims {
    pub(super) fn check(self, expected: &Expected, now: Timestamp) -> Result<Caller, Rejection> {
        if self.iss != expected.issuer {
            return Err(Rejection::Claim("iss"));
        }
        self.check_audience(&expected.audience)?;
        let expires_at = moment(self.exp).ok_or(Rejection::Time)?;
        let begins_at = moment(self.nbf.unwrap_or_default()).ok_or(Rejection::Time)?;
        if now >= expires_at + LEEWAY || now + LEEWAY < begins_at {
            return Err(Rejection::Time);
        }
        Ok(Caller {
            user_id: UserId::parse(self.sub).map_err(|_| Rejection::Claim("sub"))?,
            session_expires_at: expires_at,
        })
    }

    fn check_audience(&self, expected: &str) -> Result<(), Rejection> {
        let (claim, named) = match (&self.aud, &self.client_id) {
            (Some(Audience::One(one)), _) => ("aud", one == expected),
            (Some(Audience::Several(all)), _) => ("aud", all.iter().any(|one| one == expected)),
            (None, Some(client_id)) => ("client_id", client_id == expected),
            (None, None) => ("aud", false),
        };
        if named {
            Ok(())
        } else {
            Err(Rejection::Claim(claim))
        }
    }
}

fn moment(seconds: f64) -> Option<Timestamp> {
    // `as` saturates, so that a far future is only far.
    (seconds.is_finite() && seconds >= 0.0)
        .then(|| Timestamp::from_millis((seconds * 1_000.0) as u64))
}
