//! All edges are gone at once: nobody is left to say so but the control plane.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Result;
use contract::http::StatusWord;
use harness::Fleet;
use harness::fleet::{Crowd, Options};
use harness::reconnecting::Habit;

use crate::{GUARD, tell};

const PUBLISHERS: usize = 6;
/// From the loss of the last edge until OFFLINE.
const REAPED_WITHIN: Duration = Duration::from_secs(150);

#[tokio::test]
async fn when_every_edge_is_killed_the_reaper_says_offline() -> Result<()> {
    let mut fleet = Fleet::start(Options::default()).await?;
    let crowd = Crowd::live(&fleet, PUBLISHERS, Habit::OBS, |number| number).await?;
    let mut killed = Instant::now();
    for edge in 0..fleet.edges().len() {
        killed = fleet.kill_9(edge).await?;
    }
    let mut waits = Vec::new();
    for member in &crowd.members {
        let within = REAPED_WITHIN * GUARD;
        let id = &member.channel.id;
        let offline = crowd.watch.shows(id, StatusWord::Offline, killed, within);
        waits.push(offline.await?.at - killed);
    }
    tell("OFFLINE by the reaper", waits);
    for member in &crowd.members {
        let id = &member.channel.id;
        let offline = crowd.watch.changes(id, StatusWord::Offline, crowd.began)?;
        assert_eq!(offline.len(), 1, "{offline:?}");
        let sessions = member.channel.owner.sessions(id).await?;
        let ended: BTreeSet<_> = sessions.iter().map(|one| one.ended_at.is_some()).collect();
        assert_eq!(ended, BTreeSet::from([true]), "{sessions:#?}");
    }
    fleet.stop().await
}
