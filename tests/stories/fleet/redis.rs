//! The shared cache spares the store; it is emptied, and then it is gone.

use std::time::{Duration, Instant};

use anyhow::Result;
use contract::http::StatusWord;
use domain::StreamKey;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use harness::fleet::{Crowd, Options};
use harness::reconnecting::Habit;
use harness::{Faults, Fleet, HANG, Publisher, wait};
use rand::RngCore as _;

const ALREADY_LIVE: &str = "NetStream.Publish.BadName";
const PUBLISHERS: usize = 6;
/// Publishes with one key that nobody has, and how many of them at a time.
const GUESSES: usize = 1_000;
const GUESSES_AT_ONCE: usize = 100;
/// How long it is remembered that a key is nobody's.
const UNKNOWN_FOR: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_thousand_publishes_with_one_unknown_key_ask_the_store_once() -> Result<()> {
    let fleet = Fleet::start(Options {
        edges: 1,
        ..Options::default()
    })
    .await?;
    let server = fleet.edge(0).server()?;
    let key = StreamKey::generate(|bytes| rand::rng().fill_bytes(bytes));
    let key = key.expose();
    fleet.stack.canary.plant(key);
    let (before, began) = (fleet.proxy.counts(), Instant::now());
    let guess = |_| async {
        let code = Publisher::publish(&server, key).await?.refused()?;
        anyhow::ensure!(code == "NetStream.Publish.Denied", "{code}");
        Ok(())
    };
    stream::iter((0..GUESSES).map(guess))
        .buffer_unordered(GUESSES_AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    let took = began.elapsed();
    let passed = fleet.proxy.counts().since(&before);
    let reads = passed.sum(|call| call.line == "edge-1" && call.table == "channels");
    println!("{GUESSES} publishes in {took:?}: {} reads", reads.requests);
    // Once more for each time that it was forgotten.
    let forgotten = took.as_secs() / UNKNOWN_FOR.as_secs();
    assert!(reads.requests <= 1 + forgotten, "{reads:?}");
    fleet.stop().await
}

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

#[tokio::test]
async fn nobody_is_told_that_somebody_is_live_whose_key_the_store_does_not_vouch_for() -> Result<()>
{
    let fleet = Fleet::start(Options {
        edges: 1,
        ..Options::default()
    })
    .await?;
    let crowd = Crowd::live(&fleet, 1, Habit::OBS, |_| 0).await?;
    let server = fleet.edge(0).server()?;
    let key = &crowd.members[0].channel.key;
    let told = async || Publisher::publish(&server, key).await?.refused();
    assert_eq!(told().await?, ALREADY_LIVE);
    // The key is in the cache, and the lock can be asked for.
    fleet
        .proxy
        .set_all(&Faults::throttled(1.0).about(&["channels"]));
    assert_eq!(told().await?, "NetStream.Failed");
    fleet.proxy.set_all(&Faults::default());
    wait::until("the store to vouch for it", HANG, async || {
        Ok((told().await? == ALREADY_LIVE).then_some(()))
    })
    .await?;
    crowd.never_dropped()?;
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
            assert_eq!(outcome?.refused()?, ALREADY_LIVE);
        }
    }
    Ok(())
}
