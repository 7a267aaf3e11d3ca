//! No key is ever in what the system writes, however talkative it is told to be.

use anyhow::{Result, ensure};
use contract::http::{ResetStreamKey, StatusWord};
use harness::api::Body;
use harness::{Ffmpeg, HANG, Options, Publisher, Stack};
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
