//! The event log: what is told, that it is told once, and that whoever reads it has all of it.

use std::time::Duration;

use domain::attempt::Attempt;
use domain::live::{EndReason, Item};
use domain::{ChannelId, Refusal};
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::fanout::batch_of;
use crate::stack::{Answer, Stack, now};

/// One record of a change stream: images before and after.
type Record = (Value, Value);

/// How often a batch is handed on, as in the local stack.
const MAX_ATTEMPTS: usize = 10;

/// Hands records of a table on as one batch. On a busy machine the store may be too slow for one of
/// them: then the batch goes on from there, as it does in a stream.
async fn hand_on(stack: &Stack, table: &str, records: &[Record]) {
    let mut left = records;
    for _ in 0..MAX_ATTEMPTS {
        let numbers: Vec<String> = (0..left.len()).map(|n| n.to_string()).collect();
        let images: Vec<_> = numbers
            .iter()
            .zip(left)
            .map(|(number, (old, new))| (number.as_str(), old.clone(), new.clone()))
            .collect();
        let answer = stack.status_fanout.invoke(batch_of(table, &images)).await;
        let failures = answer.expect("an answer")["batchItemFailures"].take();
        let Some(failed) = failures[0]["itemIdentifier"].as_str() else {
            assert_eq!(failures, json!([]));
            return;
        };
        left = &left[failed.parse::<usize>().expect("one of ours")..];
    }
    panic!("{} records of {table} are not taken", left.len());
}

/// A channel whose live item is written to, with the records that its change stream would have.
struct Broadcast {
    stack: Stack,
    channel_id: ChannelId,
    records: Vec<Record>,
    last: Value,
}

impl Broadcast {
    async fn new() -> Self {
        let stack = Stack::start().await;
        Self {
            channel_id: stack.channel("alice").await,
            stack,
            records: Vec::new(),
            last: Value::Null,
        }
    }

    async fn changed(&mut self) {
        let image = self.stack.image(&self.channel_id).await;
        let old = std::mem::replace(&mut self.last, image.clone());
        self.records.push((old, image));
    }

    /// STARTING and LIVE are two records.
    async fn go_live(&mut self, edge: u8) -> Item {
        let edge = match self.stack.services.store.edges().await {
            Ok(edges) if edges.len() >= usize::from(edge) => edges
                .into_iter()
                .find(|known| known.name == format!("edge-{edge}"))
                .expect("an edge"),
            _ => self.stack.edge(edge).await,
        };
        let at = now();
        let acquire = self.stack.acquisition(&self.channel_id, &edge, at).await;
        let generation = acquire.generation();
        self.stack
            .write(&domain::live::Write::Acquire(acquire))
            .await;
        self.changed().await;
        let live = domain::live::Write::GoLive {
            channel_id: self.channel_id.clone(),
            owner: edge.owner(),
            generation,
            now: at,
        };
        let item = self.stack.write(&live).await;
        self.changed().await;
        item
    }

    async fn drop_out(&mut self, item: &Item) -> Item {
        let dropped = item.dropped(now(), Duration::from_secs(10));
        let item = self.stack.write(&dropped.expect("held")).await;
        self.changed().await;
        item
    }

    async fn end(&mut self, item: &Item, reason: EndReason) {
        self.stack
            .write(&item.end(now(), reason).expect("held"))
            .await;
        self.changed().await;
    }

    async fn whole(mut self) -> Self {
        let item = self.go_live(1).await;
        self.drop_out(&item).await;
        let item = self.go_live(2).await;
        self.end(&item, EndReason::Unpublished).await;
        let item = self.go_live(1).await;
        self.end(&item, EndReason::Revoked).await;
        self
    }

    async fn log(&self) -> Vec<Value> {
        log(&self.stack, "alice", &self.channel_id).await
    }
}

fn items(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["items"].as_array().expect("items").clone()
}

/// The whole log by the API, oldest first; its numbers are checked.
async fn log(stack: &Stack, user: &str, channel_id: &ChannelId) -> Vec<Value> {
    let path = format!("/v1/channels/{channel_id}/events?limit=100&after=0");
    let events = items(&stack.get(user, &path).await);
    for (number, event) in (1_u64..).zip(&events) {
        assert_eq!(event["number"], number, "{events:#?}");
        assert_eq!(event["channelId"], channel_id.as_str());
    }
    events
}

