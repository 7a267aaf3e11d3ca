//! What can be wrong between a program and its database, and what becomes of one request then.

use std::time::Duration;

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::Call;

/// What is wrong with a line. Several may be at once; nothing by default.
///
/// The shares are of the requests that are of [`Faults::operations`] and about [`Faults::tables`],
/// from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Faults {
    /// Connections are closed, open ones and new ones.
    pub cut: bool,
    /// The share of requests that never reach the database and are never answered.
    pub requests_lost: f64,
    /// The share of requests that are answered "throttled", as DynamoDB does, and not carried out.
    pub throttled: f64,
    /// The share of requests that are carried out and never answered.
    pub answers_lost: f64,
    /// How much longer each request is on its way.
    pub delay_millis: u64,
    /// Only these operations suffer (`UpdateItem`, ...); all of them where none is named. A cut line
    /// knows neither operations nor tables.
    pub operations: Vec<String>,
    /// Only requests about these tables (`live`, ...) suffer; all of them where none is named.
    pub tables: Vec<String>,
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is carried out and answered.
    Answered,
    /// Neither.
    RequestLost,
    /// It is answered only, with an error.
    Throttled(Throttle),
    /// It is carried out only.
    AnswerLost,
}

/// The two ways in which DynamoDB says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Throttle {
    /// The account's or the table's rate.
    Rate,
    /// A partition's throughput, on-demand tables too.
    Throughput,
}

impl Faults {
    /// Connections are closed.
    #[must_use]
    pub fn cut() -> Self {
        Self {
            cut: true,
            ..Self::default()
        }
    }

    /// Packets vanish on the way to the database.
    #[must_use]
    pub fn requests_lost(share: f64) -> Self {
        Self {
            requests_lost: share,
            ..Self::default()
        }
    }

    /// Packets vanish on the way back: answers are lost after the commit.
    #[must_use]
    pub fn answers_lost(share: f64) -> Self {
        Self {
            answers_lost: share,
            ..Self::default()
        }
    }

    /// The database refuses this share.
    #[must_use]
    pub fn throttled(share: f64) -> Self {
        Self {
            throttled: share,
            ..Self::default()
        }
    }

    /// Everything takes this much longer.
    #[must_use]
    pub fn delayed(by: Duration) -> Self {
        Self {
            delay_millis: u64::try_from(by.as_millis()).unwrap_or(u64::MAX),
            ..Self::default()
        }
    }

    /// The same for these operations alone.
    #[must_use]
    pub fn only(mut self, operations: &[&str]) -> Self {
        self.operations = operations.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// The same for requests about these tables alone.
    #[must_use]
    pub fn about(mut self, tables: &[&str]) -> Self {
        self.tables = tables.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    fn spares(&self, call: &Call) -> bool {
        let leaves_out =
            |named: &[String], name: &String| !named.is_empty() && !named.contains(name);
        leaves_out(&self.operations, &call.operation) || leaves_out(&self.tables, &call.table)
    }

    /// How much later a request goes on.
    pub(super) fn delay(&self, call: &Call) -> Duration {
        if self.spares(call) {
            return Duration::ZERO;
        }
        Duration::from_millis(self.delay_millis)
    }

    /// What becomes of a request. It takes the same throws whatever the shares are, so that changing
    /// one fault leaves what the seed gives to the others.
    pub(super) fn draw(&self, call: &Call, dice: &mut impl Rng) -> Fate {
        let throws: [f64; 4] = dice.random();
        let [request, throttle, answer, kind] = throws;
        if self.spares(call) {
            Fate::Answered
        } else if request < self.requests_lost {
            Fate::RequestLost
        } else if throttle < self.throttled {
            Fate::Throttled(if kind < 0.5 {
                Throttle::Rate
            } else {
                Throttle::Throughput
            })
        } else if answer < self.answers_lost {
            Fate::AnswerLost
        } else {
            Fate::Answered
        }
    }
}

impl Throttle {
    /// The error's type, as the real service spells it.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Rate => "com.amazon.coral.availability#ThrottlingException",
            Self::Throughput => {
                "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
            }
        }
    }

    /// The error's message, as the real service words it.
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Rate => "Rate of requests exceeds the allowed throughput.",
            Self::Throughput => {
                "The level of configured provisioned throughput for the table was exceeded. \
                 Consider increasing your provisioning level with the UpdateTable API."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    fn call(operation: &str, table: &str) -> Call {
        Call {
            line: "a".into(),
            operation: operation.into(),
            table: table.into(),
        }
    }

    fn fates(faults: &Faults, operation: &str, seed: u64) -> Vec<Fate> {
        let mut dice = StdRng::seed_from_u64(seed);
        let call = call(operation, "live");
        (0..1_000).map(|_| faults.draw(&call, &mut dice)).collect()
    }

    #[test]
    fn nothing_is_wrong_by_default() {
        let fates = fates(&Faults::default(), "UpdateItem", 1);
        assert!(fates.iter().all(|fate| *fate == Fate::Answered));
    }

    #[test]
    fn a_share_of_one_is_every_request_and_a_tenth_is_about_a_tenth() {
        let all = fates(&Faults::answers_lost(1.0), "UpdateItem", 1);
        assert!(all.iter().all(|fate| *fate == Fate::AnswerLost));
        let tenth = fates(&Faults::throttled(0.1), "UpdateItem", 1);
        let throttled = tenth.iter().filter(|fate| **fate != Fate::Answered).count();
        assert!((50..150).contains(&throttled), "{throttled} of 1000");
    }

    #[test]
    fn one_seed_gives_one_course() {
        let faults = Faults::requests_lost(0.5);
        assert_eq!(fates(&faults, "Scan", 7), fates(&faults, "Scan", 7));
        assert_ne!(fates(&faults, "Scan", 7), fates(&faults, "Scan", 8));
    }

    #[test]
    fn other_operations_and_tables_than_the_named_ones_are_spared() {
        let faults = Faults {
            delay_millis: 5,
            ..Faults::requests_lost(1.0)
        }
        .only(&["UpdateItem"])
        .about(&["live"]);
        let mut dice = StdRng::seed_from_u64(1);
        for (operation, table, suffers) in [
            ("UpdateItem", "live", true),
            ("Scan", "live", false),
            ("UpdateItem", "edges", false),
        ] {
            let call = call(operation, table);
            let (lost, delayed) = (Fate::RequestLost, Duration::from_millis(5));
            assert_eq!(faults.draw(&call, &mut dice) == lost, suffers, "{call:?}");
            assert_eq!(faults.delay(&call) == delayed, suffers, "{call:?}");
        }
    }
}
