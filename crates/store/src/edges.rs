//! Edges.

use domain::EdgeId;
use domain::edge::Edge;

use crate::{Error, Store};

/// What became of a registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Booted {
    /// The item is this process's.
    Registered,
    /// Another process has this id: draw a new one.
    Taken,
}

impl Store {
    /// Registers an edge process.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn boot_edge(&self, edge: &Edge) -> Result<Booted, Error> {
        let _ = edge;
        crate::schema::unready_()
    }

    /// Begins the next epoch of an edge that fenced itself: `edge.epoch` is the new one,
    /// `edge.boot_id` a fresh one. False where the item is not in the epoch before.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn renew_edge(&self, edge: &Edge) -> Result<bool, Error> {
        let _ = edge;
        crate::schema::unready_()
    }

    /// Heartbeat: `heartbeat` is the new value, one more than the last acknowledged. False where
    /// the epoch is over.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn beat(
        &self,
        edge_id: &EdgeId,
        epoch: u64,
        heartbeat: u64,
        publishers: u32,
    ) -> Result<bool, Error> {
        let _ = (edge_id, epoch, heartbeat, publishers);
        crate::schema::unready_()
    }

    /// The edge keeps what it has and takes no more. False where its epoch is over.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn drain_edge(&self, edge: &Edge) -> Result<bool, Error> {
        let _ = edge;
        crate::schema::unready_()
    }

    /// Ends `edge.epoch`, where its heartbeat is still `edge.heartbeat`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn fence_edge(&self, edge: &Edge) -> Result<bool, Error> {
        let _ = edge;
        crate::schema::unready_()
    }

    /// Notes that every lock of a fenced epoch was given back. False where it is not fenced.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn mark_swept(&self, edge_id: &EdgeId, epoch: u64) -> Result<bool, Error> {
        let _ = (edge_id, epoch);
        crate::schema::unready_()
    }

    /// Every edge. Strongly consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn edges(&self) -> Result<Vec<Edge>, Error> {
        crate::schema::unready_()
    }
}
