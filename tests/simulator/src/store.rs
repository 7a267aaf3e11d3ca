//! The store: items and conditional writes, by the domain's own rules, and an index that lags.
//!
//! Every request is carried out at one moment of true time, as DynamoDB does for one item. What a
//! write demands and leaves is `domain`'s `apply`; a planted error changes it here.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::channel::{Gate, Key};
use domain::edge::{self, Edge};
use domain::live::{Acquire, Item, State, Write};
use domain::{ChannelId, EdgeId, Owner, Timestamp, UserId};

use crate::chance::Chance;
use crate::event::{Channel, Made};
use crate::plant::Plant;
use crate::time::Time;

/// All tables.
#[derive(Debug)]
pub(crate) struct Store {
    plant: Option<Plant>,
    pub(crate) edges: BTreeMap<EdgeId, Edge>,
    /// The writer's wall clock at each edge's last heartbeat; only a planted error looks at it.
    pub(crate) beaten_at: BTreeMap<EdgeId, Timestamp>,
    pub(crate) rows: Vec<Row>,
}

/// One channel.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: ChannelId,
    pub(crate) grace: Duration,
    pub(crate) item: Option<Item>,
    pub(crate) gate: Gate,
    /// Until when each version of the key opens the channel; version 1 comes first.
    pub(crate) keys: Vec<Option<Timestamp>>,
    /// Which owner the index shows, from when on.
    index: Vec<(Time, Option<Owner>)>,
}

impl Store {
    pub(crate) fn new(plant: Option<Plant>, graces: &[Duration], chance: &mut Chance) -> Self {
        let row = |grace: &Duration| Row {
            id: ChannelId::from_random(chance.bytes()),
            grace: *grace,
            item: None,
            gate: Gate::default(),
            keys: vec![None],
            index: Vec::new(),
        };
        Self {
            plant,
            edges: BTreeMap::new(),
            beaten_at: BTreeMap::new(),
            rows: graces.iter().map(row).collect(),
        }
    }

    /// The place of a channel.
    pub(crate) fn place(&self, id: &ChannelId) -> Option<Channel> {
        self.rows.iter().position(|row| row.id == *id)
    }

    /// What a write leaves, or what it found where its condition failed.
    pub(crate) fn write_edge(&mut self, write: &edge::Write) -> Made<Edge> {
        let found = self.edges.get(write.edge_id());
        let Some(left) = write.apply(found) else {
            return Made::Refused(found.cloned());
        };
        self.edges.insert(left.id.clone(), left.clone());
        Made::Left(left)
    }

    /// The same for a live item; `lag` is how long the index takes to show a change of owner.
    pub(crate) fn write_live(
        &mut self,
        channel: Channel,
        write: &Write,
        visible: Time,
    ) -> Made<Item> {
        let row = &mut self.rows[channel];
        let found = row.item.as_ref();
        let Some(left) = apply(self.plant, write, found) else {
            return Made::Refused(found.cloned());
        };
        row.show_in_index(left.owner.clone(), visible);
        let deleted =
            self.plant == Some(Plant::ItemDeletedOnRelease) && left.state == State::Offline;
        row.item = (!deleted).then(|| left.clone());
        Made::Left(left)
    }

    /// The channels whose owner this is, as the index shows them.
    pub(crate) fn held_by(&self, owner: &Owner, now: Time) -> Vec<Channel> {
        let shows = |row: &Row| row.shown_owner(now) == Some(owner);
        (0..self.rows.len())
            .filter(|place| shows(&self.rows[*place]))
            .collect()
    }

    /// A key and the gate, strongly consistent.
    pub(crate) fn admission(&self, channel: Channel, version: u64) -> (Option<Key>, Gate) {
        let row = &self.rows[channel];
        let place = usize::try_from(version)
            .ok()
            .and_then(|version| version.checked_sub(1));
        let not_after = place.and_then(|place| row.keys.get(place));
        let key = not_after.and_then(|not_after| {
            Some(Key {
                channel_id: row.id.clone(),
                user_id: UserId::parse("owner").ok()?,
                version,
                not_after: *not_after,
            })
        });
        (key, row.gate)
    }
}

impl Row {
    /// Whether nobody is live, and nobody may come back.
    pub(crate) fn is_offline(&self) -> bool {
        self.item
            .as_ref()
            .is_none_or(|item| item.state == State::Offline)
    }

    /// From when the index shows this owner; None where it never will.
    pub(crate) fn visible_from(&self, owner: &Owner) -> Option<Time> {
        let shown = self
            .index
            .iter()
            .rev()
            .find(|(_, shown)| shown.as_ref() == Some(owner));
        shown.map(|(from, _)| *from)
    }

    /// Changes of one item reach the index in the order in which they were made.
    fn show_in_index(&mut self, owner: Option<Owner>, visible: Time) {
        let last = self.index.last();
        if last.map(|(_, owner)| owner) == Some(&owner) {
            return;
        }
        let visible = last.map_or(visible, |(from, _)| visible.max(*from));
        self.index.push((visible, owner));
    }

    fn shown_owner(&self, now: Time) -> Option<&Owner> {
        let shown = self.index.iter().rev().find(|(from, _)| *from <= now);
        shown.and_then(|(_, owner)| owner.as_ref())
    }
}

fn apply(plant: Option<Plant>, write: &Write, found: Option<&Item>) -> Option<Item> {
    let (Some(Plant::NoSequenceCompare), Write::Acquire(acquire)) = (plant, write) else {
        return write.apply(found);
    };
    let same_generation =
        acquire.seen.map(|seen| seen.generation) == found.map(|item| item.version.generation);
    let seen = found.map(|item| item.version);
    let blind = Write::Acquire(Acquire {
        seen,
        ..acquire.clone()
    });
    same_generation.then(|| blind.apply(found)).flatten()
}
