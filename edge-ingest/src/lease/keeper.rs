//! The thread that keeps the lease: it beats, reads the other edges, fences the silent ones, ends
//! this epoch at its deadline, and asks the others when the store seems to be away.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use domain::edge::{Edge, Write};
use domain::lease::{Lease, POLL, Phase, Watch};
use domain::{Moment, Owner};
use futures_util::future::join_all;
use store::Store;
use tokio::time::{sleep, timeout};

use crate::settings::OnStoreOutage;
use crate::shared::Shared;
use crate::{clock, sweeper};

/// After a write that failed at once (connection refused, say): the next attempt.
const REPEAT_AFTER: Duration = Duration::from_millis(100);
/// How often it is looked at whether the others are to be asked.
const OUTAGE_LOOK: Duration = Duration::from_millis(100);
/// The longest wait for a deadline or a silence, which may move meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Starts the thread. It ends when the edge has left the fleet.
///
/// # Errors
/// The system gave no thread.
pub(crate) fn start(edge: Arc<Shared>) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let keep = async move {
        let everything = async {
            let sweeps = Sweeps::default();
            tokio::join!(
                beat(&edge),
                observe(&edge, &sweeps),
                guard(&edge),
                ask_about_outages(&edge)
            )
        };
        tokio::select! {
            () = edge.left.cancelled() => {}
            _ = everything => {}
        }
    };
    std::thread::Builder::new()
        .name("lease".to_owned())
        .spawn(move || runtime.block_on(keep))
}

/// Writes that keep the epoch alive; when it is over, what begins the next.
async fn beat(edge: &Arc<Shared>) {
    loop {
        let Some(write) = edge.fleet.next_write(edge.registry.publishing()) else {
            begin_again(edge).await;
            continue;
        };
        match edge.services.lease_store.write_edge(&write).await {
            Ok(true) => acknowledged(edge, &write),
            Ok(false) => rejected(edge, &write),
            Err(error) => {
                edge.metrics.store_errors.inc();
                tracing::warn!(%error, "heartbeat not acknowledged");
                sleep(REPEAT_AFTER).await;
                continue;
            }
        }
        let due = edge.fleet.lease(Lease::next_beat);
        sleep(due.since(clock::boot())).await;
    }
}

fn acknowledged(edge: &Arc<Shared>, write: &Write) {
    edge.fleet.acknowledged(write);
    if let Write::Renew(registered) | Write::Boot(registered) = write {
        tracing::info!(edge_id = %registered.id, epoch = registered.epoch, "epoch begins");
    }
}

fn rejected(edge: &Arc<Shared>, write: &Write) {
    match write {
        Write::Beat { heartbeat, .. } => {
            tracing::error!(
                epoch = heartbeat.epoch,
                "this edge was fenced: it drops every publisher"
            );
            edge.fleet.decide(|lease| lease.rejected(heartbeat.epoch));
        }
        Write::Boot(_) | Write::Renew(_) => {
            tracing::warn!(edge_id = %write.edge_id(), "this edge's registration is not its own any more: registering as a new edge");
            edge.fleet.start_over();
        }
        Write::Drain { .. } | Write::Fence { .. } | Write::Swept { .. } => {}
    }
}

/// Waits until every publisher of the epoch that is over was dropped; then the next one begins, and
/// the locks of the last are given back.
async fn begin_again(edge: &Arc<Shared>) {
    edge.metrics.epochs_lost.inc();
    edge.fleet.epoch().everybody_dropped().await;
    let over = edge.fleet.renew();
    sweeper::start(edge, over);
}

/// Reads all edges at every poll; fences the silent and sweeps after the dead.
async fn observe(edge: &Arc<Shared>, sweeps: &Sweeps) {
    let store = &edge.services.lease_store;
    loop {
        let began = clock::boot();
        let read = timeout(POLL, store.edges()).await;
        let now = clock::boot();
        let edges = read_in_time(edge, read);
        edge.fleet.learn(|others| match edges {
            Some(edges) => others.received(began, now, edges),
            None => others.missed(now),
        });
        fence_silent(edge, sweeps).await;
        sweep_dead(edge, sweeps);
        sleep(until_next_look(edge, began)).await;
    }
}

fn read_in_time(
    edge: &Shared,
    read: Result<Result<Vec<Edge>, store::Error>, tokio::time::error::Elapsed>,
) -> Option<Vec<Edge>> {
    let error = match read {
        Ok(Ok(edges)) => return Some(edges),
        Ok(Err(error)) => error.to_string(),
        Err(late) => late.to_string(),
    };
    edge.metrics.store_errors.inc();
    tracing::debug!(error, "the other edges could not be read");
    None
}

