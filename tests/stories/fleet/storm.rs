//! Two hundred publishers try all the time, while their Redis is killed, comes back empty, is flushed
//! and is filled with what is no longer true or never was.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use domain::StreamKey;
use harness::fleet::{Channel, Options};
use harness::publisher::Outcome;
use harness::{Fleet, Publisher, Redis, wait};
use rand::{Rng as _, RngCore as _};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const EDGES: usize = 2;
/// Channels whose key was reset: the new ones are right, the old ones retired.
const RESET: usize = 15;
/// Channels that were on hold and are no more: their keys are right.
const LIFTED: usize = 5;
/// Channels on hold.
const HELD: usize = 10;
const UNKNOWN: usize = 25;
/// Publishers of each kind; those of a key take turns with it where there are more.
const RIGHT_PUBLISHERS: usize = RESET + LIFTED;
const RETIRED_PUBLISHERS: usize = 80;
const UNKNOWN_PUBLISHERS: usize = 50;
const HELD_PUBLISHERS: usize = 50;
/// Between two tries of one publisher, in milliseconds: OBS waits two seconds at first.
const PAUSE_MILLIS: std::ops::Range<u64> = 500..2_000;
/// How often in a row the pause doubles after a try without an answer, as OBS's does: a storm that never
/// gives way would keep a slow machine's store as busy as it once was.
const DOUBLINGS: u32 = 3;
const HOLD: Duration = Duration::from_secs(3_600);
/// How long each publisher may take to be answered, while two edges and all else share a machine.
const ANSWERED_WITHIN: Duration = Duration::from_secs(120);
/// Larger than any entry of ours, and than what comes through in the time of a call.
const HUGE_BYTES: usize = 32 * 1024 * 1024;

/// Leaves a list in place of an entry, whatever that is by then.
const ANOTHER_TYPE: &str = "redis.call('DEL', KEYS[1]) return redis.call('LPUSH', KEYS[1], 'x')";

/// What the store says of a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Right,
    Retired,
    Unknown,
    Held,
}

impl Kind {
    /// Whether this answer is right; None where it is none, and another try is called for.
    fn judge(self, answer: &str) -> Option<bool> {
        match (self, answer) {
            // The store did not answer in time.
            (_, "NetStream.Failed") => None,
            // The earlier publish with this key has not quite ended.
            (Self::Right, "NetStream.Publish.BadName") => None,
            (Self::Right, answer) => Some(answer == STARTED),
            (Self::Retired | Self::Unknown | Self::Held, answer) => Some(answer == DENIED),
        }
    }
}

const STARTED: &str = "NetStream.Publish.Start";
const DENIED: &str = "NetStream.Publish.Denied";

/// One of the two hundred.
#[derive(Clone)]
struct Tried {
    kind: Kind,
    key: String,
}

impl fmt::Debug for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}

/// What came of it: when each publisher was last answered, and what was wrong.
#[derive(Debug, Default)]
struct Answers {
    /// When the publish began that was answered last, by publisher.
    last: BTreeMap<usize, Instant>,
    tries: u64,
    unanswered: u64,
    held: u64,
    wrong: Vec<String>,
}

type Shared = Arc<Mutex<Answers>>;

fn locked(answers: &Shared) -> std::sync::MutexGuard<'_, Answers> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tries again and again, on one edge after the other.
async fn keep_trying(
    number: usize,
    tried: Tried,
    servers: Vec<String>,
    answers: Shared,
    stop: CancellationToken,
) -> Result<()> {
    let mut unanswered = 0;
    for round in number.. {
        let began = Instant::now();
        let server = &servers[round % servers.len()];
        let answer = match Publisher::publish(server, &tried.key).await? {
            Outcome::Accepted(mut publisher) => {
                publisher.send_keyframe(0).await?;
                publisher.unpublish().await?;
                STARTED.to_owned()
            }
            Outcome::Refused(code) => code,
        };
        let is_answered = note(&answers, number, &tried, began, &answer);
        unanswered = if is_answered { 0 } else { unanswered + 1 };
        let pause = Duration::from_millis(rand::rng().random_range(PAUSE_MILLIS));
        let pause = pause * 2_u32.pow(DOUBLINGS.min(unanswered));
        if stop
            .run_until_cancelled(wait::for_the_length_of(pause))
            .await
            .is_none()
        {
            break;
        }
    }
    Ok(())
}

/// Whether it was an answer.
fn note(answers: &Shared, number: usize, tried: &Tried, began: Instant, answer: &str) -> bool {
    let mut answers = locked(answers);
    answers.tries += 1;
    let judged = tried.kind.judge(answer);
    match judged {
        None => answers.unanswered += 1,
        Some(true) => {
            answers.last.insert(number, began);
            answers.held += u64::from(tried.kind == Kind::Held);
        }
        Some(false) => answers.wrong.push(format!("{tried:?}: {answer}")),
    }
    judged.is_some()
}

