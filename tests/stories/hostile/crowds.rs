//! The same in numbers: what crowds of strangers do to those who publish, and what each costs.

use std::ops::Range;

use super::*;

const PUBLISHERS: usize = 50;
const PER_USER: usize = 10;
const STRANGERS: usize = 500;
/// What a connection may cost before its key is accepted.
const COST_BYTES: u64 = 64 * 1024;

/// So many channels of several users, each with its key.
pub(super) async fn channels(stack: &Stack, count: usize) -> Result<Vec<(Api, ChannelId, String)>> {
    let mut all = Vec::new();
    for number in 0..count {
        let user = UserId::parse(format!("user-{}", number / PER_USER))?;
        let api = stack.nobody.as_user(&user).await?;
        let channel = api.create_channel(&format!("Channel {number}")).await?.id;
        let key = api.generate_key(&channel).await?.stream_key;
        all.push((api, channel, key));
    }
    Ok(all)
}

/// Ten seconds of a small picture.
async fn picture(folder: &std::path::Path) -> Result<std::path::PathBuf> {
    let file = folder.join("picture.flv");
    let mut ffmpeg = programs::of_the_machine("ffmpeg")?;
    ffmpeg.args("-f lavfi -i testsrc2=size=320x180:rate=15 -f lavfi -i sine -t 10".split(' '));
    ffmpeg.args("-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 30 -b:v 150k".split(' '));
    ffmpeg
        .args("-maxrate 150k -bufsize 150k -c:a aac -b:a 48k".split(' '))
        .arg(&file);
    let output = programs::run(ffmpeg, 4 * HANG).await?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(file)
}

/// What `rtmp-load` says at its end.
async fn load(stack: &Stack, flags: &str) -> Result<serde_json::Value> {
    let mut command = programs::ours("rtmp-load")?;
    command
        .args(["--url", stack.server(0)])
        .args(flags.split(' '));
    let output = programs::run(command, 4 * HANG).await?;
    serde_json::from_slice(&output.stdout).context("rtmp-load says nothing")
}

async fn who_is_live(
    channels: &[(Api, ChannelId, String)],
) -> Result<Vec<impl PartialEq + std::fmt::Debug + use<>>> {
    let mut all = Vec::new();
    for (api, channel, _) in channels {
        let status = api.status(channel).await?;
        ensure!(status.status == StatusWord::Live, "{status:?}");
        all.push((status.session_id, status.generation, status.sequence));
    }
    Ok(all)
}

#[tokio::test]
async fn slow_sockets_and_thousands_of_handshakes_disturb_no_publisher() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let folder = tempfile::tempdir()?;
    let picture = picture(folder.path()).await?;
    let channels = channels(&stack, PUBLISHERS).await?;
    let keys: Vec<&str> = channels.iter().map(|(_, _, key)| key.as_str()).collect();
    std::fs::write(folder.path().join("keys"), keys.join("\n"))?;
    let mut command = programs::ours("rtmp-load")?;
    command.args([
        "--url",
        stack.server(0),
        "--connections",
        &PUBLISHERS.to_string(),
    ]);
    command
        .arg("--flv")
        .arg(picture)
        .arg("--keys")
        .arg(folder.path().join("keys"));
    // For longer than both crowds may take: 30 and 60 s, as their flags say.
    command.args("--ramp 50 --settle 0 --window 120 --duration 240".split(' '));
    let mut publishers = Process::spawn("rtmp-load", command)?;
    publishers.writes("window begins", 2 * HANG).await?;
    let live = async || who_is_live(&channels).await.ok();
    let before = wait::until("all to be live", HANG, async || Ok(live().await)).await?;

    let slow = load(
        &stack,
        "--slowloris 500 --ramp 1000 --interval 1 --duration 30",
    )
    .await?;
    println!("slowloris: {slow}");
    assert_eq!((&slow["reaped"], &slow["left"]), (&500.into(), &0.into()));
    let hands = load(&stack, "--handshakes 5000 --rate 600 --duration 60").await?;
    println!("handshakes: {hands}");
    assert_eq!(hands["completed"], 5_000);

    assert_eq!(who_is_live(&channels).await?, before);
    ensure!(
        publishers.exit(10 * HANG).await?.success(),
        "the publishers failed"
    );
    let report: serde_json::Value = serde_json::from_str(&publishers.stdout())?;
    println!("publishers meanwhile: {report}");
    assert_eq!(
        (&report["started"], &report["dropped"]),
        (&PUBLISHERS.into(), &0.into())
    );
    stack.stop().await
}

