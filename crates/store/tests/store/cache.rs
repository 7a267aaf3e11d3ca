//! The cache: the same rules in memory and in Redis.

mod away;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::authorization::{Answer, Hold, Known};
use domain::channel::Key;
use domain::metrics::Metrics;
use domain::{ConnectionId, StreamKey, StreamKeyHash, Timestamp};
use proptest::prelude::*;
use store::cache::{Away, Cache, Control, StatusHint};

use crate::channels::user;
use crate::live::channel;
use crate::redis_server::{PATIENCE, RedisServer, eventually};

fn hash(number: u8) -> StreamKeyHash {
    StreamKey::generate(|bytes| bytes.fill(number)).hash()
}

fn known(auth_version: u64) -> Answer {
    Answer::Known(Known {
        key: Key {
            channel_id: channel(1),
            user_id: user("owner"),
            version: 1,
            not_after: None,
        },
        auth_version,
        allowed_networks: Vec::new(),
    })
}

fn hint(order: (u64, u64, u64), live: bool) -> StatusHint {
    let (generation, sequence, n) = order;
    StatusHint {
        channel_id: channel(1),
        generation,
        sequence,
        n,
        live,
        metrics: live.then(|| Metrics {
            bitrate_kbps: 4_500,
            width: Some(640),
            height: Some(360),
            fps: Some(29.97),
            keyframe_interval_ms: None,
            video_codec: Some("h264".into()),
            audio_codec: None,
            at: Timestamp::from_millis(1_900_000_000_000),
        }),
    }
}

/// With a bound that a busy machine does not meet: for stories in which Redis is well.
async fn redis(server: &RedisServer) -> Cache {
    let cache = Cache::redis_within(&server.url(), PATIENCE).await;
    cache.expect("an address")
}

/// Says and asks until an answer comes: a busy machine may miss a bound or two.
async fn settled(cache: &Cache, answer: &Answer) {
    let held = eventually("the cache answers", async || {
        cache.remember(&hash(1), answer).await;
        cache.answer(&hash(1)).await
    });
    assert_eq!(held.await, *answer);
}

/// Both kinds, to be held to the same rules.
async fn both(server: &RedisServer) -> [Cache; 2] {
    [Cache::memory(), redis(server).await]
}

#[tokio::test]
async fn a_revoked_key_is_not_brought_back_by_a_slow_reader() {
    let server = RedisServer::started().await;
    for cache in both(&server).await {
        assert_eq!(cache.answer(&hash(1)).await, None);
        let revoked = Answer::Revoked { auth_version: 5 };
        for (said, held) in [
            (known(4), known(4)),
            (revoked.clone(), revoked.clone()),
            (known(4), revoked.clone()),
            (known(5), revoked.clone()),
            (Answer::Unknown, revoked.clone()),
            (known(6), known(6)),
        ] {
            cache.remember(&hash(1), &said).await;
            assert_eq!(cache.answer(&hash(1)).await, Some(held), "{said:?}");
        }
        assert_eq!(cache.answer(&hash(2)).await, None);
    }
}

fn any_answer() -> impl Strategy<Value = Answer> {
    (0_u64..5, 0..3).prop_map(|(auth_version, kind)| match kind {
        0 => known(auth_version),
        1 => Answer::Revoked { auth_version },
        _ => Answer::Unknown,
    })
}

#[test]
fn what_is_held_is_what_the_domain_would_hold_whatever_is_said_in_which_order() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(RedisServer::started());
    let caches = runtime.block_on(both(&server));
    let number = AtomicU64::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(64));
    let said = proptest::collection::vec(any_answer(), 1..12);
    let held = runner.run(&said, |said| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let hash = StreamKeyHash::from_hex(&format!("{number:064x}")).expect("64 digits");
        for cache in &caches {
            let mut expected: Option<Answer> = None;
            for answer in &said {
                if expected.as_ref().is_none_or(|held| answer.replaces(held)) {
                    expected = Some(answer.clone());
                }
                runtime.block_on(cache.remember(&hash, answer));
            }
            prop_assert_eq!(runtime.block_on(cache.answer(&hash)), expected);
        }
        Ok(())
    });
    held.expect("the domain's rule");
    runtime.block_on(caches[1].close());
}

