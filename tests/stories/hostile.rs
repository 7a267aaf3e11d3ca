//! Whoever misbehaves on the ingest port is dropped within its limit, and nobody who is live
//! notices.
//!
//! Times are printed; what is asserted of them is the promised limit, tripled for a busy machine.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use contract::http::StatusWord;
use domain::{ChannelId, UserId};
use futures_util::future::{BoxFuture, FutureExt as _, try_join_all};
use harness::hostile::wire::{self, kind};
use harness::{
    Api, Bystanders, HANG, Options, Process, Publisher, Stack, Stranger, programs, wait,
};

/// From accept to the end of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// From accept to the publish command.
const PUBLISH: Duration = Duration::from_secs(10);
/// Without media from `NetStream.Publish.Start` on.
const NO_MEDIA: Duration = Duration::from_secs(15);
/// For one write to a socket.
const WRITE: Duration = Duration::from_secs(5);
/// What is dropped for what it sent is dropped sooner than any clock would do it.
const AT_ONCE: Duration = Duration::from_secs(4);
/// The two clocks of a limit are read at either end of a connection.
const CLOCKS_APART: Duration = Duration::from_millis(200);

/// How far a hostile client goes along with the dialogue before it misbehaves.
#[derive(Clone, Copy)]
enum After {
    Opening,
    Handshake,
    Connect,
    PublishStart,
}

/// What is sent, and how the edge's log calls it.
struct Attack {
    name: &'static str,
    after: After,
    bytes: Vec<u8>,
    logged: &'static str,
}

fn attack(name: &'static str, after: After, bytes: Vec<u8>, logged: &'static str) -> Attack {
    Attack {
        name,
        after,
        bytes,
        logged,
    }
}

fn attacks() -> Vec<Attack> {
    use After::{Connect, Handshake, Opening, PublishStart};
    let sixteen_megabytes = vec![0; 16 * 1024 * 1024];
    let declared = |kind| {
        [
            wire::header(6, kind, 0x00FF_FFFF, 1),
            sixteen_megabytes.clone(),
        ]
        .concat()
    };
    let acknowledgement = |id| [wire::header(id, kind::ACKNOWLEDGEMENT, 4, 0), vec![0; 4]].concat();
    let long_key = [&b"publish"[..], &[b'k'; 0xFFFF]].concat();
    vec![
        attack(
            "HTTP, its first byte",
            Opening,
            b"G".to_vec(),
            "version byte 0x47",
        ),
        attack(
            "TLS, its first byte",
            Opening,
            vec![0x16],
            "version byte 0x16",
        ),
        attack("encrypted RTMP", Opening, vec![6], "version byte 0x06"),
        attack(
            "chunk size 0",
            Handshake,
            wire::set_chunk_size(0),
            "chunk size 0 is outside",
        ),
        attack(
            "chunk size 2^31-1",
            Handshake,
            wire::set_chunk_size(0x7FFF_FFFF),
            "chunk size 2147483647 is outside",
        ),
        attack(
            "a command of 16 MB",
            Handshake,
            declared(kind::COMMAND),
            "message type 20 of 16777215 bytes is longer than 16384",
        ),
        attack(
            "a picture of 16 MB",
            PublishStart,
            declared(kind::VIDEO),
            "message type 9 of 16777215 bytes is longer than 4194304",
        ),
        attack(
            "media before a publish",
            Connect,
            wire::message(4, kind::AUDIO, 1, &[0xAF, 1, 2]),
            "media before publish",
        ),
        attack(
            "3,000 objects in one another",
            Handshake,
            wire::nested(3_000),
            "nested deeper than 16",
        ),
        attack(
            "a play",
            Connect,
            wire::command("play", &[5]),
            "play is not offered",
        ),
        attack(
            "60,000 chunk streams",
            Handshake,
            (64..60_064).flat_map(acknowledgement).collect(),
            "more than 16 chunk streams",
        ),
        attack(
            "100,000 createStream",
            Connect,
            wire::create_stream().repeat(100_000),
            "more than 4 streams created",
        ),
        attack(
            "a key of 64 KB",
            Connect,
            wire::publish(&long_key),
            "is longer than 16384",
        ),
        attack(
            "a key of 15 KB",
            Connect,
            wire::publish(&[b'k'; 15 * 1024]),
            "longer than 2048 bytes",
        ),
        attack(
            "talk without end",
            Connect,
            wire::command("FCSubscribe", &[5; 400]).repeat(1_000),
            "more than 262144 bytes before publish",
        ),
        attack(
            "a flood of pings",
            PublishStart,
            wire::ping().repeat(100_000),
            "bytes of replies waiting",
        ),
    ]
}

