//! A store that is cut off, from all edges or from one; that throttles; that carries out what it
//! never answers.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use contract::http::StatusWord;
use harness::fleet::{Crowd, Options};
use harness::publisher::Outcome;
use harness::reconnecting::{Event, Habit};
use harness::{Faults, Fleet, HANG, Publisher, wait};

use crate::{GAVE_UP, GUARD, ordinarily_or_at_length, tell};

const PUBLISHERS: usize = 6;
/// From the store's return until everybody agrees with it.
const AGREED_WITHIN: Duration = Duration::from_secs(5);
/// From the cut until an edge that is cut off alone has dropped its publishers.
const DROPPED_WITHIN: Duration = Duration::from_secs(5);
/// What a publish is answered where nothing can be decided.
const UNAVAILABLE: &str = "NetStream.Failed";
/// The operations that leave something behind.
const WRITES: &[&str] = &["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"];
/// What the local stack logs where the reaper's minute comes while the store is away.
const REAPER_FAILED: &str = "function call failed function=\"reaper\"";
/// The share of answers that are lost.
const LOST: f64 = 0.3;

fn length() -> Duration {
    Duration::from_secs(ordinarily_or_at_length(20, 60))
}

/// A crowd that is live when the store is gone, on so many edges, keeps its streams.
async fn nobody_is_dropped(edges: usize, faults: Faults) -> Result<()> {
    let fleet = Fleet::start(Options {
        edges,
        expected_errors: vec![REAPER_FAILED.to_owned()],
        ..Options::default()
    })
    .await?;
    let crowd = Crowd::live(&fleet, PUBLISHERS, Habit::OBS, |number| number).await?;
    let newcomer = fleet.channels(1).await?.remove(0);
    let server = fleet.edge(0).server()?;
    fleet.proxy.set_all(&faults);
    let (turned_away, ()) = tokio::join!(
        Publisher::publish(&server, &newcomer.key),
        wait::for_the_length_of(length()),
    );
    fleet.proxy.set_all(&Faults::default());
    let returned = Instant::now();
    assert_eq!(turned_away?.refused()?, UNAVAILABLE);
    agrees(&crowd, returned).await?;
    crowd.never_dropped()?;
    crowd.never(StatusWord::Grace)?;
    crowd.never_offline()?;
    crowd.leave().await?;
    fleet.stop().await
}

/// The API shows each as LIVE in its session, and whoever comes second is refused.
async fn agrees(crowd: &Crowd, returned: Instant) -> Result<()> {
    let mut waits = Vec::new();
    for member in &crowd.members {
        let id = &member.channel.id;
        let agreed = wait::until("LIVE", AGREED_WITHIN * GUARD, async || {
            // The control plane's own connections may still be of the time before.
            let status = member.channel.owner.status(id).await.ok();
            let live = status.filter(|status| status.status == StatusWord::Live);
            Ok(live.filter(|live| live.session_id.as_ref() == Some(&member.session)))
        });
        agreed.await?;
        waits.push(returned.elapsed());
    }
    tell("in agreement after the store's return", waits);
    for member in &crowd.members {
        let server = member.encoder.server();
        let server = server.ok_or_else(|| anyhow::anyhow!("no stream: {member:?}"))?;
        let refused = wait::until(
            "a second publish's end",
            AGREED_WITHIN * GUARD,
            async || {
                let second = Publisher::publish(&server, &member.channel.key).await?;
                let code = second.refused()?;
                // A busy store did not say in time whether the key still stands.
                Ok((code != UNAVAILABLE).then_some(code))
            },
        );
        assert_eq!(refused.await?, "NetStream.Publish.BadName");
    }
    Ok(())
}

#[tokio::test]
async fn nobody_is_dropped_while_the_store_is_cut_off_from_all() -> Result<()> {
    nobody_is_dropped(3, Faults::cut()).await
}

#[tokio::test]
async fn nobody_is_dropped_by_an_edge_alone_while_the_store_is_silent() -> Result<()> {
    nobody_is_dropped(1, Faults::requests_lost(1.0)).await
}

#[tokio::test]
async fn nobody_is_dropped_while_the_store_throttles_everything() -> Result<()> {
    nobody_is_dropped(3, Faults::throttled(1.0)).await
}

