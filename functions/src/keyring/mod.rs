//! Encrypts the copy of a stream key that its owner may reveal again.
//!
//! AES-256-GCM with a random nonce for each copy; the channel and the key's version are
//! authenticated along with it, so that a copy cannot be moved to another channel or passed off as
//! another version. The secret is that of a file, or a data key of KMS for each copy (module `kms`).
//! A copy sealed with a file's secret is the nonce (12 bytes), the ciphertext and the tag (16 bytes).
//!
//! Absent on purpose: the rotation of the key file.

#[cfg(feature = "kms")]
mod kms;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{ChannelId, StreamKey};

/// Bytes of the secret in a key file.
const SECRET_BYTES: usize = 32;
/// Largest key file that is read, in bytes: the secret in base64 with room for line ends.
const MAX_FILE_BYTES: u64 = 128;

/// Seals and opens stream keys. Cheap to clone; its `Debug` is silent.
#[derive(Clone)]
pub struct Keyring(Kind);

#[derive(Clone)]
enum Kind {
    None,
    Secret(Arc<RandomizedNonceKey>),
    #[cfg(feature = "kms")]
    Kms(kms::DataKeys),
}

/// Why a key file cannot be used. Says nothing of its content.
#[derive(Debug, thiserror::Error)]
pub enum InvalidFile {
    /// It could not be read.
    #[error("the key file cannot be read")]
    Unreadable(#[from] std::io::Error),
    /// It does not hold a secret.
    #[error("the key file must hold 32 bytes, raw or in base64")]
    Form,
}

/// Why a copy could not be sealed or opened. Says nothing of its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// This keyring has no secret: the function has no right to stream keys.
    #[error("no secret to seal or open stream keys with")]
    NoSecret,
    /// The copy was made with another secret, for another channel or version, or was changed.
    #[error("the sealed stream key cannot be opened")]
    Sealed,
    /// KMS is throttled, slow or out of reach: it may be tried again.
    #[error("KMS gives no answer: {0}")]
    Unavailable(String),
    /// KMS refuses: the key is disabled, or the function has no right to it.
    #[error("KMS refuses: {0}")]
    Refused(String),
}

impl Keyring {
    /// From 32 secret bytes.
    #[must_use]
    pub fn from_bytes(secret: [u8; SECRET_BYTES]) -> Self {
        Self(secret_of(&secret).map_or(Kind::None, |secret| Kind::Secret(Arc::new(secret))))
    }

    /// With data keys of the KMS key of this ARN.
    #[cfg(feature = "kms")]
    #[must_use]
    pub fn from_kms(sdk: &aws_config::SdkConfig, key_id: &str) -> Self {
        Self(Kind::Kms(kms::DataKeys::new(sdk, key_id)))
    }

    /// From a file that holds the secret, raw or in base64.
    ///
    /// # Errors
    /// [`InvalidFile`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, InvalidFile> {
        use std::io::Read as _;
        let mut content = Vec::new();
        std::fs::File::open(path)?
            .take(MAX_FILE_BYTES)
            .read_to_end(&mut content)?;
        secret_in(&content)
            .map(Self::from_bytes)
            .ok_or(InvalidFile::Form)
    }

    /// A keyring that seals and opens nothing, for functions without a right to stream keys.
    #[must_use]
    pub const fn none() -> Self {
        Self(Kind::None)
    }

    /// Seals a channel's key of this version.
    ///
    /// # Errors
    /// [`Error`] where it has no secret, the operating system no randomness, or KMS no answer.
    pub async fn seal(
        &self,
        channel_id: &ChannelId,
        version: u64,
        key: &StreamKey,
    ) -> Result<Vec<u8>, Error> {
        match &self.0 {
            Kind::None => Err(Error::NoSecret),
            Kind::Secret(secret) => seal(secret, channel_id, version, key),
            #[cfg(feature = "kms")]
            Kind::Kms(keys) => keys.seal(channel_id, version, key).await,
        }
    }

    /// Opens what [`Keyring::seal`] made for the same channel and version.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn open(
        &self,
        channel_id: &ChannelId,
        version: u64,
        sealed: &[u8],
    ) -> Result<StreamKey, Error> {
        match &self.0 {
            Kind::None => Err(Error::NoSecret),
            Kind::Secret(secret) => open(secret, channel_id, version, sealed),
            #[cfg(feature = "kms")]
            Kind::Kms(keys) => keys.open(channel_id, version, sealed).await,
        }
    }
}

/// None where it has not the right length.
fn secret_of(bytes: &[u8]) -> Option<RandomizedNonceKey> {
    RandomizedNonceKey::new(&AES_256_GCM, bytes).ok()
}

