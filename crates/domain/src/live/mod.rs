//! The live item: the lock that lets one publisher be live on a channel, and its status, in one.
//!
//! Lock and status are one item so that one conditional write changes both. This module says what
//! each write demands of the item it finds ([`Write::permitted`]) and what it leaves
//! ([`Write::apply`]); the store turns the same rules into condition expressions, and a test holds
//! the two against each other.
//!
//! [`Write`] is in `write.rs`, who may take the lock in `decision.rs`, a publish's way to it in
//! `attempt.rs`.
//!
//! Invariants:
//! - `generation` grows by one with every acquisition and never shrinks; items are never deleted.
//! - An acquisition compares generation and sequence: a session that ended between a read and the
//!   write leaves the generation alone, and must not come back.
//! - STARTING holds the lock like LIVE and is shown as what was before it.
//! - `(generation, sequence)` moves with durable changes only, never with metrics.

mod attempt;
mod decision;
mod write;

use std::time::Duration;

pub use attempt::{Attempt, LOOKS, PARK, REJECTIONS, Step, Written, Yield};
pub use decision::{Claim, Decision, Holder, decide};
pub use write::{Acquire, Write};

use crate::{AttemptId, ChannelId, ConnectionId, Owner, SessionId, Timestamp};

/// How far past its `grace_until` an item in GRACE is taken as abandoned: its timer's holder is
/// gone. Wide enough for clocks that disagree.
pub const ABANDONED_GRACE: Duration = Duration::from_secs(5);
/// OFFLINE is written this long after the promised grace, so that it never comes early and the
/// third try of OBS (9.5 to 9.9 s after the drop, plus connect time) is caught.
pub const GRACE_MARGIN: Duration = Duration::from_secs(1);

/// Where a channel's lock is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// Nobody holds it.
    Offline,
    /// A publisher was let in and has sent no media yet.
    Starting,
    /// Media flows.
    Live,
    /// The publisher dropped and may come back as the same session.
    Grace,
}

impl State {
    /// Whether a publisher holds the lock.
    #[must_use]
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Starting | Self::Live)
    }
}

/// Why a session ended; stable words of the session log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EndReason {
    /// The encoder said that it stops.
    Unpublished,
    /// The connection was lost and nobody came back inside the grace.
    Dropped,
    /// The key was revoked while live.
    Revoked,
    /// The owner disconnected the stream or put the channel on hold.
    Disconnected,
    /// The stream exceeded a limit of its channel.
    Limit,
    /// The edge's operator stopped it.
    Shutdown,
    /// The publisher was let in and never sent media.
    NoMedia,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Unpublished,
        Self::Dropped,
        Self::Revoked,
        Self::Disconnected,
        Self::Limit,
        Self::Shutdown,
        Self::NoMedia,
    ];

    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unpublished => "unpublished",
            Self::Dropped => "dropped",
            Self::Revoked => "revoked",
            Self::Disconnected => "disconnected",
            Self::Limit => "limit",
            Self::Shutdown => "shutdown",
            Self::NoMedia => "no_media",
        }
    }

    /// Whether a holder may end an item in this state for this reason.
    #[must_use]
    pub const fn ends(self, state: State) -> bool {
        match state {
            State::Starting => true,
            State::Live => !matches!(self, Self::NoMedia),
            State::Offline | State::Grace => false,
        }
    }

    /// Reads the stable word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// Orders every durable change of a channel's status.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Version {
    /// Fencing token: one more with each acquisition.
    pub generation: u64,
    /// Changes within a generation.
    pub sequence: u64,
}

