//! File descriptors: connections must not take the ones that the edge itself needs.
//!
//! Where they run out, no heartbeat is written and every publisher is lost, so strangers' sockets
//! are bounded below that. Many systems give a process 1,024 unless it asks for more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors kept for the store, the cache, dashboards, health and files.
const RESERVED: u64 = 256;

/// Asks the system for as many descriptors as this process may have; says for how many connections
/// of `wanted` they are enough.
pub(crate) fn room_for(wanted: u32) -> u32 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Where it cannot be raised, what there is has to do.
    let _ = setrlimit(Resource::Nofile, raised);
    let available = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let room = fits(wanted, available);
    if room < wanted {
        tracing::warn!(
            available,
            wanted,
            room,
            "too few file descriptors: fewer connections are taken than there is capacity for"
        );
    }
    room
}

/// At least one, so that a limit that is far too low shows in refusals rather than in nothing.
fn fits(wanted: u32, available: u64) -> u32 {
    let room = available.saturating_sub(RESERVED).max(1);
    u32::try_from(room).map_or(wanted, |room| room.min(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_everything_else() {
        assert_eq!(fits(1_256, 1_024), 768);
        assert_eq!(fits(1_256, 20_000), 1_256);
        assert_eq!(fits(1_256, u64::MAX), 1_256);
        assert_eq!(fits(1_256, 100), 1);
    }

    #[test]
    fn the_limit_is_raised_to_what_the_process_may_have() {
        room_for(1);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
