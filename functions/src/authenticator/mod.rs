//! Says who calls, from a bearer token that an identity provider signed.
//!
//! RS256 and ES256 only, with public keys from a JWKS: the key decides the algorithm, never the
//! token. The issuer must match. An id token names the audience in `aud`; an access token without
//! `aud` names it in `client_id`. Expiry is judged against the `now` of the call.
//!
//! The caller learns only that the token was not taken; the [`Rejection`] is for the log.
//!
//! Absent on purpose: token introspection, sessions, cookies, shared secrets (HS256).

mod claims;
mod jwks;

use std::sync::Arc;

use domain::{Timestamp, UserId};
use jsonwebtoken::jwk::JwkSet;

use self::claims::Expected;
use self::jwks::Keys;

/// Longest token that is looked at, in bytes; API Gateway takes headers of 10,240 bytes in all.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Checks tokens. Cheap to clone: all clones share the keys.
#[derive(Clone, Debug)]
pub struct Authenticator(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    expected: Expected,
    keys: Keys,
}

/// Who calls, and until when the token says so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The token's subject.
    pub user_id: UserId,
    /// The token's expiry: nothing that it opened may outlive it.
    pub session_expires_at: Timestamp,
}

/// Why a token was not taken. For the log, not for the caller.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// There is no bearer token.
    #[error("no bearer token")]
    Missing,
    /// It is not a JWT, or longer than any that is looked at.
    #[error("not a token")]
    Malformed,
    /// No key of that id is known, or its algorithm is another.
    #[error("signed with a key that is not known")]
    UnknownKey,
    /// The signature does not match.
    #[error("the signature does not match")]
    Signature,
    /// It was issued by or for somebody else.
    #[error("the {0} claim is not the expected one")]
    Claim(&'static str),
    /// It has expired or is not valid yet.
    #[error("outside of its time")]
    Time,
    /// The identity provider's keys could not be read yet: nobody can be told apart.
    #[error("no keys to check tokens with")]
    NoKeys,
}

/// The address of the JWKS cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the JWKS address must be an http or https URL")]
pub struct InvalidUrl;

impl Authenticator {
    /// With keys that never change.
    #[must_use]
    pub fn from_jwks(keys: JwkSet, issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::new(Keys::fixed(&keys), issuer.into(), audience.into())
    }

    /// With keys read from `url`: when the first token comes, and again when one is signed with an
    /// unknown key, at most once a minute. Redirects are not followed.
    ///
    /// # Errors
    /// [`InvalidUrl`].
    pub fn from_url(
        url: &str,
        issuer: impl Into<String>,
        audience: impl Into<String>,
    ) -> Result<Self, InvalidUrl> {
        Ok(Self::new(Keys::at(url)?, issuer.into(), audience.into()))
    }

    fn new(keys: Keys, issuer: String, audience: String) -> Self {
        let expected = Expected { issuer, audience };
        Self(Arc::new(Inner { expected, keys }))
    }

    /// Reads the keys before the first call needs them. A failure is logged; the first call tries
    /// again.
    pub async fn prepare(&self, now: Timestamp) {
        self.0.keys.prepare(now).await;
    }

    /// Says who sent the `Authorization` header.
    ///
    /// # Errors
    /// [`Rejection`]; only [`Rejection::NoKeys`] is not the caller's doing.
    pub async fn authenticate(
        &self,
        authorization: Option<&str>,
        now: Timestamp,
    ) -> Result<Caller, Rejection> {
        let token = bearer(authorization.unwrap_or_default()).ok_or(Rejection::Missing)?;
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Rejection::Malformed);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Rejection::Malformed)?;
        let key_id = header.kid.ok_or(Rejection::UnknownKey)?;
        let key = self.0.keys.find(&key_id, now).await?;
        if key.algorithm != header.alg {
            return Err(Rejection::UnknownKey);
        }
        claims::read(token, &key)?.check(&self.0.expected, now)
    }
}

/// The token of a `Bearer` header; the scheme's case does not matter (RFC 9110).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests;