/// How far all strangers are, and what they have cost until there.
#[allow(
    clippy::print_stdout,
    reason = "figures of the run, for whoever reads its output"
)]
async fn cost(stack: &Stack, before: u64, stage: &str) -> Result<()> {
    let open = stack.metric(0, "stream_sync_edge_connections").await?;
    let grown = stack.resident_bytes()?.saturating_sub(before);
    let each = grown / u64::try_from(STRANGERS)?;
    println!("{stage}: {:.1} KiB a connection", bytes_as_kib(each));
    ensure!(
        open >= u64::try_from(STRANGERS)?,
        "{stage}: only {open} are still connected"
    );
    ensure!(each <= COST_BYTES, "{stage}: {each} bytes a connection");
    Ok(())
}

fn bytes_as_kib(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1024.0
}

/// A command of `length` bytes on each of the chunk streams, of which no more than one chunk comes.
pub(super) fn unfinished_commands(streams: Range<u32>, length: u32, chunk: u16) -> Vec<u8> {
    let one = |stream| {
        let mut bytes = wire::header(stream, kind::COMMAND, length, 0);
        bytes.resize(bytes.len() + usize::from(chunk), 0);
        bytes
    };
    let chunk_size = wire::set_chunk_size(chunk.into());
    [chunk_size, streams.flat_map(one).collect()].concat()
}

/// What the server holds once and for all has been held before: its first connections.
async fn warm_up(stack: &Stack) -> Result<()> {
    for _ in 0..20 {
        Stranger::connect(stack.server(0))
            .await?
            .introduces_itself()
            .await?;
    }
    wait::until("the edge to be empty", HANG, async || {
        let open = stack.metric(0, "stream_sync_edge_connections").await?;
        Ok((open == 0).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_stranger_costs_at_most_64_kib() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    warm_up(&stack).await?;
    let before = stack.resident_bytes()?;
    let server = stack.server(0);
    let connected = (0..STRANGERS).map(|_| Stranger::connect(server));
    let mut strangers = try_join_all(connected).await?;
    for stranger in &mut strangers {
        stranger.send(&wire::hello()[..1_536]).await?;
    }
    cost(&stack, before, "in the handshake").await?;
    try_join_all(strangers.iter_mut().map(Stranger::finishes_the_handshake)).await?;
    cost(&stack, before, "after the handshake").await?;
    let name = "n".repeat(2_000);
    let connect = wire::connect(&name, &name);
    for stranger in &mut strangers {
        stranger.send(&connect).await?;
    }
    try_join_all(
        strangers
            .iter_mut()
            .map(|stranger| stranger.hears("Connect.Success")),
    )
    .await?;
    cost(&stack, before, "after connect").await?;
    // As much as a stranger may: one command on each of sixteen chunk streams.
    let unfinished = unfinished_commands(3..18, 16_000, 1_024);
    for stranger in &mut strangers {
        stranger.send(&unfinished).await?;
        stranger.send(&wire::ping()).await?;
    }
    // The answer says that what came before the ping has been read.
    let answered = strangers
        .iter_mut()
        .map(|stranger| stranger.hears(wire::PONG));
    try_join_all(answered).await?;
    cost(&stack, before, "with as much unfinished as is allowed").await?;
    drop(strangers);
    stack.stop().await
}