/// The item, as last read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Whose lock it is.
    pub channel_id: ChannelId,
    /// Where it is in its life.
    pub state: State,
    /// Orders it among its own past and future.
    pub version: Version,
    /// Who holds it; kept in GRACE as the one whose timer runs.
    pub owner: Option<Owner>,
    /// The attempt that took it.
    pub attempt_id: Option<AttemptId>,
    /// The connection that publishes.
    pub connection_id: Option<ConnectionId>,
    /// The running or last session.
    pub session_id: Option<SessionId>,
    /// The version of the key that holds it.
    pub key_version: u64,
    /// The publisher's address.
    pub client_ip: Option<String>,
    /// When the running or last session began.
    pub started_at: Option<Timestamp>,
    /// When media last began to flow.
    pub last_live_at: Option<Timestamp>,
    /// For display: until when the dropped publisher may come back.
    pub grace_until: Option<Timestamp>,
    /// When the shown status last changed to GRACE or OFFLINE.
    pub ended_at: Option<Timestamp>,
    /// Why the last session ended.
    pub reason: Option<EndReason>,
}

impl Version {
    /// The version after one more durable change.
    #[must_use]
    pub const fn next(self) -> Self {
        Self {
            generation: self.generation,
            sequence: self.sequence + 1,
        }
    }
}

impl Item {
    fn is_held_by(&self, owner: &Owner, generation: u64) -> bool {
        self.owner.as_ref() == Some(owner) && self.version.generation == generation
    }

    fn shows_end(&self, now: Timestamp, reason: EndReason) -> bool {
        self.state == State::Offline && self.ended_at == Some(now) && self.reason == Some(reason)
    }

    fn ended(&self, now: Timestamp, reason: EndReason) -> Self {
        Self {
            state: State::Offline,
            version: self.version.next(),
            owner: None,
            attempt_id: None,
            connection_id: None,
            grace_until: None,
            ended_at: Some(now),
            reason: Some(reason),
            ..self.clone()
        }
    }

    /// Whether its grace is over by so much that the timer's holder must be gone.
    #[must_use]
    pub fn is_abandoned(&self, now: Timestamp) -> bool {
        self.state == State::Grace && self.is_long_past_its_grace(now)
    }

    /// Whether a grace that it has is over by [`ABANDONED_GRACE`]: nothing waits any more, or who
    /// came back has sent no media.
    #[must_use]
    pub fn is_long_past_its_grace(&self, now: Timestamp) -> bool {
        self.grace_until
            .is_some_and(|until| now > until + ABANDONED_GRACE)
    }

    /// What its owner writes when the publisher is lost without a goodbye: GRACE where media
    /// flowed; in STARTING the old grace goes on, or there was nothing to keep.
    #[must_use]
    pub fn dropped(&self, now: Timestamp, grace: Duration) -> Option<Write> {
        let owner = self.owner.clone()?;
        let (channel_id, generation) = (self.channel_id.clone(), self.version.generation);
        let grace_until = match self.state {
            State::Live => Some(now + grace),
            State::Starting => self.grace_until,
            State::Offline | State::Grace => return None,
        };
        Some(match grace_until {
            Some(grace_until) => Write::Grace {
                channel_id,
                owner,
                generation,
                now,
                grace_until,
            },
            None => Write::End {
                channel_id,
                owner,
                generation,
                now,
                reason: EndReason::NoMedia,
            },
        })
    }

    /// The write that ends an item in GRACE; None in any other state.
    #[must_use]
    pub fn offline(&self, now: Timestamp, reason: EndReason) -> Option<Write> {
        (self.state == State::Grace).then(|| Write::Offline {
            channel_id: self.channel_id.clone(),
            seen: self.version,
            now,
            reason,
        })
    }

    /// The write with which its owner ends the session at once; None where nobody holds it.
    #[must_use]
    pub fn end(&self, now: Timestamp, reason: EndReason) -> Option<Write> {
        let owner = self.owner.clone().filter(|_| self.state.is_held())?;
        Some(Write::End {
            channel_id: self.channel_id.clone(),
            owner,
            generation: self.version.generation,
            now,
            reason,
        })
    }
}

#[cfg(test)]
mod tests;
