//! A key is retired while its publisher is live on an edge, or about to be.

use std::time::{Duration, Instant};

use anyhow::Result;
use contract::http::{ResetStreamKey, StatusWord};
use harness::fleet::{Channel, Options};
use harness::publisher::Outcome;
use harness::reconnecting::{Event, Habit};
use harness::{Fleet, HANG, Publisher, ReconnectingPublisher, wait};

use crate::{GUARD, ordinarily_or_at_length, tell};

/// Promised where the cache carries control messages.
pub(super) const CLOSED_WITHIN: Duration = Duration::from_secs(1);
/// Promised where nothing but the store does.
pub(super) const CLOSED_WITHOUT_REDIS_WITHIN: Duration = Duration::from_secs(30);
/// Most milliseconds that a publish has before its reset: on a busy machine it is let in by then.
const HEAD_STARTS: u64 = 25;
/// What a retired key is answered, and any key during a hold.
pub(super) const DENIED: &str = "NetStream.Publish.Denied";

/// Resets the key and cuts who is live with the old one. Says when the answer came.
async fn reset(channel: &mut Channel) -> Result<Instant> {
    let reset = ResetStreamKey {
        disconnect_live: true,
        ..ResetStreamKey::default()
    };
    let new = channel.owner.reset_key(&channel.id, reset).await?;
    channel.key = new.stream_key;
    Ok(Instant::now())
}

pub(super) async fn becomes(channel: &Channel, word: StatusWord) -> Result<()> {
    wait::until(&format!("{word:?}"), HANG, async || {
        let status = channel.owner.status(&channel.id).await?;
        Ok((status.status == word).then_some(()))
    })
    .await
}

/// The channel's only or latest session was ended for this reason, and for no other.
pub(super) async fn ended_as(reason: &str, channel: &Channel) -> Result<()> {
    becomes(channel, StatusWord::Offline).await?;
    let sessions = channel.owner.sessions(&channel.id).await?;
    let reasons = sessions.first().map(|latest| latest.reason.as_deref());
    assert_eq!(reasons, Some(Some(reason)), "{sessions:#?}");
    Ok(())
}

/// Goes live on this server, has the key reset, and gives how long after the answer the connection
/// was closed. The old key is good for nothing from then on.
async fn close_one(server: &str, channel: &mut Channel) -> Result<Duration> {
    let old = channel.key.clone();
    let mut publisher = Publisher::publish(server, &old).await?.accepted()?;
    publisher.send_keyframe(0).await?;
    becomes(channel, StatusWord::Live).await?;
    let asked = Instant::now();
    reset(channel).await?;
    let closed = publisher.is_closed(CLOSED_WITHIN * GUARD).await? - asked;
    let code = Publisher::publish(server, &old).await?.refused()?;
    assert_eq!(code, DENIED);
    ended_as("revoked", channel).await?;
    Ok(closed)
}

#[tokio::test]
async fn a_reset_that_disconnects_closes_the_publisher_on_whichever_edge_it_is() -> Result<()> {
    let tries = ordinarily_or_at_length(10, 100);
    let fleet = Fleet::start(Options::default()).await?;
    let mut channel = fleet.channels(1).await?.remove(0);
    let mut waits = Vec::new();
    for number in 0..tries {
        let server = fleet.edge(number % fleet.edges().len()).server()?;
        waits.push(close_one(&server, &mut channel).await?);
    }
    tell("closed after a reset", waits);
    fleet.stop().await
}

#[tokio::test]
async fn a_reset_that_disconnects_reaches_every_edge_without_redis_too() -> Result<()> {
    let fleet = Fleet::start(Options {
        redis: false,
        ..Options::default()
    })
    .await?;
    let mut channel = fleet.channels(1).await?.remove(0);
    let start = Instant::now();
    // With media all the time: an edge closes who sends none for a while.
    let encoder = ReconnectingPublisher::start(fleet.servers(), 1, &channel.key, Habit::OBS);
    encoder.starts(start, HANG).await?;
    becomes(&channel, StatusWord::Live).await?;
    let asked = Instant::now();
    reset(&mut channel).await?;
    let lost = |event: &Event| *event == Event::Lost;
    let within = CLOSED_WITHOUT_REDIS_WITHIN * GUARD;
    let lost = encoder.until("the cut", asked, within, lost).await?;
    tell("closed after a reset without Redis", vec![lost.at - asked]);
    ended_as("revoked", &channel).await?;
    encoder.vanish().await?;
    fleet.stop().await
}

#[tokio::test]
async fn an_encoder_that_retries_with_a_retired_key_is_refused_on_every_edge() -> Result<()> {
    let fleet = Fleet::start(Options::default()).await?;
    let mut channel = fleet.channels(1).await?.remove(0);
    let start = Instant::now();
    let encoder = ReconnectingPublisher::start(fleet.servers(), 0, &channel.key, Habit::OBS);
    encoder.starts(start, HANG).await?;
    becomes(&channel, StatusWord::Live).await?;
    let asked = Instant::now();
    reset(&mut channel).await?;
    let refused = |event: &Event| matches!(event, Event::Refused(_));
    wait::until("three refusals", HANG, async || {
        Ok((encoder.since(asked, refused).len() == 3).then_some(()))
    })
    .await?;
    for happened in encoder.since(asked, refused) {
        println!("refused {:?} after the reset", happened.at - asked);
        assert_eq!(happened.event, Event::Refused(DENIED.to_owned()));
    }
    let started = encoder.since(asked, |event| matches!(event, Event::Started(_)));
    assert!(started.is_empty(), "{started:?}");
    encoder.vanish().await?;
    fleet.stop().await
}

#[tokio::test]
async fn a_reset_that_races_a_publish_never_leaves_the_retired_key_live() -> Result<()> {
    let rounds = ordinarily_or_at_length(50, 1_000);
    let fleet = Fleet::start(Options::default()).await?;
    let mut channel = fleet.channels(1).await?.remove(0);
    let mut let_in = 0;
    for number in 0..rounds {
        let server = fleet.edge(number % fleet.edges().len()).server()?;
        let old = channel.key.clone();
        // Later in each round, so that the two meet everywhere on the publish's way.
        let head_start = Duration::from_millis(number as u64 % HEAD_STARTS);
        let (publish, reset) = tokio::join!(Publisher::publish(&server, &old), async {
            tokio::time::sleep(head_start).await;
            reset(&mut channel).await
        });
        reset?;
        match publish? {
            Outcome::Accepted(mut publisher) => {
                let_in += 1;
                // It may be closed before this is sent.
                let _ = publisher.send_keyframe(0).await;
                publisher.is_closed(CLOSED_WITHIN * GUARD).await?;
            }
            Outcome::Refused(code) => assert_eq!(code, DENIED),
        }
        let code = Publisher::publish(&server, &old).await?.refused()?;
        assert_eq!(code, DENIED);
        becomes(&channel, StatusWord::Offline).await?;
    }
    println!("{rounds} rounds, the publish was let in and then closed in {let_in}");
    fleet.stop().await
}
