use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
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

/// An identity provider that serves its keys over HTTP, and counts how often they are read.
#[derive(Clone, Default)]
struct Provider {
    /// None: it is broken.
    keys: Arc<Mutex<Option<JwkSet>>>,
    reads: Arc<AtomicUsize>,
}

impl Provider {
    fn publishes(&self, signers: &[&Signer]) {
        let keys = signers.iter().map(|signer| signer.public()).collect();
        self.answers_with(Some(JwkSet { keys }));
    }

    fn breaks(&self) {
        self.answers_with(None);
    }

    fn answers_with(&self, keys: Option<JwkSet>) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    /// Serves until the test's runtime ends; what checks tokens with these keys.
    async fn authenticator(&self) -> Authenticator {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
        let router = Router::new()
            .route("/keys", get(serve))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Authenticator::from_url(&url, ISSUER, AUDIENCE).expect("a URL")
    }
}

async fn serve(State(provider): State<Provider>) -> Response {
    provider.reads.fetch_add(1, Ordering::SeqCst);
    let keys = provider.keys.lock().unwrap_or_else(PoisonError::into_inner);
    match &*keys {
        Some(keys) => axum::Json(keys.clone()).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn unknown_key_ids_make_us_read_the_keys_at_most_once_a_minute() {
    let (known, stranger) = (Signer::elliptic("known"), Signer::elliptic("stranger"));
    let provider = Provider::default();
    provider.publishes(&[&known]);
    let authenticator = provider.authenticator().await;
    let good = known.sign(&claims(&json!({})));
    let bad = stranger.sign(&claims(&json!({})));
    let all = (0..10).map(|_| authenticator.authenticate(Some(&good), NOW));
    for caller in futures_util::future::join_all(all).await {
        caller.expect("taken");
    }
    assert_eq!(provider.reads(), 1, "one read serves all");
    for _ in 0..10 {
        let caller = authenticator.authenticate(Some(&bad), NOW).await;
        assert!(matches!(caller, Err(Rejection::UnknownKey)));
    }
    assert_eq!(provider.reads(), 1, "not before the minute is over");
    let later = NOW + MINUTE;
    let all = (0..10).map(|_| authenticator.authenticate(Some(&bad), later));
    for caller in futures_util::future::join_all(all).await {
        assert!(matches!(caller, Err(Rejection::UnknownKey)));
    }
    assert_eq!(provider.reads(), 2, "once after it");
    assert!(authenticator.authenticate(Some(&good), later).await.is_ok());
}

#[tokio::test]
async fn a_provider_that_is_away_is_our_trouble_and_not_the_callers() {
    let provider = Provider::default();
    let authenticator = provider.authenticator().await;
    let signer = Signer::elliptic("ec");
    let header = signer.sign(&claims(&json!({})));
    for now in [NOW, NOW, NOW + Duration::from_secs(5)] {
        let caller = authenticator.authenticate(Some(&header), now).await;
        assert!(matches!(caller, Err(Rejection::NoKeys)));
    }
    assert_eq!(provider.reads(), 2, "tried again after 5 s");
    provider.publishes(&[&signer]);
    let later = NOW + Duration::from_secs(10);
    assert!(
        authenticator
            .authenticate(Some(&header), later)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_rotated_key_is_learned_from_the_first_token_after_a_minute_and_the_old_one_forgotten() {
    let (old, new) = (Signer::elliptic("old"), Signer::rsa("new"));
    let in_a_day = json!({ "exp": NOW_SECONDS + 86_400 });
    let (by_old, by_new) = (old.sign(&claims(&in_a_day)), new.sign(&claims(&in_a_day)));
    let provider = Provider::default();
    provider.publishes(&[&old]);
    let authenticator = provider.authenticator().await;
    let taken =
        async |header: &str, now| authenticator.authenticate(Some(header), now).await.is_ok();
    assert!(taken(&by_old, NOW).await);
    // Both are good while both are published.
    provider.publishes(&[&old, &new]);
    assert!(
        !taken(&by_new, NOW + MINUTE / 2).await,
        "too soon to look again"
    );
    assert!(taken(&by_new, NOW + MINUTE).await);
    assert!(taken(&by_old, NOW + MINUTE).await);
    // The old one is taken back. Nobody asks, so nobody knows; an hour later it is looked at.
    provider.publishes(&[&new]);
    assert!(
        taken(&by_old, NOW + 60 * MINUTE).await,
        "read 59 minutes ago"
    );
    assert_eq!(provider.reads(), 2);
    assert!(!taken(&by_old, NOW + 61 * MINUTE).await);
    assert!(taken(&by_new, NOW + 61 * MINUTE).await);
    assert_eq!(provider.reads(), 3);
}

#[tokio::test]
async fn known_keys_stay_in_use_while_the_provider_is_away() {
    let (known, other) = (Signer::elliptic("known"), Signer::elliptic("other"));
    let in_a_day = json!({ "exp": NOW_SECONDS + 86_400 });
    let (good, unknown) = (
        known.sign(&claims(&in_a_day)),
        other.sign(&claims(&in_a_day)),
    );
    let provider = Provider::default();
    provider.publishes(&[&known]);
    let authenticator = provider.authenticator().await;
    assert!(authenticator.authenticate(Some(&good), NOW).await.is_ok());
    provider.breaks();
    for (minutes, reads) in [(1, 2), (1, 2), (2, 3), (62, 4), (62, 4), (63, 5)] {
        let now = NOW + minutes * MINUTE;
        let caller = authenticator.authenticate(Some(&unknown), now).await;
        assert!(matches!(caller, Err(Rejection::UnknownKey)), "{minutes}");
        assert!(authenticator.authenticate(Some(&good), now).await.is_ok());
        assert_eq!(
            provider.reads(),
            reads,
            "at most one read a minute: {minutes}"
        );
    }
    // It is back with another key: the first token that names it makes it known.
    provider.publishes(&[&other]);
    let now = NOW + 64 * MINUTE;
    assert!(
        authenticator
            .authenticate(Some(&unknown), now)
            .await
            .is_ok()
    );
    assert!(authenticator.authenticate(Some(&good), now).await.is_err());
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
