//! Edges that stand still for a while, sockets open and all, and go on as if nothing had been.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use contract::http::StatusWord;
use domain::ChannelId;
use harness::fleet::{Crowd, Options};
use harness::reconnecting::{Event, Habit};
use harness::{Fleet, ReconnectingPublisher, Servers, journal, wait};

use crate::{GAVE_UP, GUARD, tell};

const PUBLISHERS: usize = 4;
/// Shorter than a lease.
const SHORT: Duration = Duration::from_secs(2);
/// Longer than a lease and all that others wait for beside it.
const LONG: Duration = Duration::from_secs(7);
/// From the standstill until another edge has given the locks back.
const GRACE_WITHIN: Duration = Duration::from_secs(5);
/// From the return until its publishers are back.
const BACK_WITHIN: Duration = Duration::from_secs(3);

#[tokio::test]
async fn an_edge_that_stands_still_for_two_seconds_loses_nobody() -> Result<()> {
    let fleet = Fleet::start(Options::default()).await?;
    let crowd = Crowd::live(&fleet, PUBLISHERS, Habit::OBS, |_| 0).await?;
    fleet.edge(0).pause()?;
    wait::for_the_length_of(SHORT).await;
    fleet.edge(0).resume()?;
    // As long as it would take the others to act on it.
    wait::for_the_length_of(GRACE_WITHIN).await;
    crowd.never_dropped()?;
    crowd.never(StatusWord::Grace)?;
    crowd.never_offline()?;
    crowd.leave().await?;
    fleet.stop().await
}

#[tokio::test]
async fn an_edge_that_stood_still_for_seven_seconds_hands_nothing_on() -> Result<()> {
    let fleet = Fleet::start(Options {
        expected_errors: GAVE_UP.map(str::to_owned).to_vec(),
        ..Options::default()
    })
    .await?;
    let crowd = Crowd::live(&fleet, PUBLISHERS, Habit::OBS, |_| 0).await?;
    let generations = generations(&crowd).await?;
    let paused = fleet.edge(0).pause()?;
    let (rivalled, others) = crowd.members.split_at(1);
    // Somebody with the first channel's key does not wait for the edge to return.
    let elsewhere = Servers::new([fleet.edge(1).server()?]);
    let key = &rivalled[0].channel.key;
    let rival = ReconnectingPublisher::start(&elsewhere, 0, key, Habit::OBS);
    let until = wait::for_the_length_of(LONG);
    let graces = graces(&crowd, paused);
    let ((), graces) = tokio::join!(until, graces);
    tell("GRACE after a standstill", graces?);
    let won = rival.starts(paused, Duration::ZERO).await?;
    tell("taken over by a rival", vec![won - paused]);

    let returned_micros = journal::now_micros();
    let returned = fleet.edge(0).resume()?;
    let mut waits = Vec::new();
    for member in others {
        let within = BACK_WITHIN * GUARD;
        waits.push(crowd.is_back(member, returned, within).await?);
    }
    tell("back after the return", waits);
    let refused = |event: &Event| matches!(event, Event::Refused(_));
    let first = &rivalled[0].encoder;
    let within = BACK_WITHIN * GUARD;
    first.until("a refusal", returned, within, refused).await?;
    ensure!(rival.losses() == 0, "{:#?}", rival.history());
    crowd.never_offline()?;
    for accepted in fleet.journal(0)? {
        let stale = accepted.at_micros >= returned_micros
            && accepted.generation <= generations[&accepted.channel];
        ensure!(!stale, "handed on after the return: {accepted}");
    }
    rival.unpublish().await?;
    fleet.stop().await
}

async fn generations(crowd: &Crowd) -> Result<BTreeMap<ChannelId, u64>> {
    let mut generations = BTreeMap::new();
    for member in &crowd.members {
        let id = &member.channel.id;
        let status = member.channel.owner.status(id).await?;
        generations.insert(id.clone(), status.generation);
    }
    Ok(generations)
}

/// How long after `paused` each was shown in GRACE; the rival's channel is taken over and may
/// never be.
async fn graces(crowd: &Crowd, paused: Instant) -> Result<Vec<Duration>> {
    let mut waits = Vec::new();
    for member in &crowd.members[1..] {
        let within = GRACE_WITHIN * GUARD;
        let id = &member.channel.id;
        let grace = crowd.watch.shows(id, StatusWord::Grace, paused, within);
        waits.push(grace.await?.at - paused);
    }
    Ok(waits)
}
