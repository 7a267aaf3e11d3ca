//! What an owner allows on a channel, held against real encoders.

use std::time::{Duration, Instant};

use anyhow::Result;
use contract::http::{StatusWord, UpdateLimits};
use harness::{Ffmpeg, HANG, Options, Publisher, Stack};

/// What a refusal or a cut for a limit is answered with.
const REJECTED: &str = "NetStream.Publish.Rejected";

fn networks(networks: &[&str]) -> Option<UpdateLimits> {
    Some(UpdateLimits {
        allowed_networks: Some(Some(
            networks.iter().map(|text| (*text).to_owned()).collect(),
        )),
        ..UpdateLimits::default()
    })
}

fn resolution(largest: &str) -> Option<UpdateLimits> {
    Some(UpdateLimits {
        maximum_resolution: Some(Some(largest.to_owned())),
        ..UpdateLimits::default()
    })
}

#[tokio::test]
async fn a_publish_from_another_network_is_refused_and_the_owner_reads_from_where() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let mut dashboard = stack.dashboard().await?;
    let (owner, channel) = (&stack.owner, stack.channel());
    let key = stack.key().await?;
    owner
        .set_limits(channel, networks(&["192.0.2.0/24", "2001:db8::/32"]))
        .await?;
    let (_, words) = Ffmpeg::publish(stack.server(0), &key)?
        .gives_up(HANG)
        .await?;
    let told = "127.0.0.1 is in none of the networks that this channel allows";
    assert!(words.contains(told), "{words}");
    assert!(
        !words.contains("192.0.2.0"),
        "who may is said to anybody: {words}"
    );
    let code = Publisher::publish(stack.server(0), &key).await?.refused()?;
    assert_eq!(code, REJECTED);
    let (_, refused) = dashboard.expect_refused(HANG).await?;
    assert_eq!(refused.reason, "limit");
    assert!(refused.detail.contains("192.0.2.0/24"), "{refused:?}");
    // Nobody who is live is disturbed by it, and no session that waits: the lock was not touched.
    assert_eq!(owner.status(channel).await?.generation, 0);

    owner
        .set_limits(channel, networks(&["192.0.2.0/24", "127.0.0.0/8"]))
        .await?;
    let ffmpeg = Ffmpeg::publish(stack.server(0), &key)?;
    dashboard.expect_status(StatusWord::Live, HANG).await?;
    ffmpeg.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    stack.stop().await
}

#[tokio::test]
async fn a_picture_that_is_too_large_is_cut_before_it_is_live_and_each_time_again() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let mut dashboard = stack.dashboard().await?;
    let (owner, channel) = (&stack.owner, stack.channel());
    let key = stack.key().await?;
    owner.set_limits(channel, resolution("480x360")).await?;
    for _ in 0..2 {
        let (_, words) = Ffmpeg::publish(stack.server(0), &key)?
            .gives_up(HANG)
            .await?;
        let told = "Resolution 640x360 is over this channel's maximum of 480x360";
        assert!(words.contains(told), "{words}");
    }
    let (_, refused) = dashboard.expect_refused(HANG).await?;
    assert_eq!(refused.reason, "limit");
    assert!(refused.detail.contains("Settings > Video"), "{refused:?}");
    assert!(!dashboard.was_ever_sent(StatusWord::Live));
    assert_eq!(owner.sessions(channel).await?, []);

    // As large, the other way round.
    owner.set_limits(channel, resolution("360x640")).await?;
    let ffmpeg = Ffmpeg::publish(stack.server(0), &key)?;
    dashboard.expect_status(StatusWord::Live, HANG).await?;
    ffmpeg.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    stack.stop().await
}

#[tokio::test]
async fn limits_that_change_are_held_against_a_stream_that_is_live() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let mut dashboard = stack.dashboard().await?;
    let (owner, channel) = (&stack.owner, stack.channel());
    let ffmpeg = Ffmpeg::publish(stack.server(0), &stack.key().await?)?;
    dashboard.expect_status(StatusWord::Live, HANG).await?;
    owner.set_limits(channel, resolution("640x360")).await?;
    dashboard.expect_metrics(HANG).await?;
    dashboard.expect_metrics(HANG).await?;
    let asked = Instant::now();
    owner.set_limits(channel, networks(&["192.0.2.7"])).await?;
    let (ended, words) = ffmpeg.gives_up(HANG).await?;
    println!(
        "cut {:?} after its network was allowed no more",
        ended - asked
    );
    assert!(words.contains("127.0.0.1 is in none"), "{words}");
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    let sessions = owner.sessions(channel).await?;
    assert_eq!(sessions[0].reason.as_deref(), Some("limit"));

    owner.set_limits(channel, None).await?;
    let limits = owner.channel(channel).await?.limits;
    assert_eq!(limits, Some(contract::http::Limits::default()));
    let ffmpeg = Ffmpeg::publish(stack.server(0), &stack.key().await?)?;
    dashboard.expect_status(StatusWord::Live, HANG).await?;
    ffmpeg.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    stack.stop().await
}

/// These wait for the real ten seconds over which a bitrate is judged.
mod slow {
    use super::*;

    /// The mean is taken over ten seconds, looked at once a second.
    const JUDGED_AFTER: Duration = Duration::from_secs(10);

    fn bitrate(kbps: u32) -> Option<UpdateLimits> {
        Some(UpdateLimits {
            maximum_bitrate_kbps: Some(Some(kbps)),
            ..UpdateLimits::default()
        })
    }

    #[tokio::test]
    async fn a_bitrate_that_stays_over_its_maximum_ends_the_session() -> Result<()> {
        let stack = Stack::start(Options::default()).await?;
        let mut dashboard = stack.dashboard().await?;
        let (owner, channel) = (&stack.owner, stack.channel());
        // ffmpeg sends some 900.
        owner.set_limits(channel, bitrate(500)).await?;
        let ffmpeg = Ffmpeg::publish(stack.server(0), &stack.key().await?)?;
        let (live, _) = dashboard.expect_status(StatusWord::Live, HANG).await?;
        let (ended, words) = ffmpeg.gives_up(JUDGED_AFTER + HANG).await?;
        println!("cut {:?} after it was LIVE", ended - live);
        assert!(ended - live > JUDGED_AFTER / 2, "judged by a moment");
        assert!(words.contains("maximum of 500 kbit/s"), "{words}");
        let (_, refused) = dashboard.expect_refused(HANG).await?;
        assert_eq!(refused.reason, "limit");
        assert!(refused.detail.contains("Settings > Output"), "{refused:?}");
        dashboard.expect_status(StatusWord::Offline, HANG).await?;
        let sessions = owner.sessions(channel).await?;
        assert_eq!(sessions[0].reason.as_deref(), Some("limit"));
        stack.stop().await
    }

    #[tokio::test]
    async fn a_bitrate_within_its_maximum_is_left_alone() -> Result<()> {
        let stack = Stack::start(Options::default()).await?;
        let mut dashboard = stack.dashboard().await?;
        let (owner, channel) = (&stack.owner, stack.channel());
        owner.set_limits(channel, bitrate(1_000)).await?;
        let ffmpeg = Ffmpeg::publish(stack.server(0), &stack.key().await?)?;
        dashboard.expect_status(StatusWord::Live, HANG).await?;
        harness::wait::for_the_length_of(JUDGED_AFTER + Duration::from_secs(3)).await;
        ffmpeg.stop_normally().await?;
        dashboard.expect_status(StatusWord::Offline, HANG).await?;
        let sessions = owner.sessions(channel).await?;
        assert_eq!(sessions[0].reason.as_deref(), Some("unpublished"));
        stack.stop().await
    }
}
