//! Who is turned away, with which words, and what the one who is live notices of it: nothing.

use std::time::Duration;

use anyhow::{Context as _, Result};
use contract::http::{ResetStreamKey, StatusWord};
use domain::StreamKey;
use harness::{Ffmpeg, HANG, Options, Publisher, Stack};
use rand::RngCore as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// A well-formed key that nobody was given.
fn a_key_of_nobody() -> String {
    StreamKey::generate(|bytes| rand::rng().fill_bytes(bytes))
        .expose()
        .to_owned()
}

/// The key with its last random character replaced: what a slip of the finger gives.
fn mistyped(key: &str) -> String {
    let mut characters: Vec<char> = key.chars().collect();
    characters[33] = if characters[33] == 'x' { 'y' } else { 'x' };
    characters.into_iter().collect()
}

#[tokio::test]
async fn a_second_publisher_is_refused_and_the_first_stays() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let mut dashboard = stack.dashboard().await?;
    let key = stack.key().await?;
    let mut first = Ffmpeg::publish(stack.server(0), &key)?;
    let (_, before) = dashboard.expect_status(StatusWord::Live, HANG).await?;

    let second = Ffmpeg::publish(stack.server(0), &key)?;
    let (_, words) = second.gives_up(HANG).await?;
    assert!(words.contains("Already live"), "{words}");
    let code = Publisher::publish(stack.server(0), &key).await?.refused()?;
    assert_eq!(code, "NetStream.Publish.BadName");

    let (_, refused) = dashboard.expect_refused(HANG).await?;
    assert_eq!(
        (refused.reason.as_str(), refused.ip_address.as_str()),
        ("already_live", "127.0.0.1")
    );
    assert!(refused.detail.contains("already live"), "{refused:?}");
    assert_eq!(
        refused.retry_after_seconds, None,
        "a start that is refused is not repeated"
    );
    dashboard.expect_metrics(HANG).await?;
    let after = stack.owner.status(stack.channel()).await?;
    assert_eq!(
        (after.status, after.generation),
        (StatusWord::Live, before.generation)
    );
    assert_eq!(after.session_id, before.session_id);
    assert!(first.runs(), "the first publisher was disturbed");
    first.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    assert_eq!(stack.owner.sessions(stack.channel()).await?.len(), 1);
    stack.stop().await
}

#[tokio::test]
async fn of_an_obs_that_was_cut_it_is_said_when_it_tries_again() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let mut dashboard = stack.dashboard().await?;
    let key = stack.key().await?;
    let mut obs = Publisher::publish(stack.server(0), &key)
        .await?
        .accepted()?;
    obs.send_name("obs-output module (libobs version 29.0.2.1-1+b1)")
        .await?;
    obs.send_keyframe(0).await?;
    dashboard.expect_status(StatusWord::Live, HANG).await?;
    let reset = ResetStreamKey {
        overlap_seconds: 0,
        disconnect_live: true,
    };
    stack.owner.reset_key(stack.channel(), reset).await?;
    obs.is_closed(HANG).await?;

    let code = Publisher::publish(stack.server(0), &key).await?.refused()?;
    assert_eq!(code, "NetStream.Publish.Denied");
    let (_, refused) = dashboard.expect_refused(HANG).await?;
    assert_eq!(refused.reason, "unauthorized");
    let seconds = refused.retry_after_seconds.context("it comes back")?;
    // Two seconds and a half of the time since the cut.
    assert!((2..=10).contains(&seconds), "{seconds}");
    stack.stop().await
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_logged_by_its_fingerprint_only() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let wrong = a_key_of_nobody();
    stack.canary.plant(&wrong);
    let (_, words) = Ffmpeg::publish(stack.server(0), &wrong)?
        .gives_up(HANG)
        .await?;
    assert!(words.contains("Unauthorized"), "{words}");
    let code = Publisher::publish(stack.server(0), &wrong)
        .await?
        .refused()?;
    assert_eq!(code, "NetStream.Publish.Denied");

    let line = stack.logs("Unauthorized", HANG).await?;
    assert!(line.contains("unauthorized"), "{line}");
    assert!(
        fingerprint(&line).is_some(),
        "no fingerprint of the key: {line}"
    );
    let status = stack.owner.status(stack.channel()).await?;
    assert_eq!((status.status, status.generation), (StatusWord::Offline, 0));
    stack.stop().await
}

/// The eight hexadecimal digits that the log names a key by.
fn fingerprint(line: &str) -> Option<&str> {
    let rest = line.split("key").nth(1)?;
    let rest = rest.trim_start_matches(['"', ':', '=', ' ']);
    let digits = rest.get(..8)?;
    let ends = !rest
        .get(8..9)
        .is_some_and(|next| next.chars().all(char::is_alphanumeric));
    (digits.chars().all(|digit| digit.is_ascii_hexdigit()) && ends).then_some(digits)
}

#[tokio::test]
async fn a_mistyped_key_is_refused_by_its_checksum() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let key = stack.key().await?;
    let wrong = mistyped(&key);
    stack.canary.plant(&wrong);
    assert!(StreamKey::parse(&wrong).is_err());
    let (_, words) = Ffmpeg::publish(stack.server(0), &wrong)?
        .gives_up(HANG)
        .await?;
    assert!(words.contains("Unauthorized"), "{words}");
    for hopeless in [
        wrong.as_str(),
        "live",
        "x",
        "livelivelivelivelivelivelivelivelivelive",
    ] {
        let code = Publisher::publish(stack.server(0), hopeless)
            .await?
            .refused()?;
        assert_eq!(code, "NetStream.Publish.Denied");
    }
    let mut right = Publisher::publish(stack.server(0), &key)
        .await?
        .accepted()?;
    right.send_keyframe(0).await?;
    right.unpublish().await?;
    stack.stop().await
}

#[tokio::test]
async fn garbage_on_the_ingest_port_harms_nobody() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let mut dashboard = stack.dashboard().await?;
    let mut first = Publisher::publish(stack.server(0), &stack.key().await?)
        .await?
        .accepted()?;
    first.send_keyframe(0).await?;
    let (_, before) = dashboard.expect_status(StatusWord::Live, HANG).await?;

    let address = url::Url::parse(stack.server(0))?;
    let address = (
        address.host_str().context("no host")?.to_owned(),
        address.port().context("no port")?,
    );
    let mut noise = vec![0_u8; 64 * 1024];
    rand::rng().fill_bytes(&mut noise);
    let after_a_handshake = [&[3_u8][..], &[0; 1536 * 2], &noise].concat();
    for input in [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".as_slice(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &noise,
        &after_a_handshake,
        b"",
    ] {
        let mut socket = TcpStream::connect(&address).await?;
        // The edge may close before it has taken everything.
        let _ = socket.write_all(input).await;
        let _ = socket.shutdown().await;
    }
    first.send_keyframe(1_000).await?;
    assert!(
        first.is_closed(Duration::from_millis(500)).await.is_err(),
        "the first was cut"
    );
    let after = stack.owner.status(stack.channel()).await?;
    assert_eq!(
        (after.status, after.session_id),
        (StatusWord::Live, before.session_id)
    );
    first.unpublish().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    stack.stop().await
}
