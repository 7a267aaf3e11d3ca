//! What an operator relies on: health, metrics, clean stops, kept state, parts in other processes.

use anyhow::{Context as _, Result};
use contract::http::StatusWord;
use harness::{Ffmpeg, HANG, Options, Publisher, Stack, wait};

/// The value of a metric without labels, or with exactly these.
fn value(page: &str, name: &str) -> Option<f64> {
    page.lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[tokio::test]
async fn an_edge_tells_its_health_and_counts_its_publishers() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let mut dashboard = stack.dashboard().await?;
    let key = stack.key().await?;
    assert_eq!(stack.admin(0, "/healthz").await?.0, 200);
    assert_eq!(stack.admin(0, "/readyz").await?.0, 200);
    assert_eq!(stack.admin(0, "/nothing").await?.0, 404);
    let before = stack.metrics_page(0).await?;
    assert_eq!(
        value(&before, "stream_sync_edge_publishers "),
        Some(0.0),
        "{before}"
    );

    let ffmpeg = Ffmpeg::publish(stack.server(0), &key)?;
    dashboard.expect_status(StatusWord::Live, HANG).await?;
    Publisher::publish(stack.server(0), &key).await?.refused()?;
    dashboard.expect_metrics(HANG).await?;
    let page = stack.metrics_page(0).await?;
    assert_eq!(
        value(&page, "stream_sync_edge_publishers "),
        Some(1.0),
        "{page}"
    );
    assert_eq!(
        value(&page, "stream_sync_edge_publishes_started_total "),
        Some(1.0),
        "{page}"
    );
    let refused = r#"stream_sync_edge_publishes_refused_total{reason="already_live"} "#;
    assert_eq!(value(&page, refused), Some(1.0), "{page}");
    assert!(page.trim_end().ends_with("# EOF"), "{page}");
    ffmpeg.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    let after = stack.metrics_page(0).await?;
    assert_eq!(
        value(&after, "stream_sync_edge_publishers "),
        Some(0.0),
        "{after}"
    );
    stack.stop().await
}

#[tokio::test]
async fn a_stopped_stack_ends_its_streams_and_remembers_everything_it_was_told_to_keep()
-> Result<()> {
    let state = tempfile::tempdir()?;
    let kept = Options {
        state: Some(state.path().join("state")),
        ..Options::default()
    };
    let stack = Stack::start(kept.clone()).await?;
    let mut dashboard = stack.dashboard().await?;
    let (key, channel) = (stack.key().await?, stack.channel().clone());
    let ffmpeg = Ffmpeg::publish(stack.server(0), &key)?;
    let (_, live) = dashboard.expect_status(StatusWord::Live, HANG).await?;
    dashboard.expect_metrics(HANG).await?;
    drop(dashboard);
    stack.stop().await?;
    ffmpeg.gives_up(HANG).await?;

    let stack = Stack::start(kept).await?;
    assert_eq!(*stack.channel(), channel);
    assert!(stack.key().await? == key, "the demo channel's key changed");
    let status = stack.owner.status(&channel).await?;
    assert_eq!(status.status, StatusWord::Offline);
    assert_eq!(
        status.generation, live.generation,
        "a generation is never given again"
    );
    let sessions = stack.owner.sessions(&channel).await?;
    let [session] = &sessions[..] else {
        panic!("one broadcast is one session: {sessions:?}")
    };
    assert_eq!(Some(&session.id), live.session_id.as_ref());
    assert_eq!(session.reason.as_deref(), Some("shutdown"));

    let mut publisher = Publisher::publish(stack.server(0), &key)
        .await?
        .accepted()?;
    publisher.send_keyframe(0).await?;
    wait::until("LIVE again", HANG, async || {
        let status = stack.owner.status(&channel).await?;
        Ok((status.status == StatusWord::Live).then_some(()))
    })
    .await?;
    assert!(stack.owner.status(&channel).await?.generation > live.generation);
    publisher.unpublish().await?;
    stack.stop().await
}

#[tokio::test]
async fn an_edge_in_a_process_of_its_own_serves_the_stacks_channels() -> Result<()> {
    let flags = ["--edge-name", "an-edge-of-its-own"].map(str::to_owned);
    let stack = Stack::start(Options {
        own_edge: Some(flags.to_vec()),
        ..Options::default()
    })
    .await?;
    let mut dashboard = stack.dashboard().await?;
    stack.logs("an-edge-of-its-own", HANG).await?;

    let ffmpeg = Ffmpeg::publish(stack.server(0), &stack.key().await?)?;
    let (_, live) = dashboard.expect_status(StatusWord::Live, HANG).await?;
    assert_eq!(live.edge_id.as_ref(), Some(&stack.endpoints.edges[0].id));
    dashboard.expect_metrics(HANG).await?;
    ffmpeg.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    stack.stop().await
}

#[tokio::test]
async fn a_second_stack_can_use_the_database_of_the_first() -> Result<()> {
    let listen = ["--dynamodb-listen", "127.0.0.1:0"].map(str::to_owned);
    let first = Stack::start(Options {
        more: listen.to_vec(),
        ..Options::default()
    })
    .await?;
    let database = first
        .endpoints
        .dynamodb
        .clone()
        .context("the database has no address")?;
    let more = vec!["--dynamodb".to_owned(), database];
    // It has a secret of its own, so it cannot show the first one's key in its banner.
    let expected_errors = vec!["the sealed stream key cannot be opened".to_owned()];
    let second = Stack::start(Options {
        more,
        expected_errors,
        ..Options::default()
    })
    .await?;
    assert_eq!(
        second.channel(),
        first.channel(),
        "the demo channel is made once"
    );
    let mut publisher = Publisher::publish(second.server(0), &first.key().await?)
        .await?
        .accepted()?;
    publisher.send_keyframe(0).await?;
    wait::until("LIVE on the first stack", HANG, async || {
        let status = first.owner.status(first.channel()).await?;
        Ok((status.status == StatusWord::Live).then_some(()))
    })
    .await?;
    publisher.unpublish().await?;
    second.stop().await?;
    first.stop().await
}
