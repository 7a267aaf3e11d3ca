//! Stories that measure, or that stop and cut real processes, run alone: two of them at once would
//! take each other's processor for a fault.

use std::fs::File;

use anyhow::{Context as _, Result};

use crate::programs;

/// The file that is locked, beside the programs: stories of one build exclude each other.
const LOCK: &str = "one-story-at-a-time.lock";

/// No other story that asked to be alone runs as long as this is held. The system lets go of it
/// whatever becomes of the holder.
#[derive(Debug)]
pub struct Alone(#[allow(dead_code, reason = "held, never read")] File);

impl Alone {
    /// Waits for its turn, however long those before it take: each of them has deadlines.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub async fn begin() -> Result<Self> {
        let path = programs::beside_the_tests()?.join(LOCK);
        let locked = tokio::task::spawn_blocking(move || {
            let file = File::create(&path).with_context(|| path.display().to_string())?;
            file.lock()?;
            Ok(Self(file))
        });
        locked.await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait;
    use std::time::Duration;

    #[tokio::test]
    async fn the_next_one_begins_when_the_one_before_has_ended() {
        let first = Alone::begin().await.unwrap();
        let second = tokio::spawn(Alone::begin());
        let early = wait::until("a second one", Duration::from_millis(200), async || {
            Ok(second.is_finished().then_some(()))
        });
        early.await.unwrap_err();
        drop(first);
        drop(second.await.unwrap().unwrap());
    }
}
