//! One channel, several edges: the lock is on the channel, wherever its encoder connects.

use anyhow::Result;
use contract::http::{IngestEndpoint, Ingests, Page, StatusWord};
use harness::stack::REAL_GRACE_SECONDS;
use harness::{Ffmpeg, HANG, Options, Publisher, Stack};

fn two_edges() -> Options {
    Options {
        edges: 2,
        grace_seconds: REAL_GRACE_SECONDS,
        ..Options::default()
    }
}

#[tokio::test]
async fn a_key_that_is_live_on_one_edge_is_refused_on_another_and_may_resume_there() -> Result<()> {
    let stack = Stack::start(two_edges()).await?;
    let mut dashboard = stack.dashboard().await?;
    let key = stack.key().await?;
    let first = Ffmpeg::publish(stack.server(0), &key)?;
    let (_, before) = dashboard.expect_status(StatusWord::Live, HANG).await?;
    assert_eq!(before.edge_id.as_ref(), Some(&stack.endpoints.edges[0].id));

    let (_, words) = Ffmpeg::publish(stack.server(1), &key)?
        .gives_up(HANG)
        .await?;
    assert!(words.contains("Already live"), "{words}");
    let code = Publisher::publish(stack.server(1), &key).await?.refused()?;
    assert_eq!(code, "NetStream.Publish.BadName");
    assert_eq!(
        stack.owner.status(stack.channel()).await?.session_id,
        before.session_id
    );

    first.kill_9().await?;
    dashboard.expect_status(StatusWord::Grace, HANG).await?;
    let second = Ffmpeg::publish(stack.server(1), &key)?;
    let (_, after) = dashboard.expect_status(StatusWord::Live, HANG).await?;
    assert_eq!(after.edge_id.as_ref(), Some(&stack.endpoints.edges[1].id));
    assert_eq!(
        after.session_id, before.session_id,
        "the session moved with its encoder"
    );
    let code = Publisher::publish(stack.server(0), &key).await?.refused()?;
    assert_eq!(
        code, "NetStream.Publish.BadName",
        "now the first edge refuses"
    );
    second.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;

    let sessions = stack.owner.sessions(stack.channel()).await?;
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    let edges: Vec<_> = stack
        .endpoints
        .edges
        .iter()
        .map(|edge| edge.id.clone())
        .collect();
    assert_eq!(
        sessions[0].edge_ids, edges,
        "in the order of the session's way"
    );
    stack.stop().await
}

#[tokio::test]
async fn every_edge_that_is_up_is_offered_to_encoders() -> Result<()> {
    let stack = Stack::start(two_edges()).await?;
    let offered: Page<IngestEndpoint> = stack.owner.get("/v1/ingest-endpoints").await?;
    let mut urls: Vec<&str> = offered
        .items
        .iter()
        .map(|endpoint| endpoint.rtmp_url.as_str())
        .collect();
    let mut served = vec![stack.server(0), stack.server(1)];
    urls.sort_unstable();
    served.sort_unstable();
    assert_eq!(urls, served);
    let ingests: Ingests = stack.nobody.get("/ingests").await?;
    assert_eq!(ingests.ingests.len(), 2);
    for ingest in ingests.ingests {
        assert!(
            ingest.url_template.ends_with("/{stream_key}"),
            "{}",
            ingest.url_template
        );
    }
    stack.stop().await
}
