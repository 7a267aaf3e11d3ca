//! A session that waits for its publisher, and somebody else who tries meanwhile.

use std::time::{Duration, Instant};

use anyhow::Result;
use contract::http::{ResetStreamKey, StatusWord};
use harness::fleet::{Crowd, Options};
use harness::reconnecting::Habit;
use harness::{Fleet, HANG, Publisher};

use crate::{GUARD, tell};

const GRACE_SECONDS: u64 = 2;
/// From the drop until OFFLINE.
const OFFLINE_WITHIN: Duration = Duration::from_secs(GRACE_SECONDS + 2);

#[tokio::test]
async fn a_return_that_is_refused_does_not_delay_the_offline() -> Result<()> {
    // Without a shared cache the edge still takes the retired key for good until it has the lock.
    let fleet = Fleet::start(Options {
        redis: false,
        grace_seconds: GRACE_SECONDS,
        ..Options::default()
    })
    .await?;
    let mut crowd = Crowd::live(&fleet, 1, Habit::OBS, |_| 0).await?;
    let member = crowd.members.remove(0);
    let (id, owner) = (&member.channel.id, &member.channel.owner);
    owner.reset_key(id, ResetStreamKey::default()).await?;
    let dropped = Instant::now();
    member.encoder.vanish().await?;
    let grace = crowd.watch.shows(id, StatusWord::Grace, dropped, HANG);
    grace.await?;
    let server = fleet.edge(0).server()?;
    let back = Publisher::publish(&server, &member.channel.key).await?;
    assert_eq!(back.refused()?, "NetStream.Publish.Denied");
    let within = OFFLINE_WITHIN * GUARD;
    let offline = crowd.watch.shows(id, StatusWord::Offline, dropped, within);
    tell(
        "OFFLINE after a refused return",
        vec![offline.await?.at - dropped],
    );
    fleet.stop().await
}
