//! The `edges` table: one item for each edge process, and its heartbeat.
//!
//! An epoch ends once: by a fence, or by the next epoch. Whoever is told `false` here is fenced and
//! must drop what it holds.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::EdgeId;
use domain::edge::{Edge, State};

use crate::call::Outcome;
use crate::change::Change;
use crate::item::{Attributes, Reader, Writer, number, text};
use crate::schema::Table;
use crate::{Error, Store};

pub(crate) const EDGE_ID: &str = "edgeId";
const NAME: &str = "name";
const EPOCH: &str = "epoch";
const BOOT_ID: &str = "bootId";
const HEARTBEAT: &str = "rvn";
const STATE: &str = "st";
const SWEPT: &str = "swept";
const REGION: &str = "region";
const RTMP_URL: &str = "rtmpUrl";
const RTMPS_URL: &str = "rtmpsUrl";
const PEER_ADDRESS: &str = "peerAddress";
const PUBLISHERS: &str = "load";
const CAPACITY: &str = "capacity";

/// What became of a registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Booted {
    /// The item is this process's, by this call or by one whose answer was lost.
    Registered,
    /// Another process has this id: draw a new one.
    Taken,
}

impl Store {
    /// Registers an edge process under an id that nobody had before. May be repeated with the same
    /// `boot_id`.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn boot_edge(&self, edge: &Edge) -> Result<Booted, Error> {
        let condition = Change::new().when_absent(EDGE_ID);
        match self.put(Table::Edges, write(edge), &condition).await? {
            Outcome::Done(_) => Ok(Booted::Registered),
            Outcome::Failed(found) => {
                let found = found.as_ref().map(read).transpose()?;
                let mine = found.is_some_and(|found| is_same_life(&found, edge));
                Ok(if mine {
                    Booted::Registered
                } else {
                    Booted::Taken
                })
            }
        }
    }

    /// Begins the next epoch of an edge that dropped every publisher: `edge.epoch` is the new one
    /// and `edge.boot_id` a fresh one. False where the item is not in the epoch before.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn renew_edge(&self, edge: &Edge) -> Result<bool, Error> {
        let before = edge.epoch.saturating_sub(1);
        let condition = Change::new().when(EPOCH, number(before));
        match self.put(Table::Edges, write(edge), &condition).await? {
            Outcome::Done(_) => Ok(true),
            Outcome::Failed(found) => {
                let found = found.as_ref().map(read).transpose()?;
                Ok(found.is_some_and(|found| is_same_life(&found, edge)))
            }
        }
    }

    /// Heartbeat: `heartbeat` is the new value, one more than the last that was acknowledged.
    /// False where the epoch is over, or the heartbeat is not the next one.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn beat(
        &self,
        edge_id: &EdgeId,
        epoch: u64,
        heartbeat: u64,
        publishers: u32,
    ) -> Result<bool, Error> {
        let change = unfenced(epoch)
            .when(HEARTBEAT, number(heartbeat.saturating_sub(1)))
            .set(HEARTBEAT, number(heartbeat))
            .set(PUBLISHERS, number(publishers.into()));
        let left = |edge: &Edge| edge.heartbeat == heartbeat && edge.state != State::Fenced;
        self.change_edge(edge_id, epoch, &change, left).await
    }

    /// The edge keeps what it has and takes no more. False where its epoch is over.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn drain_edge(&self, edge: &Edge) -> Result<bool, Error> {
        let change = unfenced(edge.epoch).set(STATE, state_word(State::Draining));
        let left = |found: &Edge| found.state == State::Draining;
        self.change_edge(&edge.id, edge.epoch, &change, left).await
    }

    /// Ends `edge.epoch` where its heartbeat is still `edge.heartbeat`, as it was observed. True
    /// where that epoch is fenced, by whomever. False where it lives on or a later one does.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn fence_edge(&self, edge: &Edge) -> Result<bool, Error> {
        let change = unfenced(edge.epoch)
            .when(HEARTBEAT, number(edge.heartbeat))
            .set(STATE, state_word(State::Fenced))
            .set(SWEPT, AttributeValue::Bool(false));
        let left = |found: &Edge| found.state == State::Fenced;
        self.change_edge(&edge.id, edge.epoch, &change, left).await
    }

    /// Notes that every lock of a fenced epoch was given back. False where it is not fenced or not
    /// the present epoch.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn mark_swept(&self, edge_id: &EdgeId, epoch: u64) -> Result<bool, Error> {
        let change = Change::new()
            .when(EPOCH, number(epoch))
            .when(STATE, state_word(State::Fenced))
            .set(SWEPT, AttributeValue::Bool(true));
        self.change_edge(edge_id, epoch, &change, |_| false).await
    }

    /// Forgets an edge whose last epoch is fenced and swept, so that the list stays short. False
    /// where it is not.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn forget_edge(&self, edge: &Edge) -> Result<bool, Error> {
        let condition = Change::new()
            .when(EPOCH, number(edge.epoch))
            .when(STATE, state_word(State::Fenced))
            .when(SWEPT, AttributeValue::Bool(true));
        let outcome = self.delete(Table::Edges, key(&edge.id), &condition).await?;
        Ok(matches!(outcome, Outcome::Done(_)))
    }

    /// Every edge. Strongly consistent. One item that cannot be read fails the whole list: an edge
    /// that is left out would be taken for dead.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn edges(&self) -> Result<Vec<Edge>, Error> {
        let mut edges = Vec::new();
        let mut start = None;
        loop {
            let request = self
                .client
                .scan()
                .table_name(self.tables.name(Table::Edges))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let answer = request.send().await;
            let page = answer.map_err(|error| Error::of("Scan", &error))?;
            for attributes in page.items() {
                edges.push(read(attributes)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(edges);
            }
        }
    }

    /// Makes a change within an epoch; `left` says whether an item of that epoch already shows it.
    async fn change_edge(
        &self,
        edge_id: &EdgeId,
        epoch: u64,
        change: &Change,
        left: impl FnOnce(&Edge) -> bool,
    ) -> Result<bool, Error> {
        match self.update(Table::Edges, key(edge_id), change).await? {
            Outcome::Done(_) => Ok(true),
            Outcome::Failed(found) => {
                let found = found.as_ref().map(read).transpose()?;
                Ok(found.is_some_and(|found| found.epoch == epoch && left(&found)))
            }
        }
    }
}

