//! The floor: a server with a task a connection that answers the dialogue, lets everybody publish,
//! and from then on reads and drops.
//!
//! What it costs is what the kernel and the runtime cost for the same sockets; what a server needs
//! above that is the server's own. It parses nothing once a publish is accepted, and its read buffer
//! belongs to the thread.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use rtmp::{Event, Limits, Phase, SERVER_RANDOM_BYTES, Session};
use serde::Serialize;
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// One read takes at most this.
const READ_BYTES: usize = 16 * 1024;
/// Fills S1. Nobody checks that it is random.
const SERVER_RANDOM: [u8; SERVER_RANDOM_BYTES] = [0x5a; SERVER_RANDOM_BYTES];

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// A server that is running.
#[derive(Debug)]
pub struct Discard {
    counters: Arc<Counters>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

#[derive(Debug, Default)]
struct Counters {
    connections: AtomicU64,
    publishes: AtomicU64,
    bytes: AtomicU64,
}

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Received {
    /// Connections accepted.
    pub connections: u64,
    /// Publishes let through.
    pub publishes: u64,
    /// Bytes read from all connections that have ended, handshakes included.
    pub bytes: u64,
}

impl Discard {
    /// Serves everybody who connects; must be called in a runtime.
    #[must_use]
    pub fn start(listener: TcpListener) -> Self {
        let server = Self {
            counters: Arc::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        };
        let (tasks, counters) = (server.tasks.clone(), Arc::clone(&server.counters));
        server
            .tasks
            .spawn(accept(listener, tasks, counters, server.stopping.clone()));
        server
    }

    /// What has come so far.
    #[must_use]
    pub fn received(&self) -> Received {
        Received {
            connections: self.counters.connections.load(Ordering::Relaxed),
            publishes: self.counters.publishes.load(Ordering::Relaxed),
            bytes: self.counters.bytes.load(Ordering::Relaxed),
        }
    }

    /// Accepts nobody any more, closes all connections and says what came.
    pub async fn stop(self) -> Received {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.received()
    }
}

async fn accept(
    listener: TcpListener,
    tasks: TaskTracker,
    counters: Arc<Counters>,
    stopping: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, _)) => {
                let (counters, stopping) = (Arc::clone(&counters), stopping.clone());
                tasks.spawn(async move {
                    // A connection that fails is over, like one that was closed.
                    let _ = stopping.run_until_cancelled(serve(socket, &counters)).await;
                });
            }
            // No descriptor is left: one may be when others have gone.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// Adds up when its connection is over, whichever way that comes about.
struct Count<'a> {
    counters: &'a Counters,
    bytes: u64,
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.counters.bytes.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

async fn serve(mut socket: TcpStream, counters: &Counters) -> io::Result<()> {
    socket.set_nodelay(true)?;
    counters.connections.fetch_add(1, Ordering::Relaxed);
    let mut count = Count { counters, bytes: 0 };
    // Boxed, so that the task of a publisher does not keep the room that the dialogue needed.
    let published = Box::pin(dialogue(&mut socket, &mut count)).await?;
    if !published {
        return Ok(());
    }
    counters.publishes.fetch_add(1, Ordering::Relaxed);
    loop {
        match read(&mut socket, |_| ()).await? {
            (0, ()) => return Ok(()),
            (received, ()) => count.bytes += as_u64(received),
        }
    }
}

/// Answers until a publish is accepted (true) or the peer leaves.
async fn dialogue(socket: &mut TcpStream, count: &mut Count<'_>) -> io::Result<bool> {
    let mut session = Session::new(Limits::default(), SERVER_RANDOM);
    while session.phase() != Phase::Publishing {
        let (received, output) = read(socket, |bytes| {
            let taken = session.receive(bytes);
            while let Some(event) = session.poll_event() {
                if matches!(event, Event::PublishRequested(_)) {
                    session.accept_publish();
                }
            }
            taken.map(|()| session.take_output())
        })
        .await?;
        count.bytes += as_u64(received);
        if received == 0 {
            return Ok(false);
        }
        let output = output.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        socket.write_all(&output).await?;
    }
    Ok(true)
}

/// One read into the thread's buffer. By `poll_read`, which after a short read waits for the next
/// event; `try_read` would first ask the kernel once more in vain.
async fn read<T>(
    socket: &mut TcpStream,
    mut take: impl FnMut(&[u8]) -> T,
) -> io::Result<(usize, T)> {
    poll_fn(|context| {
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            match Pin::new(&mut *socket).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) => {
                    let bytes = buffer.filled();
                    Poll::Ready(Ok((bytes.len(), take(bytes))))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            }
        })
    })
    .await
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