fn seal(
    secret: &RandomizedNonceKey,
    channel_id: &ChannelId,
    version: u64,
    key: &StreamKey,
) -> Result<Vec<u8>, Error> {
    let mut sealed = key.expose().as_bytes().to_vec();
    let nonce = secret
        .seal_in_place_append_tag(Aad::from(purpose(channel_id, version)), &mut sealed)
        .map_err(|_| Error::Sealed)?;
    sealed.splice(..0, nonce.as_ref().iter().copied());
    Ok(sealed)
}

fn open(
    secret: &RandomizedNonceKey,
    channel_id: &ChannelId,
    version: u64,
    sealed: &[u8],
) -> Result<StreamKey, Error> {
    let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN).ok_or(Error::Sealed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Error::Sealed)?;
    let mut opened = ciphertext.to_vec();
    let text = secret
        .open_in_place(nonce, Aad::from(purpose(channel_id, version)), &mut opened)
        .map_err(|_| Error::Sealed)?;
    let text = std::str::from_utf8(text).map_err(|_| Error::Sealed)?;
    StreamKey::parse(text).map_err(|_| Error::Sealed)
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(..)")
    }
}

/// What a copy is authenticated as. `#` is in no channel id, so that no two pairs read the same.
fn purpose(channel_id: &ChannelId, version: u64) -> Vec<u8> {
    format!("{channel_id}#{version}").into_bytes()
}

fn secret_in(content: &[u8]) -> Option<[u8; SECRET_BYTES]> {
    if let Ok(secret) = content.try_into() {
        return Some(secret);
    }
    STANDARD.decode(content.trim_ascii()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(number: u8) -> ChannelId {
        ChannelId::from_random([number; 16])
    }

    fn key() -> StreamKey {
        StreamKey::generate(|bytes| bytes.fill(7))
    }

    #[tokio::test]
    async fn a_sealed_key_opens_only_as_what_it_was_sealed() {
        let keyring = Keyring::from_bytes([1; 32]);
        let sealed = keyring.seal(&channel(1), 3, &key()).await.expect("sealed");
        assert_eq!(keyring.open(&channel(1), 3, &sealed).await, Ok(key()));
        assert_eq!(
            keyring.open(&channel(2), 3, &sealed).await,
            Err(Error::Sealed)
        );
        assert_eq!(
            keyring.open(&channel(1), 4, &sealed).await,
            Err(Error::Sealed)
        );
        let stranger = Keyring::from_bytes([2; 32]);
        assert_eq!(
            stranger.open(&channel(1), 3, &sealed).await,
            Err(Error::Sealed)
        );
    }

    #[tokio::test]
    async fn a_changed_or_cut_copy_does_not_open() {
        let keyring = Keyring::from_bytes([1; 32]);
        let sealed = keyring.seal(&channel(1), 1, &key()).await.expect("sealed");
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(
                keyring.open(&channel(1), 1, &changed).await,
                Err(Error::Sealed)
            );
            let cut = &sealed[..place];
            assert_eq!(keyring.open(&channel(1), 1, cut).await, Err(Error::Sealed));
        }
    }

    #[tokio::test]
    async fn two_copies_of_one_key_look_different_and_show_nothing_of_it() {
        let keyring = Keyring::from_bytes([1; 32]);
        let first = keyring.seal(&channel(1), 1, &key()).await.expect("sealed");
        let second = keyring.seal(&channel(1), 1, &key()).await.expect("sealed");
        assert_ne!(first, second);
        let key = key();
        let prefix = &key.expose().as_bytes()[..8];
        assert!(!first.windows(8).any(|window| window == prefix));
        assert_eq!(format!("{keyring:?}"), "Keyring(..)");
    }

    #[tokio::test]
    async fn a_key_file_holds_its_secret_raw_or_in_base64() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let sealed = Keyring::from_bytes([5; 32])
            .seal(&channel(1), 1, &key())
            .await
            .expect("sealed");
        for content in [
            vec![5; 32],
            format!("{}\n", STANDARD.encode([5; 32])).into_bytes(),
        ] {
            std::fs::write(&path, content).expect("written");
            let keyring = Keyring::from_file(&path).expect("a secret");
            assert_eq!(keyring.open(&channel(1), 1, &sealed).await, Ok(key()));
        }
        std::fs::write(&path, "too short").expect("written");
        assert!(matches!(Keyring::from_file(&path), Err(InvalidFile::Form)));
        assert!(matches!(
            Keyring::from_file(folder.path().join("absent")),
            Err(InvalidFile::Unreadable(_))
        ));
    }

    #[tokio::test]
    async fn a_function_without_a_right_to_keys_opens_none() {
        assert_eq!(
            Keyring::none().seal(&channel(1), 1, &key()).await,
            Err(Error::NoSecret)
        );
    }
}