fn words(events: &[Value]) -> Vec<&str> {
    let words = events.iter().map(|event| event["type"].as_str());
    words.collect::<Option<_>>().expect("types")
}

const WHOLE: [&str; 7] = [
    "went_live",
    "signal_lost",
    "moved",
    "resumed",
    "ended",
    "went_live",
    "ended",
];

#[tokio::test]
async fn each_change_that_shows_is_an_event_and_is_pushed_as_it_is_read() {
    let broadcast = Broadcast::new().await.whole().await;
    broadcast.stack.dashboard("alice", "page").await;
    hand_on(&broadcast.stack, "live", &broadcast.records).await;
    let log = broadcast.log().await;
    assert_eq!(words(&log), WHOLE);
    assert_eq!(log[4]["reason"], "unpublished");
    assert_eq!(log[6]["reason"], "revoked");
    assert_eq!(log[0]["ipAddress"], "192.0.2.7");
    assert_eq!(log[2]["edgeId"], log[3]["edgeId"]);
    assert_eq!(log[2]["fromEdgeId"], log[0]["edgeId"]);
    let pushed = broadcast.stack.dashboards.messages("page").into_iter();
    let pushed = pushed.filter(|message| message["type"] == "event");
    let pushed: Vec<Value> = pushed.map(|message| message["event"].clone()).collect();
    assert_eq!(pushed, log);
}

