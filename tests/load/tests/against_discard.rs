//! The generator and the floor, each as it is used, against each other.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use load::discard::{Discard, Received};
use load::{flv, synthetic};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::Command;

/// What takes longer hangs.
const HANG: Duration = Duration::from_secs(30);

/// Runs `rtmp-load` with `flags` against a server of its own; gives both sides' sums.
async fn run(flags: &[&str]) -> Result<(Value, Received)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("rtmp://{}/live", listener.local_addr()?);
    let server = Discard::start(listener);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("loop.flv");
    std::fs::write(&file, flv::write(&synthetic::tags(50, 6_000)))?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtmp-load"));
    command.args(["--url", &url]).args(flags).kill_on_drop(true);
    if !flags.contains(&"--handshakes") {
        command
            .arg("--flv")
            .arg(&file)
            .args(["--key-template", "sk_fake_{}"]);
    }
    let output = command.stderr(Stdio::piped()).output().await?;
    let (text, moments) = (
        String::from_utf8(output.stdout)?,
        String::from_utf8(output.stderr)?,
    );
    assert!(output.status.success(), "{moments}");
    assert!(
        !text.contains("sk_fake") && !moments.contains("sk_fake"),
        "a key is shown"
    );
    let report = serde_json::from_str(&text).context("stdout is one JSON object")?;
    Ok((report, server.stop().await))
}

fn number(report: &Value, pointer: &str) -> Result<u64> {
    let value = report.pointer(pointer).and_then(Value::as_u64);
    value.with_context(|| format!("{pointer} in {report}"))
}

#[tokio::test]
async fn every_byte_that_was_sent_arrives_and_nobody_is_dropped() -> Result<()> {
    let flags = ["--connections", "5", "--settle", "0", "--window", "2"];
    let (report, received) = run(&flags).await?;
    assert_eq!(number(&report, "/started")?, 5);
    assert_eq!(number(&report, "/dropped")?, 0);
    assert_eq!(number(&report, "/failed")?, 0);
    assert_eq!(number(&report, "/start_ms/count")?, 5);
    assert_eq!(number(&report, "/window/publishers")?, 5);
    assert!(number(&report, "/window/sent/messages")? > 100);
    assert_eq!(number(&report, "/sent/wire_bytes")?, received.bytes);
    assert_eq!((received.connections, received.publishes), (5, 5));
    Ok(())
}

#[tokio::test]
async fn in_a_storm_everybody_comes_back_once() -> Result<()> {
    let flags = [
        "--connections",
        "5",
        "--settle",
        "1",
        "--storm",
        "--window",
        "1",
    ];
    let (report, received) = run(&[&flags[..], &["--chunk-size", "128"]].concat()).await?;
    assert_eq!(number(&report, "/storm/publishers")?, 5);
    assert_eq!(number(&report, "/storm/back")?, 5);
    assert_eq!(number(&report, "/storm/start_ms/count")?, 5);
    assert_eq!((number(&report, "/dropped")?, received.publishes), (0, 10));
    Ok(())
}

#[tokio::test]
async fn handshakes_are_completed_and_followed_by_nothing() -> Result<()> {
    let (report, received) =
        run(&["--handshakes", "50", "--rate", "500", "--sources", "3"]).await?;
    assert_eq!(number(&report, "/completed")?, 50);
    assert_eq!((received.connections, received.publishes), (50, 0));
    Ok(())
}

#[tokio::test]
async fn a_server_that_closes_shows_as_drops() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("rtmp://{}/live", listener.local_addr()?);
    let server = Discard::start(listener);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("loop.flv");
    std::fs::write(&file, flv::write(&synthetic::tags(50, 1_000)))?;
    let mut generator = Command::new(env!("CARGO_BIN_EXE_rtmp-load"))
        .args([
            "--url",
            &url,
            "--connections",
            "3",
            "--key-template",
            "{}",
            "--settle",
            "1",
        ])
        .arg("--flv")
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let moments = generator.stderr.take().context("stderr is piped")?;
    let mut moments = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(moments));
    assert_eq!(moments.next_line().await?.as_deref(), Some("live 3 of 3"));
    server.stop().await;
    let report: Value = serde_json::from_slice(&generator.wait_with_output().await?.stdout)?;
    assert_eq!(number(&report, "/dropped")?, 3);
    Ok(())
}

#[tokio::test]
async fn slow_sockets_stay_until_they_are_reaped() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("rtmp://{}/live", listener.local_addr()?);
    let server = Discard::start(listener);
    let generator = Command::new(env!("CARGO_BIN_EXE_rtmp-load"))
        .args(["--url", &url, "--slowloris", "20", "--interval", "1"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let all_connected = async {
        while server.received().connections < 20 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(HANG, all_connected).await?;
    server.stop().await;
    let report: Value = serde_json::from_slice(&generator.wait_with_output().await?.stdout)?;
    let count = |name: &str| number(&report, name);
    assert_eq!(count("/reaped")? + count("/failed")?, 20, "{report}");
    assert_eq!(count("/left")?, 0);
    Ok(())
}

#[tokio::test]
async fn bad_flags_exit_2_and_help_teaches() -> Result<()> {
    let run = async |flags: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_rtmp-load"))
            .args(flags)
            .output()
            .await
    };
    let foreign = run(&["--url", "rtmp://192.0.2.1/live", "--slowloris", "1"]).await?;
    assert_eq!(foreign.status.code(), Some(2));
    let missing = [
        "--url",
        "rtmp://127.0.0.1/live",
        "--key-template",
        "{}",
        "--flv",
        "/nonexistent",
    ];
    assert_eq!(run(&missing).await?.status.code(), Some(2));
    let help = run(&["--help"]).await?;
    assert!(help.status.success() && String::from_utf8(help.stdout)?.contains("Examples:"));
    Ok(())
}
