//! The identity provider's public keys, by key id.
//!
//! Keys from an address are read once, and again when a token names an unknown one: by one call
//! at a time (the others wait for its result), at most once a minute, so that nobody can make us
//! flood the provider with made-up key ids. Keys of an hour ago are read again too, so that one that
//! was taken back is forgotten. Known keys stay in use while the provider is away.
//!
//! Uses the HTTPS connector that the AWS SDK brings along, so that there is one TLS stack.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use domain::Timestamp;
use http_body_util::{BodyExt as _, Limited};
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Mutex;

use crate::chain::Chain;

use super::{InvalidUrl, Rejection};

/// Keys are read again no sooner than this after they were read.
const REFETCH_AFTER: Duration = Duration::from_secs(60);
/// Without any key a failed read is repeated no sooner than this: soon, because nobody can log in.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Keys that were read longer ago than this are read again: the provider may have taken one back.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);
/// A read takes no longer than this; API Gateway gives a call 30 s in all.
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);
/// Largest key set that is read, in bytes: dozens of RSA keys with certificates.
const MAX_JWKS_BYTES: usize = 256 * 1024;
/// At most this many keys of a set are used.
const MAX_KEYS: usize = 64;

/// A public key, and the one algorithm it is used with.
#[derive(Clone, Debug)]
pub(super) struct VerificationKey {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

type KeysById = HashMap<String, VerificationKey>;

/// The keys that are known now, and where to look for more.
#[derive(Debug)]
pub(super) struct Keys {
    known: ArcSwap<Known>,
    source: Option<Source>,
}

#[derive(Debug, Default)]
struct Known {
    keys: KeysById,
    read_at: Timestamp,
}

#[derive(Debug)]
struct Source {
    url: String,
    connector: Connector,
    /// Held while the keys are read; no read before the moment inside.
    not_before: Mutex<Timestamp>,
}

/// Why the keys could not be read; for the log.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("no answer in time")]
    Timeout,
    #[error("cannot connect")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("answered with status {0}")]
    Status(u16),
    #[error("the answer is not a key set")]
    Form,
}

impl Keys {
    pub(super) fn fixed(set: &JwkSet) -> Self {
        let known = Known {
            keys: usable(set),
            read_at: Timestamp::default(),
        };
        Self {
            known: ArcSwap::from_pointee(known),
            source: None,
        }
    }

    pub(super) fn at(url: &str) -> Result<Self, InvalidUrl> {
        let parsed = url::Url::parse(url).map_err(|_| InvalidUrl)?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(InvalidUrl);
        }
        let connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build();
        let source = Source {
            url: parsed.into(),
            connector,
            not_before: Mutex::default(),
        };
        Ok(Self {
            known: ArcSwap::default(),
            source: Some(source),
        })
    }

    pub(super) async fn prepare(&self, now: Timestamp) {
        if let Some(source) = &self.source {
            let mut not_before = source.not_before.lock().await;
            self.read(source, &mut not_before, now).await;
        }
    }

    /// The key of this id, after looking for it at the source where that is due.
    pub(super) async fn find(
        &self,
        id: &str,
        now: Timestamp,
    ) -> Result<VerificationKey, Rejection> {
        if let Some(source) = &self.source {
            if self.get(id).is_none() {
                let mut not_before = source.not_before.lock().await;
                // Another call may have read it while this one waited.
                if self.get(id).is_none() && now >= *not_before {
                    self.read(source, &mut not_before, now).await;
                }
            } else if self.are_old(now)
                // Whoever finds another call reading goes on with what is known.
                && let Ok(mut not_before) = source.not_before.try_lock()
                && now >= *not_before
            {
                self.read(source, &mut not_before, now).await;
            }
        }
        self.get(id).ok_or_else(|| self.unknown())
    }

    fn get(&self, id: &str) -> Option<VerificationKey> {
        self.known.load().keys.get(id).cloned()
    }

    fn are_old(&self, now: Timestamp) -> bool {
        now >= self.known.load().read_at + MAX_AGE
    }

    fn are_none(&self) -> bool {
        self.known.load().keys.is_empty()
    }

    fn unknown(&self) -> Rejection {
        if self.source.is_some() && self.are_none() {
            Rejection::NoKeys
        } else {
            Rejection::UnknownKey
        }
    }

    async fn read(&self, source: &Source, not_before: &mut Timestamp, now: Timestamp) {
        // Set before the read: a call that is given up half-way must not open the gate.
        *not_before = now
            + if self.are_none() {
                RETRY_AFTER
            } else {
                REFETCH_AFTER
            };
        match source.fetch().await {
            Ok(set) => {
                *not_before = now + REFETCH_AFTER;
                let keys = usable(&set);
                self.known.store(Arc::new(Known { keys, read_at: now }));
            }
            Err(error) => {
                tracing::warn!(error = %Chain(&error), url = source.url, "identity provider's keys not read");
            }
        }
    }
}

impl Source {
    async fn fetch(&self) -> Result<JwkSet, FetchError> {
        tokio::time::timeout(FETCH_TIMEOUT, self.fetch_unbounded())
            .await
            .unwrap_or(Err(FetchError::Timeout))
    }

    async fn fetch_unbounded(&self) -> Result<JwkSet, FetchError> {
        let request =
            HttpRequest::get(&self.url).map_err(|error| FetchError::Connect(error.into()))?;
        let answer = self.connector.call(request).await;
        let answer = answer.map_err(|error| FetchError::Connect(error.into()))?;
        if !answer.status().is_success() {
            return Err(FetchError::Status(answer.status().as_u16()));
        }
        let body = Limited::new(answer.into_body(), MAX_JWKS_BYTES);
        let body = body.collect().await.map_err(FetchError::Connect)?;
        serde_json::from_slice(&body.to_bytes()).map_err(|_| FetchError::Form)
    }
}

fn usable(set: &JwkSet) -> KeysById {
    set.keys
        .iter()
        .take(MAX_KEYS)
        .filter_map(usable_key)
        .collect()
}

/// A key is used for signatures of the one algorithm its type allows, or not at all.
fn usable_key(jwk: &Jwk) -> Option<(String, VerificationKey)> {
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        _ => return None,
    };
    let common = &jwk.common;
    let signs = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    let fits = common.key_algorithm.is_none_or(|stated| stated == name);
    let id = common.key_id.clone().filter(|_| signs && fits)?;
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some((id, VerificationKey { algorithm, key }))
}
