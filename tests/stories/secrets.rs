//! No key is ever in what the system writes, however talkative it is told to be.

use anyhow::{Context as _, Result, ensure};
use contract::http::{CreateChannel, KeyReport, ResetStreamKey, StatusWord};
use domain::StreamKey;
use harness::api::Body;
use harness::{Ffmpeg, HANG, Options, Publisher, Redis, Stack, dump};
use reqwest::Method;

/// Everything that touches a key, with keys in the wrong places too, while everything is logged.
#[tokio::test]
async fn no_key_is_in_any_log_line_even_when_everything_is_logged() -> Result<()> {
    let more = ["--log", "trace"].map(str::to_owned).to_vec();
    let hashes_are_logged = true;
    let stack = Stack::start(Options {
        more,
        hashes_are_logged,
        ..Options::default()
    })
    .await?;
    let mut dashboard = stack.dashboard().await?;
    let old = stack.key().await?;
    stack.owner.masked_key(stack.channel()).await?;

    let ffmpeg = Ffmpeg::publish(stack.server(0), &old)?;
    dashboard.expect_status(StatusWord::Live, HANG).await?;
    Publisher::publish(stack.server(0), &old).await?.refused()?;
    let new = stack
        .owner
        .reset_key(stack.channel(), ResetStreamKey::default())
        .await?
        .stream_key;
    Publisher::publish(stack.server(0), &old).await?.refused()?;
    ffmpeg.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;

    // Where people put keys by mistake: as part of the server, as the app, as a name, in a query.
    let server = stack.server(0).trim_end_matches("/live");
    for server in [format!("{server}/live/{new}"), format!("{server}/{new}")] {
        // Whatever comes of it.
        let _ = Publisher::publish(&server, &new).await;
        let _ = Publisher::publish(&server, "obs").await;
    }
    let body = Body::Json(format!(r#"{{"streamKey":"{new}"}}"#));
    for path in [
        format!("/v1/channels/{new}"),
        format!("/v1/channels/{}/stream-key/reset", stack.channel()),
        format!("/v1/channels?cursor={new}"),
    ] {
        for method in [Method::GET, Method::POST] {
            let answer = stack.owner.send(method, &path, body.clone()).await?;
            ensure!(answer.status >= 400, "{} for nonsense", answer.status);
        }
    }
    stack
        .owner
        .with_token(&new)
        .send(Method::GET, "/v1/channels", Body::Empty)
        .await?;
    ensure!(stack.log().contains(" TRACE "), "not everything is logged");
    stack.stop().await
}

/// Keys go in by every way there is, right ones and wrong ones and in wrong places; then everything
/// that is kept and everything that was written is searched.
#[tokio::test]
async fn no_key_is_in_store_cache_files_metrics_or_panics_however_it_came_in() -> Result<()> {
    let redis = Redis::start().await?;
    let state = tempfile::tempdir()?;
    let stack = Stack::start(Options {
        own_edge: Some(Vec::new()),
        redis: Some(redis.url()),
        state: Some(state.path().to_owned()),
        ..Options::default()
    })
    .await?;
    let mut dashboard = stack.dashboard().await?;
    let old = stack.key().await?;
    let ffmpeg = Ffmpeg::publish(stack.server(0), &format!("{old}?token={old}"))?;
    dashboard.expect_status(StatusWord::Live, HANG).await?;
    let overlap = ResetStreamKey {
        overlap_seconds: 600,
        disconnect_live: false,
    };
    let new = stack
        .owner
        .reset_key(stack.channel(), overlap)
        .await?
        .stream_key;
    let unknown = StreamKey::generate(|bytes| bytes.fill(11));
    stack.canary.plant(unknown.expose());
    for key in [&old, &new, unknown.expose()] {
        Publisher::publish(stack.server(0), key).await?.refused()?;
    }
    dashboard.expect_refused(HANG).await?;

    by_mistake(&stack, &new).await?;
    for key in [&old, unknown.expose()] {
        let stream_key = key.to_owned();
        let report = Body::json(&KeyReport { stream_key })?;
        let answer = stack
            .nobody
            .send(Method::POST, "/v1/key-reports", report)
            .await?;
        ensure!(answer.status == 202, "{answer:?}");
    }
    ffmpeg.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    for key in [&old, &new] {
        in_a_panic(&stack, key)?;
    }

    let database = stack.endpoints.dynamodb.as_deref().context("no database")?;
    let kept = dump::tables(database).await?;
    let expected = [
        "channels: ",
        "secrets: ",
        "live: ",
        "sessions: ",
        "attempts: ",
    ];
    for table in expected {
        ensure!(kept.contains(table), "nothing was kept in {table}");
    }
    let cached = redis.dump().await?;
    ensure!(cached.contains("auth:"), "nothing was cached");
    let files = dump::files(state.path())?;
    let canary = stack.canary.clone();
    // What they are looked up by has to be there.
    canary.check_without_hashes("the database", &kept)?;
    canary.check_without_hashes("the cache", &cached)?;
    canary.check_without_hashes("the files", &files)?;
    stack.stop().await?;
    canary.check_without_hashes("the files that stay", &dump::files(state.path())?)?;
    redis.stop().await
}

/// A key where a person or a script may put it by mistake.
async fn by_mistake(stack: &Stack, key: &str) -> Result<()> {
    let create = Body::json(&CreateChannel {
        name: format!("live with {key}"),
        grace_seconds: None,
        limits: None,
    })?;
    let channel = format!("/v1/channels/{}", stack.channel());
    for (method, path, body, status) in [
        (Method::POST, "/v1/channels".to_owned(), create, 422),
        (
            Method::GET,
            format!("{channel}/sessions?cursor={key}"),
            Body::Empty,
            400,
        ),
        (
            Method::GET,
            format!("/v1/{key}?{key}={key}"),
            Body::Empty,
            404,
        ),
        (
            Method::POST,
            format!("{channel}/stream-key/{key}"),
            Body::Empty,
            404,
        ),
        (
            Method::PATCH,
            channel,
            Body::Json(format!("{{\"{key}\":1}}")),
            400,
        ),
    ] {
        let answer = stack.owner.send(method, &path, body).await?;
        ensure!(
            answer.status == status,
            "{} in place of {status}",
            answer.status
        );
    }
    let tickets = &stack.endpoints.websocket;
    let socket = harness::dashboard::open(tickets, &stack.endpoints.http, key).await;
    ensure!(socket.is_err(), "a stream key is no ticket");
    let server = stack.server(0).trim_end_matches("/live");
    for server in [format!("{server}/live/{key}"), format!("{server}/{key}")] {
        // Whatever comes of it.
        let _ = Publisher::publish(&server, "obs").await;
    }
    Ok(())
}

/// A program that panics shows what it has in hand.
fn in_a_panic(stack: &Stack, key: &str) -> Result<()> {
    let key = StreamKey::parse(key).map_err(|_| anyhow::anyhow!("not a key"))?;
    let report = KeyReport {
        stream_key: key.expose().to_owned(),
    };
    let in_hand = (key.hash(), key, report);
    let panicked = std::panic::catch_unwind(|| panic!("with {in_hand:?} in hand"));
    let words = panicked
        .err()
        .and_then(|words| words.downcast::<String>().ok());
    let words = words.context("it did not panic")?;
    stack.canary.check("a panic", &words)
}