#[tokio::test]
async fn a_batch_that_is_handed_on_again_and_again_is_told_once() {
    let broadcast = Broadcast::new().await.whole().await;
    let (stack, records) = (&broadcast.stack, &broadcast.records);
    // At the same time, and from wherever a batch was broken off.
    let again = (0..8).map(|start| hand_on(stack, "live", &records[start..]));
    join_all(again).await;
    hand_on(stack, "live", records).await;
    let log = broadcast.log().await;
    let mut ids: Vec<_> = log.iter().map(|event| event["id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), log.len(), "{log:#?}");
    let mut told = words(&log);
    let mut expected = WHOLE.to_vec();
    told.sort_unstable();
    expected.sort_unstable();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn records_that_come_out_of_order_are_all_told() {
    let mut broadcast = Broadcast::new().await.whole().await;
    broadcast.records.reverse();
    hand_on(&broadcast.stack, "live", &broadcast.records).await;
    let mut log = broadcast.log().await;
    log.reverse();
    assert_eq!(words(&log), WHOLE);
}

#[tokio::test]
async fn of_the_refused_attempts_of_a_minute_the_first_is_an_event() {
    let stack = Stack::start().await;
    let channel_id = stack.channel("alice").await;
    let mut records: Vec<Record> = Vec::new();
    let mut old = Value::Null;
    let at = now();
    for _ in 0..3 {
        let attempt = Attempt {
            channel_id: channel_id.clone(),
            refusal: Refusal::OnHold { until: at },
            ip_address: "192.0.2.1".into(),
            encoder: Some("obs".into()),
            at,
        };
        let store = &stack.services.store;
        store.record_attempt(&attempt).await.expect("noted");
        let image = stack.images("attempts").await.remove(0);
        records.push((std::mem::replace(&mut old, image.clone()), image));
    }
    hand_on(&stack, "attempts", &records).await;
    hand_on(&stack, "attempts", &records).await;
    let log = log(&stack, "alice", &channel_id).await;
    assert_eq!(words(&log), ["refused"]);
    assert_eq!(log[0]["reason"], "on_hold");
    assert_eq!(log[0]["at"], json!(at));
    assert_eq!(log[0]["encoder"], "obs");
    assert!(log[0]["detail"].as_str().expect("words").ends_with('.'));
}

#[tokio::test]
async fn what_an_owner_does_is_told_and_each_reveal_is_an_event() {
    let stack = Stack::start().await;
    let channel_id = stack.channel("alice").await;
    let path = format!("/v1/channels/{channel_id}");
    let key = format!("{path}/stream-key");
    let reset = json!({ "overlapSeconds": 60, "disconnectLive": true });
    let calls = [
        ("POST", key.clone(), Value::Null),
        ("POST", format!("{key}/reveal"), Value::Null),
        ("POST", format!("{key}/reveal"), Value::Null),
        ("POST", format!("{key}/reset"), reset),
        ("PATCH", path.clone(), json!({ "graceSeconds": 20 })),
        (
            "POST",
            format!("{path}/disconnect"),
            json!({ "holdSeconds": 60 }),
        ),
        ("DELETE", format!("{path}/hold"), Value::Null),
        // Nothing of these is an event: nothing is changed or shown by them.
        ("DELETE", format!("{path}/hold"), Value::Null),
        ("PATCH", path, json!({ "graceSeconds": 20 })),
        ("POST", key.clone(), Value::Null),
        ("GET", key, Value::Null),
    ];
    let mut known: Vec<Value> = Vec::new();
    let mut key = None;
    for (method, path, body) in calls {
        let answer = stack.call("alice", method, &path, body).await;
        assert_ne!(answer.status, 500);
        key = answer.body["streamKey"].as_str().map(str::to_owned).or(key);
        follow_audit(&stack, &mut known).await;
    }
    let headers = json!({ "content-type": "application/json" });
    let body = json!({ "streamKey": key.expect("a key") }).to_string();
    for _ in 0..2 {
        let headers = headers.clone();
        let reported = stack.send("POST", "/v1/key-reports", headers, Some(&body));
        assert_eq!(reported.await.status, 202);
        follow_audit(&stack, &mut known).await;
    }
    let log = log(&stack, "alice", &channel_id).await;
    assert_eq!(
        words(&log),
        [
            "key_generated",
            "key_revealed",
            "key_revealed",
            "key_reset",
            "settings_changed",
            "held",
            "hold_lifted",
            "key_reported"
        ]
    );
    assert_eq!(log[3]["disconnectLive"], true);
    assert!(log[3]["overlapUntil"].is_string());
    assert_eq!(log[4]["settings"], json!(["graceSeconds"]));
    assert!(log[5]["until"].is_string());
}

/// Hands on what was put on record since the last time.
async fn follow_audit(stack: &Stack, known: &mut Vec<Value>) {
    let images = stack.images("audit").await;
    let new = images.into_iter().filter(|image| !known.contains(image));
    let new: Vec<Value> = new.collect();
    let records: Vec<Record> = new.iter().map(|new| (Value::Null, new.clone())).collect();
    hand_on(stack, "audit", &records).await;
    known.extend(new);
}

#[tokio::test]
async fn a_key_that_cannot_be_put_on_record_is_not_shown() {
    let stack = Stack::start().await;
    let channel_id = stack.channel("alice").await;
    let path = format!("/v1/channels/{channel_id}/stream-key");
    let generated = stack.post("alice", &path, Value::Null).await;
    let key = generated.text("streamKey");
    stack.lose_table("audit").await;
    let revealed = stack
        .post("alice", &format!("{path}/reveal"), Value::Null)
        .await;
    revealed.is_problem(500, "internal");
    assert!(!revealed.body.to_string().contains(&key));
    let reset = stack
        .post("alice", &format!("{path}/reset"), Value::Null)
        .await;
    reset.is_problem(500, "internal");
    // Nothing was reset either.
    let found = domain::StreamKey::parse(&key).expect("a key").hash();
    let found = stack.services.store.key(&found).await.expect("a read");
    assert!(found.expect("known").is_valid(now()));
}

#[tokio::test]
async fn the_log_is_read_onwards_from_a_number_or_backwards_by_pages() {
    let broadcast = Broadcast::new().await.whole().await;
    let stack = &broadcast.stack;
    hand_on(stack, "live", &broadcast.records).await;
    let path = format!("/v1/channels/{}/events", broadcast.channel_id);
    let log = broadcast.log().await;
    let get = async |query: &str| stack.get("alice", &format!("{path}?{query}")).await;

    let onwards = get("after=2&limit=3").await;
    assert_eq!(items(&onwards), log[2..5]);
    assert_eq!(onwards.body["cursor"], Value::Null);
    assert_eq!(items(&get("after=5").await), log[5..]);
    for past_the_end in ["after=7", "after=18446744073709551616"] {
        assert_eq!(items(&get(past_the_end).await), [] as [Value; 0]);
    }

    let newest = get("limit=5").await;
    let older = get(&format!("limit=5&cursor={}", newest.text("cursor"))).await;
    assert_eq!(older.body["cursor"], Value::Null);
    let mut all = [items(&newest), items(&older)].concat();
    all.reverse();
    assert_eq!(all, log);

    for (query, field) in [
        ("after=-1", "after"),
        ("after=x", "after"),
        ("after=", "after"),
        ("after=1&cursor=x", "after"),
        ("limit=0", "limit"),
        ("cursor=x", "cursor"),
    ] {
        let refused = get(query).await;
        assert!((400..500).contains(&refused.status), "{query}: {refused:?}");
        assert_eq!(refused.body["field"], field, "{query}");
    }
    stack.get("bob", &path).await.is_problem(404, "not_found");
}

/// A dashboard that is told of events by a network that loses, repeats and mixes them up.
#[derive(Default)]
struct Reader {
    log: Vec<Value>,
    replays: usize,
}

impl Reader {
    /// Takes an event; false where the one before it is missing.
    fn take(&mut self, event: &Value) -> bool {
        let next = self.log.len() as u64 + 1;
        let number = event["number"].as_u64().expect("a number");
        if number == next {
            self.log.push(event.clone());
        }
        number <= next
    }

    /// Reads what comes after the last, page by page.
    async fn replay(&mut self, stack: &Stack, user: &str, path: &str, limit: u32) {
        self.replays += 1;
        loop {
            let after = self.log.len();
            let path = format!("{path}?after={after}&limit={limit}");
            let page = items(&stack.get(user, &path).await);
            if page.is_empty() {
                return;
            }
            for event in page {
                assert!(self.take(&event), "a gap in the log itself: {event}");
            }
        }
    }
}

/// An audit record of this channel.
fn audited(channel_id: &ChannelId, number: usize) -> Record {
    let text = |text: String| json!({ "S": text });
    let image = json!({
        "pk": text(format!("CH#{channel_id}")),
        "sk": text(format!("reveal.{number}")),
        "id": text(format!("reveal.{number}")),
        "at": { "N": "1900000000000" },
        "type": text("key_revealed".into()),
        "purgeAt": { "N": "1900600000" },
    });
    (Value::Null, image)
}

/// Hands the records on as streams do that are read again from some place on, now and then twice at
/// the same time; after each batch a part of what was pushed arrives.
async fn run(stack: &Stack, seed: u64) -> Reader {
    let random = &mut StdRng::seed_from_u64(seed);
    let (user, page) = (format!("user-{seed}"), format!("page-{seed}"));
    let channel_id = stack.channel(&user).await;
    stack.dashboard(&user, &page).await;
    let path = format!("/v1/channels/{channel_id}/events");
    let count = random.random_range(6..=14);
    let records: Vec<Record> = (0..count).map(|n| audited(&channel_id, n)).collect();

    let mut reader = Reader::default();
    let mut under_way: Vec<Value> = Vec::new();
    let mut done = 0;
    while done < count {
        let from = done.saturating_sub(random.random_range(0..=2));
        let to = (done + random.random_range(1..=5)).min(count);
        let times = random.random_range(1..=2);
        join_all((0..times).map(|_| hand_on(stack, "audit", &records[from..to]))).await;
        done = to;
        for message in stack.dashboards.messages(&page) {
            for _ in 0..random.random_range(1..=2) {
                if !random.random_bool(0.3) {
                    under_way.push(message["event"].clone());
                }
            }
        }
        under_way.shuffle(random);
        // Up to a half of it arrives only after later batches.
        let late = random.random_range(0..=under_way.len() / 2);
        for event in under_way.split_off(late) {
            if !reader.take(&event) {
                let limit = random.random_range(1..=7);
                reader.replay(stack, &user, &path, limit).await;
            }
        }
    }
    // As at the next connection: what was lost last is missed by nobody until then.
    reader.replay(stack, &user, &path, 100).await;

    let kept = stack.services.store.events_after(&channel_id, 0, 100).await;
    let kept = kept.expect("a read").into_iter();
    let kept: Vec<Value> = kept
        .map(|logged| json!(contract::event::Event::from(logged)))
        .collect();
    assert_eq!(reader.log, kept, "seed {seed}");
    let numbers: Vec<u64> = kept
        .iter()
        .filter_map(|one| one["number"].as_u64())
        .collect();
    let whole: Vec<u64> = (1..).take(count).collect();
    assert_eq!(numbers, whole, "seed {seed}");
    reader
}

#[tokio::test]
async fn a_reader_that_loses_doubles_and_mixes_up_what_it_is_told_converges_by_replay() {
    let stack = Stack::start().await;
    let (mut events, mut replays) = (0, 0);
    for seed in 0..100 {
        let reader = run(&stack, seed).await;
        events += reader.log.len();
        replays += reader.replays;
    }
    println!("100 runs: {events} events, {replays} replays");
    assert!(replays > 100, "the network lost nothing that mattered");
}
