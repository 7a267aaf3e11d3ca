//! Edges that are killed: some return, some do not.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use contract::http::StatusWord;
use harness::fleet::{Crowd, Member, Options};
use harness::reconnecting::Habit;
use harness::stack::REAL_GRACE_SECONDS;
use harness::{Fleet, HANG, Publisher};

use crate::{GUARD, ordinarily_or_at_length, tell};

const PUBLISHERS: usize = 6;
/// From the kill until another edge may take over.
const TAKEOVER_WITHIN: Duration = Duration::from_secs(5);
const GRACE: Duration = Duration::from_secs(REAL_GRACE_SECONDS);
/// From the kill until OFFLINE, where another edge is up.
const OFFLINE_WITHIN: Duration = Duration::from_secs(REAL_GRACE_SECONDS + 7);

/// The members whose stream is on this server.
fn victims<'a>(crowd: &'a Crowd, server: &str) -> Vec<&'a Member> {
    let members = crowd.members.iter();
    members
        .filter(|member| member.encoder.server().as_deref() == Some(server))
        .collect()
}

#[tokio::test]
async fn publishers_of_a_killed_edge_are_back_on_another_in_their_session() -> Result<()> {
    let kills = ordinarily_or_at_length(3, 20);
    let mut fleet = Fleet::start(Options::default()).await?;
    // One kind comes back as OBS does; the other shows from when on it could.
    let crowd = Crowd::live(&fleet, PUBLISHERS, Habit::OBS, |number| number).await?;
    let eager = Crowd::live(&fleet, PUBLISHERS, Habit::IMPATIENT, |number| number).await?;
    let (mut returns, mut takeovers) = (Vec::new(), Vec::new());
    for kill in 0..kills {
        let server = eager.members[kill % PUBLISHERS].encoder.server();
        let server = server.context("an encoder without a stream")?;
        let edge = fleet.edge_at(&server)?;
        let (slow, fast) = (victims(&crowd, &server), victims(&eager, &server));
        let killed = fleet.kill_9(edge).await?;
        for member in fast {
            let within = TAKEOVER_WITHIN * GUARD;
            takeovers.push(eager.is_back(member, killed, within).await?);
        }
        for member in slow {
            let within = TAKEOVER_WITHIN * GUARD;
            returns.push(crowd.is_back(member, killed, within).await?);
        }
        fleet.restart(edge).await?;
    }
    tell("taken over after a kill", takeovers);
    tell("back as OBS after a kill", returns);
    for crowd in [&crowd, &eager] {
        crowd.never_offline()?;
        crowd.one_session_each().await?;
    }
    crowd.leave().await?;
    eager.leave().await?;
    fleet.stop().await
}

#[tokio::test]
async fn a_killed_edge_whose_publishers_stay_away_is_one_offline() -> Result<()> {
    let mut fleet = Fleet::start(Options::default()).await?;
    let crowd = Crowd::live(&fleet, PUBLISHERS, Habit::OBS, |_| 0).await?;
    let killed = fleet.kill_9(0).await?;
    let Crowd { members, watch, .. } = crowd;
    let mut channels = Vec::new();
    for member in members {
        member.encoder.vanish().await?;
        channels.push(member.channel);
    }
    let mut waits = Vec::new();
    for channel in &channels {
        let within = OFFLINE_WITHIN * GUARD;
        let offline = watch.shows(&channel.id, StatusWord::Offline, killed, within);
        waits.push(offline.await?.at - killed);
    }
    assert!(waits.iter().all(|wait| *wait >= GRACE), "{waits:?}");
    tell("OFFLINE after a kill", waits);
    // A session later there has been no other OFFLINE.
    let server = fleet.edge(1).server()?;
    for channel in &channels {
        let again = Instant::now();
        let publisher = Publisher::publish(&server, &channel.key).await?;
        let mut publisher = publisher.accepted()?;
        publisher.send_keyframe(0).await?;
        let live = watch.shows(&channel.id, StatusWord::Live, again, HANG);
        live.await?;
        let offline = watch.changes(&channel.id, StatusWord::Offline, killed)?;
        assert_eq!(offline.len(), 1, "{offline:?}");
        publisher.unpublish().await?;
        let left = watch.shows(&channel.id, StatusWord::Offline, again, HANG);
        left.await?;
    }
    fleet.stop().await
}
