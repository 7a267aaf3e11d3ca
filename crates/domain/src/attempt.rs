//! A refused attempt to publish, kept for the owner because encoders hide the reason.

use crate::{ChannelId, Refusal, Timestamp};

/// Refusals of one kind from one address within this many milliseconds are one record.
pub const COALESCE_MILLIS: u64 = 60_000;
/// How long a record is kept, in seconds: 30 days.
pub const KEEP_SECONDS: u64 = 30 * 24 * 60 * 60;

/// One refusal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// The channel that was tried.
    pub channel_id: ChannelId,
    /// Why it was turned away.
    pub refusal: Refusal,
    /// Who tried.
    pub ip_address: String,
    /// With what.
    pub encoder: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Attempt {
    /// Names the record: the same for all attempts that are coalesced into it. Sorts by time.
    #[must_use]
    pub fn id(&self) -> String {
        let minute = self.at.millis() / COALESCE_MILLIS * COALESCE_MILLIS;
        format!("{minute:012x}-{}-{}", self.refusal.code(), self.ip_address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_of_one_kind_from_one_address_in_one_minute_are_one_record() {
        let attempt = |millis, ip: &str| Attempt {
            channel_id: ChannelId::from_random([1; 16]),
            refusal: Refusal::Unauthorized,
            ip_address: ip.into(),
            encoder: None,
            at: Timestamp::from_millis(millis),
        };
        assert_eq!(
            attempt(60_000, "192.0.2.1").id(),
            attempt(119_999, "192.0.2.1").id()
        );
        assert_ne!(
            attempt(60_000, "192.0.2.1").id(),
            attempt(120_000, "192.0.2.1").id()
        );
        assert_ne!(
            attempt(60_000, "192.0.2.1").id(),
            attempt(60_000, "192.0.2.2").id()
        );
    }
}
