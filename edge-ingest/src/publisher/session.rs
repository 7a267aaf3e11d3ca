//! A session as this edge has it: its item, its place among the publishers, and those who are told
//! of it. In GRACE this is all there is; its timer is here.

use std::sync::Arc;
use std::time::Duration;

use domain::live::{EndReason, GRACE_MARGIN, Item, State, Write};
use domain::{SessionId, UserId};
use tokio::time::Instant;

use super::dashboard::Dashboard;
use super::lock::persist;
use super::session_log::SessionLog;
use crate::clock;
use crate::registry::{Order, Place, next_order};
use crate::shared::{Shared, StopMode};

pub(crate) struct Session {
    pub(super) edge: Arc<Shared>,
    pub(super) item: Item,
    pub(super) place: Place,
    pub(super) dashboard: Dashboard,
    pub(super) log: Option<SessionLog>,
}

impl Session {
    /// One whose holder was lost, found on the item that it left; None where somebody here answers
    /// for it, or has resumed it, by now.
    pub(crate) fn found(
        edge: &Arc<Shared>,
        user_id: UserId,
        item: Item,
        auth_version: u64,
    ) -> Option<Self> {
        let (channel_id, generation) = (&item.channel_id, item.version.generation);
        let place = edge
            .registry
            .enter_waiting(channel_id, generation, auth_version)?;
        Some(Self::new(edge, user_id, item, place))
    }

    pub(super) fn new(edge: &Arc<Shared>, user_id: UserId, item: Item, place: Place) -> Self {
        Self {
            edge: Arc::clone(edge),
            place,
            dashboard: Dashboard::new(edge, user_id, item.channel_id.clone()),
            item,
            log: None,
        }
    }

    /// Shows what was left, and where the session waits ends it at its time, unless its publisher
    /// comes back.
    pub(crate) async fn wait_out(mut self, grace: Duration) {
        self.show_end().await;
        if self.item.state == State::Grace {
            self.wait_for_return(grace).await;
        }
    }

    /// In GRACE: until `grace` and a little more has passed, somebody resumed the session, or it is
    /// ended early.
    pub(super) async fn wait_for_return(&mut self, grace: Duration) {
        let deadline = Instant::now() + grace + GRACE_MARGIN;
        let reason = tokio::select! {
            reason = ordered_end(&mut self.place) => reason,
            () = self.edge.stopping.cancelled() => match self.edge.stop_mode() {
                StopMode::End => EndReason::Shutdown,
                // Another edge or the reaper ends it at its time.
                StopMode::Drain => return,
            },
            () = tokio::time::sleep_until(deadline) => EndReason::Dropped,
        };
        let write = self.item.offline(clock::now(), reason);
        if self.write(|_| write.clone()).await {
            self.show_end().await;
        }
    }

    /// Makes a write on the item, anew as of each try; false where the lock is somebody else's by
    /// now, or the store did not answer until the edge's end.
    pub(super) async fn write(&mut self, write: impl Fn(&Item) -> Option<Write>) -> bool {
        let left = persist(&self.edge, || write(&self.item), None).await;
        let done = left.is_some();
        if let Some(item) = left {
            self.item = item;
        }
        done
    }

    pub(super) fn id(&self) -> &str {
        self.item.session_id.as_ref().map_or("", SessionId::as_str)
    }

    /// Tells everybody what was left: a session that waits, or one that is over.
    pub(super) async fn show_end(&mut self) {
        self.dashboard.changed(&self.item);
        if self.item.state == State::Offline {
            self.edge
                .services
                .cache
                .hint_lock(&self.item.channel_id, None)
                .await;
            tracing::info!(channel_id = %self.item.channel_id, session_id = self.id(),
                reason = self.item.reason.map(EndReason::as_str), "offline");
        } else {
            tracing::info!(channel_id = %self.item.channel_id, session_id = self.id(),
                grace_until = self.item.grace_until.map(tracing::field::display), "publisher dropped, waiting for its return");
        }
        if let Some(log) = &mut self.log {
            log.left(&self.edge, &self.item).await;
        }
    }
}

/// Waits until the session is ordered to end; one that waits already has nothing to leave.
async fn ordered_end(place: &mut Place) -> EndReason {
    loop {
        match next_order(&mut place.orders).await {
            Order::End(reason) => return reason,
            Order::Leave => {
                if place.orders.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}
