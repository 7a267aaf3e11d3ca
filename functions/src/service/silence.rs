//! Edges that have fallen silent, found by one who only looks in: the fleet's own edges fence each
//! other, so this finds something only where none of them is left.
//!
//! A wait of [`SILENCE`] is paid for only where an edge holds something and does not beat: one that
//! beats is seen to within [`FIRST_LOOK`].

use std::time::Duration;

use domain::lease::{HEARTBEAT, SILENCE, Watch};
use domain::{EdgeId, Moment};
use store::{Error, Store};
use tokio::time::{Instant, sleep};

/// A living edge has beaten by then.
const FIRST_LOOK: Duration = Duration::from_millis(1_500);
const _: () = assert!(FIRST_LOOK.as_millis() > HEARTBEAT.as_millis());

/// Fences every edge that does not beat for [`SILENCE`]; says how many.
pub(crate) async fn fence_silent(store: &Store) -> Result<usize, Error> {
    let mut look = Look::begin();
    let first = look.again(store).await?;
    sleep(FIRST_LOOK).await;
    look.again(store).await?;
    let next = look.watch.next_silence();
    if next.is_none_or(|silence| silence > first + SILENCE) {
        return Ok(0);
    }
    sleep(SILENCE.saturating_sub(FIRST_LOOK)).await;
    let now = look.again(store).await?;
    let mut fenced = 0;
    for edge in look.watch.silent(now) {
        if store.write_edge(&edge.fence()).await? {
            tracing::warn!(edge_id = %edge.id, epoch = edge.epoch, name = edge.name, "silent edge fenced");
            fenced += 1;
        }
    }
    Ok(fenced)
}

/// What is seen of the edges in one run.
struct Look {
    since: Instant,
    watch: Watch,
}

impl Look {
    fn begin() -> Self {
        Self {
            since: Instant::now(),
            // A name that no edge has: this one watches and is none.
            watch: Watch::new(EdgeId::from_random([0; 16])),
        }
    }

    /// Reads all edges, and says when they were received.
    async fn again(&mut self, store: &Store) -> Result<Moment, Error> {
        let began = self.now();
        let edges = store.edges().await?;
        let now = self.now();
        self.watch.received(began, now, edges);
        Ok(now)
    }

    fn now(&self) -> Moment {
        Moment::default() + self.since.elapsed()
    }
}
