//! The stream key: the secret that an owner pastes into an encoder.
//!
//! `live` + 30 base62 characters + 6 base62 digits of CRC-32 over the 34 characters before. The
//! checksum refuses a mistyped key without asking anybody; the fixed prefix and length give secret
//! scanners a pattern: `\blive[0-9A-Za-z]{36}\b`. 30 characters of base62 hold 178 bits.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::id::hex;

/// Characters of a whole stream key.
pub const LENGTH: usize = 40;
/// Characters of a key that are drawn at random.
pub const RANDOM_CHARACTERS: usize = 30;
const PREFIX: &str = "live";
const CHECKSUM_DIGITS: usize = 6;
/// What stands in a text in place of a key.
const REDACTED: &str = "(stream key)";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The largest multiple of 62 below 256: bytes from here on are drawn again, so that every
/// character is equally likely.
const UNBIASED_BELOW: u8 = 248;

/// A well-formed stream key. Its `Debug` is silent and it has no `Display`, so that it can reach a
/// log only through [`StreamKey::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct StreamKey(String);

/// Why a text is not a stream key of ours. Says nothing of the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not 40 characters `live[0-9A-Za-z]{36}`.
    #[error("not of the form of a stream key")]
    Form,
    /// The last six characters do not match the rest: a typing or copying mistake.
    #[error("the stream key's checksum does not match")]
    Checksum,
}

impl StreamKey {
    /// Makes a key from a source of random bytes, which must be the operating system's.
    ///
    /// `fill` is called until enough unbiased characters are drawn.
    pub fn generate(mut fill: impl FnMut(&mut [u8])) -> Self {
        let mut text = String::with_capacity(LENGTH);
        text.push_str(PREFIX);
        let mut bytes = [0_u8; 64];
        while text.len() < PREFIX.len() + RANDOM_CHARACTERS {
            fill(&mut bytes);
            let wanted = PREFIX.len() + RANDOM_CHARACTERS - text.len();
            let unbiased = bytes.iter().filter(|byte| **byte < UNBIASED_BELOW);
            text.extend(unbiased.take(wanted).map(|byte| digit(u32::from(*byte))));
        }
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Self(text)
    }

    /// Checks form and checksum. Surrounding blanks are forgiven: people copy them along.
    ///
    /// # Errors
    /// [`Malformed`] where no key of ours can look like this.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let text = text.trim();
        let alphanumeric = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if text.len() != LENGTH || !alphanumeric || !text.starts_with(PREFIX) {
            return Err(Malformed::Form);
        }
        let (body, found) = text.split_at(LENGTH - CHECKSUM_DIGITS);
        if checksum(body) != found {
            return Err(Malformed::Checksum);
        }
        Ok(Self(text.to_owned()))
    }

    /// The key itself, for the owner's eyes, for encryption and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored in place of the key, and looked up.
    ///
    /// A plain SHA-256 is enough: a guess has 178 bits to find.
    #[must_use]
    pub fn hash(&self) -> StreamKeyHash {
        StreamKeyHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(..)")
    }
}

/// A text that somebody else wrote, without the stream keys that are in it: people paste them into
/// names and titles by mistake.
#[must_use]
pub fn redacted(text: &str) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(PREFIX) {
        let (before, from) = rest.split_at(at);
        redacted.push_str(before);
        let is_key = from
            .get(..LENGTH)
            .is_some_and(|key| StreamKey::parse(key).is_ok());
        let (kept, skipped) = if is_key {
            (REDACTED, LENGTH)
        } else {
            (PREFIX, PREFIX.len())
        };
        redacted.push_str(kept);
        rest = &from[skipped..];
    }
    redacted + rest
}

fn digit(value: u32) -> char {
    char::from(ALPHABET[(value % 62) as usize])
}

fn checksum(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut digits = [char::from(ALPHABET[0]); CHECKSUM_DIGITS];
    for place in digits.iter_mut().rev() {
        *place = digit(rest);
        rest /= 62;
    }
    digits.iter().collect()
}

/// SHA-256 of a stream key: names the key's item and its cache entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamKeyHash([u8; 32]);

impl StreamKeyHash {
    /// 64 hexadecimal digits, as items and cache keys have it. Not for logs: use [`Fingerprint`].
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// Reads what [`StreamKeyHash::to_hex`] wrote.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0_u8; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[place * 2..place * 2 + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Debug for StreamKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKeyHash(..)")
    }
}

/// The deployment's secret that fingerprints are made with.
#[derive(Clone)]
pub struct FingerprintSecret([u8; 32]);