fn until_next_look(edge: &Shared, began: Moment) -> Duration {
    let now = clock::boot();
    let poll = (began + POLL).since(now);
    let silence = edge.fleet.others(Watch::next_silence);
    // An edge that is silent already and could not be fenced is tried again at the next poll.
    silence
        .filter(|silence| *silence > now)
        .map_or(poll, |silence| poll.min(silence.since(now)))
}

async fn fence_silent(edge: &Arc<Shared>, sweeps: &Sweeps) {
    let now = clock::boot();
    let silent: Vec<Edge> = edge
        .fleet
        .others(|others| others.silent(now).cloned().collect());
    join_all(silent.iter().map(|other| fence(edge, other, sweeps))).await;
}

async fn fence(edge: &Arc<Shared>, other: &Edge, sweeps: &Sweeps) {
    let store: &Store = &edge.services.lease_store;
    match store.write_edge(&other.fence()).await {
        Ok(true) => {
            tracing::warn!(edge_id = %other.id, epoch = other.epoch, name = other.name, "silent edge fenced");
            edge.metrics.edges_fenced.inc();
            edge.fleet
                .learn(|others| others.fenced(&other.owner(), clock::boot()));
            sweeps.start(edge, other.owner());
        }
        // It beat, or began another epoch: the next reading shows it.
        Ok(false) => {}
        Err(error) => {
            edge.metrics.store_errors.inc();
            tracing::warn!(edge_id = %other.id, %error, "cannot fence a silent edge");
        }
    }
}

fn sweep_dead(edge: &Arc<Shared>, sweeps: &Sweeps) {
    let now = clock::boot();
    let unswept: Vec<Owner> = edge
        .fleet
        .others(|others| others.unswept(now).map(Edge::owner).collect());
    for owner in unswept {
        sweeps.start(edge, owner);
    }
}

/// Epochs that this edge has begun to sweep: each is swept once.
#[derive(Debug, Default)]
struct Sweeps {
    begun: Mutex<HashSet<Owner>>,
}

impl Sweeps {
    /// Most epochs remembered; beyond it all are forgotten, and at worst one is swept twice.
    const REMEMBERED: usize = 1_000;

    fn start(&self, edge: &Arc<Shared>, owner: Owner) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.len() >= Self::REMEMBERED {
            begun.clear();
        }
        if begun.insert(owner.clone()) {
            sweeper::start(edge, owner);
        }
    }
}

/// Ends the epoch at its deadline.
async fn guard(edge: &Shared) {
    loop {
        let now = clock::boot();
        let was_up = edge.fleet.lease(|lease| lease.phase() == Phase::Up);
        if was_up && edge.fleet.decide(|lease| lease.expire(now)) {
            tracing::error!(
                "no heartbeat was acknowledged in time: this edge drops every publisher"
            );
        }
        let left = edge.fleet.lease(|lease| lease.deadline().since(now));
        // An epoch that is over has no deadline; the next one's is seconds away.
        let wait = if left.is_zero() {
            REPEAT_AFTER
        } else {
            left.min(LONGEST_WAIT)
        };
        sleep(wait).await;
    }
}

async fn ask_about_outages(edge: &Arc<Shared>) {
    if edge.settings.on_store_outage == OnStoreOutage::Stop {
        return std::future::pending().await;
    }
    loop {
        sleep(OUTAGE_LOOK).await;
        let now = clock::boot();
        if !edge.fleet.lease(|lease| lease.suspects_outage(now)) {
            continue;
        }
        let others: Option<Vec<Edge>> = edge.fleet.others(|others| {
            let others = others.could_fence()?;
            Some(others.into_iter().cloned().collect())
        });
        if let Some(others) = others {
            edge.metrics.outage_questions.inc();
            ask_all(edge, others).await;
        }
    }
}

/// Asks every edge at once. Only if all say that the store is away for them, too, the lease goes on.
async fn ask_all(edge: &Arc<Shared>, others: Vec<Edge>) {
    let asked = clock::boot();
    let ids: Vec<_> = others.iter().map(|other| other.id.clone()).collect();
    edge.fleet.decide(|lease| lease.ask(asked, ids));
    let questions = others.iter().map(async |other| {
        if edge.peers.is_store_away_for(edge, other).await {
            edge.fleet
                .decide(|lease| lease.agreed(&other.id, asked, clock::boot()));
        }
    });
    join_all(questions).await;
}