#[tokio::test]
async fn hostile_bytes_are_dropped_at_once_and_disturb_nobody() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let mut bystanders = Bystanders::go_live(&stack, 2, 2).await?;
    let key = stack.key().await?;
    for attack in attacks() {
        let mut stranger = Stranger::connect(stack.server(0)).await?;
        match attack.after {
            After::Opening => {}
            After::Handshake => stranger.shakes_hands().await?,
            After::Connect => stranger.introduces_itself().await?,
            After::PublishStart => stranger.is_let_in(&key).await?,
        }
        let began = Instant::now();
        let name = attack.name;
        (stranger.pours(&attack.bytes, HANG).await).with_context(|| name)?;
        println!("{name}: dropped after {:?}", began.elapsed());
        assert!(
            began.elapsed() < AT_ONCE,
            "{name}: it was the clock that dropped it"
        );
        stack
            .logs(attack.logged, HANG)
            .await
            .with_context(|| name)?;
        only_these_are_connected(&stack, &bystanders)
            .await
            .with_context(|| name)?;
        bystanders
            .are_undisturbed(&stack)
            .await
            .with_context(|| name)?;
    }
    bystanders.leave().await?;
    stack.stop().await
}

/// Waits until nobody else is connected: whoever was dropped has left nothing.
async fn only_these_are_connected(stack: &Stack, bystanders: &Bystanders) -> Result<()> {
    wait::until("the edge to forget who was dropped", HANG, async || {
        let open = stack.metric(0, "stream_sync_edge_connections").await?;
        Ok((open == u64::try_from(bystanders.count())?).then_some(()))
    })
    .await
}

/// A channel of the story's owner, with its key.
async fn channel_with_a_key(stack: &Stack, name: &str) -> Result<(ChannelId, String)> {
    let channel = stack.owner.create_channel(name).await?.id;
    let key = stack.owner.generate_key(&channel).await?.stream_key;
    Ok((channel, key))
}

/// What took how long, and how long it was to take.
type Timed<'a> = BoxFuture<'a, Result<(&'static str, Duration, Duration)>>;

/// Each begins with a connection of its own and ends with how long that took to be dropped.
fn silent_ones(server: &str) -> Vec<Timed<'_>> {
    let each = Duration::from_millis(100);
    let opened = move || Stranger::connect(server);
    vec![
        async move {
            let took = opened().await?.is_dropped(3 * HANDSHAKE).await?;
            Ok(("a silent socket", HANDSHAKE, took))
        }
        .boxed(),
        async move {
            let mut stranger = opened().await?;
            stranger.send(&wire::hello()[..700]).await?;
            Ok((
                "half of C1",
                HANDSHAKE,
                stranger.is_dropped(3 * HANDSHAKE).await?,
            ))
        }
        .boxed(),
        async move {
            let mut stranger = opened().await?;
            stranger.send(&wire::hello()).await?;
            Ok((
                "no C2",
                HANDSHAKE,
                stranger.is_dropped(3 * HANDSHAKE).await?,
            ))
        }
        .boxed(),
        async move {
            let took = opened()
                .await?
                .drips(&wire::hello(), each, 3 * HANDSHAKE)
                .await?;
            Ok(("a handshake byte by byte", HANDSHAKE, took))
        }
        .boxed(),
        async move {
            let mut stranger = opened().await?;
            stranger.shakes_hands().await?;
            Ok((
                "a handshake and no more",
                PUBLISH,
                stranger.is_dropped(3 * PUBLISH).await?,
            ))
        }
        .boxed(),
        async move {
            let mut stranger = opened().await?;
            stranger.shakes_hands().await?;
            let connect = wire::connect("live", "rtmp://127.0.0.1/live");
            let took = stranger.drips(&connect, each, 3 * PUBLISH).await?;
            Ok(("connect byte by byte", PUBLISH, took))
        }
        .boxed(),
        async move {
            let mut stranger = opened().await?;
            stranger.introduces_itself().await?;
            Ok((
                "connect and no publish",
                PUBLISH,
                stranger.is_dropped(3 * PUBLISH).await?,
            ))
        }
        .boxed(),
        async move {
            let mut stranger = opened().await?;
            stranger.introduces_itself().await?;
            let took = stranger
                .repeats(&[&wire::ping()], each, 3 * PUBLISH)
                .await?;
            Ok(("pings and no publish", PUBLISH, took))
        }
        .boxed(),
    ]
}

