//! What the cache holds: its keys, the shape of each entry, and how long it is good.

use std::time::Duration;

use domain::authorization::{Answer, Hold, Known};
use domain::channel::Key;
use domain::limits::parse_networks;
use domain::metrics::Metrics;
use domain::{ChannelId, StreamKeyHash, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::{Control, StatusHint};

/// A key that was found: long enough that reconnecting encoders rarely reach the store.
const KNOWN_TTL: Duration = Duration::from_secs(300);
/// A tenth more or less, so that keys that were cached together are not looked up together.
const KNOWN_JITTER: f64 = 0.1;
/// A key that was not found: short, because it may be made at any moment.
const UNKNOWN_TTL: Duration = Duration::from_secs(5);
/// A revoked key or a lifted hold: longer than any positive answer lives, so that none outlives it.
pub(super) const REVOKED_TTL: Duration = Duration::from_secs(60 * 60);
/// A status hint: samples come every second; one that is this old says nothing.
pub(super) const STATUS_TTL: Duration = Duration::from_secs(5 * 60);
/// A lock hint: written once when a publish begins, and a broadcast rarely takes longer.
pub(super) const LOCK_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Largest entry that is read, in bytes: several times what the largest of ours takes, a key with
/// as many networks as a channel may have.
pub(super) const MAX_ENTRY_BYTES: usize = 8 * 1024;

/// The pub/sub channel of [`Control`] messages.
pub(super) const CONTROL_CHANNEL: &str = "control";

pub(super) fn answer_key(hash: &StreamKeyHash) -> String {
    format!("auth:{}", hash.to_hex())
}

pub(super) fn hold_key(channel_id: &ChannelId) -> String {
    format!("hold:{channel_id}")
}

pub(super) fn status_key(user_id: &UserId) -> String {
    format!("status:{user_id}")
}

pub(super) fn lock_key(channel_id: &ChannelId) -> String {
    format!("lock:stream:{channel_id}")
}

/// How long an answer is good. `draw` is uniform in 0..1.
pub(super) fn time_to_live(answer: &Answer, draw: f64) -> Duration {
    match answer {
        Answer::Known(_) => KNOWN_TTL.mul_f64(1.0 + KNOWN_JITTER * (2.0 * draw - 1.0)),
        Answer::Unknown => UNKNOWN_TTL,
        Answer::Revoked { .. } => REVOKED_TTL,
    }
}

/// An [`Answer`] as JSON. The script that compares reads `answer` and `authVersion`.
#[derive(Serialize, Deserialize)]
#[serde(
    tag = "answer",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum AnswerEntry {
    Known {
        channel_id: ChannelId,
        user_id: UserId,
        key_version: u64,
        not_after: Option<Timestamp>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        allowed_networks: Vec<String>,
        auth_version: u64,
    },
    Unknown {
        auth_version: u64,
    },
    Revoked {
        auth_version: u64,
    },
}

pub(super) fn write_answer(answer: &Answer) -> String {
    let auth_version = answer.auth_version();
    to_json(&match answer {
        Answer::Known(Known {
            key,
            allowed_networks,
            ..
        }) => AnswerEntry::Known {
            channel_id: key.channel_id.clone(),
            user_id: key.user_id.clone(),
            key_version: key.version,
            not_after: key.not_after,
            allowed_networks: allowed_networks.iter().map(ToString::to_string).collect(),
            auth_version,
        },
        Answer::Unknown => AnswerEntry::Unknown { auth_version },
        Answer::Revoked { .. } => AnswerEntry::Revoked { auth_version },
    })
}

pub(super) fn read_answer(json: &str) -> Option<Answer> {
    Some(match serde_json::from_str(json).ok()? {
        AnswerEntry::Known {
            channel_id,
            user_id,
            key_version,
            not_after,
            allowed_networks,
            auth_version,
        } => Answer::Known(Known {
            key: Key {
                channel_id,
                user_id,
                version: key_version,
                not_after,
            },
            auth_version,
            allowed_networks: parse_networks(&allowed_networks).ok()?,
        }),
        AnswerEntry::Unknown { .. } => Answer::Unknown,
        AnswerEntry::Revoked { auth_version } => Answer::Revoked { auth_version },
    })
}

/// A [`Hold`] as JSON. The script that compares reads `hold` and `authVersion`.
#[derive(Serialize, Deserialize)]
#[serde(
    tag = "hold",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum HoldEntry {
    Set { until: Timestamp, auth_version: u64 },
    Lifted { auth_version: u64 },
}

pub(super) fn write_hold(hold: Hold) -> String {
    let auth_version = hold.auth_version;
    to_json(&match hold.until {
        Some(until) => HoldEntry::Set {
            until,
            auth_version,
        },
        None => HoldEntry::Lifted { auth_version },
    })
}

pub(super) fn read_hold(json: &str) -> Option<Hold> {
    Some(match serde_json::from_str(json).ok()? {
        HoldEntry::Set {
            until,
            auth_version,
        } => Hold {
            auth_version,
            until: Some(until),
        },
        HoldEntry::Lifted { auth_version } => Hold {
            auth_version,
            until: None,
        },
    })
}

/// A [`StatusHint`] as JSON; the channel is the hash's field.
#[derive(Serialize, Deserialize)]
struct StatusEntry {
    status: StatusWord,
    /// kbit/s, for whoever reads the hash without knowing the rest.
    bitrate: Option<u32>,
    #[serde(rename = "gen")]
    generation: u64,
    seq: u64,
    n: u64,
    metrics: Option<MetricsEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StatusWord {
    Live,
    Offline,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MetricsEntry {
    bitrate_kbps: u32,
    width: Option<u32>,
    height: Option<u32>,
    fps: Option<f64>,
    keyframe_interval_ms: Option<u32>,
    video_codec: Option<String>,
    audio_codec: Option<String>,
    at: Timestamp,
}

pub(super) fn write_status(hint: &StatusHint) -> String {
    let metrics = hint.metrics.clone();
    to_json(&StatusEntry {
        status: if hint.live {
            StatusWord::Live
        } else {
            StatusWord::Offline
        },
        bitrate: metrics.as_ref().map(|metrics| metrics.bitrate_kbps),
        generation: hint.generation,
        seq: hint.sequence,
        n: hint.n,
        metrics: metrics.map(|metrics| MetricsEntry {
            bitrate_kbps: metrics.bitrate_kbps,
            width: metrics.width,
            height: metrics.height,
            fps: metrics.fps,
            keyframe_interval_ms: metrics.keyframe_interval_ms,
            video_codec: metrics.video_codec,
            audio_codec: metrics.audio_codec,
            at: metrics.at,
        }),
    })
}

pub(super) fn read_status(channel_id: &ChannelId, json: &str) -> Option<StatusHint> {
    let entry: StatusEntry = serde_json::from_str(json).ok()?;
    Some(StatusHint {
        channel_id: channel_id.clone(),
        generation: entry.generation,
        sequence: entry.seq,
        n: entry.n,
        live: matches!(entry.status, StatusWord::Live),
        metrics: entry.metrics.map(|metrics| Metrics {
            bitrate_kbps: metrics.bitrate_kbps,
            width: metrics.width,
            height: metrics.height,
            fps: metrics.fps,
            keyframe_interval_ms: metrics.keyframe_interval_ms,
            video_codec: metrics.video_codec,
            audio_codec: metrics.audio_codec,
            at: metrics.at,
        }),
    })
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ControlEntry {
    channel_id: ChannelId,
    auth_version: u64,
}

pub(super) fn write_control(control: &Control) -> String {
    to_json(&ControlEntry {
        channel_id: control.channel_id.clone(),
        auth_version: control.auth_version,
    })
}

pub(super) fn read_control(json: &[u8]) -> Option<Control> {
    let entry: ControlEntry = serde_json::from_slice(json).ok()?;
    Some(Control {
        channel_id: entry.channel_id,
        auth_version: entry.auth_version,
    })
}

/// None of these types can fail to be written; an empty entry would be read as none.
fn to_json(entry: &impl Serialize) -> String {
    serde_json::to_string(entry).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use domain::limits::MAX_NETWORKS;

    use super::*;

    fn known() -> Answer {
        Answer::Known(Known {
            key: Key {
                channel_id: ChannelId::from_random([1; 16]),
                user_id: UserId::parse("owner").expect("valid"),
                version: 2,
                not_after: Some(Timestamp::from_millis(1_900_000_000_123)),
            },
            auth_version: 7,
            allowed_networks: vec!["192.0.2.0/24".parse().expect("a network")],
        })
    }

    #[test]
    fn answers_survive_being_written_and_read() {
        for answer in [
            known(),
            Answer::Unknown,
            Answer::Revoked { auth_version: 9 },
        ] {
            assert_eq!(read_answer(&write_answer(&answer)), Some(answer));
        }
        assert_eq!(read_answer("{}"), None);
    }

    #[test]
    fn the_largest_entry_of_ours_is_far_below_what_is_read() {
        let Answer::Known(known) = known() else {
            unreachable!()
        };
        let longest = "1111:2222:3333:4444:5555:6666:7777:8888/128".parse();
        let allowed_networks = vec![longest.expect("a network"); MAX_NETWORKS];
        let largest = write_answer(&Answer::Known(Known {
            allowed_networks,
            ..known
        }));
        assert!(largest.len() * 2 < MAX_ENTRY_BYTES, "{}", largest.len());
    }

    #[test]
    fn a_hold_survives_being_written_and_read() {
        for until in [None, Some(Timestamp::from_millis(1_900_000_000_123))] {
            let hold = Hold {
                auth_version: 4,
                until,
            };
            assert_eq!(read_hold(&write_hold(hold)), Some(hold));
        }
        assert_eq!(read_hold("[]"), None);
    }

    #[test]
    fn a_status_is_readable_by_whoever_knows_only_its_first_fields() {
        let hint = StatusHint {
            channel_id: ChannelId::from_random([1; 16]),
            generation: 3,
            sequence: 1,
            n: 12,
            live: true,
            metrics: Some(Metrics {
                bitrate_kbps: 4_500,
                width: Some(1_920),
                height: Some(1_080),
                fps: Some(29.97),
                keyframe_interval_ms: Some(2_000),
                video_codec: Some("h264".into()),
                audio_codec: None,
                at: Timestamp::from_millis(1_900_000_000_123),
            }),
        };
        let json = write_status(&hint);
        assert!(json.starts_with(r#"{"status":"live","bitrate":4500,"gen":3,"seq":1,"n":12,"#));
        assert_eq!(read_status(&hint.channel_id, &json), Some(hint));
    }

    #[test]
    fn positive_answers_live_five_minutes_a_tenth_more_or_less() {
        let lives = [0.0, 0.5, 1.0].map(|draw| time_to_live(&known(), draw).as_secs());
        assert_eq!(lives, [270, 300, 330]);
        let revoked = time_to_live(&Answer::Revoked { auth_version: 1 }, 0.0);
        assert!(revoked > time_to_live(&known(), 1.0));
    }
}
