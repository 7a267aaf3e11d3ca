//! The proxy before the embedded database, with the product's own client in front of it.

use std::time::{Duration, Instant};

use domain::EdgeId;
use domain::edge::{Edge, State, Write};
use domain::lease::Heartbeat;
use store::{Error, Store};
use stream_sync::database::{self, Database};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;

/// A database, a proxy with two lines before it, and the store as each line shows it.
struct Scene {
    proxy: FaultProxy,
    first: Store,
    second: Store,
    _database: DropGuard,
}

impl Scene {
    async fn open() -> Result<Self> {
        let database = Database::embedded(None).await?;
        let embedded = database.as_embedded().context("nothing is embedded")?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let upstream = format!("http://{}", listener.local_addr()?);
        let shutdown = CancellationToken::new();
        tokio::spawn(database::serve(listener, embedded, shutdown.clone()));
        let names = ["first", "second"].map(str::to_owned);
        let proxy = FaultProxy::start(&upstream, &names, 1).await?;
        let first = store(&proxy.url("first")?).await?;
        first.create_tables().await?;
        let second = store(&proxy.url("second")?).await?;
        Ok(Self {
            proxy,
            first,
            second,
            _database: shutdown.drop_guard(),
        })
    }
}

async fn store(url: &str) -> Result<Store> {
    let config = Database::Remote(url.parse()?).sdk_config().await;
    let config = store::client::config_for(&config).build();
    Ok(Store::new(aws_sdk_dynamodb::Client::from_conf(config), ""))
}

fn edge(id: u8) -> Edge {
    Edge {
        id: EdgeId::from_random([id; 16]),
        name: "edge".to_owned(),
        epoch: 1,
        boot_id: "boot".to_owned(),
        heartbeat: 0,
        state: State::Up,
        swept: false,
        region: "local".to_owned(),
        rtmp_url: "rtmp://127.0.0.1:1/live".to_owned(),
        rtmps_url: None,
        peer_address: None,
        publishers: 0,
        capacity: 1,
    }
}

fn is_unavailable<T: std::fmt::Debug>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Unavailable(_)))
}

#[tokio::test]
async fn a_line_that_is_cut_is_cut_alone_and_comes_back() -> Result<()> {
    let scene = Scene::open().await?;
    assert_eq!(scene.first.edges().await?, []);
    scene.proxy.set("first", Faults::cut())?;
    assert!(is_unavailable(&scene.first.edges().await));
    assert_eq!(scene.second.edges().await?, []);
    scene.proxy.set("first", Faults::default())?;
    assert_eq!(scene.first.edges().await?, []);
    Ok(())
}

#[tokio::test]
async fn a_lost_request_is_not_carried_out_and_a_lost_answer_is() -> Result<()> {
    let scene = Scene::open().await?;
    scene.proxy.set("first", Faults::requests_lost(1.0))?;
    assert!(is_unavailable(
        &scene.first.write_edge(&Write::Boot(edge(1))).await
    ));
    assert_eq!(scene.second.edges().await?, []);

    let lost = Faults::answers_lost(1.0).only(&["PutItem"]);
    scene.proxy.set("first", lost)?;
    assert!(is_unavailable(
        &scene.first.write_edge(&Write::Boot(edge(1))).await
    ));
    assert_eq!(scene.first.edges().await?, [edge(1)], "scans are spared");

    scene.proxy.set("first", Faults::default())?;
    assert!(scene.first.write_edge(&Write::Boot(edge(1))).await?);
    let puts = scene.proxy.counts().sum(|call| call.operation == "PutItem");
    assert!(puts.requests_lost > 0 && puts.answers_lost > 0, "{puts:?}");
    Ok(())
}

#[tokio::test]
async fn a_throttled_call_is_tried_again_and_not_carried_out() -> Result<()> {
    let scene = Scene::open().await?;
    scene.proxy.set_all(&Faults::throttled(1.0));
    let answer = scene.first.write_edge(&Write::Boot(edge(1))).await;
    assert!(is_unavailable(&answer), "{answer:?}");
    let counts = scene.proxy.counts();
    let puts = counts.sum(|call| call.operation == "PutItem");
    assert!(puts.requests > 1, "the client does not try again: {puts:?}");
    assert_eq!(puts.throttled, puts.requests);
    scene.proxy.set_all(&Faults::default());
    assert_eq!(scene.first.edges().await?, []);
    Ok(())
}

#[tokio::test]
async fn a_delay_is_on_every_request() -> Result<()> {
    const DELAY: Duration = Duration::from_millis(100);
    let scene = Scene::open().await?;
    scene.proxy.set("second", Faults::delayed(DELAY))?;
    let before = Instant::now();
    scene.second.edges().await?;
    assert!(before.elapsed() >= DELAY);
    Ok(())
}

#[tokio::test]
async fn requests_are_counted_by_line_operation_and_table_with_their_units() -> Result<()> {
    let scene = Scene::open().await?;
    let before = scene.proxy.counts();
    scene.second.write_edge(&Write::Boot(edge(1))).await?;
    scene.second.edges().await?;
    let beat = Write::Beat {
        edge_id: edge(1).id,
        heartbeat: Heartbeat {
            epoch: 1,
            number: 7,
        },
        publishers: 0,
    };
    assert!(!scene.second.write_edge(&beat).await?);
    let counts = scene.proxy.counts().since(&before);
    let of = |operation: &str| {
        counts.sum(|call| {
            (&*call.line, &*call.table, &*call.operation) == ("second", "edges", operation)
        })
    };
    let (put, scan, beat) = (of("PutItem"), of("Scan"), of("UpdateItem"));
    assert_eq!((put.requests, put.write_units), (1, 1.0));
    assert_eq!((scan.requests, scan.read_units), (1, 1.0));
    assert_eq!((beat.conditions_failed, beat.write_units), (1, 1.0));
    assert_eq!(counts.sum(|call| call.line == "first").requests, 0);
    Ok(())
}
