//! The life of a stream key: made, masked, revealed, reset.

use std::time::{Duration, Instant};

use anyhow::Result;
use contract::http::{ResetStreamKey, StatusWord};
use contract::problem::Code;
use domain::StreamKey;
use harness::api::Body;
use harness::{Ffmpeg, HANG, Options, Publisher, Stack, wait};
use reqwest::Method;

/// A reset with `disconnectLive` to the end of the stream, promised. Guarded against three times
/// as much.
const CUT_WITHIN: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_key_is_masked_until_its_owner_reveals_it() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let key = stack.key().await?;
    assert!(StreamKey::parse(&key).is_ok(), "not of the published form");
    let masked = stack.owner.masked_key(stack.channel()).await?;
    assert!(
        masked.masked_key.starts_with("live\u{2022}"),
        "{}",
        masked.masked_key
    );
    let public_id = masked
        .masked_key
        .trim_start_matches("live")
        .trim_start_matches('\u{2022}');
    assert_eq!(public_id.len(), 4);
    assert_eq!(masked.ingest_url, stack.server(0));
    assert_eq!(stack.key().await?, key, "revealing changes nothing");
    stack.stop().await
}

#[tokio::test]
async fn a_new_channel_gets_one_key_and_another_only_by_a_reset() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let channel = stack.owner.create_channel("A second channel").await?.id;
    let reveal = format!("/v1/channels/{channel}/stream-key/reveal");
    let answer = stack.owner.send(Method::POST, &reveal, Body::Empty).await?;
    assert_eq!(answer.problem()?.code, Code::NoStreamKey);

    let first = stack.owner.generate_key(&channel).await?;
    let generate = format!("/v1/channels/{channel}/stream-key");
    let answer = stack
        .owner
        .send(Method::POST, &generate, Body::Empty)
        .await?;
    assert_eq!(answer.problem()?.code, Code::StreamKeyExists);
    assert_eq!(
        stack.owner.reveal_key(&channel).await?.stream_key,
        first.stream_key
    );

    let second = stack
        .owner
        .reset_key(&channel, ResetStreamKey::default())
        .await?;
    assert_ne!(second.stream_key, first.stream_key);
    assert_ne!(
        second.stream_key,
        stack.key().await?,
        "channels share no key"
    );
    let mut publisher = Publisher::publish(stack.server(0), &second.stream_key)
        .await?
        .accepted()?;
    publisher.send_keyframe(0).await?;
    publisher.unpublish().await?;
    stack.stop().await
}

#[tokio::test]
async fn a_reset_while_offline_retires_the_old_key_at_once() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let mut dashboard = stack.dashboard().await?;
    let old = stack.key().await?;
    // The edge has seen the old key and may have remembered it.
    Publisher::publish(stack.server(0), &old)
        .await?
        .accepted()?
        .unpublish()
        .await?;
    let new = stack
        .owner
        .reset_key(stack.channel(), ResetStreamKey::default())
        .await?
        .stream_key;

    let (_, words) = Ffmpeg::publish(stack.server(0), &old)?
        .gives_up(HANG)
        .await?;
    assert!(words.contains("Unauthorized"), "{words}");
    let code = Publisher::publish(stack.server(0), &old).await?.refused()?;
    assert_eq!(code, "NetStream.Publish.Denied");
    let (_, refused) = dashboard.expect_refused(HANG).await?;
    assert_eq!(refused.reason, "unauthorized");
    assert!(refused.detail.contains("was reset"), "{refused:?}");

    let ffmpeg = Ffmpeg::publish(stack.server(0), &new)?;
    dashboard.expect_status(StatusWord::Live, HANG).await?;
    ffmpeg.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    stack.stop().await
}