#[tokio::test]
async fn a_status_is_replaced_only_by_a_later_one() {
    let server = RedisServer::started().await;
    for cache in both(&server).await {
        assert_eq!(cache.status(&user("owner"), &channel(1)).await, None);
        for (said, held) in [
            (hint((1, 1, 9), true), hint((1, 1, 9), true)),
            (hint((1, 1, 10), true), hint((1, 1, 10), true)),
            (hint((1, 1, 2), true), hint((1, 1, 10), true)),
            (hint((1, 2, 0), false), hint((1, 2, 0), false)),
            (hint((1, 1, 11), true), hint((1, 2, 0), false)),
            (hint((2, 0, 0), true), hint((2, 0, 0), true)),
            (hint((1, 9, 9), true), hint((2, 0, 0), true)),
            (hint((2, 0, 0), false), hint((2, 0, 0), true)),
        ] {
            cache.publish_status(&user("owner"), &said).await;
            let found = cache.status(&user("owner"), &channel(1)).await;
            assert_eq!(found, Some(held), "{said:?}");
        }
        assert_eq!(cache.status(&user("owner"), &channel(2)).await, None);
        assert_eq!(cache.status(&user("stranger"), &channel(1)).await, None);
    }
}

#[tokio::test]
async fn a_lock_hint_is_given_and_taken_back() {
    let server = RedisServer::started().await;
    for cache in both(&server).await {
        let connection = ConnectionId::from_random([1; 16]);
        assert_eq!(cache.lock_hint(&channel(1)).await, None);
        cache.hint_lock(&channel(1), Some(&connection)).await;
        assert_eq!(cache.lock_hint(&channel(1)).await, Some(connection));
        cache.hint_lock(&channel(1), None).await;
        assert_eq!(cache.lock_hint(&channel(1)).await, None);
    }
}

#[tokio::test]
async fn a_control_message_is_heard_here_and_in_every_other_process() {
    let server = RedisServer::started().await;
    let control = Control {
        channel_id: channel(1),
        auth_version: 7,
    };
    let (here, there) = (redis(&server).await, redis(&server).await);
    let mut heard = [here.controls(), there.controls()];
    here.announce(control.clone()).await;
    for receiver in &mut heard {
        let received = tokio::time::timeout(Duration::from_secs(20), receiver.recv()).await;
        assert_eq!(received.expect("in time").expect("heard"), control);
    }
    for alone in [Cache::memory(), Cache::none()] {
        let mut heard = alone.controls();
        alone.announce(control.clone()).await;
        assert_eq!(heard.recv().await.expect("heard"), control);
    }
}

#[tokio::test]
async fn a_revocation_that_is_announced_empties_what_other_processes_hold_near() {
    let server = RedisServer::started().await;
    let (here, there) = (redis(&server).await, redis(&server).await);
    here.remember(&hash(1), &known(1)).await;
    assert_eq!(there.answer(&hash(1)).await, Some(known(1)));
    let mut heard = there.controls();
    let revoked = Answer::Revoked { auth_version: 2 };
    here.remember(&hash(1), &revoked).await;
    assert_eq!(there.answer(&hash(1)).await, Some(known(1)), "held near");
    here.announce(Control {
        channel_id: channel(1),
        auth_version: 2,
    })
    .await;
    heard.recv().await.expect("heard");
    assert_eq!(there.answer(&hash(1)).await, Some(revoked));
}

#[tokio::test]
async fn a_hold_is_lifted_everywhere_and_no_slow_writer_brings_it_back() {
    let server = RedisServer::started().await;
    let until = Timestamp::from_millis(4_000_000_000_000);
    let hold = |auth_version, until| {
        Some(Hold {
            auth_version,
            until,
        })
    };
    for cache in both(&server).await {
        assert_eq!(cache.hold(&channel(1)).await, Ok(None));
        for (version, said, held) in [
            (5, Some(until), hold(5, Some(until))),
            (4, None, hold(5, Some(until))),
            (6, None, hold(6, None)),
            (5, Some(until), hold(6, None)),
            (6, Some(until), hold(6, None)),
            (7, Some(until), hold(7, Some(until))),
        ] {
            cache.remember_hold(&channel(1), version, said).await;
            assert_eq!(
                cache.hold(&channel(1)).await,
                Ok(held),
                "{version} {said:?}"
            );
        }
        assert_eq!(cache.hold(&channel(2)).await, Ok(None));
    }
    let other = redis(&server).await;
    assert_eq!(other.hold(&channel(1)).await, Ok(hold(7, Some(until))));
    other.remember_hold(&channel(1), 8, None).await;
    let here = redis(&server).await;
    assert_eq!(here.hold(&channel(1)).await, Ok(hold(8, None)));
}

