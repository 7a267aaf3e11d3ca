//! Waiting for a condition with a deadline, in place of sleeping.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often a condition is looked at: far below every bound that stories assert.
const POLL: Duration = Duration::from_millis(20);

/// Looks until `probe` gives a value, at most for `deadline`.
///
/// # Errors
/// The first error of `probe`, or one that names `what` where the deadline passes.
pub async fn until<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let look = async {
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Some(value) = probe().await? {
                return Ok(value);
            }
        }
    };
    timeout(deadline, look)
        .await
        .with_context(|| format!("waited {deadline:?} in vain for {what}"))?
}

/// Lets a fault be for as long as a story says, which is no wait for anything: what came of it is
/// then asserted, or waited for with [`until`].
pub async fn for_the_length_of(fault: Duration) {
    tokio::time::sleep(fault).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_with_the_value_the_condition_gives() {
        let mut looks = 0;
        let seen = until("the third look", Duration::from_secs(1), async || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(seen.await.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_in_vain_says_what_it_waited_for() {
        let never = until("a miracle", Duration::from_secs(1), async || Ok(None::<()>));
        let error = never.await.unwrap_err();
        assert_eq!(error.to_string(), "waited 1s in vain for a miracle");
    }
}
