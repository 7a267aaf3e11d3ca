//! Writes of several items that are all made or none.
//!
//! The client gives every call a token of its own, so that an attempt whose answer was lost is not
//! made twice. A conflict with another transaction is no condition: it is tried again, a few times.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem, Update};

use crate::change::Change;
use crate::item::Attributes;
use crate::schema::{Table, built};
use crate::{Error, Store, Trouble};

/// Tries of a transaction that meets another one on an item.
const MAX_TRIES: u32 = 4;
/// Longest wait before the first repetition; doubles with each. The other transaction takes about
/// ten milliseconds. Half of it at least, so that two that meet do not meet again.
const FIRST_WAIT: Duration = Duration::from_millis(40);

const OPERATION: &str = "TransactWriteItems";

/// What became of a transaction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Transacted {
    /// Everything was written.
    Done,
    /// Nothing was: the conditions at these places failed.
    Failed(Vec<usize>),
}

/// What ended one try.
enum Try {
    Over(Transacted),
    Conflict,
}

impl Store {
    pub(crate) fn transact_put(
        &self,
        table: Table,
        item: Attributes,
        conditions: &Change,
    ) -> Result<TransactWriteItem, Error> {
        let put = Put::builder()
            .table_name(self.tables.name(table))
            .set_item(Some(item))
            .set_condition_expression(conditions.condition())
            .set_expression_attribute_names(conditions.names())
            .set_expression_attribute_values(conditions.values());
        Ok(TransactWriteItem::builder()
            .put(built(put.build())?)
            .build())
    }

    pub(crate) fn transact_update(
        &self,
        table: Table,
        key: Attributes,
        change: &Change,
    ) -> Result<TransactWriteItem, Error> {
        let update = Update::builder()
            .table_name(self.tables.name(table))
            .set_key(Some(key))
            .set_update_expression(change.update())
            .set_condition_expression(change.condition())
            .set_expression_attribute_names(change.names())
            .set_expression_attribute_values(change.values());
        let update = built(update.build())?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    pub(crate) fn transact_delete(
        &self,
        table: Table,
        key: Attributes,
        conditions: &Change,
    ) -> Result<TransactWriteItem, Error> {
        let delete = Delete::builder()
            .table_name(self.tables.name(table))
            .set_key(Some(key))
            .set_condition_expression(conditions.condition())
            .set_expression_attribute_names(conditions.names())
            .set_expression_attribute_values(conditions.values());
        let delete = built(delete.build())?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Writes all items or none.
    pub(crate) async fn transact(
        &self,
        items: Vec<TransactWriteItem>,
    ) -> Result<Transacted, Error> {
        let mut longest = FIRST_WAIT;
        for _ in 1..MAX_TRIES {
            if let Try::Over(transacted) = self.try_transaction(&items).await? {
                return Ok(transacted);
            }
            tokio::time::sleep(rand::random_range(longest / 2..=longest)).await;
            longest *= 2;
        }
        match self.try_transaction(&items).await? {
            Try::Over(transacted) => Ok(transacted),
            Try::Conflict => Err(Error::Unavailable(Trouble::new(
                OPERATION,
                "other transactions on the same items",
            ))),
        }
    }

    async fn try_transaction(&self, items: &[TransactWriteItem]) -> Result<Try, Error> {
        let request = self.client.transact_write_items();
        let answer = request
            .set_transact_items(Some(items.to_vec()))
            .send()
            .await;
        let Err(error) = answer else {
            return Ok(Try::Over(Transacted::Done));
        };
        canceled(&error).unwrap_or_else(|| Err(Error::of(OPERATION, &error)))
    }
}

/// Reads why a transaction was canceled; None where it failed in another way.
fn canceled<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<Result<Try, Error>> {
    let SdkError::ServiceError(answer) = error else {
        return None;
    };
    let TransactWriteItemsError::TransactionCanceledException(canceled) = answer.err() else {
        return None;
    };
    let reasons = canceled.cancellation_reasons();
    let codes: Vec<&str> = reasons
        .iter()
        .map(|reason| reason.code().unwrap_or("None"))
        .collect();
    Some(sort(&codes))
}

fn sort(codes: &[&str]) -> Result<Try, Error> {
    let failed: Vec<usize> = codes
        .iter()
        .enumerate()
        .filter_map(|(place, code)| (*code == "ConditionalCheckFailed").then_some(place))
        .collect();
    if !failed.is_empty() {
        return Ok(Try::Over(Transacted::Failed(failed)));
    }
    if codes.contains(&"TransactionConflict") {
        return Ok(Try::Conflict);
    }
    let trouble = Trouble::new(OPERATION, format!("canceled: {}", codes.join(", ")));
    let passing = ["ThrottlingError", "ProvisionedThroughputExceeded"];
    if codes.iter().any(|code| passing.contains(code)) {
        Err(Error::Unavailable(trouble))
    } else {
        Err(Error::Refused(trouble))
    }
}