/// The same by those who have a key each.
fn silent_publishers<'a>(server: &'a str, keys: &'a [String; 3]) -> Vec<Timed<'a>> {
    let each = Duration::from_millis(100);
    let let_in = async |key: &str| -> Result<(Stranger, Duration)> {
        let mut stranger = Stranger::connect(server).await?;
        stranger.is_let_in(key).await?;
        let before = stranger.opened().elapsed();
        Ok((stranger, before))
    };
    vec![
        async move {
            let (mut stranger, before) = let_in(&keys[0]).await?;
            let took = stranger.is_dropped(3 * NO_MEDIA).await?;
            Ok(("a publish and no media", NO_MEDIA, took - before))
        }
        .boxed(),
        async move {
            let (mut stranger, before) = let_in(&keys[1]).await?;
            let took = stranger
                .repeats(&[&wire::ping()], each, 3 * NO_MEDIA)
                .await?;
            Ok(("a publish, pings and no media", NO_MEDIA, took - before))
        }
        .boxed(),
        async move {
            let (stranger, _) = let_in(&keys[2]).await?;
            // One answer in so many bytes stays below the bound of answers that wait.
            let audio = wire::message(4, kind::AUDIO, 1, &[0xAF; 120]);
            let talk = [wire::ping(), audio.clone(), audio].concat().repeat(64);
            let took = stranger.talks_without_listening(&talk, 6 * WRITE).await?;
            Ok(("a publisher that never reads", WRITE, took))
        }
        .boxed(),
    ]
}

#[tokio::test]
async fn slow_and_silent_peers_are_dropped_within_their_limits() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let mut bystanders = Bystanders::go_live(&stack, 1, 2).await?;
    let mut keys = [const { String::new() }; 3];
    for key in &mut keys {
        *key = channel_with_a_key(&stack, "Slow").await?.1;
    }
    let mut all = silent_ones(stack.server(0));
    all.extend(silent_publishers(stack.server(0), &keys));
    for (name, limit, took) in try_join_all(all).await? {
        println!("{name}: dropped after {took:?}, the limit is {limit:?}");
        assert!(took + CLOCKS_APART >= limit, "{name} was dropped too early");
        assert!(took <= 3 * limit, "{name} was dropped too late");
    }
    stack.logs("step=\"write\"", HANG).await?;
    only_these_are_connected(&stack, &bystanders).await?;
    bystanders.are_undisturbed(&stack).await?;
    bystanders.leave().await?;
    stack.stop().await
}

#[tokio::test]
async fn a_key_of_any_bytes_is_refused_and_none_of_it_logged() -> Result<()> {
    const MARK: &str = "forged-by-a-key";
    let stack = Stack::start(Options::default()).await?;
    let mut bystanders = Bystanders::go_live(&stack, 0, 2).await?;
    let key = stack.key().await?;
    let keys: [Vec<u8>; 8] = [
        format!("{MARK}\0{MARK}").into(),
        format!("x\n2030-01-01T00:00:00Z ERROR {MARK}\r\n").into(),
        format!("\u{1b}[31m{MARK}\u{1b}[0m\u{7}").into(),
        format!("{key}\0{MARK}").into(),
        format!("{MARK}\n{key}").into(),
        [&b"\xFF\xFE\x80"[..], MARK.as_bytes()].concat(),
        MARK.repeat(100).into(),
        Vec::new(),
    ];
    for (number, key) in keys.iter().enumerate() {
        let mut stranger = Stranger::connect(stack.server(0)).await?;
        stranger.shakes_hands().await?;
        let encoder = format!("FMLE\n{MARK}: number {number}");
        let url = format!("rtmp://127.0.0.1/live\n{MARK}");
        stranger
            .send(&wire::connect_as(&encoder, "live", &url))
            .await?;
        stranger.send(&wire::create_stream()).await?;
        stranger.send(&wire::publish(key)).await?;
        stranger.hears("NetStream.Publish.Denied").await?;
        stranger.is_dropped(HANG).await?;
        stack
            .logs(&format!("{MARK}: number {number}"), HANG)
            .await?;
    }
    // The name that an encoder gives itself is logged, on the line of its refusal; nothing else is.
    let log = stack.log();
    let marked: Vec<&str> = log.lines().filter(|line| line.contains(MARK)).collect();
    assert_eq!(marked.len(), keys.len(), "{marked:#?}");
    for line in marked {
        assert_eq!(line.matches(MARK).count(), 1, "{line}");
        assert!(
            line.contains("Unauthorized") && line.contains("FMLE"),
            "{line}"
        );
    }
    bystanders.are_undisturbed(&stack).await?;
    bystanders.leave().await?;
    stack.stop().await
}