/// Every entry about keys and holds that Redis has, by name.
async fn entries(redis: &Redis) -> Result<BTreeMap<String, String>> {
    let mut entries = BTreeMap::new();
    for pattern in ["auth:*", "hold:*"] {
        for name in redis.ask(&["KEYS", pattern]).await?.lines() {
            entries.insert(name.to_owned(), redis.ask(&["GET", name]).await?);
        }
    }
    Ok(entries)
}

/// Has every key looked up, so that Redis knows them as they are now.
async fn publish_once(fleet: &Fleet, keys: impl Iterator<Item = &String>) -> Result<()> {
    let server = fleet.edge(0).server()?;
    for key in keys {
        let accepted = wait::until(
            "a publish",
            ANSWERED_WITHIN,
            async || match Publisher::publish(&server, key).await? {
                Outcome::Accepted(publisher) => Ok(Some(publisher)),
                Outcome::Refused(code) => {
                    ensure!(Kind::Right.judge(&code).is_none(), "refused with {code}");
                    Ok(None)
                }
            },
        );
        let mut publisher = accepted.await?;
        publisher.send_keyframe(0).await?;
        publisher.unpublish().await?;
    }
    Ok(())
}

fn keys(channels: &[Channel]) -> Vec<String> {
    channels.iter().map(|channel| channel.key.clone()).collect()
}

/// So many publishers of these keys.
fn publishers(kind: Kind, keys: &[String], count: usize) -> Vec<Tried> {
    let tried = keys.iter().cloned().cycle().take(count);
    tried.map(|key| Tried { kind, key }).collect()
}

/// The channels and keys, and what Redis said of them when it was still true.
struct Scene {
    tried: Vec<Tried>,
    held: Vec<Channel>,
    generations: Vec<u64>,
    stale: BTreeMap<String, String>,
}

impl Scene {
    #[allow(clippy::print_stdout, reason = "figures are for a person to read")]
    async fn set(fleet: &Fleet) -> Result<Self> {
        let mut right = fleet.channels(RESET).await?;
        let lifted = fleet.channels(LIFTED).await?;
        let held = fleet.channels(HELD).await?;
        let old = keys(&right);
        let known = old.iter();
        let known = known.chain(held.iter().chain(&lifted).map(|channel| &channel.key));
        publish_once(fleet, known).await?;
        for channel in held.iter().chain(&lifted) {
            channel
                .owner
                .disconnect(&channel.id, HOLD.as_secs())
                .await?;
        }
        let stale = entries(fleet.redis()?).await?;
        // On a busy machine not every entry is written in the time of a call.
        let most = RESET + 2 * (LIFTED + HELD);
        println!("Redis knew {} of {most} keys and holds", stale.len());
        ensure!(stale.len() > most / 2, "too few to be stale later");
        for channel in &lifted {
            channel.owner.lift_hold(&channel.id).await?;
        }
        for channel in &mut right {
            let reset = contract::http::ResetStreamKey::default();
            let new = channel.owner.reset_key(&channel.id, reset).await?;
            channel.key = new.stream_key;
        }
        let mut generations = Vec::new();
        for channel in &held {
            generations.push(channel.owner.status(&channel.id).await?.generation);
        }
        let unknown: Vec<String> = (0..UNKNOWN).map(|_| key_of_nobody()).collect();
        let right = [keys(&right), keys(&lifted)].concat();
        let tried = [
            publishers(Kind::Right, &right, RIGHT_PUBLISHERS),
            publishers(Kind::Retired, &old, RETIRED_PUBLISHERS),
            publishers(Kind::Unknown, &unknown, UNKNOWN_PUBLISHERS),
            publishers(Kind::Held, &keys(&held), HELD_PUBLISHERS),
        ]
        .concat();
        for key in &unknown {
            fleet.stack.canary.plant(key);
        }
        Ok(Self {
            tried,
            held,
            generations,
            stale,
        })
    }

