//! The shared cache is emptied, and then it is gone.

use anyhow::Result;
use contract::http::StatusWord;
use harness::fleet::{Crowd, Options};
use harness::reconnecting::Habit;
use harness::{Fleet, HANG, Publisher};

const PUBLISHERS: usize = 6;

#[tokio::test]
async fn nobody_is_dropped_and_nobody_doubled_when_redis_is_flushed_and_gone() -> Result<()> {
    let mut fleet = Fleet::start(Options::default()).await?;
    let crowd = Crowd::live(&fleet, PUBLISHERS, Habit::OBS, |number| number).await?;
    assert_eq!(fleet.redis()?.ask(&["FLUSHALL"]).await?, "OK");
    nobody_else_gets_in(&fleet, &crowd).await?;
    fleet.kill_redis().await?;
    nobody_else_gets_in(&fleet, &crowd).await?;

    let late = Crowd::live(&fleet, 1, Habit::OBS, |_| 1).await?;
    crowd.never_dropped()?;
    crowd.never_offline()?;
    for member in &crowd.members {
        let status = member.channel.owner.status(&member.channel.id).await?;
        assert_eq!(status.status, StatusWord::Live, "{status:?}");
    }
    late.leave().await?;
    crowd.leave().await?;
    fleet.stop().await
}

/// A second publisher of each channel, on each edge, is turned away.
async fn nobody_else_gets_in(fleet: &Fleet, crowd: &Crowd) -> Result<()> {
    for member in &crowd.members {
        for edge in fleet.edges() {
            let server = edge.server()?;
            let publish = Publisher::publish(&server, &member.channel.key);
            let outcome = tokio::time::timeout(HANG, publish).await?;
            assert_eq!(outcome?.refused()?, "NetStream.Publish.BadName");
        }
    }
    Ok(())
}
