//! Who is who in the model: fixed ids and moments for every edge and every publish.

use std::sync::LazyLock;
use std::time::Duration;

use domain::edge::{Edge, State};
use domain::live::Claim;
use domain::{
    AttemptId, ChannelId, ConnectionId, EdgeId, Moment, Owner, SessionId, Timestamp, UserId,
};

use crate::Bounds;

/// The grace of the one channel.
pub(crate) const GRACE: Duration = Duration::from_secs(10);
/// Every edge's own clock now. Time is told by what has lapsed before it, see [`crate::holder`].
pub(crate) const NOW: Moment = Moment::from_micros(1_000_000_000);
/// The wall clock before anything happened.
const BASE: Timestamp = Timestamp::from_millis(1_900_000_000_000);
/// So far apart are the wall clocks of two writers: what one of them wrote is told from what
/// another wrote.
const APART: Duration = Duration::from_secs(1);

static EDGES: LazyLock<[EdgeId; Bounds::MOST_EDGES]> =
    LazyLock::new(|| std::array::from_fn(|edge| EdgeId::from_random([number(edge); 16])));
static ATTEMPTS: LazyLock<[AttemptId; Bounds::MOST_PUBLISHES]> =
    LazyLock::new(|| std::array::from_fn(|it| AttemptId::from_random([number(it); 16])));
static SESSIONS: LazyLock<[SessionId; Bounds::MOST_PUBLISHES]> =
    LazyLock::new(|| std::array::from_fn(|it| SessionId::new(BASE, [number(it); 10])));
static CHANNEL: LazyLock<ChannelId> = LazyLock::new(|| ChannelId::from_random([1; 16]));

/// Zero is nobody's.
fn number(index: usize) -> u8 {
    u8::try_from(index + 1).expect("few")
}

/// The one channel.
#[must_use]
pub(crate) fn channel() -> ChannelId {
    CHANNEL.clone()
}

/// The channel's owner.
#[must_use]
pub(crate) fn user() -> UserId {
    UserId::parse("owner").expect("valid")
}

/// An edge's id.
#[must_use]
pub(crate) fn edge_id(edge: usize) -> EdgeId {
    EDGES[edge].clone()
}

/// The edge with this id.
#[must_use]
pub(crate) fn edge_of(owner: &Owner) -> usize {
    let position = EDGES.iter().position(|id| *id == owner.edge_id);
    position.expect("every owner is one of the edges")
}

/// An edge's item as it begins the epoch.
#[must_use]
pub(crate) fn edge_item(edge: usize, epoch: u64) -> Edge {
    Edge {
        id: edge_id(edge),
        name: format!("edge-{edge}"),
        epoch,
        boot_id: format!("boot-{epoch}"),
        heartbeat: 0,
        state: State::Up,
        swept: false,
        region: "local".into(),
        rtmp_url: "rtmp://127.0.0.1:1935/live".into(),
        rtmps_url: None,
        peer_address: None,
        publishers: 0,
        capacity: 1,
    }
}

/// What a publish asks the lock with.
#[must_use]
pub(crate) fn claim(publish: usize, owner: Owner, key_version: u64) -> Claim {
    Claim {
        channel_id: channel(),
        owner,
        attempt_id: ATTEMPTS[publish].clone(),
        connection_id: ConnectionId::from_random([number(publish); 16]),
        session_id: SESSIONS[publish].clone(),
        key_version,
        client_ip: "192.0.2.1".into(),
    }
}

/// The publish that made this attempt.
#[must_use]
pub(crate) fn publish_of(attempt: &AttemptId) -> usize {
    let position = ATTEMPTS.iter().position(|id| id == attempt);
    position.expect("every attempt is one of the publishes")
}

/// The publish that began this session.
#[must_use]
pub(crate) fn session_of(session: &SessionId) -> usize {
    let position = SESSIONS.iter().position(|id| id == session);
    position.expect("every session is one of the publishes'")
}

/// A publish's wall clock.
#[must_use]
pub(crate) fn clock_of(publish: usize) -> Timestamp {
    BASE + APART * u32::from(number(publish))
}

/// The wall clock of whoever gives back what the dead left.
#[must_use]
pub(crate) const fn janitors_clock() -> Timestamp {
    BASE
}

/// A wall clock by which every grace was abandoned long ago.
#[must_use]
pub(crate) fn late_clock() -> Timestamp {
    BASE + GRACE * 10
}
