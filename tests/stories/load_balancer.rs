//! Behind a load balancer a stream is its client's: in the log, on the dashboard, before budgets.
//!
//! Load balancers stand at an address of their own, [`load_balancer::ADDRESS`]; everybody else is a
//! stranger to the edge.

use std::time::Duration;

use anyhow::Result;
use contract::http::StatusWord;
use futures_util::future::try_join_all;
use harness::hostile::wire;
use harness::{
    Bystanders, Ffmpeg, HANG, LoadBalancer, Options, Publisher, Redis, Stack, Stranger,
    load_balancer, wait,
};

const CLIENT: &str = "203.0.113.7:50000";
const NEIGHBOUR: &str = "203.0.113.8:50000";
/// From accept to the end of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
const FAILURES: &str = "stream_sync_edge_proxy_header_failures_total";

fn behind_load_balancers() -> Options {
    let address = load_balancer::ADDRESS.to_string();
    Options {
        own_edge: Some(vec!["--proxy-protocol-from".to_owned(), address]),
        ..Options::default()
    }
}

fn behind_load_balancers_with(redis: &Redis) -> Options {
    Options {
        redis: Some(redis.url()),
        ..behind_load_balancers()
    }
}

#[tokio::test]
async fn a_stream_behind_a_load_balancer_is_its_clients() -> Result<()> {
    let stack = Stack::start(behind_load_balancers()).await?;
    let mut dashboard = stack.dashboard().await?;
    let key = stack.key().await?;
    let balancer = LoadBalancer::before(stack.server(0), CLIENT.parse()?).await?;
    let encoder = Ffmpeg::publish(balancer.server(), &key)?;
    dashboard.expect_status(StatusWord::Live, HANG).await?;

    let neighbour = LoadBalancer::before(stack.server(0), NEIGHBOUR.parse()?).await?;
    let second = Publisher::publish(neighbour.server(), &key).await?;
    assert_eq!(second.refused()?, "NetStream.Publish.BadName");
    let (_, refused) = dashboard.expect_refused(HANG).await?;
    assert_eq!(refused.ip_address, "203.0.113.8");
    let line = stack.logs("publish refused", HANG).await?;
    assert!(line.contains("203.0.113.8"), "{line}");

    encoder.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    let sessions = stack.owner.sessions(stack.channel()).await?;
    assert_eq!(sessions[0].ip_address, "203.0.113.7");
    stack.stop().await
}

#[tokio::test]
async fn a_header_of_a_stranger_is_not_believed() -> Result<()> {
    let redis = Redis::start().await?;
    let stack = Stack::start(behind_load_balancers_with(&redis)).await?;
    let mut bystanders = Bystanders::go_live(&stack, 0, 1).await?;
    let edge = "127.0.0.1:1935".parse()?;
    let header = wire::proxy_header(CLIENT.parse()?, edge);
    let stranger = Stranger::connect(stack.server(0)).await?;
    let took = (stranger.pours(&[header, wire::hello()].concat(), HANG)).await?;
    assert!(took < HANDSHAKE, "it was the clock that dropped it");
    let line = stack.logs("version byte 0x0d", HANG).await?;
    assert!(line.contains("127.0.0.1"), "{line}");
    assert!(
        !stack.log().contains("203.0.113.7"),
        "the header was believed"
    );
    assert_eq!(stack.metric(0, FAILURES).await?, 0);
    bystanders.are_undisturbed(&stack).await?;
    bystanders.leave().await?;
    stack.stop().await?;
    redis.stop().await
}

#[tokio::test]
async fn a_guesser_behind_a_load_balancer_is_shut_out_and_its_neighbours_are_not() -> Result<()> {
    let stack = Stack::start(behind_load_balancers()).await?;
    let guesser = LoadBalancer::before(stack.server(0), CLIENT.parse()?).await?;
    let neighbour = LoadBalancer::before(stack.server(0), NEIGHBOUR.parse()?).await?;
    for _ in 0..10 {
        let refused = Publisher::publish(guesser.server(), "a guess").await?;
        assert_eq!(refused.refused()?, "NetStream.Publish.Denied");
    }
    // The tenth refusal is counted when its connection ends.
    wait::until("the door to be shut", HANG, async || {
        let mut stranger = Stranger::connect(guesser.server()).await?;
        let dropped = stranger.shakes_hands().await.is_err();
        Ok(dropped.then_some(()))
    })
    .await?;
    let key = stack.key().await?;
    let published = Publisher::publish(neighbour.server(), &key).await?;
    published.accepted()?.unpublish().await?;
    stack.stop().await
}

/// A connection of a load balancer that has said nothing yet.
async fn connection(stack: &Stack) -> Result<Stranger> {
    Stranger::connect_from(load_balancer::ADDRESS, stack.server(0)).await
}

#[tokio::test]
async fn a_load_balancer_without_a_header_is_dropped_within_its_limit_and_harms_nobody()
-> Result<()> {
    let redis = Redis::start().await?;
    let stack = Stack::start(behind_load_balancers_with(&redis)).await?;
    let mut bystanders = Bystanders::go_live(&stack, 0, 1).await?;
    let endless = [&wire::proxy_health_check()[..14], &[0xFF; 600]].concat();
    for (name, bytes) in [
        ("RTMP without a header", wire::hello()),
        (
            "a version that is not 2",
            b"PROXY TCP4 203.0.113.7 127.0.0.1 5 5\r\n".to_vec(),
        ),
        ("a header of 64 KB", endless),
    ] {
        let took = connection(&stack).await?.pours(&bytes, HANG).await?;
        println!("{name}: dropped after {took:?}");
        assert!(took < HANDSHAKE, "{name}: it was the clock that dropped it");
    }
    let header = wire::proxy_header(CLIENT.parse()?, "127.0.0.1:1935".parse()?);
    let slow = (0..100).map(async |number| {
        let mut slow = connection(&stack).await?;
        slow.send(&header[..number % header.len()]).await?;
        slow.is_dropped(3 * HANDSHAKE).await
    });
    let took = try_join_all(slow).await?;
    println!(
        "unfinished headers: dropped after {:?} at most",
        took.iter().max()
    );
    let failures = stack.metric(0, FAILURES).await?;
    assert_eq!(failures, 103);
    bystanders.are_undisturbed(&stack).await?;
    bystanders.leave().await?;
    stack.stop().await?;
    redis.stop().await
}

#[tokio::test]
async fn health_checks_of_a_load_balancer_are_no_failures() -> Result<()> {
    let stack = Stack::start(behind_load_balancers()).await?;
    for _ in 0..20 {
        let silent = connection(&stack).await?;
        let mut polite = connection(&stack).await?;
        polite.send(&wire::proxy_health_check()).await?;
        polite.shakes_hands().await?;
        drop((silent, polite));
    }
    wait::until("the edge to be empty", HANG, async || {
        let open = stack.metric(0, "stream_sync_edge_connections").await?;
        Ok((open == 0).then_some(()))
    })
    .await?;
    for name in [FAILURES, "stream_sync_edge_connections_refused_total"] {
        assert_eq!(stack.metric(0, name).await?, 0, "{name}");
    }
    let balancer = LoadBalancer::before(stack.server(0), CLIENT.parse()?).await?;
    let published = Publisher::publish(balancer.server(), &stack.key().await?).await?;
    published.accepted()?.unpublish().await?;
    stack.stop().await
}
