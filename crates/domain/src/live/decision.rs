//! Who may take the lock, given the item that was found.

use super::{Acquire, EndReason, Item, State, Write};
use crate::{AttemptId, ChannelId, ConnectionId, Owner, Refusal, SessionId, Timestamp};

/// Who asks for the lock, and as what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// The channel.
    pub channel_id: ChannelId,
    /// The edge's epoch that will hold it.
    pub owner: Owner,
    /// Random for each publish attempt.
    pub attempt_id: AttemptId,
    /// The connection that publishes.
    pub connection_id: ConnectionId,
    /// The session it begins, where it does not resume one.
    pub session_id: SessionId,
    /// The version of the key it came with.
    pub key_version: u64,
    /// The publisher's address.
    pub client_ip: String,
}

/// What a publish is to do, given the item it found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Try this acquisition; when its condition fails decide again on the item that comes back.
    Acquire(Acquire),
    /// Write this OFFLINE first: the last session was abandoned. Then decide again.
    EndFirst(Write),
    /// Turn it away.
    Refuse(Refusal),
}

/// Decides whether `claim` may take the lock it found (requirement 2.3: the first stays).
///
/// `owner_is_dead` says whether the epoch that holds it is known to be dead; it is asked only
/// where somebody holds it.
#[must_use]
pub fn decide(
    found: Option<&Item>,
    claim: &Claim,
    owner_is_dead: impl FnOnce(&Owner) -> bool,
    now: Timestamp,
) -> Decision {
    let Some(item) = found else {
        return Decision::Acquire(acquire(None, claim, None, now));
    };
    match item.state {
        State::Offline => Decision::Acquire(acquire(Some(item), claim, None, now)),
        State::Grace if item.is_abandoned(now) => item.offline(now, EndReason::Dropped).map_or(
            Decision::Refuse(Refusal::ServiceUnavailable),
            Decision::EndFirst,
        ),
        State::Grace if claim.key_version < item.key_version => {
            Decision::Refuse(already_live(item))
        }
        State::Grace => Decision::Acquire(acquire(Some(item), claim, Some(item), now)),
        State::Starting | State::Live => {
            if !item.owner.as_ref().is_some_and(owner_is_dead) {
                return Decision::Refuse(already_live(item));
            }
            // A dead edge's session goes on here, as after any drop; one that never had media has
            // nothing to resume unless it was itself a resumption.
            let resumable = item.state == State::Live || item.grace_until.is_some();
            let resumed = resumable
                .then_some(item)
                .filter(|_| claim.key_version >= item.key_version);
            Decision::Acquire(acquire(Some(item), claim, resumed, now))
        }
    }
}

fn acquire(found: Option<&Item>, claim: &Claim, resumed: Option<&Item>, now: Timestamp) -> Acquire {
    let session = resumed.and_then(|item| item.session_id.clone().zip(item.started_at));
    let (session_id, started_at) = session.unwrap_or_else(|| (claim.session_id.clone(), now));
    Acquire {
        claim: claim.clone(),
        seen: found.map(|item| item.version),
        session_id,
        started_at,
    }
}

fn already_live(item: &Item) -> Refusal {
    Refusal::AlreadyLive {
        since: item.started_at,
        client_ip: item.client_ip.clone(),
    }
}
