//! An admitted publish, from `NetStream.Publish.Start` to the end of its session or of its part
//! in it.
//!
//! STARTING until the first media, then LIVE, then GRACE or the end. Each change is written first
//! and shown after. [`Publisher::step`] is the whole machine.

use std::sync::Arc;
use std::time::Duration;

use domain::SessionId;
use domain::live::{EndReason, GRACE_MARGIN, Item, State, Write};
use domain::metrics::Sampler;
use tokio::time::Instant;

use super::admission::Admitted;
use super::dashboard::Dashboard;
use super::lock::persist;
use super::session_log::SessionLog;
use super::{Publish, Slot};
use crate::clock;
use crate::link::{Closure, Heard, PublisherEnd, Signal};
use crate::registry::{Place, cut_reason};
use crate::shared::{Shared, StopMode};

/// Something a running publish has to act on.
#[derive(Debug)]
enum Happened {
    Heard(Heard),
    Cut(EndReason),
    Stopping(StopMode),
}

/// What a step leaves to do.
enum Next {
    Continue,
    /// The publisher dropped: its session waits.
    Wait,
    /// Nothing is held any more.
    Over,
}

/// A publish that was let in, and everything that is known of it.
pub(super) struct Publisher {
    edge: Arc<Shared>,
    publish: Publish,
    line: PublisherEnd,
    grace: Duration,
    place: Place,
    item: Item,
    sampler: Sampler,
    dashboard: Dashboard,
    log: Option<SessionLog>,
}

/// Lives an admitted publish to its end; `slot` is given back when its media ends.
pub(super) async fn run(mut publisher: Box<Publisher>, slot: Slot) {
    let waits = publisher.flow().await;
    drop(slot);
    if waits {
        Box::pin(publisher.wait_for_return()).await;
    }
    publisher.edge.registry.leave(&publisher.place);
}

impl Publisher {
    pub(super) fn new(
        edge: &Arc<Shared>,
        publish: Publish,
        line: PublisherEnd,
        admitted: Admitted,
    ) -> Box<Self> {
        let Admitted {
            admission,
            item,
            grace,
            place,
        } = admitted;
        Box::new(Self {
            edge: Arc::clone(edge),
            publish,
            line,
            grace,
            place,
            sampler: Sampler::default(),
            dashboard: Dashboard::new(edge, admission.user_id, item.channel_id.clone()),
            item,
            log: None,
        })
    }

    /// True where the session waits for its publisher's return.
    async fn flow(&mut self) -> bool {
        loop {
            let happened = self.next().await;
            match Box::pin(self.step(happened)).await {
                Next::Continue => {}
                Next::Wait => return true,
                Next::Over => return false,
            }
        }
    }

    async fn next(&mut self) -> Happened {
        tokio::select! {
            biased;
            reason = cut_reason(&mut self.place.cut) => Happened::Cut(reason),
            () = self.edge.stopping.cancelled() => Happened::Stopping(self.edge.stop_mode()),
            heard = self.line.heard() => Happened::Heard(heard),
        }
    }

    async fn step(&mut self, happened: Happened) -> Next {
        match happened {
            Happened::Heard(Heard::Signal(Signal::MediaStarted)) => self.go_live().await,
            Happened::Heard(Heard::Signal(Signal::Closed(Closure::Unpublished))) => {
                self.end(EndReason::Unpublished).await
            }
            Happened::Heard(Heard::Signal(Signal::Closed(Closure::Dropped))) => {
                self.drop_out().await
            }
            Happened::Heard(Heard::Sample) => {
                self.sampled().await;
                Next::Continue
            }
            Happened::Cut(reason) => self.end(reason).await,
            Happened::Stopping(StopMode::End) => self.end(EndReason::Shutdown).await,
            Happened::Stopping(StopMode::Drain) => self.drop_out().await,
        }
    }

