//! What runs by the clock: the function `reaper`, and the removal of expired items.

use std::time::Duration;

use domain::Timestamp;
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::database::Database;
use crate::gateway::{Function, now};

/// How often the reaper looks, as the rule in the AWS template has it.
const INTERVAL: Duration = Duration::from_secs(60);

/// Runs both each [`INTERVAL`] until `shutdown`, the first time after one.
pub(crate) async fn run(reaper: Function, database: Database, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + INTERVAL, INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        invoke(&reaper).await;
        database.remove_expired().await;
    }
}

/// Runs the reaper once. A failure is logged by the function's owner; the next run tries again.
pub(crate) async fn invoke(reaper: &Function) {
    drop(reaper.invoke(event(now())).await);
}

/// What EventBridge sends for a scheduled rule.
fn event(at: Timestamp) -> Value {
    let id: [u8; 16] = rand::random();
    json!({
        "version": "0",
        "id": domain::id::hex(&id),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": at,
        "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:000000000000:rule/reaper"],
        "detail": {},
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_reaper_runs_each_minute_until_the_end() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let reaper = Function::new("reaper", move |event| {
            counted.fetch_add(1, Ordering::SeqCst);
            assert_eq!(event["detail-type"], "Scheduled Event");
            async { Ok(Value::Null) }.boxed()
        });
        let url = "http://127.0.0.1:1".parse().unwrap();
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(run(reaper, Database::Remote(url), shutdown.clone()));
        tokio::time::sleep(INTERVAL * 3 + INTERVAL / 2).await;
        assert_eq!(calls.load(Ordering::SeqCst), 3);
        shutdown.cancel();
        running.await.unwrap();
    }
}
