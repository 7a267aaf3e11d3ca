//! What all connections together may hold of messages that never end.

use harness::Redis;

use super::crowds::{channels, unfinished_commands};
use super::*;

/// The least that an edge can be told.
const BUDGET: u64 = 16 * 1024 * 1024;
/// What a publisher holds with one command unfinished on each of fifteen chunk streams.
const HOARD: u64 = 15 * 64 * 1024;
/// What is then left of the budget holds one command more, or so many of strangers.
const HOARDERS: u64 = BUDGET / HOARD;
const COMMAND_OF_A_STRANGER: u32 = 16_000;
const STRANGERS: u64 = BUDGET % HOARD / COMMAND_OF_A_STRANGER as u64;

/// Waits until all hold exactly this: whoever was cut gives back what it held when it is gone.
async fn all_hold(stack: &Stack, bytes: u64) -> Result<()> {
    wait::until("what is held to be as much as expected", HANG, async || {
        let held = stack.metric(0, "stream_sync_edge_held_bytes").await?;
        Ok((held == bytes).then_some(()))
    })
    .await
}

/// Sends what is to be held; the answer to a ping says that all of it has been read.
async fn hoards(mut stranger: Stranger, unfinished: &[u8]) -> Result<Stranger> {
    stranger.send(&[unfinished, &wire::ping()].concat()).await?;
    stranger.hears(wire::PONG).await?;
    Ok(stranger)
}

async fn publisher(stack: &Stack, key: &str) -> Result<Stranger> {
    let mut publisher = Stranger::connect(stack.server(0)).await?;
    publisher.is_let_in(key).await?;
    Ok(publisher)
}

async fn stranger(stack: &Stack) -> Result<Stranger> {
    let mut stranger = Stranger::connect(stack.server(0)).await?;
    stranger.introduces_itself().await?;
    Ok(stranger)
}

#[tokio::test]
async fn unfinished_messages_beyond_the_memory_budget_are_cut_and_disturb_nobody() -> Result<()> {
    let redis = Redis::start().await?;
    // Hoarders send no media, and are not to be cut for that.
    let flags = ["--memory-budget-mib=16", "--timeout-no-media=300"];
    let stack = Stack::start(Options {
        own_edge: Some(flags.map(str::to_owned).to_vec()),
        redis: Some(redis.url()),
        ..Options::default()
    })
    .await?;
    let mut bystanders = Bystanders::go_live(&stack, 0, 2).await?;
    let channels = channels(&stack, usize::try_from(HOARDERS)? + 2).await?;
    let mut keys = channels.iter().map(|(_, _, key)| key);
    let mut next_publisher = async || publisher(&stack, keys.next().context("no key left")?).await;

    let commands = unfinished_commands(3..18, 64 * 1024, u16::MAX);
    let mut hoarders = Vec::new();
    for _ in 0..HOARDERS {
        hoarders.push(hoards(next_publisher().await?, &commands).await?);
    }
    next_publisher().await?.pours(&commands, HANG).await?;
    all_hold(&stack, HOARDERS * HOARD).await?;

    let command = unfinished_commands(4..5, COMMAND_OF_A_STRANGER, 15_000);
    for _ in 0..STRANGERS {
        hoarders.push(hoards(stranger(&stack).await?, &command).await?);
    }
    stranger(&stack).await?.pours(&command, HANG).await?;
    let of_strangers = STRANGERS * u64::from(COMMAND_OF_A_STRANGER);
    all_hold(&stack, HOARDERS * HOARD + of_strangers).await?;

    let closed = stack.metric(0, "stream_sync_edge_out_of_memory_total");
    assert_eq!(closed.await?, 2);
    stack.logs("as much as they may", HANG).await?;
    bystanders.are_undisturbed(&stack).await?;
    let open = stack.metric(0, "stream_sync_edge_connections").await?;
    let stay = HOARDERS + STRANGERS + u64::try_from(bystanders.count())?;
    assert_eq!(open, stay, "somebody else was cut");

    drop(hoarders);
    all_hold(&stack, 0).await?;
    hoards(next_publisher().await?, &commands).await?;
    bystanders.leave().await?;
    stack.stop().await?;
    redis.stop().await
}
