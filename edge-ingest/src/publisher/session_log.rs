//! The session record of one publish, written when it goes live, when it drops and when it ends.
//!
//! A resumed session's record is read first and added to: bytes and time add up over all
//! connections, the gap between them is not counted.

use std::time::Instant;

use domain::live::{Item, State};
use domain::metrics::Metrics;
use domain::session::{MeanBitrate, Resolution, Session};
use domain::stream_key::redacted;
use domain::{ChannelId, SessionId};

use crate::attempts::Attempted;
use crate::sample::Sample;
use crate::shared::Shared;

pub(super) struct SessionLog {
    record: Session,
    /// What earlier connections of the session added up to.
    before: MeanBitrate,
    live_since: Instant,
    media_bytes: u64,
    left: bool,
}

impl SessionLog {
    /// Begins or takes up the record of the session in `item`.
    pub(super) async fn begin(edge: &Shared, item: &Item, attempted: &Attempted) -> Option<Self> {
        let (id, started_at) = item.session_id.clone().zip(item.started_at)?;
        let earlier = earlier(edge, &item.channel_id, &id).await;
        let before = earlier
            .as_ref()
            .map(|record| record.mean)
            .unwrap_or_default();
        let mut edge_ids = earlier.map(|record| record.edge_ids).unwrap_or_default();
        let here = item.owner.as_ref().map(|owner| owner.edge_id.clone());
        if let Some(here) = here.filter(|here| edge_ids.last() != Some(here)) {
            edge_ids.push(here);
        }
        let record = Session {
            id,
            channel_id: item.channel_id.clone(),
            generation: item.version.generation,
            ip_address: attempted.ip.to_string(),
            encoder: attempted.encoder.clone(),
            started_at,
            ended_at: None,
            mean: before,
            resolution: None,
            fps: None,
            edge_ids,
            reason: None,
        };
        let log = Self {
            record,
            before,
            live_since: Instant::now(),
            media_bytes: 0,
            left: false,
        };
        log.write(edge).await;
        Some(log)
    }

    /// Takes a sample in; returns the bytes received since the last.
    pub(super) fn observe(&mut self, sample: &Sample, metrics: &Metrics) -> u64 {
        let received = sample.reading.media_bytes.saturating_sub(self.media_bytes);
        self.media_bytes = sample.reading.media_bytes;
        let resolution = metrics.width.zip(metrics.height);
        let resolution = resolution.map(|(width, height)| Resolution { width, height });
        self.record.resolution = resolution.or(self.record.resolution);
        self.record.fps = metrics.fps.or(self.record.fps);
        if let Some(encoder) = &sample.facts.encoder {
            self.record.encoder = Some(redacted(encoder));
        }
        received
    }

    /// What the encoder calls itself, as far as it has said.
    pub(super) fn encoder(&self) -> Option<&str> {
        self.record.encoder.as_deref()
    }

    /// Writes what is known when the publisher dropped or the session ended.
    pub(super) async fn left(&mut self, edge: &Shared, item: &Item) {
        if !std::mem::replace(&mut self.left, true) {
            let millis = u64::try_from(self.live_since.elapsed().as_millis()).unwrap_or(u64::MAX);
            let mine = MeanBitrate {
                media_bytes: self.media_bytes,
                millis,
            };
            self.record.mean = self.before.plus(mine);
        }
        if item.state == State::Offline {
            self.record.ended_at = item.ended_at;
            self.record.reason = item.reason;
        }
        self.write(edge).await;
    }

    async fn write(&self, edge: &Shared) {
        match edge.services.store.put_session(&self.record).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::debug!(session_id = %self.record.id, "a later publisher keeps the record")
            }
            Err(error) => {
                edge.metrics.store_errors.inc();
                tracing::warn!(session_id = %self.record.id, %error, "cannot write the session record");
            }
        }
    }
}

async fn earlier(edge: &Shared, channel_id: &ChannelId, id: &SessionId) -> Option<Session> {
    match edge.services.store.session(channel_id, id).await {
        Ok(record) => record,
        Err(error) => {
            edge.metrics.store_errors.inc();
            tracing::warn!(session_id = %id, %error, "cannot read the session record");
            None
        }
    }
}