#[tokio::test]
async fn a_reset_lets_a_live_stream_go_on_until_it_drops() -> Result<()> {
    let grace_seconds = harness::stack::REAL_GRACE_SECONDS;
    let stack = Stack::start(Options {
        grace_seconds,
        ..Options::default()
    })
    .await?;
    let mut dashboard = stack.dashboard().await?;
    let old = stack.key().await?;
    let mut ffmpeg = Ffmpeg::publish(stack.server(0), &old)?;
    let (_, before) = dashboard.expect_status(StatusWord::Live, HANG).await?;
    dashboard.expect_metrics(HANG).await?;
    let new = stack
        .owner
        .reset_key(stack.channel(), ResetStreamKey::default())
        .await?
        .stream_key;

    // Longer than a cut takes.
    for _ in 0..3 {
        dashboard.expect_metrics(HANG).await?;
    }
    assert!(ffmpeg.runs(), "the live stream was cut");
    assert_eq!(
        stack.owner.status(stack.channel()).await?.status,
        StatusWord::Live
    );

    ffmpeg.kill_9().await?;
    dashboard.expect_status(StatusWord::Grace, HANG).await?;
    let code = Publisher::publish(stack.server(0), &old).await?.refused()?;
    assert_eq!(
        code, "NetStream.Publish.Denied",
        "a retired key starts no publish"
    );
    let mut publisher = Publisher::publish(stack.server(0), &new)
        .await?
        .accepted()?;
    publisher.send_keyframe(0).await?;
    let (_, after) = dashboard.expect_status(StatusWord::Live, HANG).await?;
    assert_eq!(
        after.session_id, before.session_id,
        "the new key goes on with the session"
    );
    publisher.unpublish().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    stack.stop().await
}

#[tokio::test]
async fn a_reset_that_says_so_cuts_the_live_stream() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let mut dashboard = stack.dashboard().await?;
    let old = stack.key().await?;
    let ffmpeg = Ffmpeg::publish(stack.server(0), &old)?;
    dashboard.expect_status(StatusWord::Live, HANG).await?;
    dashboard.expect_metrics(HANG).await?;

    let asked = Instant::now();
    let reset = ResetStreamKey {
        overlap_seconds: 0,
        disconnect_live: true,
    };
    stack.owner.reset_key(stack.channel(), reset).await?;
    let (shown, _) = dashboard
        .expect_status(StatusWord::Offline, 3 * CUT_WITHIN)
        .await?;
    println!("OFFLINE {:?} after the reset was asked for", shown - asked);
    let (gone, _) = ffmpeg.gives_up(HANG).await?;
    println!(
        "ffmpeg gave up {:?} after the reset was asked for",
        gone - asked
    );
    assert!(
        !dashboard.was_ever_sent(StatusWord::Grace),
        "a cut stream is not waited for"
    );
    let code = Publisher::publish(stack.server(0), &old).await?.refused()?;
    assert_eq!(code, "NetStream.Publish.Denied");
    let sessions = stack.owner.sessions(stack.channel()).await?;
    assert_eq!(sessions[0].reason.as_deref(), Some("revoked"));
    stack.stop().await
}

#[tokio::test]
async fn an_overlap_lets_the_old_key_in_until_it_ends() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let old = stack.key().await?;
    let overlap = Duration::from_secs(3);
    let reset = ResetStreamKey {
        overlap_seconds: overlap.as_secs(),
        disconnect_live: false,
    };
    let asked = Instant::now();
    let new = stack
        .owner
        .reset_key(stack.channel(), reset)
        .await?
        .stream_key;
    for key in [&new, &old] {
        Publisher::publish(stack.server(0), key)
            .await?
            .accepted()?
            .unpublish()
            .await?;
    }
    let code = wait::until("the end of the overlap", 3 * overlap, async || {
        use harness::publisher::Outcome;
        match Publisher::publish(stack.server(0), &old).await? {
            Outcome::Accepted(publisher) => publisher.unpublish().await.map(|()| None),
            Outcome::Refused(code) if code == "NetStream.Publish.BadName" => Ok(None),
            Outcome::Refused(code) => Ok(Some(code)),
        }
    })
    .await?;
    assert!(
        asked.elapsed() >= overlap,
        "refused after {:?} already",
        asked.elapsed()
    );
    assert_eq!(code, "NetStream.Publish.Denied");
    Publisher::publish(stack.server(0), &new)
        .await?
        .accepted()?
        .unpublish()
        .await?;
    stack.stop().await
}
