//! Threads that read steady media, at a common tick where there is one.
//!
//! A server that wakes for every message pays for wake-ups and system calls, not for bytes. Here a
//! thread sleeps for one tick before it asks which sockets are readable, so that each is read once
//! per tick, with everything that came meanwhile. Status, handshakes and the first second of a
//! publish run elsewhere and are not delayed.
//!
//! Without a tick media takes the same way and is read as it comes: one way to test, not two.
//!
//! Absent on purpose: TLS connections, whose stream cannot be moved between runtimes.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

use crate::connection::Connection;
use crate::settings::{MAX_READ_TICK, Settings};

/// The threads of one edge.
#[derive(Debug)]
pub(crate) struct MediaWorkers {
    handles: Vec<Handle>,
    next: AtomicUsize,
    stopped: CancellationToken,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl MediaWorkers {
    /// Starts the threads.
    pub(crate) fn start(settings: &Settings) -> io::Result<Self> {
        let tick = settings.read_tick.min(MAX_READ_TICK);
        let stopped = CancellationToken::new();
        let (mut handles, mut threads) = (Vec::new(), Vec::new());
        for number in 0..settings.media_threads.max(1) {
            let mut runtime = Builder::new_current_thread();
            if !tick.is_zero() {
                runtime.on_thread_park(move || std::thread::sleep(tick));
            }
            let runtime = runtime.enable_all().build()?;
            handles.push(runtime.handle().clone());
            let stopped = stopped.clone();
            let thread = std::thread::Builder::new().name(format!("media-{number}"));
            threads.push(thread.spawn(move || runtime.block_on(stopped.cancelled()))?);
        }
        let threads = Mutex::new(threads);
        Ok(Self {
            handles,
            next: AtomicUsize::new(0),
            stopped,
            threads,
        })
    }

    /// Moves a connection whose media flows steadily to one of the threads. Its task is the
    /// edge's, as before.
    pub(crate) fn adopt(&self, connection: Box<Connection<TcpStream>>) {
        let place = self.next.fetch_add(1, Ordering::Relaxed) % self.handles.len().max(1);
        let Some(handle) = self.handles.get(place) else {
            return;
        };
        let edge = connection.edge().clone();
        let connection = match connection.suspend() {
            Ok(connection) => connection,
            Err(error) => {
                // The publisher finds its connection gone, which it is.
                tracing::warn!(%error, "cannot move a connection to its media thread");
                return;
            }
        };
        let flow = async move {
            match connection.resume() {
                Ok(connection) => connection.flow_to_end().await,
                Err(error) => tracing::warn!(%error, "cannot take a connection on a media thread"),
            }
        };
        edge.tasks.spawn_on(flow, handle);
    }

    /// Ends the threads; every task on them has ended before.
    pub(crate) fn stop(&self) {
        self.stopped.cancel();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // It ends within a tick; a panic in it was logged by its task.
            let _ = thread.join();
        }
    }
}
