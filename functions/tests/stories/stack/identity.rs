//! The identity provider: one key, and tokens for whoever is named.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use functions::Authenticator;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "stream-sync";
const KEY_ID: &str = "tests";

pub(super) struct Identity(EncodingKey);

impl Identity {
    pub(super) fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let document = pair.to_pkcs8v1().expect("a document");
        Self(EncodingKey::from_ec_der(document.as_ref()))
    }

    pub(super) fn authenticator(&self) -> Authenticator {
        let mut key = Jwk::from_encoding_key(&self.0, Algorithm::ES256).expect("a public key");
        key.common.key_id = Some(KEY_ID.into());
        Authenticator::from_jwks(JwkSet { keys: vec![key] }, ISSUER, AUDIENCE)
    }

    /// A header with a token that is good for an hour.
    pub(super) fn bearer(&self, user: &str) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(KEY_ID.into());
        let expires = super::now().millis() / 1_000 + 3_600;
        let claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": user, "exp": expires });
        let token = jsonwebtoken::encode(&header, &claims, &self.0).expect("a token");
        format!("Bearer {token}")
    }
}
