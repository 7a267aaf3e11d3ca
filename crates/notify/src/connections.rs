//! Who is connected: from the store, or from a list of this process that is a few seconds old at most.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{Timestamp, UserId};
use moka::Expiry;
use moka::future::Cache;
use store::{Connection, Store};

use crate::Reach;

/// How old a list may be that samples are sent by: a dashboard waits this long for its first one.
const RECENT: Duration = Duration::from_secs(2);
/// The same where nobody was connected: most streams are watched by no dashboard most of the time,
/// and each look is a read of the store.
const RECENTLY_NOBODY: Duration = Duration::from_secs(5);
/// Most lists kept: more users than one process has live.
const MAX_LISTS: u64 = 10_000;

/// How long a list is kept.
struct Age;

impl Expiry<UserId, Arc<[Connection]>> for Age {
    fn expire_after_create(
        &self,
        _: &UserId,
        list: &Arc<[Connection]>,
        _: Instant,
    ) -> Option<Duration> {
        Some(if list.is_empty() {
            RECENTLY_NOBODY
        } else {
            RECENT
        })
    }

    fn expire_after_update(
        &self,
        user_id: &UserId,
        list: &Arc<[Connection]>,
        now: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(user_id, list, now)
    }
}

/// The connections of users.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    store: Store,
    recent: Cache<UserId, Arc<[Connection]>>,
}

impl Connections {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            recent: Cache::builder()
                .max_capacity(MAX_LISTS)
                .expire_after(Age)
                .build(),
        }
    }

    /// A user's connections; None, and a line in the log, where they cannot be read. Some of a list
    /// that was kept may have expired by `now`.
    pub(crate) async fn of(
        &self,
        user_id: &UserId,
        reach: Reach,
        now: Timestamp,
    ) -> Option<Arc<[Connection]>> {
        match reach {
            Reach::Fresh => {
                let listed = self.listed(user_id, now).await?;
                let kept = Arc::clone(&listed);
                self.recent.insert(user_id.clone(), kept).await;
                Some(listed)
            }
            Reach::Recent => {
                let list = self.listed(user_id, now);
                self.recent.optionally_get_with_by_ref(user_id, list).await
            }
        }
    }

    async fn listed(&self, user_id: &UserId, now: Timestamp) -> Option<Arc<[Connection]>> {
        match self.store.connections_of(user_id, now).await {
            Ok(connections) => Some(connections.into()),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%user_id, %error, cause, "connections cannot be read, push skipped");
                None
            }
        }
    }

    /// Forgets a connection that is gone. Where that fails the next push meets it again.
    pub(crate) async fn forget(&self, Connection { id, user_id, .. }: &Connection) {
        self.recent.invalidate(user_id).await;
        if let Err(error) = self.store.remove_connection(user_id, id).await {
            tracing::debug!(%user_id, connection_id = id, %error, "connection not removed");
        }
    }
}
