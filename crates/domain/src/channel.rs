//! A channel's settings, and the gate in front of it.

use std::time::Duration;

use crate::limits::{BITRATES, MAX_NETWORKS, SIDES};
use crate::stream_key::redacted;
use crate::{ChannelId, Limits, Timestamp, UserId};

/// Longest name of a channel, in characters.
pub const MAX_NAME_CHARACTERS: usize = 100;
/// Grace where the owner chose none (requirement 3.3).
pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);
/// Longest grace: beyond it a dead stream would be shown as reconnecting for minutes.
pub const MAX_GRACE: Duration = Duration::from_secs(60);
/// Longest time that an old key may go on starting publishes after a reset.
pub const MAX_KEY_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest hold: whoever wants a channel closed for longer resets its key.
pub const MAX_HOLD: Duration = Duration::from_secs(24 * 60 * 60);

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
    /// When the current key was made.
    pub key_created_at: Option<Timestamp>,
    /// The valid key's public id, shown in the masked view.
    pub key_public_id: Option<String>,
    /// SHA-256 of the valid key, in hexadecimal digits.
    pub key_hash: Option<String>,
    /// When the current key was reported as leaked, which ended it; None while it is good.
    pub key_retired_at: Option<Timestamp>,
    /// SHA-256 of the key before it, which may still be inside its overlap.
    pub previous_key_hash: Option<String>,
}

impl Channel {
    /// Which of the owner's settings are others in `new`, by the names of the API's fields.
    #[must_use]
    pub fn settings_changed_in(&self, new: &Self) -> Vec<String> {
        let settings = [
            ("name", self.name != new.name),
            ("graceSeconds", self.grace != new.grace),
            ("limits", self.limits != new.limits),
        ];
        let changed = settings.into_iter().filter(|(_, changed)| *changed);
        changed.map(|(name, _)| name.to_owned()).collect()
    }
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

impl Gate {
    /// Until when no publish is admitted, where that is so at `now`.
    #[must_use]
    pub fn held(&self, now: Timestamp) -> Option<Timestamp> {
        self.hold_until.filter(|until| now < *until)
    }
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
    /// Empty, too long, with control characters, or with a stream key.
    #[error(
        "name must be 1 to {MAX_NAME_CHARACTERS} characters, not only blanks and no control characters, and hold no stream key"
    )]
    Name,
    /// Outside the bounds.
    #[error("graceSeconds must be between 1 and 60")]
    Grace,
    /// Outside the bounds.
    #[error("overlapSeconds must be between 0 and 86400")]
    KeyOverlap,
    /// Outside the bounds.
    #[error("holdSeconds must be between 1 and 86400")]
    Hold,
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
    // The bounds are those of what was sent: they are what callers are told.
    let fits = !name.is_empty() && text.chars().count() <= MAX_NAME_CHARACTERS;
    if !fits || text.chars().any(char::is_control) || redacted(name) != name {
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

/// Checks for how long a channel is closed to publishers. Never nothing: an encoder that was cut is
/// back after two seconds, and nobody would have seen it go.
///
/// # Errors
/// [`InvalidSetting::Hold`].
pub fn parse_hold(seconds: u64) -> Result<Duration, InvalidSetting> {
    let hold = Duration::from_secs(seconds);
    if hold.is_zero() || hold > MAX_HOLD {
        return Err(InvalidSetting::Hold);
    }
    Ok(hold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_bounds_are_refused() {
        assert_eq!(parse_name("  Saturday show "), Ok("Saturday show".into()));
        let key = crate::StreamKey::generate(|bytes| bytes.fill(1));
        let with_a_key = format!("my key is {}", key.expose());
        let long = format!("a{}", " ".repeat(MAX_NAME_CHARACTERS));
        for name in [
            "",
            "  ",
            "a\u{7}b",
            "a\n",
            &"x".repeat(101),
            &long,
            &with_a_key,
        ] {
            assert_eq!(parse_name(name), Err(InvalidSetting::Name));
        }
        assert_eq!(parse_grace(0), Err(InvalidSetting::Grace));
        assert_eq!(parse_grace(61), Err(InvalidSetting::Grace));
        assert_eq!(parse_grace(10), Ok(DEFAULT_GRACE));
        assert_eq!(parse_key_overlap(86_401), Err(InvalidSetting::KeyOverlap));
        assert_eq!(parse_hold(0), Err(InvalidSetting::Hold));
        assert_eq!(parse_hold(86_401), Err(InvalidSetting::Hold));
        assert_eq!(parse_hold(86_400), Ok(MAX_HOLD));
    }
}