    /// Puts back what was true once, and what never was.
    async fn fill(&self, redis: &Redis) -> Result<()> {
        assert_eq!(redis.ask(&["FLUSHALL"]).await?, "OK");
        for (name, entry) in &self.stale {
            redis.set(name, entry.as_bytes()).await?;
        }
        let of_kind = |kind| self.tried.iter().filter(move |tried| tried.kind == kind);
        let spoiled: [&[u8]; 6] = [
            b"not json",
            b"[[[[[[[[",
            b"{\"answer\":\"known\"}",
            b"{\"answer\":\"unknown\"",
            b"\xff\xfe\x00",
            &vec![b'['; HUGE_BYTES],
        ];
        for (tried, spoiled) in of_kind(Kind::Right).zip(spoiled.iter().cycle()) {
            let hash = StreamKey::parse(&tried.key)?.hash().to_hex();
            redis.set(&format!("auth:{hash}"), spoiled).await?;
        }
        for (channel, spoiled) in self.held.iter().zip(spoiled.iter().cycle().skip(1)) {
            redis.set(&format!("hold:{}", channel.id), spoiled).await?;
        }
        for tried in of_kind(Kind::Unknown).take(5) {
            let hash = StreamKey::parse(&tried.key)?.hash().to_hex();
            let name = format!("auth:{hash}");
            let made = redis.ask(&["EVAL", ANOTHER_TYPE, "1", &name]).await?;
            assert_eq!(made, "1");
        }
        Ok(())
    }
}

fn key_of_nobody() -> String {
    StreamKey::generate(|bytes| rand::rng().fill_bytes(bytes))
        .expose()
        .to_owned()
}

/// Waits until every publisher was answered anew, and tells what that cost.
#[allow(clippy::print_stdout, reason = "figures are for a person to read")]
async fn every_answer_is_right(
    fleet: &Fleet,
    answers: &Shared,
    count: usize,
    what: &str,
) -> Result<()> {
    let (began, before) = (Instant::now(), fleet.proxy.counts());
    let (tries, unanswered) = {
        let answers = locked(answers);
        (answers.tries, answers.unanswered)
    };
    wait::until(
        &format!("answers to all, {what}"),
        ANSWERED_WITHIN,
        async || {
            let answers = locked(answers);
            ensure!(answers.wrong.is_empty(), "{what}: {:?}", answers.wrong);
            let anew = answers.last.values().filter(|at| **at >= began).count();
            Ok((anew == count).then_some(()))
        },
    )
    .await?;
    let passed = fleet.proxy.counts().since(&before);
    let reads = passed.sum(|call| call.line.starts_with("edge-") && call.table == "channels");
    let locks = passed.sum(|call| call.line.starts_with("edge-") && call.table == "live");
    let answers = locked(answers);
    let tries = answers.tries - tries;
    println!(
        "{what}: {tries} publishes in {:?}, {} without an answer; reads of keys and gates {} ({:.2} \
         each), requests about locks {} ({:.2} each)",
        began.elapsed(),
        answers.unanswered - unanswered,
        reads.requests,
        reads.requests as f64 / tries as f64,
        locks.requests,
        locks.requests as f64 / tries as f64,
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_becomes_of_redis_in_a_storm_every_answer_is_the_stores() -> Result<()> {
    let mut fleet = Fleet::start(Options {
        edges: EDGES,
        grace_seconds: 1,
        ..Options::default()
    })
    .await?;
    let scene = Scene::set(&fleet).await?;
    let count = scene.tried.len();
    let servers = fleet.edges().iter().map(harness::fleet::Edge::server);
    let servers = servers.collect::<Result<Vec<_>>>()?;
    let (answers, stop) = (Shared::default(), CancellationToken::new());
    let mut publishers = JoinSet::new();
    for (number, tried) in scene.tried.iter().cloned().enumerate() {
        let (servers, answers) = (servers.clone(), Arc::clone(&answers));
        publishers.spawn(keep_trying(number, tried, servers, answers, stop.clone()));
    }
    every_answer_is_right(&fleet, &answers, count, "Redis is well").await?;
    fleet.redis_mut()?.crash().await?;
    every_answer_is_right(&fleet, &answers, count, "Redis is killed").await?;
    fleet.redis_mut()?.start_again().await?;
    every_answer_is_right(&fleet, &answers, count, "Redis is back, empty").await?;
    assert_eq!(fleet.redis()?.ask(&["FLUSHALL"]).await?, "OK");
    every_answer_is_right(&fleet, &answers, count, "Redis is flushed").await?;
    scene.fill(fleet.redis()?).await?;
    every_answer_is_right(&fleet, &answers, count, "Redis tells what is not true").await?;
    every_answer_is_right(&fleet, &answers, count, "the same again").await?;
    stop.cancel();
    while let Some(ended) = publishers.join_next().await {
        ended?.context("a publisher")?;
    }
    {
        let answers = locked(&answers);
        assert_eq!(answers.wrong, Vec::<String>::new());
        println!("{} publishes in all", answers.tries);
    }
    for (channel, generation) in scene.held.iter().zip(scene.generations) {
        let status = channel.owner.status(&channel.id).await?;
        assert_eq!(
            status.generation, generation,
            "a hold did not spare the lock"
        );
    }
    fleet.stop().await
}