#[tokio::test]
async fn a_store_that_throttles_a_tenth_is_noticed_by_nobody() -> Result<()> {
    let fleet = Fleet::start(Options::default()).await?;
    let crowd = Crowd::live(&fleet, PUBLISHERS, Habit::OBS, |number| number).await?;
    fleet.proxy.set_all(&Faults::throttled(0.1));
    let (late, ()) = tokio::join!(
        Crowd::live(&fleet, PUBLISHERS, Habit::OBS, |number| number),
        wait::for_the_length_of(length()),
    );
    fleet.proxy.set_all(&Faults::default());
    for crowd in [crowd, late?] {
        crowd.never_dropped()?;
        crowd.never_offline()?;
        crowd.leave().await?;
    }
    fleet.stop().await
}

#[tokio::test]
async fn an_edge_that_is_cut_off_alone_gives_its_publishers_up() -> Result<()> {
    let fleet = Fleet::start(Options {
        expected_errors: GAVE_UP.map(str::to_owned).to_vec(),
        ..Options::default()
    })
    .await?;
    let crowd = Crowd::live(&fleet, PUBLISHERS, Habit::OBS, |number| number).await?;
    let server = fleet.edge(0).server()?;
    let victims = crowd.members.iter();
    let victims = victims.filter(|member| member.encoder.server().as_ref() == Some(&server));
    let victims: Vec<_> = victims.collect();
    fleet.set_faults(0, Faults::cut())?;
    let cut = Instant::now();
    let (mut drops, mut returns) = (Vec::new(), Vec::new());
    for member in &victims {
        let lost = |event: &Event| *event == Event::Lost;
        let within = DROPPED_WITHIN * GUARD;
        let lost = member.encoder.until("a drop", cut, within, lost).await?;
        drops.push(lost.at - cut);
        // Two of its three next tries may go to the edge that is cut off.
        returns.push(crowd.is_back(member, lost.at, HANG).await?);
    }
    tell("dropped by an edge that is cut off", drops);
    tell("back on another edge", returns);
    for member in &crowd.members {
        let was_there = victims.iter().any(|victim| std::ptr::eq(*victim, member));
        let history = member.encoder.history();
        ensure!(
            member.encoder.losses() == usize::from(was_there),
            "{history:#?}"
        );
    }
    fleet.set_faults(0, Faults::default())?;
    crowd.never_offline()?;
    takes_publishers_again(&fleet, 0).await?;
    crowd.leave().await?;
    fleet.stop().await
}

/// The edge begins a new epoch by itself.
async fn takes_publishers_again(fleet: &Fleet, edge: usize) -> Result<()> {
    let channel = fleet.channels(1).await?.remove(0);
    let server = fleet.edge(edge).server()?;
    let publisher =
        wait::until(
            "the edge to take publishers",
            HANG,
            async || match Publisher::publish(&server, &channel.key).await? {
                Outcome::Accepted(publisher) => Ok(Some(publisher)),
                Outcome::Refused(_) => Ok(None),
            },
        );
    publisher.await?.unpublish().await
}

#[tokio::test]
async fn answers_that_are_lost_after_the_commit_leave_no_wrong_state() -> Result<()> {
    let fleet = Fleet::start(Options::default()).await?;
    let steady = Crowd::live(&fleet, PUBLISHERS, Habit::OBS, |number| number).await?;
    let coming = fleet.channels(PUBLISHERS).await?;
    fleet
        .proxy
        .set_all(&Faults::answers_lost(LOST).only(WRITES));
    let began = Instant::now();
    let (mut let_in, mut turned_away) = (0_u32, 0_u32);
    for (number, channel) in coming.iter().cycle().enumerate() {
        if began.elapsed() > length() {
            break;
        }
        let server = fleet.edge(number % fleet.edges().len()).server()?;
        match Publisher::publish(&server, &channel.key).await? {
            Outcome::Accepted(mut publisher) => {
                let_in += 1;
                // The edge may close it where it cannot say that it is LIVE.
                let _ = publisher.send_keyframe(0).await;
                let _ = publisher.unpublish().await;
            }
            Outcome::Refused(_) => turned_away += 1,
        }
    }
    fleet.proxy.set_all(&Faults::default());
    println!("{let_in} let in, {turned_away} turned away while answers were lost");
    for channel in &coming {
        let over = Duration::from_secs(40);
        wait::until("nobody to hold the channel", over, async || {
            let status = channel.owner.status(&channel.id).await?;
            Ok((status.status == StatusWord::Offline).then_some(()))
        })
        .await?;
        let server = fleet.edge(1).server()?;
        let next = Publisher::publish(&server, &channel.key).await?;
        next.accepted()?.unpublish().await?;
    }
    steady.never_dropped()?;
    steady.never_offline()?;
    steady.leave().await?;
    fleet.stop().await
}