#[tokio::test]
async fn a_thousand_look_ups_of_one_key_ask_the_store_once() {
    let server = RedisServer::started().await;
    for cache in both(&server).await {
        let asked = AtomicU64::new(0);
        let read = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok::<_, String>(Answer::Unknown)
        };
        let key = hash(1);
        let asks = (0..1_000).map(|_| cache.answer_or(&key, read()));
        for answer in futures_util::future::join_all(asks).await {
            assert_eq!(answer, Ok(Answer::Unknown));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(cache.answer(&hash(1)).await, Some(Answer::Unknown));
    }
}

#[tokio::test]
async fn a_look_up_that_fails_fails_for_all_who_wait_and_is_made_again_by_the_next() {
    for cache in [Cache::memory(), Cache::none()] {
        let read = || async { Err("away") };
        let key = hash(1);
        let asks = (0..3).map(|_| cache.answer_or(&key, read()));
        for answer in futures_util::future::join_all(asks).await {
            assert_eq!(*answer.expect_err("failed"), "away");
        }
        let read = async { Ok::<_, String>(known(1)) };
        assert_eq!(cache.answer_or(&hash(1), read).await, Ok(known(1)));
    }
}

#[tokio::test]
async fn a_look_up_that_a_revocation_overtakes_is_not_what_is_known_then() {
    let server = RedisServer::started().await;
    for cache in both(&server).await {
        let revoked = Answer::Revoked { auth_version: 2 };
        let read = async {
            cache.remember(&hash(1), &revoked).await;
            Ok::<_, String>(known(1))
        };
        cache.answer_or(&hash(1), read).await.expect("found");
        assert_eq!(cache.answer(&hash(1)).await, Some(revoked));
    }
}