#[tokio::test]
async fn who_leaves_while_its_publish_is_decided_leaves_nothing() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let mut bystanders = Bystanders::go_live(&stack, 0, 2).await?;
    let (channel, key) = channel_with_a_key(&stack, "Fickle").await?;
    let whole = [
        wire::connect("live", "rtmp://127.0.0.1/live"),
        wire::create_stream(),
        wire::publish(key.as_bytes()),
    ];
    for _ in 0..20 {
        let mut stranger = Stranger::connect(stack.server(0)).await?;
        stranger.shakes_hands().await?;
        stranger.send(&whole.concat()).await?;
    }
    only_these_are_connected(&stack, &bystanders).await?;
    let next = wait::until("the lock to be free", HANG, async || {
        use harness::publisher::Outcome;
        match Publisher::publish(stack.server(0), &key).await? {
            Outcome::Accepted(publisher) => Ok(Some(publisher)),
            Outcome::Refused(_) => Ok(None),
        }
    });
    next.await?.unpublish().await?;
    let status = stack.owner.status(&channel).await?;
    assert_eq!(status.status, StatusWord::Offline);
    assert!(stack.owner.sessions(&channel).await?.is_empty());
    bystanders.are_undisturbed(&stack).await?;
    bystanders.leave().await?;
    stack.stop().await
}

/// An address of this machine that is not loopback. Nothing is sent to find it.
fn address_of_this_machine() -> Result<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let anywhere = "198.51.100.1:9";
    (socket.connect(anywhere)).context("this story needs an address that is not loopback")?;
    Ok(socket.local_addr()?.ip())
}

#[tokio::test]
async fn eleven_wrong_keys_in_a_minute_shut_the_door_for_their_address_alone() -> Result<()> {
    let stack = Stack::start(Options {
        rtmp: "0.0.0.0:0".to_owned(),
        ..Options::default()
    })
    .await?;
    let port = url::Url::parse(stack.server(0))?
        .port()
        .context("no port")?;
    let outside = format!("rtmp://{}:{port}/live", address_of_this_machine()?);
    let inside = format!("rtmp://127.0.0.1:{port}/live");
    let (_, key) = channel_with_a_key(&stack, "From the same address").await?;
    let mut live = Publisher::publish(&outside, &key).await?.accepted()?;
    live.send_keyframe(0).await?;

    // Encoders that come back too early are turned away every other second and guess nothing.
    for _ in 0..12 {
        let code = Publisher::publish(&outside, &key).await?.refused()?;
        assert_eq!(code, "NetStream.Publish.BadName");
    }
    for _ in 0..10 {
        let code = Publisher::publish(&outside, "a guess").await?.refused()?;
        assert_eq!(code, "NetStream.Publish.Denied");
    }
    // The tenth refusal is counted when its connection ends.
    wait::until("the door to be shut", HANG, async || {
        let mut stranger = Stranger::connect(&outside).await?;
        let dropped =
            stranger.send(&wire::hello()).await.is_err() || stranger.hears("\0\0\0").await.is_err();
        Ok(dropped.then_some(()))
    })
    .await?;
    let key = stack.key().await?;
    let mut neighbour = Publisher::publish(&inside, &key).await?.accepted()?;
    neighbour.send_keyframe(0).await?;
    assert!(
        live.is_closed(Duration::from_millis(500)).await.is_err(),
        "who is live was cut"
    );
    live.send_keyframe(1_000).await?;
    live.unpublish().await?;
    neighbour.unpublish().await?;
    stack.stop().await
}

#[path = "hostile/crowds.rs"]
mod crowds;
#[path = "hostile/memory.rs"]
mod memory;
