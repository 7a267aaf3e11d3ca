//! The open WebSocket connections, by id.
//!
//! The socket's own task is the only one that touches the socket; others reach it through a bounded
//! queue and a signal. A connection is here from the moment `$connect` said yes until its socket
//! ended: before and after, `@connections` answers 410, as API Gateway does.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domain::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::event;

/// Messages that wait for one slow reader. At five pushes a second this is more than ten seconds;
/// after that the pusher is told to slow down.
const QUEUE_MESSAGES: usize = 64;

/// Connections open at once, those included that `$connect` is being asked for. A person has a few;
/// the bound keeps a runaway page from taking all file handles.
pub(super) const MAX_CONNECTIONS: usize = 1_000;

/// One open connection, as others reach it.
#[derive(Debug)]
pub(super) struct Connection {
    /// What events say about it.
    pub(super) about: event::Connection,
    /// Cancelled: the socket is to be closed.
    pub(super) close: CancellationToken,
    queue: mpsc::Sender<String>,
    last_active: AtomicU64,
}

/// Why a message was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// The connection is gone.
    Gone,
    /// Its queue is full.
    Full,
}

impl Connection {
    /// Notes that a message went over it, in either direction.
    pub(super) fn touch(&self, now: Timestamp) {
        self.last_active.store(now.millis(), Ordering::Relaxed);
    }

    /// When a message last went over it.
    pub(super) fn last_active(&self) -> Timestamp {
        Timestamp::from_millis(self.last_active.load(Ordering::Relaxed))
    }

    /// Queues a message for it.
    pub(super) fn post(&self, message: String) -> Result<(), NotTaken> {
        self.queue
            .try_send(message)
            .map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(_) => NotTaken::Full,
                mpsc::error::TrySendError::Closed(_) => NotTaken::Gone,
            })
    }
}

/// All of them. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    open: Arc<Mutex<HashMap<String, Arc<Connection>>>>,
    room: Arc<Semaphore>,
}

/// Room for one connection.
#[derive(Debug)]
pub(super) struct Room(OwnedSemaphorePermit);

/// A connection's place among the open ones; leaving it takes the connection out.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) connection: Arc<Connection>,
    pub(super) queue: mpsc::Receiver<String>,
    all: Connections,
    _room: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let id = &self.connection.about.id;
        self.all.lock().remove(id);
    }
}

impl Connections {
    /// None yet, and room for so many.
    pub(super) fn new(room: usize) -> Self {
        Self {
            open: Arc::default(),
            room: Arc::new(Semaphore::new(room)),
        }
    }

    /// Room for one more; None where there is none.
    pub(super) fn reserve(&self) -> Option<Room> {
        Arc::clone(&self.room).try_acquire_owned().ok().map(Room)
    }

    /// Takes one in.
    pub(super) fn open(&self, Room(room): Room, about: event::Connection) -> Place {
        let (sender, queue) = mpsc::channel(QUEUE_MESSAGES);
        let connection = Arc::new(Connection {
            last_active: AtomicU64::new(about.connected_at.millis()),
            close: CancellationToken::new(),
            queue: sender,
            about,
        });
        let id = connection.about.id.clone();
        self.lock().insert(id, connection.clone());
        Place {
            connection,
            queue,
            all: self.clone(),
            _room: room,
        }
    }

    /// The open connection of this id.
    pub(super) fn find(&self, id: &str) -> Option<Arc<Connection>> {
        self.lock().get(id).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Connection>>> {
        // The map is whole after any panic: each holder does one call on it.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
