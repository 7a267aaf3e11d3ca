//! An admitted publish, from `NetStream.Publish.Start` to the end of its session or of its part
//! in it.
//!
//! STARTING until the first media, then LIVE, then GRACE or the end. Each change is written first
//! and shown after. [`Publisher::step`] is the whole machine.

use std::sync::Arc;
use std::time::Duration;

use domain::Refusal;
use domain::diagnosis::Diagnosis;
use domain::limits::{BitrateWindow, Exceeded};
use domain::live::{EndReason, Item, State, Write};
use domain::metrics::Sampler;

use super::admission::Admitted;
use super::lock::persist;
use super::session::Session;
use super::session_log::SessionLog;
use super::{Publish, Slot};
use crate::attempts;
use crate::clock;
use crate::grant::Grant;
use crate::lease::Holding;
use crate::link::{Closure, Heard, PublisherEnd, Signal};
use crate::registry::{Order, next_order};
use crate::shared::{Shared, StopMode};

/// Something a running publish has to act on.
#[derive(Debug)]
enum Happened {
    Heard(Heard),
    Ordered(Order),
    /// This edge has lost its lease: it may not go on.
    EpochOver,
    Stopping(StopMode),
}

/// What a step leaves to do.
enum Next {
    Continue,
    /// The publisher dropped: its session waits so long.
    Wait(Duration),
    /// Nothing is held any more.
    Over,
}

/// A publish that was let in, and everything that is known of it.
pub(super) struct Publisher {
    session: Session,
    publish: Publish,
    line: PublisherEnd,
    grace: Duration,
    grant: Arc<Grant>,
    /// Keeps the next epoch from beginning while media may flow.
    holding: Option<Holding>,
    sampler: Sampler,
    /// Kept while the channel's bitrate is limited.
    bitrate: BitrateWindow,
    /// Boxed: it would be in each of the futures that a publish is made of, for every publisher.
    diagnosis: Box<Diagnosis>,
}

/// Lives an admitted publish to its end; `slot` is given back when its media ends.
pub(super) async fn run(mut publisher: Box<Publisher>, slot: Slot) {
    let waits = publisher.flow().await;
    drop(slot);
    if let Some(grace) = waits {
        Box::pin(publisher.session.wait_for_return(grace)).await;
    }
}

/// Whatever ends a publisher's task, nothing more is handed on for it.
impl Drop for Publisher {
    fn drop(&mut self) {
        self.grant.take_back();
        self.grant.gave_back();
    }
}

impl Publisher {
    pub(super) fn new(
        edge: &Arc<Shared>,
        publish: Publish,
        line: PublisherEnd,
        holding: Holding,
        admitted: Admitted,
    ) -> Box<Self> {
        let Admitted {
            admission,
            item,
            grace,
            place,
            grant,
        } = admitted;
        Box::new(Self {
            session: Session::new(edge, admission.user_id, item, place),
            publish,
            line,
            grace,
            holding: Some(holding),
            grant,
            sampler: Sampler::default(),
            bitrate: BitrateWindow::default(),
            diagnosis: Box::default(),
        })
    }

    /// How long the session waits for its publisher's return, where it does.
    async fn flow(&mut self) -> Option<Duration> {
        loop {
            let happened = self.next().await;
            match Box::pin(self.step(happened)).await {
                Next::Continue => {}
                Next::Wait(grace) => return Some(grace),
                Next::Over => return None,
            }
        }
    }

    async fn next(&mut self) -> Happened {
        let edge = &self.session.edge;
        tokio::select! {
            biased;
            () = self.grant.epoch.over().cancelled() => Happened::EpochOver,
            order = next_order(&mut self.session.place.orders) => Happened::Ordered(order),
            () = edge.stopping.cancelled() => Happened::Stopping(edge.stop_mode()),
            heard = self.line.heard() => Happened::Heard(heard),
        }
    }

    async fn step(&mut self, happened: Happened) -> Next {
        match happened {
            // Before it is LIVE, where the first bytes say so already: it never was, then.
            Happened::Heard(Heard::Signal(Signal::MediaStarted)) => match self.judge() {
                Ok(()) => self.go_live().await,
                Err(exceeded) => self.cut(exceeded).await,
            },
            Happened::Heard(Heard::Signal(Signal::Closed(Closure::Unpublished))) => {
                self.end(EndReason::Unpublished).await
            }
            Happened::Heard(Heard::Signal(Signal::Closed(Closure::Dropped)))
            | Happened::Ordered(Order::Leave)
            | Happened::EpochOver
            | Happened::Stopping(StopMode::Drain) => self.drop_out().await,
            Happened::Heard(Heard::Sample) => {
                self.sampled().await;
                match self.judge() {
                    Ok(()) => Next::Continue,
                    Err(exceeded) => self.cut(exceeded).await,
                }
            }
            Happened::Ordered(Order::End(reason)) => self.end(reason).await,
            Happened::Stopping(StopMode::End) => self.end(EndReason::Shutdown).await,
        }
    }

