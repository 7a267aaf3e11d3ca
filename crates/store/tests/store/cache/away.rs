//! A Redis that goes away, is slow, or is not there yet.

use super::*;

/// With the bound of real deployments: for stories in which Redis is not.
async fn hurried(server: &RedisServer) -> Cache {
    Cache::redis(&server.url()).await.expect("an address")
}

#[tokio::test]
async fn a_redis_that_is_away_might_know_of_a_hold() {
    let mut server = RedisServer::started().await;
    let cache = hurried(&server).await;
    server.kill().await;
    assert_eq!(cache.hold(&channel(1)).await, Err(Away));
}

/// How long one call takes.
async fn timed<T>(call: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    let answer = call.await;
    (answer, began.elapsed())
}

/// A call's promised 50 ms, with room for a busy machine.
const QUICK: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_cache_whose_redis_is_gone_answers_nothing_quickly_and_heals() {
    let mut server = RedisServer::started().await;
    let cache = hurried(&server).await;
    settled(&cache, &known(1)).await;
    server.kill().await;
    for number in 10..40 {
        let (answer, took) = timed(cache.answer(&hash(number))).await;
        assert_eq!(answer, None);
        assert!(took < QUICK, "{took:?}");
    }
    let (_, took) = timed(cache.remember(&hash(1), &known(1))).await;
    assert!(took < QUICK, "{took:?}");
    let mut heard = cache.controls();
    let control = Control {
        channel_id: channel(1),
        auth_version: 7,
    };
    cache.announce(control.clone()).await;
    assert_eq!(heard.recv().await.expect("heard here"), control);
    server.start().await;
    settled(&cache, &known(3)).await;
    // Listening heals too.
    let other = redis(&server).await;
    let mut heard = cache.controls();
    eventually("a message is heard again", async || {
        other.announce(control.clone()).await;
        heard.try_recv().ok()
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_does_not_answer_costs_a_few_short_waits_and_then_none() {
    let server = RedisServer::started().await;
    let cache = hurried(&server).await;
    settled(&cache, &known(1)).await;
    server.signal("-STOP").await;
    let mut took_long = 0;
    for number in 10..40 {
        let (answer, took) = timed(cache.answer(&hash(number))).await;
        assert_eq!(answer, None);
        assert!(took < QUICK, "{took:?}");
        took_long += usize::from(took >= Duration::from_millis(40));
    }
    // Three, and room for a busy machine.
    assert!((3..=6).contains(&took_long), "{took_long} waits");
    server.signal("-CONT").await;
    let healed = eventually("the cache heals", async || cache.answer(&hash(1)).await);
    assert_eq!(healed.await, known(1));
}

#[tokio::test]
async fn one_slow_answer_does_not_make_redis_count_as_gone() {
    let server = RedisServer::started().await;
    let cache = Cache::redis_within(&server.url(), Duration::from_millis(300)).await;
    let cache = cache.expect("an address");
    for number in 10..15 {
        settled(&cache, &known(u64::from(number))).await;
        server.signal("-STOP").await;
        assert_eq!(cache.answer(&hash(number)).await, None);
        server.signal("-CONT").await;
    }
    // Were it taken for gone, a second would pass before it is asked again.
    let began = Instant::now();
    settled(&cache, &known(20)).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{began:?}");
}

#[tokio::test]
async fn a_cache_whose_redis_is_not_there_yet_starts_and_finds_it_later() {
    let mut server = RedisServer::stopped();
    let (cache, took) = timed(hurried(&server)).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(cache.answer(&hash(1)).await, None);
    server.start().await;
    settled(&cache, &known(1)).await;
}
