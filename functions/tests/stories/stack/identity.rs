//! The identity provider: one key, and tokens for whoever is named, good ones and all kinds of bad.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use functions::Authenticator;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
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
        let token = sign(
            Algorithm::ES256,
            Some(KEY_ID),
            &claims(user, &json!({})),
            &self.0,
        );
        format!("Bearer {token}")
    }

    /// `Authorization` headers that claim to be `user`'s and must open nothing, each with what is
    /// wrong with it.
    pub(super) fn bad_headers(&self, user: &str) -> Vec<(&'static str, Option<String>)> {
        let now = super::now().millis() / 1_000;
        let good = self.bearer(user);
        let changed = |changes: Value| {
            let claims = claims(user, &changes);
            Some(format!(
                "Bearer {}",
                sign(Algorithm::ES256, Some(KEY_ID), &claims, &self.0)
            ))
        };
        let by = |algorithm, key_id, key: &EncodingKey| {
            let token = sign(algorithm, key_id, &claims(user, &json!({})), key);
            Some(format!("Bearer {token}"))
        };
        let (header, payload, signature) = parts(&good);
        let victims = encoded(&claims("victim", &json!({})));
        let none = encoded(&json!({ "alg": "none", "typ": "JWT", "kid": KEY_ID }));
        let public = serde_json::to_vec(&self.public_keys().keys[0]).expect("JSON");
        let stranger = Self::new().0;
        vec![
            ("no header", None),
            ("an empty header", Some(String::new())),
            ("no token", Some("Bearer".into())),
            ("another scheme", Some("Basic YWxpY2U6YWxpY2U=".into())),
            ("not a token", Some("Bearer not.a.token".into())),
            ("a token without a scheme", Some(good[7..].to_owned())),
            (
                "longer than any token",
                Some(format!("{good}{}", "x".repeat(9_000))),
            ),
            ("expired", changed(json!({ "exp": now - 60 }))),
            ("without an end", changed(json!({ "exp": null }))),
            ("not valid yet", changed(json!({ "nbf": now + 120 }))),
            (
                "of another issuer",
                changed(json!({ "iss": "https://other.example" })),
            ),
            ("without an issuer", changed(json!({ "iss": null }))),
            ("for another audience", changed(json!({ "aud": "another" }))),
            (
                "for another client",
                changed(json!({ "aud": null, "client_id": "another" })),
            ),
            ("for nobody in particular", changed(json!({ "aud": null }))),
            ("of nobody", changed(json!({ "sub": null }))),
            ("unsigned", Some(format!("Bearer {none}.{payload}."))),
            (
                "unsigned with a signature",
                Some(format!("Bearer {none}.{payload}.{signature}")),
            ),
            (
                "signed with the public key as a secret",
                by(
                    Algorithm::HS256,
                    Some(KEY_ID),
                    &EncodingKey::from_secret(&public),
                ),
            ),
            (
                "signed by a key that nobody knows",
                by(Algorithm::ES256, Some("unknown"), &stranger),
            ),
            (
                "signed by another key of the same name",
                by(Algorithm::ES256, Some(KEY_ID), &stranger),
            ),
            (
                "signed by a key without a name",
                by(Algorithm::ES256, None, &self.0),
            ),
            (
                "with another's claims",
                Some(format!("Bearer {header}.{victims}.{signature}")),
            ),
            (
                "with half a signature",
                Some(good[..good.len() - 43].to_owned()),
            ),
        ]
    }
}

fn claims(user: &str, changes: &Value) -> Value {
    let expires = super::now().millis() / 1_000 + 3_600;
    let mut claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": user, "exp": expires });
    for (name, value) in changes.as_object().expect("claims") {
        claims[name] = value.clone();
    }
    claims
}

fn sign(algorithm: Algorithm, key_id: Option<&str>, claims: &Value, key: &EncodingKey) -> String {
    let mut header = Header::new(algorithm);
    header.kid = key_id.map(str::to_owned);
    jsonwebtoken::encode(&header, claims, key).expect("a token")
}

/// Header, payload and signature of the token in a header.
fn parts(bearer: &str) -> (String, String, String) {
    let mut parts = bearer["Bearer ".len()..].split('.').map(str::to_owned);
    let mut next = || parts.next().expect("three parts");
    (next(), next(), next())
}

fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}
