//! What passed the proxy, and what DynamoDB would charge for it.
//!
//! The units are those that the database itself states: each request is sent on with the question
//! for its consumed capacity. A write whose condition failed states none and is charged all the
//! same: one unit for each begun KB of the item that was found, at least one; for a transaction
//! twice as much for each of its writes, taken as one KB each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::Value;

use crate::policy::Right;

/// Operations that consume capacity and can be asked how much.
const READS: &[&str] = &[
    "BatchGetItem",
    "GetItem",
    "Query",
    "Scan",
    "TransactGetItems",
];
const WRITES: &[&str] = &[
    "BatchWriteItem",
    "DeleteItem",
    "PutItem",
    "TransactWriteItems",
    "UpdateItem",
];
/// A write unit's size in bytes.
const WRITE_UNIT: usize = 1024;
/// What a write in a transaction costs against one outside.
const TRANSACTION_FACTOR: usize = 2;
/// What a request to another service than the tables has for a table, and what names none.
const NO_TABLE: &str = "-";

/// What kind of request: who asked for what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Call {
    /// The line's name.
    pub line: String,
    /// `UpdateItem`, `Scan`, ...
    pub operation: String,
    /// The table; several joined with `+`, `-` for none.
    pub table: String,
}

/// How often, and what it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    /// Requests that came, whatever became of them.
    pub requests: u64,
    /// Those that were answered "throttled".
    pub throttled: u64,
    /// Those that were lost on their way.
    pub requests_lost: u64,
    /// Those whose answers were.
    pub answers_lost: u64,
    /// Those whose condition did not hold.
    pub conditions_failed: u64,
    /// Read request units.
    pub read_units: f64,
    /// Write request units, those of indexes among them.
    pub write_units: f64,
}

/// All that passed.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    tallies: BTreeMap<Call, Tally>,
    /// What was needed by each line.
    rights: BTreeMap<String, BTreeSet<Right>>,
}

impl Counts {
    /// Each kind of request with its tally, in order.
    pub fn rows(&self) -> impl Iterator<Item = (&Call, &Tally)> {
        self.tallies.iter()
    }

    /// The rights that this line's requests need, whatever became of them.
    pub fn rights(&self, line: &str) -> impl Iterator<Item = &Right> {
        self.rights.get(line).into_iter().flatten()
    }

    /// The sum over the kinds that `which` takes.
    #[must_use]
    pub fn sum(&self, which: impl Fn(&Call) -> bool) -> Tally {
        let taken = self.tallies.iter().filter(|(call, _)| which(call));
        taken.fold(Tally::default(), |sum, (_, tally)| sum.and(tally, 1.0))
    }

    /// What passed since `earlier`; the rights are those of all the time.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let since = |(call, tally): (&Call, &Tally)| {
            let before = earlier.tallies.get(call).copied().unwrap_or_default();
            (call.clone(), tally.and(&before, -1.0))
        };
        Self {
            tallies: self.tallies.iter().map(since).collect(),
            rights: self.rights.clone(),
        }
    }

    pub(super) fn tally(&mut self, call: &Call) -> &mut Tally {
        self.tallies.entry(call.clone()).or_default()
    }

    pub(super) fn needs(&mut self, line: &str, rights: BTreeSet<Right>) {
        self.rights
            .entry(line.to_owned())
            .or_default()
            .extend(rights);
    }
}

impl Tally {
    fn and(self, other: &Self, sign: f64) -> Self {
        let whole = |mine: u64, theirs: u64| {
            if sign < 0.0 {
                mine.saturating_sub(theirs)
            } else {
                mine + theirs
            }
        };
        Self {
            requests: whole(self.requests, other.requests),
            throttled: whole(self.throttled, other.throttled),
            requests_lost: whole(self.requests_lost, other.requests_lost),
            answers_lost: whole(self.answers_lost, other.answers_lost),
            conditions_failed: whole(self.conditions_failed, other.conditions_failed),
            read_units: self.read_units + sign * other.read_units,
            write_units: self.write_units + sign * other.write_units,
        }
    }

    /// Adds what an answer says that its request cost.
    pub(super) fn charge(&mut self, operation: &str, done: bool, request: &Value, answer: &Value) {
        let stated = stated_units(answer);
        if READS.contains(&operation) {
            self.read_units += stated;
        } else if WRITES.contains(&operation) && done {
            self.write_units += stated;
        } else if WRITES.contains(&operation) && condition_failed(answer) {
            self.conditions_failed += 1;
            self.write_units += unstated_units(operation, request, answer);
        }
    }
}

