//! Two encoders with one key, on two edges, at the same moment.

use anyhow::Result;
use contract::http::StatusWord;
use harness::fleet::{Channel, Options};
use harness::publisher::Outcome;
use harness::{Fleet, HANG, Publisher, wait};

use crate::ordinarily_or_at_length;

/// Starts to publish, with media at once where it is let in.
pub(super) async fn contend(server: &str, key: &str) -> Result<Outcome> {
    let outcome = Publisher::publish(server, key).await?;
    let Outcome::Accepted(mut publisher) = outcome else {
        return Ok(outcome);
    };
    publisher.send_keyframe(0).await?;
    Ok(Outcome::Accepted(publisher))
}

#[tokio::test]
async fn of_two_publishers_that_race_for_a_channel_one_wins() -> Result<()> {
    let rounds = ordinarily_or_at_length(50, 1_000);
    let fleet = Fleet::start(Options {
        edges: 2,
        ..Options::default()
    })
    .await?;
    let channel = fleet.channels(1).await?.remove(0);
    let servers = [fleet.edge(0).server()?, fleet.edge(1).server()?];
    let mut won = [0, 0];
    for round in 0..rounds {
        let winner = race(&channel, &servers).await?;
        won[winner.0] += 1;
        let status = settled(&channel, StatusWord::Live).await?;
        assert_eq!(status, round + 1, "each round has one generation");
        winner.1.unpublish().await?;
        settled(&channel, StatusWord::Offline).await?;
    }
    println!("{rounds} races, won on each edge: {won:?}");
    fleet.stop().await
}

/// Both at once: gives the winner, which must be one, and checks the loser's answer.
async fn race(channel: &Channel, servers: &[String; 2]) -> Result<(usize, Box<Publisher>)> {
    let (first, second) = tokio::join!(
        contend(&servers[0], &channel.key),
        contend(&servers[1], &channel.key)
    );
    let (winner, publisher, code) = match (first?, second?) {
        (Outcome::Accepted(publisher), Outcome::Refused(code)) => (0, publisher, code),
        (Outcome::Refused(code), Outcome::Accepted(publisher)) => (1, publisher, code),
        both => anyhow::bail!("not one winner: {both:?}"),
    };
    assert_eq!(code, "NetStream.Publish.BadName");
    Ok((winner, publisher))
}

/// Waits until the channel's status is this one, and gives its generation.
async fn settled(channel: &Channel, word: StatusWord) -> Result<u64> {
    wait::until(&format!("{word:?}"), HANG, async || {
        let status = channel.owner.status(&channel.id).await?;
        Ok((status.status == word).then_some(status.generation))
    })
    .await
}
