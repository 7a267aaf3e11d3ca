//! The identity provider: one key, and tokens for whoever is named.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::routing::get;
use axum::{Json, Router};
use functions::Authenticator;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use tokio::net::TcpListener;

pub(crate) const ISSUER: &str = "https://issuer.example";
pub(crate) const AUDIENCE: &str = "stream-sync";
const KEY_ID: &str = "tests";

pub(super) struct Identity(EncodingKey);

impl Identity {
    pub(super) fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let document = pair.to_pkcs8v1().expect("a document");
        Self(EncodingKey::from_ec_der(document.as_ref()))
    }

    fn public_keys(&self) -> JwkSet {
        let mut key = Jwk::from_encoding_key(&self.0, Algorithm::ES256).expect("a public key");
        key.common.key_id = Some(KEY_ID.into());
        JwkSet { keys: vec![key] }
    }

    pub(super) fn authenticator(&self) -> Authenticator {
        Authenticator::from_jwks(self.public_keys(), ISSUER, AUDIENCE)
    }

    /// Serves the public keys until the test's runtime ends.
    pub(super) async fn serve(&self) -> String {
        let keys = self.public_keys();
        let router = Router::new().route("/keys", get(async || Json(keys)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("{}/keys", super::url_of(&listener));
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
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