    async fn go_live(&mut self) -> Next {
        if self.item.state != State::Starting {
            return Next::Continue;
        }
        let write = Write::GoLive {
            channel_id: self.item.channel_id.clone(),
            owner: self.edge.owner.clone(),
            generation: self.item.version.generation,
            now: clock::now(),
        };
        let Some(item) = persist(&self.edge, &write).await else {
            return self.lost();
        };
        self.item = item;
        self.dashboard.went_live(&self.item);
        self.edge.metrics.publishers.inc();
        let since_accept = self.publish.accepted_at.elapsed();
        self.edge
            .metrics
            .live_seconds
            .observe(since_accept.as_secs_f64());
        self.edge
            .services
            .cache
            .hint_lock(&self.item.channel_id, Some(&self.publish.connection_id))
            .await;
        tracing::info!(channel_id = %self.item.channel_id, session_id = self.session_id(),
            connection_id = %self.publish.connection_id, generation = self.item.version.generation,
            client_ip = %self.publish.attempted.ip,
            encoder = self.publish.attempted.encoder.as_deref(),
            millis_since_accept = since_accept.as_millis() as u64, "live");
        self.log = SessionLog::begin(&self.edge, &self.item, &self.publish.attempted).await;
        Next::Continue
    }

    async fn sampled(&mut self) {
        let Some(sample) = self.line.samples.borrow_and_update().clone() else {
            return;
        };
        let rates = self.sampler.take(sample.reading);
        let metrics = sample.metrics(rates, clock::now());
        if let Some(log) = &mut self.log {
            let received = log.observe(&sample, &metrics);
            self.edge.metrics.media_bytes.inc_by(received);
        }
        if self.item.state == State::Live && rates.bitrate_kbps > 0 {
            self.dashboard.sampled(&self.item, metrics).await;
        }
    }

    /// The session ends now. Media stops first: nothing of it counts after the write.
    async fn end(&mut self, reason: EndReason) -> Next {
        self.stop_media().await;
        let write = self.item.end(clock::now(), reason);
        self.leave_with(write).await
    }

    /// The publisher is gone without a goodbye, or is told to come back elsewhere.
    async fn drop_out(&mut self) -> Next {
        self.stop_media().await;
        let write = self.item.dropped(clock::now(), self.grace);
        self.leave_with(write).await
    }

    async fn stop_media(&mut self) {
        self.line.close.cancel();
        self.sampled().await;
        if self.item.state == State::Live {
            self.edge.metrics.publishers.dec();
        }
    }

    async fn leave_with(&mut self, write: Option<Write>) -> Next {
        let Some(write) = write else {
            return Next::Over;
        };
        let Some(item) = persist(&self.edge, &write).await else {
            return self.lost();
        };
        self.item = item;
        self.show_end().await;
        if self.item.state == State::Grace {
            Next::Wait
        } else {
            Next::Over
        }
    }

    fn lost(&mut self) -> Next {
        self.line.close.cancel();
        tracing::warn!(channel_id = %self.item.channel_id, generation = self.item.version.generation,
            "lost the lock: another publisher or the reaper has it");
        Next::Over
    }

    /// In GRACE: until the promised time and a little more has passed, somebody resumed the
    /// session, or it is ended early.
    async fn wait_for_return(&mut self) {
        let promised = self
            .item
            .grace_until
            .map_or(Duration::ZERO, |until| until.since(clock::now()));
        let deadline = Instant::now() + promised + GRACE_MARGIN;
        let reason = tokio::select! {
            reason = cut_reason(&mut self.place.cut) => reason,
            () = self.edge.stopping.cancelled() => match self.edge.stop_mode() {
                StopMode::End => EndReason::Shutdown,
                // Another edge or the reaper ends it at its time.
                StopMode::Drain => return,
            },
            () = tokio::time::sleep_until(deadline) => EndReason::Dropped,
        };
        let Some(write) = self.item.offline(clock::now(), reason) else {
            return;
        };
        if let Some(item) = persist(&self.edge, &write).await {
            self.item = item;
            self.show_end().await;
        }
    }

    fn session_id(&self) -> &str {
        self.item.session_id.as_ref().map_or("", SessionId::as_str)
    }

    async fn show_end(&mut self) {
        self.dashboard.changed(&self.item);
        if self.item.state == State::Offline {
            self.edge
                .services
                .cache
                .hint_lock(&self.item.channel_id, None)
                .await;
            tracing::info!(channel_id = %self.item.channel_id, session_id = self.session_id(),
                reason = self.item.reason.map(EndReason::as_str), "offline");
        } else {
            tracing::info!(channel_id = %self.item.channel_id, session_id = self.session_id(),
                grace_until = self.item.grace_until.map(tracing::field::display), "publisher dropped, waiting for its return");
        }
        if let Some(log) = &mut self.log {
            log.left(&self.edge, &self.item).await;
        }
    }
}
