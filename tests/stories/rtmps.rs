//! RTMP over TLS: the same story on the other port, with a certificate that can be renewed.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use contract::http::StatusWord;
use futures_util::future::try_join_all;
use harness::hostile::wire;
use harness::{Ffmpeg, HANG, LoadBalancer, Options, Stack, Stranger, load_balancer};

fn write_certificate(directory: &Path) -> Result<()> {
    let pair = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()])?;
    std::fs::write(directory.join("cert.pem"), pair.cert.pem())?;
    std::fs::write(directory.join("key.pem"), pair.signing_key.serialize_pem())?;
    Ok(())
}

fn with_tls(directory: &Path) -> Options {
    let file = |name| directory.join(name).display().to_string();
    let flags = [
        "--rtmps",
        "127.0.0.1:0",
        "--tls-cert",
        &file("cert.pem"),
        "--tls-key",
        &file("key.pem"),
    ];
    Options {
        more: flags.map(str::to_owned).to_vec(),
        ..Options::default()
    }
}

#[tokio::test]
async fn a_stream_over_tls_is_live_like_any_other() -> Result<()> {
    let directory = tempfile::tempdir()?;
    write_certificate(directory.path())?;
    let stack = Stack::start(with_tls(directory.path())).await?;
    let mut dashboard = stack.dashboard().await?;
    let server = stack.endpoints.edges[0]
        .rtmps
        .clone()
        .context("no RTMPS in endpoints.json")?;
    assert!(server.starts_with("rtmps://"), "{server}");

    let encoder = Ffmpeg::publish(&server, &stack.key().await?)?;
    dashboard.expect_status(StatusWord::Live, HANG).await?;
    let refused = Ffmpeg::publish(&server, &stack.key().await?)?
        .gives_up(HANG)
        .await?;
    assert!(refused.1.contains("Already live"), "{}", refused.1);
    encoder.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    stack.stop().await
}

#[tokio::test]
async fn a_stream_over_tls_behind_a_load_balancer_is_its_clients() -> Result<()> {
    let directory = tempfile::tempdir()?;
    write_certificate(directory.path())?;
    let file = |name| directory.path().join(name).display().to_string();
    let flags = [
        "--rtmps-listen",
        "127.0.0.1:0",
        "--tls-cert",
        &file("cert.pem"),
        "--tls-key",
        &file("key.pem"),
        "--proxy-protocol-from",
        &load_balancer::ADDRESS.to_string(),
    ];
    let stack = Stack::start(Options {
        own_edge: Some(flags.map(str::to_owned).to_vec()),
        ..Options::default()
    })
    .await?;
    let mut dashboard = stack.dashboard().await?;
    let server = stack.endpoints.edges[0].rtmps.as_deref();
    let client = "203.0.113.7:50000".parse()?;
    let balancer = LoadBalancer::before(server.context("no RTMPS")?, client).await?;
    let encoder = Ffmpeg::publish(balancer.server(), &stack.key().await?)?;
    dashboard.expect_status(StatusWord::Live, HANG).await?;
    encoder.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    let sessions = stack.owner.sessions(stack.channel()).await?;
    assert_eq!(sessions[0].ip_address, "203.0.113.7");
    stack.stop().await
}

#[tokio::test]
async fn a_renewed_certificate_disturbs_nobody_who_is_live() -> Result<()> {
    let directory = tempfile::tempdir()?;
    write_certificate(directory.path())?;
    let stack = Stack::start(with_tls(directory.path())).await?;
    let mut dashboard = stack.dashboard().await?;
    let server = stack.endpoints.edges[0]
        .rtmps
        .clone()
        .context("no RTMPS in endpoints.json")?;
    let mut encoder = Ffmpeg::publish(&server, &stack.key().await?)?;
    let (_, before) = dashboard.expect_status(StatusWord::Live, HANG).await?;

    write_certificate(directory.path())?;
    stack.logs("certificate renewed", HANG).await?;
    assert!(encoder.runs());
    let after = stack.owner.status(stack.channel()).await?;
    assert_eq!(
        (after.status, after.session_id),
        (StatusWord::Live, before.session_id)
    );
    encoder.stop_normally().await?;
    stack.stop().await
}

/// From accept to the end of the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn strangers_on_the_tls_port_are_dropped_and_harm_no_stream_over_tls() -> Result<()> {
    const SILENT: usize = 100;
    let directory = tempfile::tempdir()?;
    write_certificate(directory.path())?;
    let stack = Stack::start(with_tls(directory.path())).await?;
    let mut dashboard = stack.dashboard().await?;
    let server = stack.endpoints.edges[0]
        .rtmps
        .clone()
        .context("no RTMPS in endpoints.json")?;
    let silent = try_join_all((0..SILENT).map(|_| Stranger::connect(&server))).await?;
    let encoder = Ffmpeg::publish(&server, &stack.key().await?)?;
    for (name, bytes) in [
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("RTMP", wire::hello()),
    ] {
        let stranger = Stranger::connect(&server).await?;
        let took = stranger.pours(&bytes, HANG).await?;
        println!("{name} on the TLS port: dropped after {took:?}");
        assert!(took < HANDSHAKE, "{name}: it was the clock that dropped it");
    }
    let dropped = silent.into_iter().map(async |mut stranger| {
        let took = stranger.is_dropped(3 * HANDSHAKE).await?;
        anyhow::Ok(took)
    });
    let dropped = try_join_all(dropped).await?;
    println!(
        "silent on the TLS port: dropped after {:?} at most",
        dropped.iter().max()
    );
    dashboard.expect_status(StatusWord::Live, HANG).await?;
    let failures = stack
        .metric(0, "stream_sync_edge_tls_failures_total")
        .await?;
    assert_eq!(failures, u64::try_from(SILENT)? + 2);
    encoder.stop_normally().await?;
    stack.stop().await
}
