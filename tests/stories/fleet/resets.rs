//! A key is retired while its publisher is live on an edge, or about to be.

use std::time::{Duration, Instant};

use anyhow::Result;
use contract::http::{ResetStreamKey, StatusWord};
use harness::fleet::{Channel, Options};
use harness::publisher::Outcome;
use harness::reconnecting::{Event, Habit};
use harness::{Fleet, HANG, Publisher, ReconnectingPublisher, wait};

use super::races::contend;
use crate::{GUARD, ordinarily_or_at_length, tell};

/// Promised where the cache carries control messages.
pub(super) const CLOSED_WITHIN: Duration = Duration::from_secs(1);
/// Promised where nothing but the store does.
pub(super) const CLOSED_WITHOUT_REDIS_WITHIN: Duration = Duration::from_secs(30);
/// Most milliseconds that a publish has before its reset: on a busy machine it is let in by then.
const HEAD_STARTS: u64 = 25;
/// Clocks of two processes of one machine, and a publish under way, are no further apart.
const BEFORE_THE_END: Duration = Duration::from_secs(1);
/// What the loser of a race is answered.
const ALREADY_LIVE: &str = "NetStream.Publish.BadName";
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

#[tokio::test]
async fn an_overlap_leaves_the_live_stream_alone_and_never_makes_two_of_one_channel() -> Result<()>
{
    let overlap = Duration::from_secs(ordinarily_or_at_length(6, 60));
    let fleet = Fleet::start(Options::default()).await?;
    let mut channels = fleet.channels(2).await?;
    let (mut idle, mut live) = (channels.remove(0), channels.remove(0));
    let encoder = ReconnectingPublisher::start(fleet.servers(), 0, &live.key, Habit::OBS);
    encoder.starts(Instant::now(), HANG).await?;
    becomes(&live, StatusWord::Live).await?;
    let old = idle.key.clone();
    for channel in [&mut idle, &mut live] {
        let reset = ResetStreamKey {
            overlap_seconds: overlap.as_secs(),
            disconnect_live: false,
        };
        channel.key = channel
            .owner
            .reset_key(&channel.id, reset)
            .await?
            .stream_key;
    }
    let end = Instant::now() + overlap;
    let mut won = [0, 0];
    while Instant::now() + BEFORE_THE_END < end {
        let (one, other) = (
            fleet.edge(won[0] % 3).server()?,
            fleet.edge(won[1] % 2).server()?,
        );
        let (with_old, with_new) = tokio::join!(contend(&one, &old), contend(&other, &idle.key));
        let mut publishers = Vec::new();
        for (winner, outcome) in [with_old?, with_new?].into_iter().enumerate() {
            match outcome {
                Outcome::Accepted(publisher) => {
                    won[winner] += 1;
                    publishers.push(publisher);
                }
                Outcome::Refused(code) => assert_eq!(code, ALREADY_LIVE),
            }
        }
        assert_eq!(
            publishers.len(),
            1,
            "of two keys of one channel one is let in"
        );
        for publisher in publishers {
            becomes(&idle, StatusWord::Live).await?;
            publisher.unpublish().await?;
        }
        becomes(&idle, StatusWord::Offline).await?;
    }
    println!(
        "in {overlap:?} the old key won {} times, the new one {}",
        won[0], won[1]
    );
    assert!(
        won.iter().all(|times| *times > 0),
        "both were good for a publish"
    );

    tokio::time::sleep_until((end + BEFORE_THE_END).into()).await;
    let refused = Publisher::publish(&fleet.edge(0).server()?, &old)
        .await?
        .refused()?;
    assert_eq!(refused, DENIED);
    let server = fleet.edge(1).server()?;
    Publisher::publish(&server, &idle.key)
        .await?
        .accepted()?
        .unpublish()
        .await?;
    assert_eq!(
        encoder.losses(),
        0,
        "the stream that was live before goes on"
    );
    becomes(&live, StatusWord::Live).await?;
    encoder.vanish().await?;
    fleet.stop().await
}