/// The counts, whatever became of who held them before.
pub(super) fn locked(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks for the units where the operation has any and the client did not ask itself. True where the
/// request was changed.
pub(super) fn ask_for_units(operation: &str, request: &mut Value) -> bool {
    if !READS.contains(&operation) && !WRITES.contains(&operation) {
        return false;
    }
    let Some(fields) = request.as_object_mut() else {
        return false;
    };
    fields.insert("ReturnConsumedCapacity".to_owned(), "TOTAL".into());
    true
}

/// The tables that a request names.
pub(super) fn table(request: &Value) -> String {
    let mut tables = BTreeSet::new();
    tables.extend(request["TableName"].as_str());
    if let Some(by_table) = request["RequestItems"].as_object() {
        tables.extend(by_table.keys().map(String::as_str));
    }
    for action in request["TransactItems"].as_array().into_iter().flatten() {
        let parts = action
            .as_object()
            .into_iter()
            .flat_map(|parts| parts.values());
        tables.extend(parts.filter_map(|part| part["TableName"].as_str()));
    }
    if tables.is_empty() {
        return NO_TABLE.to_owned();
    }
    Vec::from_iter(tables).join("+")
}

/// One table's `ConsumedCapacity`, or a list of them.
fn stated_units(answer: &Value) -> f64 {
    let units = |one: &Value| one["CapacityUnits"].as_f64().unwrap_or_default();
    match &answer["ConsumedCapacity"] {
        Value::Array(tables) => tables.iter().map(units).sum(),
        one => units(one),
    }
}

fn condition_failed(answer: &Value) -> bool {
    let kind = answer["__type"].as_str().unwrap_or_default();
    kind.ends_with("ConditionalCheckFailedException")
        || kind.ends_with("TransactionCanceledException")
}

#[allow(
    clippy::cast_precision_loss,
    reason = "DynamoDB takes no item of 400 KB and no transaction of more than 100"
)]
fn unstated_units(operation: &str, request: &Value, answer: &Value) -> f64 {
    let units = if operation == "TransactWriteItems" {
        let writes = request["TransactItems"].as_array();
        writes.map_or(1, Vec::len) * TRANSACTION_FACTOR
    } else {
        // The JSON of an item is longer than what is charged: an upper bound.
        let found = answer.get("Item").map_or(0, |item| item.to_string().len());
        found.div_ceil(WRITE_UNIT).max(1)
    };
    units as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_tables_of_a_request_are_found_wherever_they_stand() {
        for (request, expected) in [
            (json!({"TableName": "live"}), "live"),
            (json!({"RequestItems": {"b": [], "a": []}}), "a+b"),
            (
                json!({"TransactItems": [{"Put": {"TableName": "keys"}}, {"Update": {"TableName": "gate"}}]}),
                "gate+keys",
            ),
            (json!({"ShardIterator": "x"}), "-"),
        ] {
            assert_eq!(table(&request), expected);
        }
    }

    #[test]
    fn units_are_those_that_the_database_states() {
        let mut tally = Tally::default();
        let one = json!({"ConsumedCapacity": {"CapacityUnits": 1.5}});
        tally.charge("GetItem", true, &Value::Null, &one);
        let two = json!({"ConsumedCapacity": [{"CapacityUnits": 4.0}, {"CapacityUnits": 2.0}]});
        tally.charge("TransactWriteItems", true, &Value::Null, &two);
        tally.charge("DescribeTable", true, &Value::Null, &one);
        assert_eq!((tally.read_units, tally.write_units), (1.5, 6.0));
    }

    #[test]
    fn a_write_whose_condition_failed_is_charged_by_the_item_that_was_found() {
        let mut tally = Tally::default();
        let failed = |item: Value| json!({"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "Item": item});
        tally.charge(
            "UpdateItem",
            false,
            &Value::Null,
            &failed(json!({"pk": {"S": "a"}})),
        );
        tally.charge(
            "PutItem",
            false,
            &Value::Null,
            &failed(json!({"pk": {"S": "a".repeat(1500)}})),
        );
        assert_eq!((tally.conditions_failed, tally.write_units), (2, 3.0));
        let throttled = json!({"__type": "com.amazon.coral.availability#ThrottlingException"});
        tally.charge("UpdateItem", false, &Value::Null, &throttled);
        assert_eq!(tally.write_units, 3.0, "who is throttled pays nothing");
    }

    #[test]
    fn what_passed_since_an_earlier_count_is_the_difference() {
        let call = Call {
            line: "edge-1".into(),
            operation: "Scan".into(),
            table: "edges".into(),
        };
        let mut counts = Counts::default();
        counts.tally(&call).requests = 2;
        let earlier = counts.clone();
        counts.tally(&call).requests = 5;
        counts.tally(&call).read_units = 1.5;
        let since = counts.since(&earlier).sum(|call| call.table == "edges");
        assert_eq!((since.requests, since.read_units), (3, 1.5));
        assert_eq!(counts.sum(|call| call.table == "live").requests, 0);
    }
}
