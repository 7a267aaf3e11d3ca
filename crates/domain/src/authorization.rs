//! Whether a key may start a publish, and which of two cached answers is the newer.
//!
//! A cached answer may only refuse. Admission rests on [`admit`] over a strongly consistent read
//! that is made after the lock was taken, so that a reset or a hold that races a publish is seen by
//! one of the two sides.
//!
//! What is cached of a key refuses by itself: a key that is dead stays dead. What is cached of a
//! hold or of the networks may be over by now, so it only [gives cause](is_doubtful) to ask the
//! store before the lock is asked for.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::channel::{Gate, Key};
use crate::limits::is_within;
use crate::{ChannelId, Refusal, Timestamp, UserId};

/// What an edge knows of a key it has looked up; what the cache holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The key opened this channel when it was looked up.
    Known(Known),
    /// No such key.
    Unknown,
    /// The key was revoked under this `auth_version`.
    Revoked {
        /// The gate's version that revoked it.
        auth_version: u64,
    },
}

/// A key that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// What it opens.
    pub key: Key,
    /// The gate's version when it was read.
    pub auth_version: u64,
    /// Where its channel's publishes may come from; empty: from anywhere.
    pub allowed_networks: Vec<IpNet>,
}

/// What is cached of a channel's hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hold {
    /// The gate's version that it was set or lifted under.
    pub auth_version: u64,
    /// When it ends. None: it was lifted.
    pub until: Option<Timestamp>,
}

/// An admitted publish: what the lock and everything after it is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admission {
    /// The channel.
    pub channel_id: ChannelId,
    /// Its owner, whose dashboards are told.
    pub user_id: UserId,
    /// The key's version.
    pub key_version: u64,
    /// The gate's version it was admitted under; a cut names those below its own.
    pub auth_version: u64,
}

impl Answer {
    /// The gate's version this answer was made under; nothing is known of an unknown key.
    #[must_use]
    pub const fn auth_version(&self) -> u64 {
        match self {
            Self::Known(known) => known.auth_version,
            Self::Unknown => 0,
            Self::Revoked { auth_version } => *auth_version,
        }
    }

    /// Whether this answer may take the place of `held`: a greater version does; of equal ones the
    /// revocation wins, so that a slow reader cannot bring a revoked key back.
    #[must_use]
    pub fn replaces(&self, held: &Self) -> bool {
        let (mine, theirs) = (self.auth_version(), held.auth_version());
        mine > theirs || (mine == theirs && !matches!(held, Self::Revoked { .. }))
    }

    /// What a cached answer alone can turn away. `Ok` is not an admission.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] where the key is known not to open anything.
    pub fn screen(&self, now: Timestamp) -> Result<&Known, Refusal> {
        match self {
            Self::Known(known) if known.key.is_valid(now) => Ok(known),
            Self::Known(_) | Self::Unknown | Self::Revoked { .. } => Err(Refusal::Unauthorized),
        }
    }
}

impl Hold {
    /// Whether this may take the place of `held`: a greater version does; of equal ones what lifts
    /// wins.
    #[must_use]
    pub fn replaces(&self, held: &Self) -> bool {
        let (mine, theirs) = (self.auth_version, held.auth_version);
        mine > theirs || (mine == theirs && held.until.is_some())
    }

