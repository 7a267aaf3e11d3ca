//! A data key of KMS for each copy.
//!
//! KMS makes the data key and gives it twice: in the clear, which seals one copy and is dropped, and
//! encrypted with the KMS key, which is kept beside the copy. To open it KMS is asked for the data key
//! again, so that each reveal stands in KMS's own log. Channel and version are KMS's encryption
//! context, too: the copy of one channel is of no use with the data key of another.
//!
//! A sealed copy is the layout's number (1 byte), the length of the encrypted data key (2 bytes, the
//! greater first), the encrypted data key, and what a file's secret would make of it.
//!
//! Absent on purpose: data keys that serve for more than one copy (keys are made and revealed by
//! people, a few times a day), and copies of an earlier KMS key after the deployment is told another.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_kms::Client;
use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use domain::{ChannelId, StreamKey};

use super::{Error, open, seal, secret_of};

/// The only layout there is.
const LAYOUT: u8 = 1;
/// Bytes of the encrypted data key's length.
const LENGTH_BYTES: usize = 2;
/// Longest attempt to ask KMS: it answers in some 20 ms.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest question with all its attempts: a person waits for it.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(3);
/// Most attempts of one question.
const MAX_ATTEMPTS: u32 = 3;
/// What KMS says of a data key that it did not make, or not for this channel and version.
const INVALID_CIPHERTEXT: &str = "InvalidCiphertextException";
/// What may be otherwise in a moment.
const PASSING: [&str; 4] = [
    "DependencyTimeoutException",
    "KMSInternalException",
    "KeyUnavailableException",
    "ThrottlingException",
];

/// Makes and opens data keys.
#[derive(Clone)]
pub(super) struct DataKeys {
    client: Client,
    key_id: Arc<str>,
}

impl DataKeys {
    pub(super) fn new(sdk: &SdkConfig, key_id: &str) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let config = aws_sdk_kms::config::Builder::from(sdk)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
            .build();
        Self {
            client: Client::from_conf(config),
            key_id: key_id.into(),
        }
    }

    pub(super) async fn seal(
        &self,
        channel_id: &ChannelId,
        version: u64,
        key: &StreamKey,
    ) -> Result<Vec<u8>, Error> {
        let request = self.client.generate_data_key().key_id(&*self.key_id);
        let made = request
            .key_spec(DataKeySpec::Aes256)
            .set_encryption_context(Some(context(channel_id, version)))
            .send()
            .await
            .map_err(|error| trouble(&error))?;
        let secret = made.plaintext.and_then(|bytes| secret_of(bytes.as_ref()));
        let wrapped = made.ciphertext_blob.map(Blob::into_inner);
        let (secret, wrapped) = secret.zip(wrapped).ok_or_else(no_data_key)?;
        let length = u16::try_from(wrapped.len()).map_err(|_| no_data_key())?;
        let sealed = seal(&secret, channel_id, version, key)?;
        Ok([&[LAYOUT][..], &length.to_be_bytes(), &wrapped, &sealed].concat())
    }

    pub(super) async fn open(
        &self,
        channel_id: &ChannelId,
        version: u64,
        copy: &[u8],
    ) -> Result<StreamKey, Error> {
        let (wrapped, sealed) = take_apart(copy).ok_or(Error::Sealed)?;
        let request = self.client.decrypt().key_id(&*self.key_id);
        let opened = request
            .ciphertext_blob(Blob::new(wrapped))
            .set_encryption_context(Some(context(channel_id, version)))
            .send()
            .await
            .map_err(|error| trouble(&error))?;
        let secret = opened.plaintext.and_then(|bytes| secret_of(bytes.as_ref()));
        open(
            &secret.ok_or_else(no_data_key)?,
            channel_id,
            version,
            sealed,
        )
    }
}

fn context(channel_id: &ChannelId, version: u64) -> HashMap<String, String> {
    HashMap::from([
        ("channelId".to_owned(), channel_id.as_str().to_owned()),
        ("keyVersion".to_owned(), version.to_string()),
    ])
}

/// The encrypted data key, and what is sealed with it.
fn take_apart(copy: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&LAYOUT, rest) = copy.split_first()? else {
        return None;
    };
    let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

fn no_data_key() -> Error {
    Error::Refused("an answer without a data key of 32 bytes".to_owned())
}

/// KMS's own message is left out: it may quote what it was asked.
fn trouble<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Error {
    let SdkError::ServiceError(answer) = error else {
        return Error::Unavailable(error.to_string());
    };
    let code = answer.err().code().unwrap_or("no code");
    let status = answer.raw().status().as_u16();
    if code == INVALID_CIPHERTEXT {
        Error::Sealed
    } else if status >= 500 || status == 429 || PASSING.contains(&code) {
        Error::Unavailable(code.to_owned())
    } else {
        Error::Refused(code.to_owned())
    }
}

#[cfg(test)]
mod tests;