fn is_same_life(found: &Edge, edge: &Edge) -> bool {
    found.epoch == edge.epoch && found.boot_id == edge.boot_id && found.state != State::Fenced
}

fn unfenced(epoch: u64) -> Change {
    Change::new()
        .when(EPOCH, number(epoch))
        .when_one_of(STATE, [State::Up, State::Draining].map(state_word))
}

fn key(edge_id: &EdgeId) -> Attributes {
    Attributes::from([(EDGE_ID.to_owned(), text(edge_id.as_str()))])
}

fn state_word(state: State) -> AttributeValue {
    text(match state {
        State::Up => "UP",
        State::Draining => "DRAINING",
        State::Fenced => "FENCED",
    })
}

fn parse_state(word: &str) -> Result<State, ()> {
    match word {
        "UP" => Ok(State::Up),
        "DRAINING" => Ok(State::Draining),
        "FENCED" => Ok(State::Fenced),
        _ => Err(()),
    }
}

fn write(edge: &Edge) -> Attributes {
    Writer::new(key(&edge.id))
        .set(NAME, text(&edge.name))
        .set(EPOCH, number(edge.epoch))
        .set(BOOT_ID, text(&edge.boot_id))
        .set(HEARTBEAT, number(edge.heartbeat))
        .set(STATE, state_word(edge.state))
        .set(SWEPT, AttributeValue::Bool(edge.swept))
        .set(REGION, text(&edge.region))
        .set(RTMP_URL, text(&edge.rtmp_url))
        .set_some(RTMPS_URL, edge.rtmps_url.as_ref().map(text))
        .set_some(PEER_ADDRESS, edge.peer_address.as_ref().map(text))
        .set(PUBLISHERS, number(edge.publishers.into()))
        .set(CAPACITY, number(edge.capacity.into()))
        .finish()
}

fn read(attributes: &Attributes) -> Result<Edge, Error> {
    let reader = Reader::new(Table::Edges, attributes);
    Ok(Edge {
        id: reader.parsed(EDGE_ID, EdgeId::parse)?,
        name: reader.text(NAME)?.to_owned(),
        epoch: reader.number(EPOCH)?,
        boot_id: reader.text(BOOT_ID)?.to_owned(),
        heartbeat: reader.number(HEARTBEAT)?,
        state: reader.parsed(STATE, parse_state)?,
        swept: reader.boolean(SWEPT)?,
        region: reader.text(REGION)?.to_owned(),
        rtmp_url: reader.text(RTMP_URL)?.to_owned(),
        rtmps_url: reader.some_text(RTMPS_URL)?.map(str::to_owned),
        peer_address: reader.some_text(PEER_ADDRESS)?.map(str::to_owned),
        publishers: reader.number(PUBLISHERS)?,
        capacity: reader.number(CAPACITY)?,
    })
}
