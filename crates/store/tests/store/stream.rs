//! The change stream of live items, which status-fanout lives on: every change, in order, with what was
//! there before.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_sdk_dynamodbstreams::types::{AttributeValue, Record, ShardIteratorType};
use domain::ChannelId;
use domain::live::{EndReason, Item, Write, Written};
use serde_json::{Map, Value, json};
use store::StreamChange;

use crate::database::Database;
use crate::live::{NOW, acquire, channel, claim, must, owner};

/// How long a change may take into the stream: a hang guard.
const WITHIN: Duration = Duration::from_secs(20);
/// How often new changes are asked for.
const POLL: Duration = Duration::from_millis(50);

/// Everything in the stream of `live`, once it is as many changes as that.
async fn changes(database: &Database, count: usize) -> Vec<Record> {
    let began = Instant::now();
    loop {
        let found = all_changes(database).await;
        if found.len() >= count {
            return found;
        }
        assert!(
            began.elapsed() < WITHIN,
            "{} of {count} changes",
            found.len()
        );
        tokio::time::sleep(POLL).await;
    }
}

async fn all_changes(database: &Database) -> Vec<Record> {
    let streams = &database.streams;
    let listed = streams.list_streams().table_name(database.table("live"));
    let listed = listed.send().await.expect("streams");
    let arn = listed
        .streams()
        .first()
        .and_then(|stream| stream.stream_arn());
    let arn = arn.expect("live has a stream");
    let described = streams.describe_stream().stream_arn(arn).send().await;
    let described = described.expect("a stream").stream_description;
    let mut found = Vec::new();
    for shard in described.expect("a description").shards() {
        let from = streams
            .get_shard_iterator()
            .stream_arn(arn)
            .shard_id(shard.shard_id().expect("an id"))
            .shard_iterator_type(ShardIteratorType::TrimHorizon);
        let mut iterator = from.send().await.expect("an iterator").shard_iterator;
        while let Some(from) = iterator {
            let read = streams.get_records().shard_iterator(from).send().await;
            let read = read.expect("records");
            let records = read.records.unwrap_or_default();
            iterator = read.next_shard_iterator.filter(|_| !records.is_empty());
            found.extend(records);
        }
    }
    found
}

fn item(database: &Database, image: Option<&HashMap<String, AttributeValue>>) -> Option<Item> {
    let attribute = |value: &AttributeValue| match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        other => panic!("no attribute of a live item is {other:?}"),
    };
    let image = image?
        .iter()
        .map(|(name, value)| (name.clone(), attribute(value)));
    let image = Value::from(image.collect::<Map<_, _>>());
    let read = database
        .store
        .stream_change(&database.stream_of("live"), &image, None);
    let Ok(StreamChange::Live { item, .. }) = read else {
        panic!("not a live item");
    };
    Some(item)
}

/// The life of a channel, as the writes that make it and what each leaves.
fn life(id: &ChannelId) -> Vec<(Write, Item)> {
    let mut life: Vec<(Write, Item)> = Vec::new();
    let steps: [fn(&ChannelId, Option<&Item>) -> Write; 4] = [
        |id, item| acquire(item, &claim(id, 1)),
        |id, item| Write::GoLive {
            channel_id: id.clone(),
            owner: owner(1),
            generation: item.map_or(0, |item| item.version.generation),
            now: NOW,
        },
        |_, item| {
            let dropped = item.and_then(|item| item.dropped(NOW, Duration::from_secs(10)));
            dropped.expect("held")
        },
        |_, item| {
            let ended = item.and_then(|item| item.offline(NOW, EndReason::Dropped));
            ended.expect("in grace")
        },
    ];
    for step in steps {
        let before = life.last().map(|(_, item)| item.clone());
        let write = step(id, before.as_ref());
        let left = write.apply(before.as_ref()).expect("permitted");
        life.push((write, left));
    }
    life
}

#[tokio::test]
async fn each_change_of_a_live_item_is_in_the_stream_once_and_in_order_with_what_was_there_before()
{
    let database = Database::start().await;
    let store = &database.store;
    let lives: Vec<_> = (0..3).map(|number| life(&channel(number))).collect();
    for step in 0..lives[0].len() {
        for life in &lives {
            let (write, left) = &life[step];
            assert_eq!(must(store, write).await, *left);
            // The same again changes nothing, nor does what comes too late.
            assert_eq!(must(store, write).await, *left);
            let late = store.write_live(&life[0].0).await.expect("available");
            assert_eq!(matches!(late, Written::Rejected(_)), step > 0);
        }
    }
    let count = lives.iter().map(Vec::len).sum();
    let found = changes(&database, count).await;
    assert_eq!(found.len(), count, "{found:#?}");
    for life in lives {
        let id = &life[0].1.channel_id;
        let images = found.iter().filter_map(|record| {
            let change = record.dynamodb()?;
            let (old, new) = (change.old_image(), change.new_image());
            Some((item(&database, old), item(&database, new)?))
        });
        let of_it: Vec<_> = images.filter(|(_, new)| new.channel_id == *id).collect();
        let mut before = None;
        let mut expected = Vec::new();
        for (_, left) in life {
            expected.push((before.replace(left.clone()), left));
        }
        assert_eq!(of_it, expected);
    }
}
