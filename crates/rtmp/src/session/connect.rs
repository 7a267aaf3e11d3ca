//! Reads what an encoder tells of itself: the object of `connect`, and text from metadata.

use crate::amf0::Value;
use crate::event::{Capabilities, ConnectInfo, Secret};

/// Longest name of an encoder kept, characters.
const ENCODER_CHARACTERS: usize = 128;

/// Most FourCC codes kept of one list.
const FOUR_CCS: usize = 32;

/// Longest FourCC code kept, bytes: four, with room for the wildcard's relatives.
const FOUR_CC_BYTES: usize = 8;

pub(super) fn info(object: Option<&Value<'_>>) -> ConnectInfo {
    let text = |name| {
        let value = object.and_then(|object| object.property(name));
        value.and_then(Value::text).unwrap_or_default().into_owned()
    };
    ConnectInfo {
        app: Secret::new(text("app")),
        tc_url: Secret::new(text("tcUrl")),
        encoder: printable(&text("flashVer")),
        capabilities: object.map(capabilities).unwrap_or_default(),
    }
}

fn capabilities(object: &Value<'_>) -> Capabilities {
    let list = object.property("fourCcList").map(Value::items);
    Capabilities {
        four_cc_list: list
            .unwrap_or_default()
            .iter()
            .filter_map(four_cc)
            .take(FOUR_CCS)
            .collect(),
        video_four_cc_info: info_map(object.property("videoFourCcInfoMap")),
        audio_four_cc_info: info_map(object.property("audioFourCcInfoMap")),
        caps_ex: object.property("capsEx").map(flags).unwrap_or_default(),
    }
}

fn four_cc(value: &Value<'_>) -> Option<String> {
    value
        .text()
        .filter(|text| text.len() <= FOUR_CC_BYTES)
        .map(|text| printable(&text))
}

fn info_map(map: Option<&Value<'_>>) -> Vec<(String, u32)> {
    let properties = map.map(Value::properties).unwrap_or_default().iter();
    let entry = |(name, value): &(&[u8], Value<'_>)| {
        let name = four_cc(&Value::Text(name))?;
        Some((name, flags(value)))
    };
    properties.filter_map(entry).take(FOUR_CCS).collect()
}

/// Bit flags sent as a number; only the low byte is defined.
fn flags(value: &Value<'_>) -> u32 {
    match value.number() {
        Some(number) if (0.0..=255.0).contains(&number) => (0..=255u8)
            .rev()
            .find(|&flags| f64::from(flags) <= number)
            .map_or(0, u32::from),
        _ => 0,
    }
}

/// Cuts to printable characters, as many as are kept of an encoder's name. Letters and digits of
/// any script, ASCII punctuation and blanks: nothing that could turn or hide text beside it.
pub(super) fn printable(text: &str) -> String {
    let printable = |character: &char| {
        character.is_alphanumeric() || character.is_ascii_punctuation() || *character == ' '
    };
    text.chars()
        .filter(printable)
        .take(ENCODER_CHARACTERS)
        .collect()
}
