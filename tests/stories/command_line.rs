//! The programs as a person meets them first: help, version, mistakes.

use std::net::TcpListener;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::{HANG, programs, repository};

const PROGRAMS: [&str; 8] = [
    "stream-sync",
    "edge-ingest",
    "api",
    "websocket",
    "status-fanout",
    "reaper",
    "dynamodb",
    "fault-proxy",
];

async fn run(name: &str, arguments: &[&str]) -> Result<Output> {
    let mut command = programs::ours(name)?;
    command.args(arguments);
    programs::run(command, HANG).await
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn every_program_says_what_it_is_and_how_to_use_it() -> Result<()> {
    for name in PROGRAMS {
        let help = run(name, &["--help"]).await?;
        assert_eq!(help.status.code(), Some(0), "{name}");
        let help = text(&help.stdout);
        assert!(help.contains(&format!("Usage: {name}")), "{name}: {help}");
        assert!(
            help.contains("STREAM_SYNC_"),
            "{name} names no variables: {help}"
        );
        let version = run(name, &["--version"]).await?;
        assert_eq!(version.status.code(), Some(0), "{name}");
        assert_eq!(
            text(&version.stdout),
            format!("{name} {}\n", env!("CARGO_PKG_VERSION"))
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_flag_that_does_not_exist_ends_every_program_with_2_and_says_which() -> Result<()> {
    for name in PROGRAMS {
        let output = run(name, &["--no-such-flag"]).await?;
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(text(&output.stderr).contains("--no-such-flag"), "{name}");
        assert!(
            output.stdout.is_empty(),
            "{name} writes errors to standard output"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_value_that_cannot_be_taken_ends_the_program_with_2_and_says_why() -> Result<()> {
    for (name, arguments, word) in [
        ("stream-sync", ["--http", "here"], "--http"),
        ("stream-sync", ["--http", "0.0.0.0:0"], "127.0.0.1"),
        ("stream-sync", ["--rtmp", "127.0.0.1:99999"], "--rtmp"),
        ("stream-sync", ["--edges", "many"], "--edges"),
        ("stream-sync", ["--redis", "http://127.0.0.1"], "--redis"),
        ("stream-sync", ["--dynamodb", "nowhere"], "--dynamodb"),
        ("stream-sync", ["--grace-seconds", "0"], "--grace-seconds"),
        ("stream-sync", ["--http", "192.0.2.1:0"], "--jwks"),
        ("stream-sync", ["--jwks", "login.example"], "--jwks"),
        ("stream-sync", ["--jwks", "file:///keys.json"], "https://"),
        (
            "stream-sync",
            ["--jwks", "http://127.0.0.1/"],
            "--jwt-issuer",
        ),
        (
            "stream-sync",
            ["--jwks", "http://127.0.0.1/"],
            "--jwt-audience",
        ),
        ("stream-sync", ["--jwt-issuer", "me"], "--jwks"),
        ("edge-ingest", ["--rtmp-listen", "here"], "--rtmp-listen"),
        ("edge-ingest", ["--capacity", "0"], "--capacity"),
        ("dynamodb", ["--listen", "0.0.0.0:0"], "loopback"),
        ("fault-proxy", ["--line", "0.0.0.0:0"], "NAME=HOST:PORT"),
    ] {
        let output = run(name, &arguments).await?;
        assert_eq!(output.status.code(), Some(2), "{name} {arguments:?}");
        let words = text(&output.stderr);
        assert!(words.contains(word), "{name} {arguments:?}: {words}");
        assert!(!words.contains("panicked"), "{words}");
    }
    Ok(())
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_the_flag_that_changes_it() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    for flag in ["--http", "--rtmp", "--dynamodb-listen"] {
        let mut arguments = vec![flag, &address];
        for other in ["--http", "--rtmp"] {
            if other != flag {
                arguments.extend([other, "127.0.0.1:0"]);
            }
        }
        let output = run("stream-sync", &arguments).await?;
        assert_eq!(output.status.code(), Some(1), "{flag}");
        let words = text(&output.stderr);
        assert!(
            words.contains(&address) && words.contains(flag),
            "{flag}: {words}"
        );
        assert!(!words.contains("panicked"), "{words}");
    }
    Ok(())
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_named() -> Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    let state = file.path().join("state").display().to_string();
    let free = [
        "--http",
        "127.0.0.1:0",
        "--rtmp",
        "127.0.0.1:0",
        "--state",
        &state,
    ];
    let output = run("stream-sync", &free).await?;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains(&state),
        "{}",
        text(&output.stderr)
    );
    Ok(())
}

/// `cargo run` shows the banner; nothing that is asked for needs a terminal.
#[tokio::test]
async fn the_banner_says_what_to_paste_into_obs() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut command = programs::ours("stream-sync")?;
    command.args([
        "--http",
        "127.0.0.1:0",
        "--rtmp",
        "127.0.0.1:0",
        "--endpoints",
    ]);
    let file = directory.path().join("endpoints.json");
    command.arg(&file);
    let mut process = harness::Process::spawn("stream-sync", command)?;
    let banner = harness::wait::until("the banner", HANG, async || {
        let shown = process.stdout();
        Ok(
            (shown.contains("rtmp://127.0.0.1:") && shown.contains("http://127.0.0.1:"))
                .then_some(shown),
        )
    })
    .await?;
    let endpoints = harness::wait::until("endpoints.json", HANG, async || {
        Ok(std::fs::read_to_string(&file).ok())
    })
    .await?;
    let endpoints: contract::endpoints::Endpoints = serde_json::from_str(&endpoints)?;
    assert!(banner.contains(&endpoints.http), "{banner}");
    assert!(banner.contains(&endpoints.edges[0].rtmp), "{banner}");
    let readme = std::fs::read_to_string(repository::root()?.join("README.md"))?;
    let mut shown = repository::ffmpeg_command(&banner).context("the banner has no command")?;
    let mut written = repository::ffmpeg_command(&readme).context("README.md has no command")?;
    let url = shown.pop().context("the command is empty")?;
    assert!(
        url.starts_with(&format!("{}/live", endpoints.edges[0].rtmp)),
        "not where it listens"
    );
    written.pop();
    assert_eq!(
        shown, written,
        "the banner says something else than README.md"
    );

    let ended = process
        .end(rustix::process::Signal::INT, Duration::from_secs(20))
        .await?;
    assert!(ended.success(), "Ctrl-C ended it with {ended}");
    assert!(!file.exists(), "endpoints.json outlives the stack");
    Ok(())
}
