use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::get;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "stream-sync";
const NOW: Timestamp = Timestamp::from_millis(1_900_000_000_000);
const NOW_SECONDS: u64 = 1_900_000_000;

/// A key pair of an identity provider.
struct Signer {
    algorithm: Algorithm,
    id: &'static str,
    key: EncodingKey,
}

impl Signer {
    fn elliptic(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let der = pair.to_pkcs8v1().expect("a document");
        let key = EncodingKey::from_ec_der(der.as_ref());
        let algorithm = Algorithm::ES256;
        Self { algorithm, id, key }
    }

    fn rsa(id: &'static str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let document = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).expect("a document");
        // Signing takes the PKCS #1 key, which PKCS #8 wraps in a header of 26 bytes.
        let key = EncodingKey::from_rsa_der(&document.as_ref()[26..]);
        let algorithm = Algorithm::RS256;
        Self { algorithm, id, key }
    }

    fn public(&self) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).expect("a public key");
        jwk.common.key_id = Some(self.id.into());
        jwk
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_with(self.algorithm, claims)
    }

    fn sign_with(&self, algorithm: Algorithm, claims: &Value) -> String {
        let mut header = Header::new(algorithm);
        header.kid = Some(self.id.into());
        let token = jsonwebtoken::encode(&header, claims, &self.key).expect("signed");
        format!("Bearer {token}")
    }
}

fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": NOW_SECONDS + 3_600,
    });
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
}

fn knowing(signers: &[&Signer]) -> Authenticator {
    let keys = signers.iter().map(|signer| signer.public()).collect();
    Authenticator::from_jwks(JwkSet { keys }, ISSUER, AUDIENCE)
}

#[tokio::test]
async fn a_token_of_the_issuer_says_who_calls_and_for_how_long() {
    let (elliptic, rsa) = (Signer::elliptic("ec"), Signer::rsa("rsa"));
    let authenticator = knowing(&[&elliptic, &rsa]);
    for signer in [&elliptic, &rsa] {
        let header = signer.sign(&claims(&json!({})));
        let caller = authenticator.authenticate(Some(&header), NOW).await;
        let caller = caller.expect("taken");
        assert_eq!(caller.user_id.as_str(), "alice");
        assert_eq!(caller.session_expires_at, NOW + Duration::from_secs(3_600));
    }
}

#[tokio::test]
async fn an_access_token_names_its_audience_as_client_id() {
    let signer = Signer::elliptic("ec");
    let authenticator = knowing(&[&signer]);
    let taken = async |changes: Value| {
        let header = signer.sign(&claims(&changes));
        authenticator.authenticate(Some(&header), NOW).await.is_ok()
    };
    assert!(taken(json!({ "aud": null, "client_id": AUDIENCE })).await);
    assert!(taken(json!({ "aud": ["other", AUDIENCE] })).await);
    assert!(!taken(json!({ "aud": null, "client_id": "other" })).await);
    assert!(!taken(json!({ "aud": "other", "client_id": AUDIENCE })).await);
    assert!(!taken(json!({ "aud": null })).await);
}

#[tokio::test]
async fn a_token_of_somebody_else_or_another_time_is_not_taken() {
    let signer = Signer::elliptic("ec");
    let authenticator = knowing(&[&signer]);
    for changes in [
        json!({ "iss": "https://other.example" }),
        json!({ "exp": NOW_SECONDS - 31 }),
        json!({ "exp": -1 }),
        json!({ "exp": "tomorrow" }),
        json!({ "nbf": NOW_SECONDS + 31 }),
        json!({ "sub": "" }),
        json!({ "sub": "a/b" }),
        json!({ "sub": null }),
    ] {
        let header = signer.sign(&claims(&changes));
        let caller = authenticator.authenticate(Some(&header), NOW).await;
        assert!(caller.is_err(), "{changes} was taken");
    }
    // Clocks may disagree a little.
    let header = signer.sign(&claims(&json!({ "exp": NOW_SECONDS - 29 })));
    assert!(authenticator.authenticate(Some(&header), NOW).await.is_ok());
}