    async fn go_live(&mut self) -> Next {
        if self.session.item.state != State::Starting {
            return Next::Continue;
        }
        let write = Write::GoLive {
            channel_id: self.grant.channel_id.clone(),
            owner: self.grant.epoch.owner.clone(),
            generation: self.grant.generation,
            now: clock::now(),
        };
        let over = self.grant.epoch.over();
        let write = || Some(write.clone());
        let Some(item) = persist(&self.session.edge, write, Some(over)).await else {
            return self.lost();
        };
        self.session.item = item;
        self.session.dashboard.went_live(&self.session.item);
        self.announce().await;
        let attempted = &self.publish.attempted;
        self.session.edge.attempts.settled(attempted);
        self.session.log =
            SessionLog::begin(&self.session.edge, &self.session.item, attempted).await;
        Next::Continue
    }

    async fn announce(&self) {
        let edge = &self.session.edge;
        edge.metrics.publishers.inc();
        let since_accept = self.publish.accepted_at.elapsed();
        edge.metrics
            .live_seconds
            .observe(since_accept.as_secs_f64());
        edge.services
            .cache
            .hint_lock(&self.grant.channel_id, Some(&self.publish.connection_id))
            .await;
        tracing::info!(channel_id = %self.grant.channel_id, session_id = self.session.id(),
            connection_id = %self.publish.connection_id, generation = self.grant.generation,
            client_ip = %self.publish.attempted.ip,
            encoder = self.publish.attempted.encoder.as_deref(),
            millis_since_accept = since_accept.as_millis() as u64, "live");
    }

    async fn sampled(&mut self) {
        let Some(sample) = self.line.samples.borrow_and_update().clone() else {
            return;
        };
        let rates = self.sampler.take(sample.reading);
        let now = clock::now();
        let metrics = sample.metrics(rates, now);
        let session = &mut self.session;
        if let Some(log) = &mut session.log {
            let received = log.observe(&sample, &metrics);
            session.edge.metrics.media_bytes.inc_by(received);
        }
        if session.item.state != State::Live {
            return;
        }
        let tell = self.diagnosis.take(sample.look(rates), now);
        let (item, diagnosis) = (&session.item, &self.diagnosis);
        session.dashboard.diagnosed(item, tell, diagnosis);
        if rates.bitrate_kbps > 0 {
            session.dashboard.sampled(item, metrics).await;
        }
    }

    /// Holds the stream, as last looked at, against what its channel allows now.
    fn judge(&mut self) -> Result<(), Exceeded> {
        let limits = Arc::clone(&self.session.place.judged.borrow().limits);
        limits.check_address(self.publish.attempted.ip)?;
        let sample = self.line.samples.borrow();
        let Some(sample) = sample.as_ref() else {
            return Ok(());
        };
        if let Some(resolution) = sample.resolution() {
            limits.check_resolution(resolution)?;
        }
        match limits.maximum_bitrate_kbps {
            Some(maximum) => self.bitrate.take(sample.reading, maximum),
            None => Ok(()),
        }
    }

    /// The stream exceeds what its channel allows: the encoder, which will try again, and the owner
    /// are told what, and the session ends.
    async fn cut(&mut self, exceeded: Exceeded) -> Next {
        let refusal = Refusal::from(exceeded);
        tracing::info!(channel_id = %self.grant.channel_id, session_id = self.session.id(),
            "cutting a stream: {refusal}");
        self.line.say_at_the_end(refusal.clone());
        let attempted = self.publish.attempted.clone();
        attempts::tell(&self.session.edge, attempted, refusal);
        self.end(EndReason::Limit).await
    }

    /// The session ends now. Media stops first: nothing of it counts after the write.
    async fn end(&mut self, reason: EndReason) -> Next {
        self.stop_media().await;
        if reason != EndReason::Unpublished {
            self.was_lost();
        }
        let write = self.session.item.end(clock::now(), reason);
        self.leave_with(|_| write.clone()).await
    }

    /// The publisher is gone without a goodbye, or is told to come back elsewhere. A grace is whole
    /// from when it is written, however long the store was away.
    async fn drop_out(&mut self) -> Next {
        self.stop_media().await;
        self.was_lost();
        let grace = self.grace;
        self.leave_with(|item| item.dropped(clock::now(), grace))
            .await
    }

    /// The encoder did not ask for the end: it may come back by itself.
    fn was_lost(&self) {
        let encoder = self.session.log.as_ref().and_then(SessionLog::encoder);
        let attempts = &self.session.edge.attempts;
        attempts.lost(&self.publish.attempted, encoder);
    }

    async fn stop_media(&mut self) {
        self.grant.take_back();
        self.line.close.cancel();
        self.holding = None;
        self.sampled().await;
        if self.session.item.state == State::Live {
            self.session.edge.metrics.publishers.dec();
        }
    }

    async fn leave_with(&mut self, write: impl Fn(&Item) -> Option<Write>) -> Next {
        let was = self.session.item.state;
        if !self.session.write(write).await {
            return self.lost();
        }
        self.grant.gave_back();
        self.session.show_end().await;
        let item = &self.session.item;
        match (was, item.state, item.grace_until) {
            // Where no media came the earlier grace goes on.
            (State::Starting, State::Grace, Some(until)) => {
                Next::Wait(until.since(clock::now()).min(self.grace))
            }
            (_, State::Grace, _) => Next::Wait(self.grace),
            (_, State::Offline | State::Starting | State::Live, _) => Next::Over,
        }
    }

    /// Nothing is held any more; what is left of the publisher goes with it.
    fn lost(&self) -> Next {
        tracing::warn!(channel_id = %self.grant.channel_id, generation = self.grant.generation,
            "lost the lock: somebody else has written on it, or the store did not answer to the end");
        Next::Over
    }
}