    /// Whether it keeps publishes out at `now`.
    #[must_use]
    pub fn stands(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

/// Whether what is cached gives cause to ask the store before the lock is asked for: a publish that
/// is refused then has not touched it.
#[must_use]
pub fn is_doubtful(known: &Known, hold: Option<&Hold>, address: IpAddr, now: Timestamp) -> bool {
    hold.is_some_and(|hold| hold.stands(now)) || !is_within(&known.allowed_networks, address)
}

impl Gate {
    /// Whether it lets anybody through at `now`.
    ///
    /// # Errors
    /// [`Refusal::OnHold`].
    pub fn check(&self, now: Timestamp) -> Result<(), Refusal> {
        match self.held(now) {
            Some(until) => Err(Refusal::OnHold { until }),
            None => Ok(()),
        }
    }
}

impl Key {
    /// Whether it may start a publish at `now`.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.not_after.is_none_or(|end| now < end)
    }
}

/// Decides on what a strongly consistent read of key and gate found.
///
/// # Errors
/// The refusal that goes to the encoder.
pub fn admit(key: Option<&Key>, gate: &Gate, now: Timestamp) -> Result<Admission, Refusal> {
    let key = key
        .filter(|key| key.is_valid(now))
        .ok_or(Refusal::Unauthorized)?;
    gate.check(now)?;
    Ok(Admission {
        channel_id: key.channel_id.clone(),
        user_id: key.user_id.clone(),
        key_version: key.version,
        auth_version: gate.auth_version,
    })
}

/// Whether a running session that was admitted under `auth_version` is to be cut.
#[must_use]
pub const fn is_cut(auth_version: u64, gate: &Gate) -> bool {
    auth_version < gate.cut_before
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn key(not_after: Option<u64>) -> Key {
        Key {
            channel_id: ChannelId::from_random([1; 16]),
            user_id: UserId::parse("owner").expect("valid"),
            version: 2,
            not_after: not_after.map(Timestamp::from_millis),
        }
    }

    #[test]
    fn a_current_key_is_admitted_under_the_gates_version() {
        let gate = Gate {
            auth_version: 7,
            ..Gate::default()
        };
        let admission = admit(Some(&key(None)), &gate, NOW).expect("admitted");
        assert_eq!((admission.key_version, admission.auth_version), (2, 7));
    }

    #[test]
    fn an_unknown_or_retired_key_is_unauthorized() {
        let gate = Gate::default();
        assert_eq!(admit(None, &gate, NOW), Err(Refusal::Unauthorized));
        assert_eq!(
            admit(Some(&key(Some(1_000_000))), &gate, NOW),
            Err(Refusal::Unauthorized)
        );
        assert!(admit(Some(&key(Some(1_000_001))), &gate, NOW).is_ok());
    }

    #[test]
    fn a_hold_refuses_until_it_ends() {
        let until = Timestamp::from_millis(1_000_001);
        let gate = Gate {
            hold_until: Some(until),
            ..Gate::default()
        };
        assert_eq!(
            admit(Some(&key(None)), &gate, NOW),
            Err(Refusal::OnHold { until })
        );
        assert!(admit(Some(&key(None)), &gate, until).is_ok());
    }

    #[test]
    fn a_slow_reader_cannot_bring_a_revoked_key_back() {
        let known = |auth_version| {
            Answer::Known(Known {
                key: key(None),
                auth_version,
                allowed_networks: Vec::new(),
            })
        };
        let revoked = Answer::Revoked { auth_version: 5 };
        assert!(!known(4).replaces(&revoked));
        assert!(!known(5).replaces(&revoked));
        assert!(known(6).replaces(&revoked));
        assert!(revoked.replaces(&known(5)));
        assert!(!Answer::Unknown.replaces(&known(1)));
    }

    #[test]
    fn a_hold_is_lifted_by_what_was_written_after_it_and_not_before() {
        let hold = |auth_version, until: Option<u64>| Hold {
            auth_version,
            until: until.map(Timestamp::from_millis),
        };
        assert!(hold(6, None).replaces(&hold(5, Some(9))));
        assert!(!hold(5, Some(9)).replaces(&hold(6, None)));
        assert!(hold(5, None).replaces(&hold(5, Some(9))));
        assert!(!hold(5, Some(9)).replaces(&hold(5, None)));
        assert!(hold(7, Some(9)).replaces(&hold(6, None)));
        assert!(!hold(6, None).stands(NOW));
        assert!(hold(6, Some(1_000_001)).stands(NOW));
        assert!(!hold(6, Some(1_000_000)).stands(NOW));
    }

    #[test]
    fn a_cached_hold_or_network_gives_cause_to_ask_the_store_and_nothing_more() {
        let known = |networks: &[&str]| Known {
            key: key(None),
            auth_version: 3,
            allowed_networks: crate::limits::parse_networks(networks).expect("networks"),
        };
        let held = |until| Hold {
            auth_version: 4,
            until,
        };
        let address = "192.0.2.7".parse().expect("an address");
        let doubtful =
            |known: &Known, hold: Option<Hold>| is_doubtful(known, hold.as_ref(), address, NOW);
        let later = Some(Timestamp::from_millis(1_000_001));
        assert!(!doubtful(&known(&[]), None));
        assert!(!doubtful(&known(&["192.0.2.0/24"]), Some(held(None))));
        assert!(!doubtful(&known(&[]), Some(held(Some(NOW)))));
        assert!(doubtful(&known(&[]), Some(held(later))));
        assert!(doubtful(&known(&["198.51.100.0/24"]), None));
    }

    #[test]
    fn a_cut_names_sessions_admitted_before_it() {
        let gate = Gate {
            cut_before: 3,
            ..Gate::default()
        };
        assert!(is_cut(2, &gate));
        assert!(!is_cut(3, &gate));
    }
}
