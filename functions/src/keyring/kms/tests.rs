//! On a KMS that answers as the real one does, and on the one at `KMS_URL` where that is given.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::BehaviorVersion;
use aws_sdk_kms::config::{Credentials, Region, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::{Response, StatusCode};
use aws_smithy_runtime_api::shared::IntoShared as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::Keyring;

/// Data keys by what they are encrypted as, with the context that each was made for.
#[derive(Clone, Debug, Default)]
struct Kms {
    made: Arc<Mutex<BTreeMap<String, (String, Value)>>>,
    /// What it answers to everything, where something is wrong.
    refuses: Option<(u16, &'static str)>,
}

impl Kms {
    fn answer(&self, action: &str, asked: &Value) -> (u16, Value) {
        if let Some((status, kind)) = self.refuses {
            return (
                status,
                json!({ "__type": kind, "message": "no words of ours" }),
            );
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let context = asked["EncryptionContext"].clone();
        if action == "TrentService.GenerateDataKey" {
            assert_eq!(asked["KeySpec"], "AES_256");
            let plaintext = STANDARD.encode(rand::random::<[u8; 32]>());
            let wrapped = STANDARD.encode(rand::random::<[u8; 24]>().repeat(7));
            made.insert(wrapped.clone(), (plaintext.clone(), context));
            let answer = json!({
                "CiphertextBlob": wrapped, "Plaintext": plaintext, "KeyId": asked["KeyId"],
            });
            return (200, answer);
        }
        assert_eq!(action, "TrentService.Decrypt");
        let wrapped = asked["CiphertextBlob"].as_str().unwrap_or_default();
        match made.get(wrapped) {
            Some((plaintext, made_for)) if *made_for == context => (
                200,
                json!({ "Plaintext": plaintext, "KeyId": asked["KeyId"] }),
            ),
            _ => (400, json!({ "__type": "InvalidCiphertextException" })),
        }
    }
}

impl HttpClient for Kms {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.clone().into_shared()
    }
}

impl HttpConnector for Kms {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let action = request.headers().get("x-amz-target").unwrap_or_default();
        let asked = request.body().bytes().unwrap_or_default();
        let asked = serde_json::from_slice(asked).expect("JSON");
        let (status, body) = self.answer(action, &asked);
        let status = StatusCode::try_from(status).expect("a status");
        HttpConnectorFuture::ready(Ok(Response::new(status, body.to_string().into())))
    }
}

fn sdk() -> SdkConfig {
    let credentials = Credentials::new("fake", "fake", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

fn on(kms: Kms) -> Keyring {
    Keyring::from_kms(&sdk().into_builder().http_client(kms).build(), "a-key")
}

/// A keyring on a KMS that answers: the one at `KMS_URL`, with a key of its own, or ours.
async fn keyring() -> Keyring {
    let Ok(url) = std::env::var("KMS_URL") else {
        return on(Kms::default());
    };
    let sdk = sdk().into_builder().endpoint_url(url).build();
    let made = Client::new(&sdk).create_key().send().await;
    let key = made.expect("a key").key_metadata.expect("of which is told");
    Keyring::from_kms(&sdk, &key.arn.unwrap_or(key.key_id))
}

fn channel(number: u8) -> ChannelId {
    ChannelId::from_random([number; 16])
}

fn key() -> StreamKey {
    StreamKey::generate(|bytes| bytes.fill(7))
}

#[tokio::test]
async fn a_copy_opens_with_the_data_key_that_kms_made_for_it_and_only_as_what_it_was_sealed() {
    let keyring = keyring().await;
    let first = keyring.seal(&channel(1), 3, &key()).await.expect("sealed");
    let second = keyring.seal(&channel(1), 3, &key()).await.expect("sealed");
    assert_ne!(first, second);
    for copy in [&first, &second] {
        assert_eq!(keyring.open(&channel(1), 3, copy).await, Ok(key()));
        assert_eq!(keyring.open(&channel(2), 3, copy).await, Err(Error::Sealed));
        assert_eq!(keyring.open(&channel(1), 4, copy).await, Err(Error::Sealed));
    }
    let prefix = &key().expose().as_bytes()[..8].to_owned();
    assert!(!first.windows(8).any(|window| window == prefix));
}

#[tokio::test]
async fn a_changed_or_cut_copy_is_no_key() {
    let keyring = on(Kms::default());
    let copy = keyring.seal(&channel(1), 1, &key()).await.expect("sealed");
    for place in 0..copy.len() {
        let mut changed = copy.clone();
        changed[place] ^= 1;
        for spoiled in [&changed[..], &copy[..place]] {
            let opened = keyring.open(&channel(1), 1, spoiled).await;
            assert_eq!(opened, Err(Error::Sealed), "{place}");
        }
    }
}

#[tokio::test]
async fn trouble_with_kms_is_told_from_a_copy_that_is_none() {
    let sealed = on(Kms::default()).seal(&channel(1), 1, &key()).await;
    let sealed = sealed.expect("sealed");
    let unavailable = |code: &str| Error::Unavailable(code.to_owned());
    for (status, kind, expected) in [
        (
            400,
            "AccessDeniedException",
            Error::Refused("AccessDeniedException".into()),
        ),
        (
            400,
            "DisabledException",
            Error::Refused("DisabledException".into()),
        ),
        (
            400,
            "ThrottlingException",
            unavailable("ThrottlingException"),
        ),
        (
            500,
            "KMSInternalException",
            unavailable("KMSInternalException"),
        ),
    ] {
        let refusing = on(Kms {
            refuses: Some((status, kind)),
            ..Kms::default()
        });
        let made = refusing.seal(&channel(1), 1, &key()).await;
        assert_eq!(made, Err(expected.clone()));
        let opened = refusing.open(&channel(1), 1, &sealed).await;
        assert_eq!(opened, Err(expected));
    }
}
