//! Why a publish is turned away: one enum, one row each for the encoder, the page and the log.

use std::fmt;

use crate::Timestamp;
use crate::limits::Exceeded;

/// A publish that was turned away, with what there is to say about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No such key, a retired one, or one that cannot be a key.
    Unauthorized,
    /// Somebody is live on the channel; the first stays (requirement 2.3).
    AlreadyLive {
        /// Since when, where it is known.
        since: Option<Timestamp>,
        /// The address that is live, where it is known.
        client_ip: Option<String>,
    },
    /// The owner or an operator holds the channel.
    OnHold {
        /// When the hold ends.
        until: Timestamp,
    },
    /// The stream exceeds a limit of the channel.
    Limit(Exceeded),
    /// The edge is full or the store is away (requirement 5.2).
    ServiceUnavailable,
}

/// Every stable code, in the order of the enum.
pub const CODES: [&str; 5] = [
    "unauthorized",
    "already_live",
    "on_hold",
    "limit",
    "service_unavailable",
];

impl Refusal {
    /// The stable code that messages, events and logs carry.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::AlreadyLive { .. } => "already_live",
            Self::OnHold { .. } => "on_hold",
            Self::Limit(_) => "limit",
            Self::ServiceUnavailable => "service_unavailable",
        }
    }

    /// The `NetStream` status code that the encoder reads.
    #[must_use]
    pub const fn net_stream_code(&self) -> &'static str {
        match self {
            Self::Unauthorized | Self::OnHold { .. } => "NetStream.Publish.Denied",
            Self::AlreadyLive { .. } => "NetStream.Publish.BadName",
            Self::Limit(_) => "NetStream.Publish.Rejected",
            Self::ServiceUnavailable => "NetStream.Failed",
        }
    }

    /// What the channel's owner reads on the page, where the encoder shows no reason.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Unauthorized => {
                "The stream key is wrong or was reset. Copy the current key into your encoder."
                    .into()
            }
            Self::AlreadyLive { since, client_ip } => {
                let from = client_ip
                    .as_deref()
                    .map(|ip| format!(" from {ip}"))
                    .unwrap_or_default();
                let since = since.map(|at| format!(" since {at}")).unwrap_or_default();
                format!(
                    "Somebody is already live on this channel{from}{since}. Stop that stream first."
                )
            }
            Self::OnHold { until } => format!("This channel is on hold until {until}."),
            Self::Limit(exceeded) => exceeded.advice(),
            Self::ServiceUnavailable => {
                "The ingest edge is full or cannot reach its database. Try again in a few seconds."
                    .into()
            }
        }
    }
}

/// The description that goes to the encoder; ffmpeg prints it, OBS does not.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized => f.write_str("Unauthorized"),
            Self::AlreadyLive { .. } => f.write_str("Already live"),
            Self::OnHold { until } => write!(f, "On hold until {until}"),
            Self::Limit(exceeded) => write!(f, "{exceeded}"),
            Self::ServiceUnavailable => f.write_str("Service Unavailable"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_tells_the_encoder_the_page_and_the_log_what_the_contract_says() {
        let until = Timestamp::from_millis(1_900_000_000_000);
        let rows = [
            (
                Refusal::Unauthorized,
                "NetStream.Publish.Denied",
                "Unauthorized",
            ),
            (
                Refusal::AlreadyLive {
                    since: None,
                    client_ip: None,
                },
                "NetStream.Publish.BadName",
                "Already live",
            ),
            (
                Refusal::OnHold { until },
                "NetStream.Publish.Denied",
                "On hold until 2030-03-17T17:46:40Z",
            ),
            (
                Refusal::Limit(Exceeded::Bitrate {
                    allowed: 6_000,
                    sent: 9_000,
                }),
                "NetStream.Publish.Rejected",
                "Bitrate 9000 kbit/s is over this channel's maximum of 6000 kbit/s",
            ),
            (
                Refusal::ServiceUnavailable,
                "NetStream.Failed",
                "Service Unavailable",
            ),
        ];
        for ((refusal, net_stream_code, description), code) in rows.into_iter().zip(CODES) {
            assert_eq!(refusal.code(), code);
            assert_eq!(refusal.net_stream_code(), net_stream_code);
            assert_eq!(refusal.to_string(), description);
            assert!(refusal.advice().ends_with('.'));
        }
    }
}
