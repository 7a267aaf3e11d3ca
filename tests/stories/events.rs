//! The event log of a channel tells what happened to it, as it happened.

use std::time::Instant;

use anyhow::{Result, ensure};
use contract::event::{Event, EventKind};
use contract::http::ResetStreamKey;
use domain::ChannelId;
use harness::{Dashboard, Ffmpeg, HANG, Options, Stack};

/// Who looks at a channel's dashboard, and notes each event that it is told.
struct Witness {
    dashboard: Dashboard,
    channel: ChannelId,
    told: Vec<Event>,
}

impl Witness {
    /// Waits for the next event, which must be this one.
    #[allow(clippy::print_stdout, reason = "figures are for a person to read")]
    async fn sees(&mut self, what: &str, since: Instant) -> Result<EventKind> {
        let (at, event) = self.dashboard.expect_event(&self.channel, HANG).await?;
        println!("{what}: told {:?} after it was done", at - since);
        let kind = event.kind.clone();
        ensure!(
            serde_json::to_value(&kind)?["type"] == what,
            "{kind:?} in place of {what}"
        );
        self.told.push(event);
        Ok(kind)
    }
}

#[tokio::test]
async fn the_log_tells_a_broadcast_as_it_was() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    // With the real grace of ten seconds.
    let channel = stack.owner.create_channel("Story").await?.id;
    let mut witness = Witness {
        dashboard: stack.dashboard().await?,
        channel: channel.clone(),
        told: Vec::new(),
    };
    let done = Instant::now();
    let key = stack.owner.generate_key(&channel).await?.stream_key;
    witness.sees("key_generated", done).await?;

    let first = Ffmpeg::publish(stack.server(0), &key)?;
    let EventKind::WentLive {
        session_id,
        ip_address,
        ..
    } = witness.sees("went_live", first.started()).await?
    else {
        unreachable!("it was seen");
    };
    assert_eq!(ip_address.as_deref(), Some("127.0.0.1"));

    let second = Ffmpeg::publish(stack.server(0), &key)?;
    let (done, words) = second.gives_up(HANG).await?;
    assert!(words.contains("Already live"), "{words}");
    let refused = witness.sees("refused", done).await?;
    assert!(
        matches!(&refused, EventKind::Refused { reason, encoder: Some(encoder), .. }
            if reason == "already_live" && encoder.contains("Lavf")),
        "{refused:?}"
    );

    let done = first.kill_9().await?;
    witness.sees("signal_lost", done).await?;
    let again = Ffmpeg::publish(stack.server(0), &key)?;
    let resumed = witness.sees("resumed", again.started()).await?;
    assert!(
        matches!(&resumed, EventKind::Resumed { session_id: same, .. } if *same == session_id),
        "{resumed:?}"
    );
    let (done, _) = again.stop_normally().await?;
    let ended = EventKind::Ended {
        session_id,
        reason: Some("unpublished".into()),
    };
    assert_eq!(witness.sees("ended", done).await?, ended);

    let done = Instant::now();
    let reset = ResetStreamKey::default();
    stack.owner.reset_key(&channel, reset).await?;
    witness.sees("key_reset", done).await?;
    let done = Instant::now();
    stack.owner.reveal_key(&channel).await?;
    witness.sees("key_revealed", done).await?;

    // The log is exactly this story, whoever reads it and from wherever.
    let log = stack.owner.events_after(&channel, 0).await?;
    assert_eq!(log, witness.told);
    let numbers: Vec<u64> = log.iter().map(|event| event.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(log.is_sorted_by_key(|event| event.at), "{log:#?}");
    assert_eq!(stack.owner.events_after(&channel, 5).await?, log[5..]);
    stack.stop().await
}
