//! Publishers that are live while others misbehave, and must not notice.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use contract::http::{Status, StatusWord};
use domain::ChannelId;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::publisher::Publisher;
use crate::{Ffmpeg, HANG, Stack, wait};

/// Between two keyframes of a scripted one: often enough that its bit rate is not rounded to none.
const KEYFRAME_EACH_MILLIS: u32 = 200;

/// A few ordinary publishers on channels of the demo channel's owner.
#[derive(Debug)]
pub struct Bystanders {
    channels: Vec<(ChannelId, Status)>,
    encoders: Vec<Ffmpeg>,
    scripted: JoinSet<Result<()>>,
    leave: watch::Sender<bool>,
}

impl Bystanders {
    /// So many real encoders and so many scripted ones; returns when all are LIVE.
    ///
    /// # Errors
    /// When one does not get there.
    pub async fn go_live(stack: &Stack, encoders: usize, scripted: usize) -> Result<Self> {
        let mut this = Self {
            channels: Vec::new(),
            encoders: Vec::new(),
            scripted: JoinSet::new(),
            leave: watch::Sender::new(false),
        };
        for number in 0..encoders + scripted {
            let name = format!("Bystander {number}");
            let channel = stack.owner.create_channel(&name).await?.id;
            let key = stack.owner.generate_key(&channel).await?.stream_key;
            if number < encoders {
                let encoder = Ffmpeg::publish(stack.server(0), &key)?;
                this.encoders.push(encoder);
            } else {
                let publisher = Publisher::publish(stack.server(0), &key).await?;
                let goes_on = publishes(publisher.accepted()?, this.leave.subscribe());
                this.scripted.spawn(goes_on);
            }
            let status = sampled(stack, &channel, None).await?;
            this.channels.push((channel, status));
        }
        Ok(this)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.channels.len()
    }

    /// Looks that each is LIVE in the same session, without a change of its status since it went
    /// live, and that its media goes on flowing from here.
    ///
    /// # Errors
    /// When one was disturbed.
    pub async fn are_undisturbed(&mut self, stack: &Stack) -> Result<()> {
        for encoder in &mut self.encoders {
            ensure!(encoder.runs(), "an encoder was disturbed");
        }
        if let Some(ended) = self.scripted.try_join_next() {
            ended??;
            anyhow::bail!("a publisher ended by itself");
        }
        let bytes = media_bytes(stack).await?;
        for (channel, before) in &self.channels {
            let seen = stack.owner.status(channel).await?;
            let now = sampled(stack, channel, Some(&seen)).await?;
            let who = |status: &Status| {
                let session = status.session_id.clone();
                (session, status.generation, status.sequence)
            };
            ensure!(who(&now) == who(before), "{before:?} became {now:?}");
        }
        wait::until("media to arrive", HANG, async || {
            Ok((media_bytes(stack).await? > bytes).then_some(()))
        })
        .await
    }

    /// All stop as encoders do.
    ///
    /// # Errors
    /// When one was gone before.
    pub async fn leave(mut self) -> Result<()> {
        self.leave.send_replace(true);
        while let Some(ended) = self.scripted.join_next().await {
            ended??;
        }
        for encoder in self.encoders {
            encoder.stop_normally().await?;
        }
        Ok(())
    }
}

async fn publishes(mut publisher: Box<Publisher>, mut leave: watch::Receiver<bool>) -> Result<()> {
    let mut ticks = interval(Duration::from_millis(KEYFRAME_EACH_MILLIS.into()));
    let mut millis = 0;
    loop {
        tokio::select! {
            told = leave.changed() => { told?; return publisher.unpublish().await }
            _ = ticks.tick() => publisher.send_keyframe(millis).await.context("a publisher was cut")?,
        }
        millis += KEYFRAME_EACH_MILLIS;
    }
}

/// Waits until the channel is LIVE with a sample, a later one than `seen` has.
async fn sampled(stack: &Stack, channel: &ChannelId, seen: Option<&Status>) -> Result<Status> {
    let at = |status: &Status| status.metrics.as_ref().map(|metrics| metrics.at);
    let before = seen.and_then(at);
    let mut last = None;
    wait::until("a newer sample of a live channel", HANG, async || {
        let status = stack.owner.status(channel).await?;
        last = Some(status.clone());
        let newer = at(&status) > before;
        Ok((status.status == StatusWord::Live && newer).then_some(status))
    })
    .await
    .with_context(|| format!("the last was {last:?}"))
}

/// Bytes of media that the first edge has counted.
async fn media_bytes(stack: &Stack) -> Result<u64> {
    stack.metric(0, "stream_sync_edge_media_bytes_total").await
}
