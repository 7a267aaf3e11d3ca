//! The `edges` table: one item for each edge process, and its heartbeat.
//!
//! Each [`Write`] becomes one call whose condition says what [`Write::permitted`] says.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::EdgeId;
use domain::edge::{Edge, State, Write};

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

impl Store {
    /// Makes a conditional write on an edge's item. True where it is done: by this call, by one whose
    /// answer was lost, or (a fence, say) by another's of the same effect. False where the item does
    /// not permit it: of the edge's own writes that means that its epoch is over.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: whether it was made is not known; repeat it. [`Error::Corrupt`].
    pub async fn write_edge(&self, write: &Write) -> Result<bool, Error> {
        let condition = condition(write);
        let outcome = match write {
            Write::Boot(edge) | Write::Renew(edge) => {
                self.put(Table::Edges, attributes(edge), &condition).await?
            }
            Write::Beat { .. }
            | Write::Drain { .. }
            | Write::Fence { .. }
            | Write::Swept { .. } => {
                let change = change(condition, write);
                self.update(Table::Edges, key(write.edge_id()), &change)
                    .await?
            }
        };
        match outcome {
            Outcome::Done(_) => Ok(true),
            Outcome::Failed(found) => {
                let found = found.as_ref().map(read).transpose()?;
                Ok(found.is_some_and(|found| write.left(&found)))
            }
        }
    }

    /// One edge; None where it never was or was forgotten. Strongly consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn edge(&self, edge_id: &EdgeId) -> Result<Option<Edge>, Error> {
        let found = self.get(Table::Edges, key(edge_id)).await?;
        found.as_ref().map(read).transpose()
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
}

/// What [`Write::permitted`] demands.
fn condition(write: &Write) -> Change {
    let condition = Change::new();
    match write {
        Write::Boot(_) => condition.when_absent(EDGE_ID),
        Write::Renew(edge) => condition.when(EPOCH, number(edge.epoch.saturating_sub(1))),
        Write::Beat { heartbeat, .. } => {
            lives_in(heartbeat.epoch).when(HEARTBEAT, number(heartbeat.number.saturating_sub(1)))
        }
        Write::Drain { owner } => lives_in(owner.epoch),
        Write::Fence { owner, heartbeat } => {
            lives_in(owner.epoch).when(HEARTBEAT, number(*heartbeat))
        }
        Write::Swept { owner } => condition
            .when(EPOCH, number(owner.epoch))
            .when(STATE, state_word(State::Fenced)),
    }
}

fn lives_in(epoch: u64) -> Change {
    Change::new()
        .when(EPOCH, number(epoch))
        .when_one_of(STATE, [State::Up, State::Draining].map(state_word))
}

/// What a write leaves, other than a whole item.
fn change(condition: Change, write: &Write) -> Change {
    match write {
        Write::Boot(_) | Write::Renew(_) => condition,
        Write::Beat {
            heartbeat,
            publishers,
            ..
        } => condition
            .set(HEARTBEAT, number(heartbeat.number))
            .set(PUBLISHERS, number((*publishers).into())),
        Write::Drain { .. } => condition.set(STATE, state_word(State::Draining)),
        Write::Fence { .. } => condition
            .set(STATE, state_word(State::Fenced))
            .set(SWEPT, AttributeValue::Bool(false)),
        Write::Swept { .. } => condition.set(SWEPT, AttributeValue::Bool(true)),
    }
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

fn attributes(edge: &Edge) -> Attributes {
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