#[tokio::test]
async fn the_key_decides_the_algorithm_and_never_the_token() {
    let signer = Signer::elliptic("ec");
    let authenticator = knowing(&[&signer]);
    let public = serde_json::to_vec(&signer.public()).expect("JSON");
    let forger = Signer {
        algorithm: Algorithm::HS256,
        id: "ec",
        key: EncodingKey::from_secret(&public),
    };
    let impostor = Signer::elliptic("ec");
    let (claims, none) = (claims(&json!({})), "eyJhbGciOiJub25lIiwia2lkIjoiZWMifQ");
    let payload = signer.sign(&claims);
    let payload = payload.split('.').nth(1).expect("a payload");
    for header in [
        forger.sign(&claims),
        impostor.sign(&claims),
        Signer::rsa("ec").sign(&claims),
        format!("Bearer {none}.{payload}."),
        "Bearer a.b.c".into(),
        "Bearer ".into(),
        format!("Bearer {}", "x".repeat(9_000)),
        "Basic YTpi".into(),
        String::new(),
    ] {
        let caller = authenticator.authenticate(Some(&header), NOW).await;
        assert!(caller.is_err(), "{header} was taken");
    }
    assert!(matches!(
        authenticator.authenticate(None, NOW).await,
        Err(Rejection::Missing)
    ));
}

/// An identity provider that counts how often its keys are read; no key set: it is broken.
async fn provider(keys: Option<JwkSet>) -> (String, Arc<AtomicUsize>) {
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    let answer = move || async move {
        counted.fetch_add(1, Ordering::SeqCst);
        match keys {
            Some(keys) => axum::Json(keys).into_response(),
            None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    let router = Router::new().route("/keys", get(answer));
    // Ends with the test's runtime.
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, reads)
}

#[tokio::test]
async fn unknown_key_ids_make_us_read_the_keys_at_most_once_a_minute() {
    let (known, stranger) = (Signer::elliptic("known"), Signer::elliptic("stranger"));
    let keys = JwkSet {
        keys: vec![known.public()],
    };
    let (url, reads) = provider(Some(keys)).await;
    let authenticator = Authenticator::from_url(&url, ISSUER, AUDIENCE).expect("a URL");
    let (good, bad) = (
        known.sign(&claims(&json!({}))),
        stranger.sign(&claims(&json!({}))),
    );
    let all = (0..10).map(|_| authenticator.authenticate(Some(&good), NOW));
    for caller in futures_util::future::join_all(all).await {
        caller.expect("taken");
    }
    assert_eq!(reads.load(Ordering::SeqCst), 1, "one read serves all");
    for _ in 0..10 {
        let caller = authenticator.authenticate(Some(&bad), NOW).await;
        assert!(matches!(caller, Err(Rejection::UnknownKey)));
    }
    assert_eq!(
        reads.load(Ordering::SeqCst),
        1,
        "not before the minute is over"
    );
    let later = NOW + Duration::from_secs(60);
    for _ in 0..10 {
        let _ = authenticator.authenticate(Some(&bad), later).await;
    }
    assert_eq!(reads.load(Ordering::SeqCst), 2, "once after it");
    assert!(authenticator.authenticate(Some(&good), later).await.is_ok());
}

#[tokio::test]
async fn a_provider_that_is_away_is_our_trouble_and_not_the_callers() {
    let (url, reads) = provider(None).await;
    let authenticator = Authenticator::from_url(&url, ISSUER, AUDIENCE).expect("a URL");
    let header = Signer::elliptic("ec").sign(&claims(&json!({})));
    for now in [NOW, NOW, NOW + Duration::from_secs(5)] {
        let caller = authenticator.authenticate(Some(&header), now).await;
        assert!(matches!(caller, Err(Rejection::NoKeys)));
    }
    assert_eq!(reads.load(Ordering::SeqCst), 2, "tried again after 5 s");
}

#[test]
fn only_http_addresses_are_key_sets() {
    for url in ["", "keys", "file:///keys", "redis://127.0.0.1"] {
        assert!(
            Authenticator::from_url(url, ISSUER, AUDIENCE).is_err(),
            "{url}"
        );
    }
}
