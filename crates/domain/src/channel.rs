//! A channel's settings, and the gate in front of it.

use std::time::Duration;

use crate::limits::{BITRATES, MAX_NETWORKS, SIDES};
use crate::{ChannelId, Limits, Timestamp, UserId};

/// Longest name of a channel, in characters.
pub const MAX_NAME_CHARACTERS: usize = 100;
/// Grace where the owner chose none (requirement 3.3).
pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);
/// Longest grace: beyond it a dead stream would be shown as reconnecting for minutes.
pub const MAX_GRACE: Duration = Duration::from_secs(60);
/// Longest time that an old key may go on starting publishes after a reset.
pub const MAX_KEY_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

/// What the owner set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// Who owns it.
    pub user_id: UserId,
    /// What the owner calls it.
    pub name: String,
    /// How long a dropped stream may come back as the same session.
    pub grace: Duration,
    /// What it may be published with.
    pub limits: Limits,
    /// The region whose store decides for it; fixed at creation.
    pub region: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The valid key's version; zero before the first key.
    pub key_version: u64,
    /// When the valid key was made.
    pub key_created_at: Option<Timestamp>,
    /// The valid key's public id, shown in the masked view.
    pub key_public_id: Option<String>,
    /// SHA-256 of the valid key, in hexadecimal digits.
    pub key_hash: Option<String>,
    /// SHA-256 of the key before it, which may still be inside its overlap.
    pub previous_key_hash: Option<String>,
}

/// What can close a channel to publishers. Read strongly consistent before every admission.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Gate {
    /// Grows with every reset, hold, lift, key report and limit change. Cache entries and control
    /// messages carry it; a lower one never replaces a higher.
    pub auth_version: u64,
    /// No publish is admitted before this moment.
    pub hold_until: Option<Timestamp>,
    /// Sessions that were admitted under a lower `auth_version` are to be cut.
    pub cut_before: u64,
}

/// What a key opens. Found by the key's hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// The channel it belongs to.
    pub channel_id: ChannelId,
    /// The channel's owner.
    pub user_id: UserId,
    /// 1 for a channel's first key; a reset makes the next.
    pub version: u64,
    /// It starts no publish from this moment on. None: the channel's current key.
    pub not_after: Option<Timestamp>,
}

/// Why a channel's settings cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSetting {
    /// Empty, too long, or with control characters.
    #[error("name must be 1 to {MAX_NAME_CHARACTERS} characters, none of them control characters")]
    Name,
    /// Outside the bounds.
    #[error("graceSeconds must be between 1 and 60")]
    Grace,
    /// Outside the bounds.
    #[error("overlapSeconds must be between 0 and 86400")]
    KeyOverlap,
    /// Too many, or one that is none.
    #[error(
        "allowedNetworks must be up to {MAX_NETWORKS} networks or addresses, such as 192.0.2.0/24 \
         or 2001:db8::1"
    )]
    AllowedNetworks,
    /// Outside the bounds.
    #[error(
        "maximumBitrateKbps must be between {} and {}",
        BITRATES.start(),
        BITRATES.end()
    )]
    MaximumBitrate,
    /// No resolution, or outside the bounds.
    #[error(
        "maximumResolution must be like 1920x1080, with sides between {} and {}",
        SIDES.start(),
        SIDES.end()
    )]
    MaximumResolution,
}

/// Checks and trims a channel's name.
///
/// # Errors
/// [`InvalidSetting::Name`].
pub fn parse_name(text: &str) -> Result<String, InvalidSetting> {
    let name = text.trim();
    let count = name.chars().count();
    if !(1..=MAX_NAME_CHARACTERS).contains(&count) || name.chars().any(char::is_control) {
        return Err(InvalidSetting::Name);
    }
    Ok(name.to_owned())
}

/// Checks a grace period in whole seconds.
///
/// # Errors
/// [`InvalidSetting::Grace`].
pub fn parse_grace(seconds: u64) -> Result<Duration, InvalidSetting> {
    let grace = Duration::from_secs(seconds);
    if grace.is_zero() || grace > MAX_GRACE {
        return Err(InvalidSetting::Grace);
    }
    Ok(grace)
}

/// Checks for how long an old key may go on starting publishes.
///
/// # Errors
/// [`InvalidSetting::KeyOverlap`].
pub fn parse_key_overlap(seconds: u64) -> Result<Duration, InvalidSetting> {
    let overlap = Duration::from_secs(seconds);
    if overlap > MAX_KEY_OVERLAP {
        return Err(InvalidSetting::KeyOverlap);
    }
    Ok(overlap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_bounds_are_refused() {
        assert_eq!(parse_name("  Saturday show "), Ok("Saturday show".into()));
        for name in ["", "  ", "a\u{7}b", &"x".repeat(101)] {
            assert_eq!(parse_name(name), Err(InvalidSetting::Name));
        }
        assert_eq!(parse_grace(0), Err(InvalidSetting::Grace));
        assert_eq!(parse_grace(61), Err(InvalidSetting::Grace));
        assert_eq!(parse_grace(10), Ok(DEFAULT_GRACE));
        assert_eq!(parse_key_overlap(86_401), Err(InvalidSetting::KeyOverlap));
    }
}
