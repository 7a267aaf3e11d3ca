//! An owner disconnects and holds a channel that is live on some edge.

use std::time::{Duration, Instant};

use anyhow::Result;
use contract::http::StatusWord;
use harness::fleet::{Channel, Options};
use harness::reconnecting::{Event, Habit};
use harness::{Fleet, HANG, Publisher, ReconnectingPublisher, wait};

use super::resets::{CLOSED_WITHIN, CLOSED_WITHOUT_REDIS_WITHIN, DENIED, becomes, ended_as};
use crate::{GUARD, ordinarily_or_at_length, tell};

/// Longer than any story takes: it ends where it is lifted.
const HOLD_SECONDS: u64 = 3_600;

/// Goes live on this edge, is disconnected, and gives how long after the call the connection was
/// closed. No edge lets anybody in until the hold is lifted.
async fn close_one(fleet: &Fleet, edge: usize, channel: &Channel) -> Result<Duration> {
    let server = fleet.edge(edge).server()?;
    let mut publisher = Publisher::publish(&server, &channel.key)
        .await?
        .accepted()?;
    publisher.send_keyframe(0).await?;
    becomes(channel, StatusWord::Live).await?;
    let asked = Instant::now();
    channel.owner.disconnect(&channel.id, HOLD_SECONDS).await?;
    let closed = publisher.is_closed(CLOSED_WITHIN * GUARD).await? - asked;
    ended_as("disconnected", channel).await?;
    for edge in fleet.edges() {
        let outcome = Publisher::publish(&edge.server()?, &channel.key).await?;
        assert_eq!(outcome.refused()?, DENIED);
    }
    channel.owner.lift_hold(&channel.id).await?;
    Ok(closed)
}

#[tokio::test]
async fn a_disconnect_closes_the_publisher_on_whichever_edge_it_is() -> Result<()> {
    let tries = ordinarily_or_at_length(10, 100);
    let fleet = Fleet::start(Options::default()).await?;
    let channel = fleet.channels(1).await?.remove(0);
    let mut waits = Vec::new();
    for number in 0..tries {
        let edge = number % fleet.edges().len();
        waits.push(close_one(&fleet, edge, &channel).await?);
    }
    tell("closed after a disconnect", waits);
    fleet.stop().await
}

#[tokio::test]
async fn an_encoder_that_retries_during_a_hold_is_refused_and_is_back_after_it() -> Result<()> {
    let fleet = Fleet::start(Options::default()).await?;
    let channel = fleet.channels(1).await?.remove(0);
    let start = Instant::now();
    let encoder = ReconnectingPublisher::start(fleet.servers(), 0, &channel.key, Habit::OBS);
    encoder.starts(start, HANG).await?;
    becomes(&channel, StatusWord::Live).await?;
    let asked = Instant::now();
    channel.owner.disconnect(&channel.id, HOLD_SECONDS).await?;
    let refused = |event: &Event| matches!(event, Event::Refused(_));
    wait::until("three refusals", HANG, async || {
        Ok((encoder.since(asked, refused).len() == 3).then_some(()))
    })
    .await?;
    for happened in encoder.since(asked, refused) {
        println!("refused {:?} after the disconnect", happened.at - asked);
        assert_eq!(happened.event, Event::Refused(DENIED.to_owned()));
    }
    let started = encoder.since(asked, |event| matches!(event, Event::Started(_)));
    assert!(started.is_empty(), "{started:?}");

    let lifted = Instant::now();
    channel.owner.lift_hold(&channel.id).await?;
    let back = encoder.starts(lifted, HANG).await?;
    println!("back {:?} after the hold was lifted", back - lifted);
    becomes(&channel, StatusWord::Live).await?;
    encoder.unpublish().await?;
    fleet.stop().await
}

#[tokio::test]
async fn a_disconnect_reaches_every_edge_without_redis_too() -> Result<()> {
    let fleet = Fleet::start(Options {
        redis: false,
        ..Options::default()
    })
    .await?;
    let channel = fleet.channels(1).await?.remove(0);
    let start = Instant::now();
    // With media all the time: an edge closes who sends none for a while.
    let encoder = ReconnectingPublisher::start(fleet.servers(), 1, &channel.key, Habit::OBS);
    encoder.starts(start, HANG).await?;
    becomes(&channel, StatusWord::Live).await?;
    let asked = Instant::now();
    channel.owner.disconnect(&channel.id, HOLD_SECONDS).await?;
    let lost = |event: &Event| *event == Event::Lost;
    let within = CLOSED_WITHOUT_REDIS_WITHIN * GUARD;
    let lost = encoder.until("the cut", asked, within, lost).await?;
    tell(
        "closed after a disconnect without Redis",
        vec![lost.at - asked],
    );
    ended_as("disconnected", &channel).await?;
    encoder.vanish().await?;
    fleet.stop().await
}
