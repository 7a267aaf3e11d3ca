//! With a real redis-server as the shared cache: it helps, and nothing depends on it.

use anyhow::Result;
use contract::http::StatusWord;
use harness::{Ffmpeg, HANG, Options, Publisher, Redis, Stack, wait};

#[tokio::test]
async fn publishing_goes_on_when_redis_is_gone() -> Result<()> {
    let redis = Redis::start().await?;
    let options = Options {
        redis: Some(redis.url()),
        ..Options::default()
    };
    let stack = Stack::start(options).await?;
    let mut dashboard = stack.dashboard().await?;
    let key = stack.key().await?;
    let lock = format!("lock:stream:{}", stack.channel());

    let ffmpeg = Ffmpeg::publish(stack.server(0), &key)?;
    dashboard.expect_status(StatusWord::Live, HANG).await?;
    wait::until("the hint who is live", HANG, async || {
        Ok(redis
            .ask(&["GET", &lock])
            .await?
            .starts_with("conn_")
            .then_some(()))
    })
    .await?;
    let code = Publisher::publish(stack.server(0), &key).await?.refused()?;
    assert_eq!(code, "NetStream.Publish.BadName");
    ffmpeg.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    wait::until("the hint to go", HANG, async || {
        Ok(redis.ask(&["GET", &lock]).await?.is_empty().then_some(()))
    })
    .await?;
    stack
        .canary
        .check_without_hashes("Redis", &everything_in(&redis).await?)?;

    redis.kill_9().await?;
    let ffmpeg = Ffmpeg::publish(stack.server(0), &key)?;
    let (at, _) = dashboard.expect_status(StatusWord::Live, HANG).await?;
    println!(
        "LIVE without Redis {:?} after ffmpeg's start",
        at - ffmpeg.started()
    );
    let code = Publisher::publish(stack.server(0), &key).await?.refused()?;
    assert_eq!(code, "NetStream.Publish.BadName");
    ffmpeg.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    stack.stop().await
}

/// Names and values, as redis-cli prints them.
async fn everything_in(redis: &Redis) -> Result<String> {
    let names = redis.ask(&["KEYS", "*"]).await?;
    let mut everything = names.clone();
    for name in names.lines() {
        for command in ["GET", "HGETALL"] {
            everything += &redis.ask(&[command, name]).await?;
        }
    }
    Ok(everything)
}

#[tokio::test]
async fn a_reset_reaches_an_edge_that_has_the_old_key_in_its_cache() -> Result<()> {
    let redis = Redis::start().await?;
    let options = Options {
        redis: Some(redis.url()),
        edges: 2,
        ..Options::default()
    };
    let stack = Stack::start(options).await?;
    let old = stack.key().await?;
    for edge in [0, 1] {
        let mut publisher = Publisher::publish(stack.server(edge), &old)
            .await?
            .accepted()?;
        publisher.send_keyframe(0).await?;
        publisher.unpublish().await?;
        wait::until("OFFLINE", HANG, async || {
            let status = stack.owner.status(stack.channel()).await?.status;
            Ok((status == StatusWord::Offline).then_some(()))
        })
        .await?;
    }
    let reset = contract::http::ResetStreamKey::default();
    let new = stack
        .owner
        .reset_key(stack.channel(), reset)
        .await?
        .stream_key;
    for edge in [0, 1] {
        let code = Publisher::publish(stack.server(edge), &old)
            .await?
            .refused()?;
        assert_eq!(code, "NetStream.Publish.Denied");
    }
    Publisher::publish(stack.server(1), &new)
        .await?
        .accepted()?
        .unpublish()
        .await?;
    stack.stop().await?;
    redis.stop().await
}
