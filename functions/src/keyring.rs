//! Encrypts the copy of a stream key that its owner may reveal again.
//!
//! AES-256-GCM with a random nonce for each copy; the channel and the key's version are
//! authenticated along with it, so that a copy cannot be moved to another channel or passed off as
//! another version. A sealed copy is the nonce (12 bytes), the ciphertext and the tag (16 bytes).
//!
//! Absent on purpose: data keys from KMS, and the rotation of the key file.

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
pub struct Keyring(Option<Arc<RandomizedNonceKey>>);

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// This keyring has no secret: the function has no right to stream keys.
    #[error("no secret to seal or open stream keys with")]
    NoSecret,
    /// The copy was made with another secret, for another channel or version, or was changed.
    #[error("the sealed stream key cannot be opened")]
    Sealed,
}

impl Keyring {
    /// From 32 secret bytes.
    #[must_use]
    pub fn from_bytes(secret: [u8; SECRET_BYTES]) -> Self {
        // A secret of the right length is always taken.
        Self(
            RandomizedNonceKey::new(&AES_256_GCM, &secret)
                .ok()
                .map(Arc::new),
        )
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
        Self(None)
    }

    /// Seals a channel's key of this version.
    ///
    /// # Errors
    /// [`Error`] where it has no secret or the operating system no randomness.
    pub fn seal(
        &self,
        channel_id: &ChannelId,
        version: u64,
        key: &StreamKey,
    ) -> Result<Vec<u8>, Error> {
        let secret = self.0.as_ref().ok_or(Error::NoSecret)?;
        let mut sealed = key.expose().as_bytes().to_vec();
        let nonce = secret
            .seal_in_place_append_tag(Aad::from(purpose(channel_id, version)), &mut sealed)
            .map_err(|_| Error::Sealed)?;
        sealed.splice(..0, nonce.as_ref().iter().copied());
        Ok(sealed)
    }

    /// Opens what [`Keyring::seal`] made for the same channel and version.
    ///
    /// # Errors
    /// [`Error`].
    pub fn open(
        &self,
        channel_id: &ChannelId,
        version: u64,
        sealed: &[u8],
    ) -> Result<StreamKey, Error> {
        let secret = self.0.as_ref().ok_or(Error::NoSecret)?;
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN).ok_or(Error::Sealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Error::Sealed)?;
        let mut opened = ciphertext.to_vec();
        let text = secret
            .open_in_place(nonce, Aad::from(purpose(channel_id, version)), &mut opened)
            .map_err(|_| Error::Sealed)?;
        let text = std::str::from_utf8(text).map_err(|_| Error::Sealed)?;
        StreamKey::parse(text).map_err(|_| Error::Sealed)
    }
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

    #[test]
    fn a_sealed_key_opens_only_as_what_it_was_sealed() {
        let keyring = Keyring::from_bytes([1; 32]);
        let sealed = keyring.seal(&channel(1), 3, &key()).expect("sealed");
        assert_eq!(keyring.open(&channel(1), 3, &sealed), Ok(key()));
        assert_eq!(keyring.open(&channel(2), 3, &sealed), Err(Error::Sealed));
        assert_eq!(keyring.open(&channel(1), 4, &sealed), Err(Error::Sealed));
        let stranger = Keyring::from_bytes([2; 32]);
        assert_eq!(stranger.open(&channel(1), 3, &sealed), Err(Error::Sealed));
    }

    #[test]
    fn a_changed_or_cut_copy_does_not_open() {
        let keyring = Keyring::from_bytes([1; 32]);
        let sealed = keyring.seal(&channel(1), 1, &key()).expect("sealed");
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(keyring.open(&channel(1), 1, &changed), Err(Error::Sealed));
            let cut = &sealed[..place];
            assert_eq!(keyring.open(&channel(1), 1, cut), Err(Error::Sealed));
        }
    }

    #[test]
    fn two_copies_of_one_key_look_different_and_show_nothing_of_it() {
        let keyring = Keyring::from_bytes([1; 32]);
        let first = keyring.seal(&channel(1), 1, &key()).expect("sealed");
        let second = keyring.seal(&channel(1), 1, &key()).expect("sealed");
        assert_ne!(first, second);
        let key = key();
        let prefix = &key.expose().as_bytes()[..8];
        assert!(!first.windows(8).any(|window| window == prefix));
        assert_eq!(format!("{keyring:?}"), "Keyring(..)");
    }

    #[test]
    fn a_key_file_holds_its_secret_raw_or_in_base64() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let sealed = Keyring::from_bytes([5; 32])
            .seal(&channel(1), 1, &key())
            .expect("sealed");
        for content in [
            vec![5; 32],
            format!("{}\n", STANDARD.encode([5; 32])).into_bytes(),
        ] {
            std::fs::write(&path, content).expect("written");
            let keyring = Keyring::from_file(&path).expect("a secret");
            assert_eq!(keyring.open(&channel(1), 1, &sealed), Ok(key()));
        }
        std::fs::write(&path, "too short").expect("written");
        assert!(matches!(Keyring::from_file(&path), Err(InvalidFile::Form)));
        assert!(matches!(
            Keyring::from_file(folder.path().join("absent")),
            Err(InvalidFile::Unreadable(_))
        ));
    }

    #[test]
    fn a_function_without_a_right_to_keys_opens_none() {
        assert_eq!(
            Keyring::none().seal(&channel(1), 1, &key()),
            Err(Error::NoSecret)
        );
    }
}