impl FingerprintSecret {
    /// From 32 random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// From the fleet's secret, so that all edges give a key the same fingerprint. None where it
    /// is too short to be one (under 16 bytes).
    #[must_use]
    pub fn derive(fleet_secret: &[u8]) -> Option<Self> {
        const SHORTEST: usize = 16;
        let mut digest = Sha256::new_with_prefix(b"stream key fingerprint");
        digest.update(fleet_secret);
        (fleet_secret.len() >= SHORTEST).then(|| Self(digest.finalize().into()))
    }
}

impl fmt::Debug for FingerprintSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintSecret(..)")
    }
}

/// Names a presented key in logs: the first 8 hexadecimal digits of an HMAC, so that two lines can
/// be seen to be about the same key and nobody can check a guess against them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of whatever was presented as a key, well-formed or not.
    #[must_use]
    pub fn of(presented: &str, secret: &FingerprintSecret) -> Self {
        // HMAC takes a key of any length, so this cannot fail; an empty name would only be vague.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&secret.0) else {
            return Self(String::new());
        };
        mac.update(presented.as_bytes());
        Self(hex(&mac.finalize().into_bytes()[..4]))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands in the page for a key: `live`, dots, and the key's own public 4-character id, which
/// is no part of the key.
#[must_use]
pub fn masked(public_id: &str) -> String {
    format!("{PREFIX}{}{public_id}", "\u{2022}".repeat(12))
}

/// The public id of a key, from random bytes: says which key is shown without saying any of it.
#[must_use]
pub fn public_id(random: [u8; 4]) -> String {
    random.iter().map(|byte| digit(u32::from(*byte))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key_from(seed: u64) -> StreamKey {
        let mut state = seed;
        StreamKey::generate(|bytes| {
            for byte in bytes {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                *byte = (state >> 33) as u8;
            }
        })
    }

    #[test]
    fn the_checksum_is_crc32_in_six_padded_base62_digits() {
        // CRC-32/ISO-HDLC of "123456789" is the standard check value 0xCBF43926.
        assert_eq!(crc32fast::hash(b"123456789"), 0xCBF4_3926);
        assert_eq!(checksum("123456789"), "3jZRME");
    }

    #[test]
    fn a_source_that_only_draws_biased_bytes_first_still_gives_a_whole_key() {
        let mut calls = 0_u8;
        let key = StreamKey::generate(|bytes| {
            bytes.fill(if calls == 0 { 255 } else { calls });
            calls += 1;
        });
        assert_eq!(StreamKey::parse(key.expose()), Ok(key));
    }

    #[test]
    fn a_key_never_shows_in_debug_output() {
        let key = key_from(1);
        let secret = FingerprintSecret::new([9; 32]);
        let shown = format!("{key:?} {:?} {secret:?}", key.hash());
        assert_eq!(
            shown,
            "StreamKey(..) StreamKeyHash(..) FingerprintSecret(..)"
        );
        assert!(!masked("a1B2").contains(&key.expose()[4..]));
    }

    #[test]
    fn a_fingerprint_depends_on_the_deployments_secret() {
        let key = key_from(2);
        let here = Fingerprint::of(key.expose(), &FingerprintSecret::new([1; 32]));
        let there = Fingerprint::of(key.expose(), &FingerprintSecret::new([2; 32]));
        assert_eq!(here.to_string().len(), 8);
        assert_ne!(here, there);
    }

    #[test]
    fn keys_are_taken_out_of_texts_and_nothing_else_is() {
        let key = key_from(3);
        let key = key.expose();
        let text = format!("live{key} \u{e4}{key}{key}live: live and kicking");
        assert_eq!(
            redacted(&text),
            "live(stream key) \u{e4}(stream key)(stream key)live: live and kicking"
        );
        let mistyped = key.replace(&key[39..], "-");
        assert_eq!(redacted(&mistyped), mistyped);
    }

    proptest! {
        #[test]
        fn every_generated_key_is_accepted_with_blanks_around_it(seed: u64) {
            let key = key_from(seed);
            prop_assert_eq!(StreamKey::parse(&format!(" {}\n", key.expose())), Ok(key));
        }

        #[test]
        fn one_wrong_character_is_always_refused(seed: u64, place in 4_usize..40, other in 0_u32..62) {
            let key = key_from(seed);
            let mut text: Vec<char> = key.expose().chars().collect();
            prop_assume!(text[place] != digit(other));
            text[place] = digit(other);
            let text: String = text.into_iter().collect();
            prop_assert_eq!(StreamKey::parse(&text), Err(Malformed::Checksum));
        }

        #[test]
        fn any_other_text_is_refused_without_panic(text: String) {
            prop_assert!(StreamKey::parse(&text).is_err());
        }

        #[test]
        fn a_hash_survives_being_written_and_read(seed: u64) {
            let hash = key_from(seed).hash();
            prop_assert_eq!(StreamKeyHash::from_hex(&hash.to_hex()), Some(hash));
        }
    }
}
