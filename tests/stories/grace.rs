//! A dropped publisher has ten seconds to come back as the same session.

use std::time::Duration;

use anyhow::{Context as _, Result};
use contract::http::StatusWord;
use harness::stack::REAL_GRACE_SECONDS;
use harness::{Ffmpeg, HANG, Options, Publisher, Stack};

/// The socket's end to GRACE: at once. Guarded against this much.
const GRACE_WITHIN: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_return_within_the_grace_is_the_same_session_and_never_shown_as_offline() -> Result<()> {
    let grace_seconds = REAL_GRACE_SECONDS;
    let stack = Stack::start(Options {
        grace_seconds,
        ..Options::default()
    })
    .await?;
    let mut dashboard = stack.dashboard().await?;
    let key = stack.key().await?;
    let ffmpeg = Ffmpeg::publish(stack.server(0), &key)?;
    let (_, before) = dashboard.expect_status(StatusWord::Live, HANG).await?;
    ffmpeg.kill_9().await?;
    let (_, waiting) = dashboard
        .expect_status(StatusWord::Grace, GRACE_WITHIN)
        .await?;
    assert_eq!(waiting.session_id, before.session_id);
    assert!(waiting.grace_until.is_some());

    let ffmpeg = Ffmpeg::publish(stack.server(0), &key)?;
    let (_, after) = dashboard.expect_status(StatusWord::Live, HANG).await?;
    assert_eq!(after.session_id, before.session_id);
    assert!(
        after.generation > before.generation,
        "each publisher has a generation of its own"
    );
    assert!(
        !dashboard.was_ever_sent(StatusWord::Offline),
        "{:#?}",
        dashboard.messages()
    );

    ffmpeg.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    let sessions = stack.owner.sessions(stack.channel()).await?;
    assert_eq!(
        sessions.len(),
        1,
        "one session, however many connections: {sessions:?}"
    );
    assert_eq!(Some(&sessions[0].id), before.session_id.as_ref());
    stack.stop().await
}

#[tokio::test]
async fn a_return_after_the_grace_is_a_new_session() -> Result<()> {
    let stack = Stack::start(Options {
        grace_seconds: 1,
        ..Options::default()
    })
    .await?;
    let mut dashboard = stack.dashboard().await?;
    let key = stack.key().await?;
    let mut publisher = Publisher::publish(stack.server(0), &key)
        .await?
        .accepted()?;
    publisher.send_keyframe(0).await?;
    let (_, before) = dashboard.expect_status(StatusWord::Live, HANG).await?;
    drop(publisher);
    dashboard.expect_status(StatusWord::Grace, HANG).await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    let mut publisher = Publisher::publish(stack.server(0), &key)
        .await?
        .accepted()?;
    publisher.send_keyframe(0).await?;
    let (_, after) = dashboard.expect_status(StatusWord::Live, HANG).await?;
    assert_ne!(after.session_id, before.session_id);
    publisher.unpublish().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;

    let sessions = stack.owner.sessions(stack.channel()).await?;
    let reasons: Vec<_> = sessions
        .iter()
        .map(|session| session.reason.as_deref())
        .collect();
    assert_eq!(
        reasons,
        [Some("unpublished"), Some("dropped")],
        "newest first"
    );
    stack.stop().await
}

#[tokio::test]
async fn a_publisher_without_a_goodbye_that_never_sent_media_leaves_no_trace() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let mut dashboard = stack.dashboard().await?;
    let key = stack.key().await?;
    drop(
        Publisher::publish(stack.server(0), &key)
            .await?
            .accepted()?,
    );
    // The next one shows that the first has let go of the lock.
    let next = harness::wait::until("the lock to be free", HANG, async || {
        use harness::publisher::Outcome;
        match Publisher::publish(stack.server(0), &key).await? {
            Outcome::Accepted(publisher) => Ok(Some(publisher)),
            Outcome::Refused(_) => Ok(None),
        }
    });
    let mut next = next.await?;
    next.send_keyframe(0).await?;
    dashboard.expect_status(StatusWord::Live, HANG).await?;
    assert!(
        !dashboard.was_ever_sent(StatusWord::Grace),
        "{:#?}",
        dashboard.messages()
    );
    next.unpublish().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    stack.stop().await
}

mod slow {
    use super::*;

    /// OFFLINE is never before the grace, and at most this much after it.
    const OFFLINE_LAG: Duration = Duration::from_secs(2);

    #[tokio::test]
    async fn a_killed_encoder_is_in_grace_at_once_and_offline_after_ten_seconds() -> Result<()> {
        let grace = Duration::from_secs(REAL_GRACE_SECONDS);
        let grace_seconds = REAL_GRACE_SECONDS;
        let stack = Stack::start(Options {
            grace_seconds,
            ..Options::default()
        })
        .await?;
        let mut dashboard = stack.dashboard().await?;
        let ffmpeg = Ffmpeg::publish(stack.server(0), &stack.key().await?)?;
        let (_, live) = dashboard.expect_status(StatusWord::Live, HANG).await?;
        dashboard.expect_metrics(HANG).await?;

        let killed = ffmpeg.kill_9().await?;
        let (at, waiting) = dashboard
            .expect_status(StatusWord::Grace, GRACE_WITHIN)
            .await?;
        println!("GRACE {:?} after the kill", at - killed);
        let until = waiting.grace_until.context("nobody says until when")?;
        let since = waiting.since.context("nobody says since when")?;
        assert_eq!(until.since(since), grace, "GRACE is from the drop on");
        assert_eq!(waiting.session_id, live.session_id);
        let in_grace = stack.owner.status(stack.channel()).await?;
        assert_eq!(
            (in_grace.status, in_grace.grace_until),
            (StatusWord::Grace, Some(until))
        );

        let (at, ended) = dashboard
            .expect_status(StatusWord::Offline, 3 * grace)
            .await?;
        println!("OFFLINE {:?} after the kill", at - killed);
        assert!(at - killed >= grace, "before the promised grace was over");
        assert!(at - killed <= grace + OFFLINE_LAG, "too late");
        assert!(ended.since.is_some_and(|ended| ended >= until), "{ended:?}");
        let sessions = stack.owner.sessions(stack.channel()).await?;
        assert_eq!(sessions[0].reason.as_deref(), Some("dropped"));
        stack.stop().await
    }
}
