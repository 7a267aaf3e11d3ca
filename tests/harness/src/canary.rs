//! Finds stream keys where none may be: the harness notes every key it sees and presents, and looks
//! for each of them, in several spellings, in everything that programs write.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::StreamKey;

/// Half of a key's random part betrays the key: a log that cuts keys short leaks all the same.
const TELLING_CHARACTERS: usize = 15;

/// The keys of one story. Clones share them.
#[derive(Clone, Default)]
pub struct Canary {
    keys: Arc<Mutex<HashSet<String>>>,
}

impl std::fmt::Debug for Canary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Canary(..)")
    }
}

impl Canary {
    /// Notes a key, or whatever was presented as one.
    pub fn plant(&self, key: &str) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.to_owned());
    }

    /// Fails where `text` holds one of the keys. The message names `place` and the line's number,
    /// and does not repeat the key.
    ///
    /// # Errors
    /// When a key is found.
    pub fn check(&self, place: &str, text: &str) -> Result<()> {
        match self.lines_with_a_key(text).first() {
            Some(line) => bail!("a stream key stands in {place}, line {}", line + 1),
            None => Ok(()),
        }
    }

    /// The same where keys are looked up by their hash, which then must be there.
    ///
    /// # Errors
    /// When a key is found in any other spelling.
    pub fn check_without_hashes(&self, place: &str, text: &str) -> Result<()> {
        let keys = self
            .keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let hashes = keys
            .iter()
            .filter_map(|key| Some(StreamKey::parse(key).ok()?.hash().to_hex()));
        let text = hashes.fold(text.to_owned(), |text, hash| text.replace(&hash, "(hash)"));
        self.check(place, &text)
    }

    /// The numbers, from 0, of the lines of `text` that hold a key.
    #[must_use]
    pub fn lines_with_a_key(&self, text: &str) -> Vec<usize> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let needles: Vec<String> = keys.iter().flat_map(|key| spellings(key)).collect();
        let holds = |line: &str| needles.iter().any(|needle| line.contains(needle));
        (text.lines().enumerate())
            .filter(|(_, line)| holds(line))
            .map(|(number, _)| number)
            .collect()
    }
}

/// How a key could appear: either half of what is secret in it, encoded, or as its hash.
fn spellings(key: &str) -> Vec<String> {
    let hex = domain::id::hex(key.as_bytes());
    let percent = |digit: fn(&u8) -> String| key.as_bytes().iter().map(digit).collect();
    let mut spellings = vec![
        hex.to_uppercase(),
        hex,
        percent(|byte| format!("%{byte:02X}")),
        percent(|byte| format!("%{byte:02x}")),
    ];
    for inside in (0..3).map(|before| base64_after(before, key)) {
        spellings.push(inside.replace('+', "-").replace('/', "_"));
        spellings.push(inside);
    }
    let secret = key.strip_prefix("live").unwrap_or(key);
    if secret.len() >= 2 * TELLING_CHARACTERS && secret.is_ascii() {
        spellings.push(secret[..TELLING_CHARACTERS].to_owned());
        spellings.push(secret[secret.len() - TELLING_CHARACTERS..].to_owned());
    } else {
        spellings.push(key.to_owned());
    }
    if let Ok(key) = StreamKey::parse(key) {
        spellings.push(key.hash().to_hex());
    }
    spellings
}

/// The characters that a key alone decides where so many bytes stand before it in what is encoded.
fn base64_after(before: usize, key: &str) -> String {
    let bytes = [&vec![0; before], key.as_bytes()].concat();
    let whole = bytes.len() * 8 / 6;
    let first = (before * 8).div_ceil(6);
    BASE64_STANDARD.encode(bytes)[first..whole].to_owned()
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_URL_SAFE;

    use super::*;

    fn planted() -> (Canary, StreamKey) {
        let mut next = 0_u8;
        let key = StreamKey::generate(|bytes| {
            for byte in bytes {
                *byte = next;
                next = next.wrapping_add(7);
            }
        });
        let canary = Canary::default();
        canary.plant(key.expose());
        (canary, key)
    }

    #[test]
    fn a_key_is_found_whole_halved_encoded_and_hashed() {
        let (canary, key) = planted();
        let whole = key.expose();
        for leak in [
            whole.to_owned(),
            whole[..24].to_owned(),
            whole[20..].to_owned(),
            domain::id::hex(whole.as_bytes()),
            BASE64_STANDARD.encode(whole),
            BASE64_STANDARD.encode(format!("Bearer {whole} and more")),
            BASE64_URL_SAFE.encode(format!("key={whole}&")),
            whole.bytes().map(|byte| format!("%{byte:02X}")).collect(),
            key.hash().to_hex(),
        ] {
            let log = format!("first line\n level=INFO key={leak} more");
            assert_eq!(canary.lines_with_a_key(&log), [1]);
        }
    }

    #[test]
    fn the_message_about_a_leak_does_not_leak() {
        let (canary, key) = planted();
        let error = canary.check("a log", key.expose()).unwrap_err().to_string();
        assert_eq!(error, "a stream key stands in a log, line 1");
    }

    #[test]
    fn text_without_a_key_is_clean() {
        let (canary, _) = planted();
        canary
            .check("a log", "live\u{2022}\u{2022}a1B2 Unauthorized")
            .unwrap();
    }
}
