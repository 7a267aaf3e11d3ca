//! What the owner's dashboards are told of one publish.
//!
//! Status changes go out at once. Samples go out, to dashboards and to the cache that the status API
//! reads, each second while people are likely to be looking at a stream that just began, then in
//! batches; never more than one batch is under way, and what
//! piles up behind a slow gateway is bounded. A diagnosis goes out when it changes, and again while
//! something is wrong; one at a time, and always the newest. Receivers order everything by
//! `(generation, sequence, n)`, so that no two messages need to wait for each other here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use contract::http;
use contract::websocket::{
    DiagnosisMessage, Finding, MetricsMessage, ServerMessage, StatusMessage,
};
use domain::diagnosis::{Diagnosis, Tell};
use domain::live::Item;
use domain::metrics::Metrics;
use domain::status::{Shown, Status};
use domain::{ChannelId, UserId};
use notify::Reach;
use store::cache::StatusHint;

use crate::clock;
use crate::shared::Shared;

/// Samples go out one by one for so long after LIVE.
const EACH_SECOND_FOR: Duration = Duration::from_secs(30);
/// After that this many go out in one message.
const BATCH: usize = 5;
/// Samples kept for a gateway that does not keep up; the oldest is dropped beyond it.
const KEPT: usize = 10;

pub(super) struct Dashboard {
    edge: Arc<Shared>,
    user_id: UserId,
    channel_id: ChannelId,
    live_since: Instant,
    count: u64,
    last: Option<Metrics>,
    waiting: Vec<Metrics>,
    under_way: Arc<AtomicBool>,
    diagnoses: u64,
    /// Whether there is one to be sent, which the one under way has held up.
    is_untold: bool,
    diagnosis_under_way: Arc<AtomicBool>,
}

impl Dashboard {
    pub(super) fn new(edge: &Arc<Shared>, user_id: UserId, channel_id: ChannelId) -> Self {
        Self {
            edge: Arc::clone(edge),
            user_id,
            channel_id,
            live_since: Instant::now(),
            count: 0,
            last: None,
            waiting: Vec::new(),
            under_way: Arc::new(AtomicBool::new(false)),
            diagnoses: 0,
            is_untold: false,
            diagnosis_under_way: Arc::new(AtomicBool::new(false)),
        }
    }

    /// The session is LIVE: samples are counted from here.
    pub(super) fn went_live(&mut self, item: &Item) {
        self.live_since = Instant::now();
        self.changed(item);
    }

    /// A durable change was written.
    pub(super) fn changed(&mut self, item: &Item) {
        self.waiting.clear();
        let at = clock::now();
        let status = Status::of(Some(item), at);
        let live = status.shown == Shown::Live;
        let metrics = self.last.clone().filter(|_| live).map(http::Metrics::from);
        let status = http::Status::new(self.channel_id.clone(), status, metrics);
        let hint = self.hint(item, live);
        let (edge, user_id) = (Arc::clone(&self.edge), self.user_id.clone());
        self.edge.tasks.spawn(async move {
            let message = ServerMessage::Status(StatusMessage { status, at });
            let push = edge
                .services
                .notifier
                .push(&user_id, &message, Reach::Fresh, at);
            tokio::join!(push, edge.services.cache.publish_status(&user_id, &hint));
        });
    }

    /// A sample was taken while LIVE.
    pub(super) async fn sampled(&mut self, item: &Item, metrics: Metrics) {
        self.count += 1;
        self.last = Some(metrics.clone());
        if self.waiting.len() == KEPT {
            self.waiting.remove(0);
        }
        self.waiting.push(metrics);
        let each_second = self.live_since.elapsed() < EACH_SECOND_FOR;
        if !each_second && self.waiting.len() < BATCH {
            return;
        }
        let hint = self.hint(item, true);
        self.edge
            .services
            .cache
            .publish_status(&self.user_id, &hint)
            .await;
        if !self.under_way.swap(true, Ordering::AcqRel) {
            self.push_samples(item);
        }
    }

    /// The stream was looked at while LIVE.
    pub(super) fn diagnosed(&mut self, item: &Item, tell: Tell, diagnosis: &Diagnosis) {
        self.is_untold |= match tell {
            Tell::Nothing => false,
            Tell::Changed | Tell::Again => true,
        };
        if !self.is_untold || self.diagnosis_under_way.swap(true, Ordering::AcqRel) {
            return;
        }
        self.is_untold = false;
        self.diagnoses += 1;
        let at = clock::now();
        let findings = diagnosis.findings().into_iter().map(Finding::from);
        let message = ServerMessage::Diagnosis(DiagnosisMessage {
            channel_id: self.channel_id.clone(),
            generation: item.version.generation,
            sequence: item.version.sequence,
            n: self.diagnoses,
            findings: findings.collect(),
            at,
        });
        let (edge, user_id) = (Arc::clone(&self.edge), self.user_id.clone());
        let under_way = Arc::clone(&self.diagnosis_under_way);
        self.edge.tasks.spawn(async move {
            // Told again for those who have just come: an older list would lack them.
            let notifier = &edge.services.notifier;
            notifier.push(&user_id, &message, Reach::Fresh, at).await;
            under_way.store(false, Ordering::Release);
        });
    }

    fn push_samples(&mut self, item: &Item) {
        let at = clock::now();
        let message = ServerMessage::Metrics(MetricsMessage {
            channel_id: self.channel_id.clone(),
            generation: item.version.generation,
            sequence: item.version.sequence,
            n: self.count,
            samples: self.waiting.drain(..).map(http::Metrics::from).collect(),
            at,
        });
        let (edge, user_id) = (Arc::clone(&self.edge), self.user_id.clone());
        let under_way = Arc::clone(&self.under_way);
        self.edge.tasks.spawn(async move {
            edge.services
                .notifier
                .push(&user_id, &message, Reach::Recent, at)
                .await;
            under_way.store(false, Ordering::Release);
        });
    }

    fn hint(&self, item: &Item, live: bool) -> StatusHint {
        StatusHint {
            channel_id: self.channel_id.clone(),
            generation: item.version.generation,
            sequence: item.version.sequence,
            n: self.count,
            live,
            metrics: self.last.clone().filter(|_| live),
        }
    }
}
