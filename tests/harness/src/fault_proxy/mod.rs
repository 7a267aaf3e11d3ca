//! Stands between the programs and their DynamoDB, and fails on cue.
//!
//! One upstream, several named lines in front of it: each edge has its own, so that one edge alone
//! can be cut off. What is wrong with a line ([`Faults`]) may be changed at any moment; what passes
//! is counted by line, operation and table, with the units that it costs ([`Counts`]).
//!
//! It speaks HTTP, for two faults cannot be made of bytes: to answer "throttled", and to lose an
//! answer of which it is certain that its request was carried out.
//!
//! Absent on purpose: TLS (programs under test are told an `http` URL), signatures (the embedded
//! database checks none; asking for the units changes the body that was signed), and any log: bodies
//! hold what nobody may read.

mod counts;
mod faults;
mod forward;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, ensure};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use counts::{Call, Counts, Tally};
pub use faults::Faults;
use forward::Upstream;

/// A running proxy. Dropping it closes every line.
#[derive(Debug)]
pub struct FaultProxy {
    lines: BTreeMap<String, Line>,
    counts: Arc<Mutex<Counts>>,
}

/// One listener and what is wrong with it.
#[derive(Debug)]
struct Line {
    address: SocketAddr,
    faults: watch::Sender<Faults>,
    task: JoinHandle<()>,
}

/// What each connection of a line needs.
#[derive(Clone)]
struct Shared {
    name: Arc<str>,
    faults: watch::Receiver<Faults>,
    upstream: Upstream,
    counts: Arc<Mutex<Counts>>,
    dice: Arc<Mutex<StdRng>>,
}

impl FaultProxy {
    /// Opens a line of each of these names, on any free port, in front of `upstream`. What is left
    /// to chance is drawn from `seed`.
    ///
    /// # Errors
    /// When the upstream is no URL, or two lines have one name.
    pub async fn start(upstream: &str, names: &[String], seed: u64) -> Result<Self> {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let lines: Vec<_> = names.iter().map(|name| (name.clone(), free)).collect();
        Self::start_at(upstream, &lines, seed).await
    }

    /// The same at given addresses.
    ///
    /// # Errors
    /// When the upstream is no URL, an address is taken, or two lines have one name.
    pub async fn start_at(
        upstream: &str,
        lines: &[(String, SocketAddr)],
        seed: u64,
    ) -> Result<Self> {
        let upstream = Upstream::new(upstream)?;
        let counts = Arc::default();
        let dice = Arc::new(Mutex::new(StdRng::seed_from_u64(seed)));
        let mut opened = BTreeMap::new();
        for (name, address) in lines {
            let (faults, watched) = watch::channel(Faults::default());
            let shared = Shared {
                name: name.as_str().into(),
                faults: watched,
                upstream: upstream.clone(),
                counts: Arc::clone(&counts),
                dice: Arc::clone(&dice),
            };
            let line = Line::open(*address, faults, shared).await?;
            let before = opened.insert(name.clone(), line);
            ensure!(before.is_none(), "two lines are called {name}");
        }
        Ok(Self {
            lines: opened,
            counts,
        })
    }

    /// Where clients of this line find their database.
    ///
    /// # Errors
    /// When there is no such line.
    pub fn url(&self, name: &str) -> Result<String> {
        Ok(format!("http://{}", self.line(name)?.address))
    }

    /// The lines' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.keys().map(String::as_str)
    }

    /// From now on this is wrong with the line.
    ///
    /// # Errors
    /// When there is no such line.
    pub fn set(&self, name: &str, faults: Faults) -> Result<()> {
        self.line(name)?.faults.send_replace(faults);
        Ok(())
    }

    /// From now on this is wrong with every line.
    pub fn set_all(&self, faults: &Faults) {
        for line in self.lines.values() {
            line.faults.send_replace(faults.clone());
        }
    }

    /// What is wrong with the line.
    ///
    /// # Errors
    /// When there is no such line.
    pub fn faults(&self, name: &str) -> Result<Faults> {
        Ok(self.line(name)?.faults.borrow().clone())
    }

    /// What passed so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        counts::locked(&self.counts).clone()
    }

    fn line(&self, name: &str) -> Result<&Line> {
        let line = self.lines.get(name);
        line.with_context(|| format!("no line is called {name}"))
    }
}

impl Line {
    async fn open(
        address: SocketAddr,
        faults: watch::Sender<Faults>,
        shared: Shared,
    ) -> Result<Self> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("cannot listen on {address}"))?;
        Ok(Self {
            address: listener.local_addr()?,
            faults,
            task: tokio::spawn(accept(listener, shared)),
        })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes connections until the line is dropped, and theirs with it: there are as many as the
/// programs under test open.
async fn accept(listener: TcpListener, line: Shared) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                // A socket that is closed with something unread in it is reset, which is the fault.
                Ok(_) if line.faults.borrow().cut => {}
                Ok((socket, _)) => {
                    connections.spawn(serve(socket, line.clone()));
                }
                Err(_) => tokio::task::yield_now().await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one connection to its end, or until its line is cut.
async fn serve(socket: TcpStream, line: Shared) {
    let mut faults = line.faults.clone();
    // It fails only where the system does not know the option: an answer is then a little later.
    let _ = socket.set_nodelay(true);
    let service = service_fn(move |request| forward::answer(line.clone(), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    tokio::select! {
        _ = connection => {}
        _ = faults.wait_for(|faults| faults.cut) => {}
    }
}

#[cfg(test)]
mod tests;