#[tokio::test]
async fn entries_expire_after_their_time() {
    let server = RedisServer::started().await;
    let cache = redis(&server).await;
    cache.remember(&hash(1), &known(1)).await;
    cache.remember(&hash(2), &Answer::Unknown).await;
    let revoked = Answer::Revoked { auth_version: 1 };
    cache.remember(&hash(3), &revoked).await;
    cache
        .publish_status(&user("owner"), &hint((1, 1, 1), true))
        .await;
    cache
        .hint_lock(&channel(1), Some(&ConnectionId::from_random([1; 16])))
        .await;
    let in_an_hour = std::time::SystemTime::now() + Duration::from_secs(3_600);
    let in_an_hour = in_an_hour.duration_since(std::time::UNIX_EPOCH);
    let in_an_hour = Timestamp::default() + in_an_hour.expect("after 1970");
    cache.remember_hold(&channel(1), 1, Some(in_an_hour)).await;
    cache.remember_hold(&channel(2), 1, None).await;
    let client = ::redis::Client::open(server.url()).expect("an address");
    let mut direct = client
        .get_multiplexed_async_connection()
        .await
        .expect("connected");
    for (key, least, most) in [
        (format!("auth:{}", hash(1).to_hex()), 260, 330),
        (format!("auth:{}", hash(2).to_hex()), 1, 5),
        (format!("auth:{}", hash(3).to_hex()), 3_590, 3_600),
        ("status:owner".to_owned(), 290, 300),
        (format!("lock:stream:{}", channel(1)), 86_390, 86_400),
        (format!("hold:{}", channel(1)), 3_580, 3_600),
        (format!("hold:{}", channel(2)), 3_590, 3_600),
    ] {
        let lives: i64 = ::redis::cmd("TTL")
            .arg(&key)
            .query_async(&mut direct)
            .await
            .expect("answered");
        assert!((least..=most).contains(&lives), "{key}: {lives} s");
    }
    let status: String = ::redis::cmd("HGET")
        .arg("status:owner")
        .arg(channel(1).as_str())
        .query_async(&mut direct)
        .await
        .expect("answered");
    assert!(
        status.starts_with(r#"{"status":"live","bitrate":4500,"gen":1,"seq":1,"n":1,"#),
        "{status}"
    );
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_none_and_is_replaced() {
    let server = RedisServer::started().await;
    let cache = redis(&server).await;
    let client = ::redis::Client::open(server.url()).expect("an address");
    let mut direct = client
        .get_multiplexed_async_connection()
        .await
        .expect("connected");
    let key = format!("auth:{}", hash(1).to_hex());
    let spoil =
        async |direct: &mut ::redis::aio::MultiplexedConnection, key: &str, value: &[u8]| {
            let mut set = ::redis::cmd("SET");
            let done = set.arg(key).arg(value).query_async::<()>(direct).await;
            done.expect("spoiled");
        };
    // As large as what a call's time would not do for.
    let huge = vec![b'['; 64 * 1024 * 1024];
    for spoiled in [
        b"not json".as_slice(),
        b"[]",
        b"7",
        br#"{"answer":"known"}"#,
        br#"{"answer":"revoked","authVersion":"many"}"#,
        b"\xff\xfe\x00",
        &huge,
    ] {
        spoil(&mut direct, &key, spoiled).await;
        spoil(&mut direct, &format!("hold:{}", channel(1)), spoiled).await;
        cache
            .announce(Control {
                channel_id: channel(1),
                auth_version: 1,
            })
            .await;
        let shown = String::from_utf8_lossy(&spoiled[..spoiled.len().min(40)]);
        assert_eq!(cache.answer(&hash(1)).await, None, "{shown}");
        assert_eq!(cache.hold(&channel(1)).await, Ok(None), "{shown}");
        cache.remember(&hash(1), &known(1)).await;
        assert_eq!(cache.answer(&hash(1)).await, Some(known(1)), "{shown}");
    }
    ::redis::cmd("DEL")
        .arg(&key)
        .query_async::<()>(&mut direct)
        .await
        .expect("removed");
    ::redis::cmd("LPUSH")
        .arg(&key)
        .arg("another kind of entry")
        .query_async::<()>(&mut direct)
        .await
        .expect("spoiled");
    let nobody = Control {
        channel_id: channel(1),
        auth_version: 1,
    };
    // More often than failures would open the breaker.
    for _ in 0..10 {
        cache.announce(nobody.clone()).await;
        assert_eq!(cache.answer(&hash(1)).await, None);
    }
    cache.remember(&hash(1), &known(1)).await;
    assert_eq!(cache.answer(&hash(1)).await, Some(known(1)));
}

#[tokio::test]
async fn a_closed_cache_has_ended_its_task_and_answers_nothing() {
    let server = RedisServer::started().await;
    let cache = redis(&server).await;
    cache.remember(&hash(1), &known(1)).await;
    cache.close().await;
    cache.close().await;
    assert_eq!(cache.answer(&hash(2)).await, None);
    let client = ::redis::Client::open(server.url()).expect("an address");
    let mut direct = client
        .get_multiplexed_async_connection()
        .await
        .expect("connected");
    eventually("both connections are closed", async || {
        let clients: String = ::redis::cmd("CLIENT")
            .arg("LIST")
            .query_async(&mut direct)
            .await
            .expect("answered");
        (clients.lines().count() == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_text_that_is_no_address_is_refused_without_being_repeated() {
    let refused = Cache::redis("http://user:fake-password@127.0.0.1/").await;
    let error = refused.expect_err("not an address of Redis");
    assert!(!format!("{error} {error:?}").contains("fake-password"));
}

#[tokio::test]
async fn a_cache_that_is_none_remembers_nothing() {
    let cache = Cache::none();
    cache.remember(&hash(1), &known(1)).await;
    cache
        .publish_status(&user("owner"), &hint((1, 1, 1), true))
        .await;
    cache
        .hint_lock(&channel(1), Some(&ConnectionId::from_random([1; 16])))
        .await;
    assert_eq!(cache.answer(&hash(1)).await, None);
    assert_eq!(cache.status(&user("owner"), &channel(1)).await, None);
    assert_eq!(cache.lock_hint(&channel(1)).await, None);
    cache.close().await;
}
