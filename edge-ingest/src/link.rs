//! The small channel between a connection and its publisher's task.
//!
//! Bounds: a connection sends at most three signals in its life, so [`SIGNALS`] can never be full;
//! of samples only the latest is kept.

use std::sync::{Arc, OnceLock};

use domain::Refusal;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::grant::Grant;
use crate::sample::Sample;

/// Media started, closed, and one to spare.
const SIGNALS: usize = 3;

/// What the connection tells its publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The first audio or video arrived.
    MediaStarted,
    /// No more media will come.
    Closed(Closure),
}

/// What the publisher hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Signal(Signal),
    /// A new sample is there to be looked at.
    Sample,
}

/// How a connection stopped publishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closure {
    /// The encoder said so.
    Unpublished,
    /// The socket went away, fell silent or spoke nonsense.
    Dropped,
}

/// What a connection is let in under, or why it is not.
pub(crate) type Verdict = Result<Arc<Grant>, Refusal>;

/// The connection's end.
#[derive(Debug)]
pub(crate) struct ConnectionEnd {
    pub(crate) verdict: oneshot::Receiver<Verdict>,
    pub(crate) samples: watch::Sender<Option<Sample>>,
    /// Fired by the publisher: stop handing on media and close the socket.
    pub(crate) close: CancellationToken,
    /// What is to be said before the socket is closed, where there is anything.
    last_words: Arc<OnceLock<Refusal>>,
    signals: mpsc::Sender<Signal>,
}

/// The publisher's end.
#[derive(Debug)]
pub(crate) struct PublisherEnd {
    pub(crate) verdict: Option<oneshot::Sender<Verdict>>,
    pub(crate) samples: watch::Receiver<Option<Sample>>,
    pub(crate) close: CancellationToken,
    last_words: Arc<OnceLock<Refusal>>,
    signals: mpsc::Receiver<Signal>,
}

/// Both ends of a new link.
pub(crate) fn link() -> (ConnectionEnd, PublisherEnd) {
    let (verdict_sender, verdict) = oneshot::channel();
    let (sample_sender, samples) = watch::channel(None);
    let (signal_sender, signals) = mpsc::channel(SIGNALS);
    let close = CancellationToken::new();
    let last_words = Arc::default();
    let connection = ConnectionEnd {
        verdict,
        samples: sample_sender,
        close: close.clone(),
        last_words: Arc::clone(&last_words),
        signals: signal_sender,
    };
    (
        connection,
        PublisherEnd {
            verdict: Some(verdict_sender),
            samples,
            close,
            last_words,
            signals,
        },
    )
}

impl ConnectionEnd {
    /// Tells the publisher. It may be gone, which is as good as told.
    pub(crate) fn signal(&self, signal: Signal) {
        // Full cannot happen: see the module's bounds.
        let _ = self.signals.try_send(signal);
    }

    /// What the encoder is to be told at the end.
    pub(crate) fn last_words(&self) -> Option<Refusal> {
        self.last_words.get().cloned()
    }
}

/// A publisher that ends, however it does, leaves no connection behind that thinks it publishes.
impl Drop for PublisherEnd {
    fn drop(&mut self) {
        self.close.cancel();
    }
}

impl PublisherEnd {
    /// The next thing the connection says; one that vanished without a word has dropped.
    pub(crate) async fn heard(&mut self) -> Heard {
        tokio::select! {
            biased;
            signal = self.signals.recv() => {
                Heard::Signal(signal.unwrap_or(Signal::Closed(Closure::Dropped)))
            }
            Ok(()) = self.samples.changed() => Heard::Sample,
        }
    }

    /// The encoder is told so before its connection is closed. To be said before `close` is fired.
    pub(crate) fn say_at_the_end(&self, refusal: Refusal) {
        // The first word stands.
        let _ = self.last_words.set(refusal);
    }

    /// Waits until the connection is over, while nothing else can be heard of it.
    pub(crate) async fn left(&mut self) {
        while !matches!(self.heard().await, Heard::Signal(Signal::Closed(_))) {}
    }

    /// Answers the connection. Where it is gone, its closing is the next thing that is heard.
    pub(crate) fn answer(&mut self, verdict: Verdict) {
        if let Some(sender) = self.verdict.take() {
            let _ = sender.send(verdict);
        }
    }
}
