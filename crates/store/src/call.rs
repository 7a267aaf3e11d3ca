//! The calls that every table makes: their answers sorted into done, condition failed, and trouble.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use crate::change::Change;
use crate::item::Attributes;
use crate::schema::Table;
use crate::{Error, Store, Trouble};

/// Most deeply nested cause that is told to the operator.
const MAX_CAUSES: usize = 8;

/// Error codes that another try may be spared: the store is busy or had an accident.
const PASSING: [&str; 9] = [
    "InternalServerError",
    "InternalFailure",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "ReplicatedWriteConflictException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionInProgressException",
];

/// What became of a conditional write.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was made. The item as it is now; of a deletion as it was; of a put nothing.
    Done(Attributes),
    /// Its condition failed on this item; None where there is no item.
    Failed(Option<Attributes>),
}

impl Error {
    /// Sorts a failed call by who can act.
    pub(crate) fn of<E: ProvideErrorMetadata>(
        operation: &'static str,
        error: &SdkError<E, HttpResponse>,
    ) -> Self {
        let SdkError::ServiceError(answer) = error else {
            return Self::without_answer(operation, error);
        };
        let code = answer.err().code().unwrap_or("no code");
        let status = answer.raw().status().as_u16();
        let trouble = Trouble::new(operation, format!("{code} (status {status})"));
        if status >= 500 || status == 429 || PASSING.contains(&code) {
            Self::Unavailable(trouble)
        } else {
            Self::Refused(trouble)
        }
    }

    fn without_answer<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self {
        let (kind, cause): (_, Option<&dyn std::error::Error>) = match error {
            SdkError::ConstructionFailure(_) => {
                return Self::Refused(Trouble::new(operation, "the request could not be built"));
            }
            SdkError::TimeoutError(_) => ("timed out", None),
            SdkError::DispatchFailure(failure) => (
                "not sent",
                failure.as_connector_error().map(|error| error as _),
            ),
            SdkError::ResponseError(_) => ("the answer could not be read", None),
            _ => ("no answer", None),
        };
        Self::Unavailable(Trouble::new(operation, with_causes(kind, cause)))
    }
}

/// The causes of a request that was never answered: addresses and system errors, no items.
fn with_causes(kind: &str, cause: Option<&dyn std::error::Error>) -> String {
    let causes = std::iter::successors(cause, |error| error.source()).take(MAX_CAUSES);
    causes.fold(kind.to_owned(), |text, cause| format!("{text}: {cause}"))
}

impl Store {
    /// Reads one item, strongly consistent.
    pub(crate) async fn get(
        &self,
        table: Table,
        key: Attributes,
    ) -> Result<Option<Attributes>, Error> {
        let request = self.client.get_item().table_name(self.tables.name(table));
        let answer = request
            .set_key(Some(key))
            .consistent_read(true)
            .send()
            .await;
        answer
            .map(|output| output.item)
            .map_err(|error| Error::of("GetItem", &error))
    }

    /// Updates one item where the change's conditions hold.
    pub(crate) async fn update(
        &self,
        table: Table,
        key: Attributes,
        change: &Change,
    ) -> Result<Outcome, Error> {
        let request = self
            .client
            .update_item()
            .table_name(self.tables.name(table))
            .set_key(Some(key))
            .set_update_expression(change.update())
            .set_condition_expression(change.condition())
            .set_expression_attribute_names(change.names())
            .set_expression_attribute_values(change.values())
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match request.send().await {
            Ok(output) => Ok(Outcome::Done(output.attributes.unwrap_or_default())),
            Err(SdkError::ServiceError(answer)) if is_condition_of_update(answer.err()) => {
                match answer.into_err() {
                    UpdateItemError::ConditionalCheckFailedException(failed) => {
                        Ok(Outcome::Failed(failed.item))
                    }
                    _ => Ok(Outcome::Failed(None)),
                }
            }
            Err(error) => Err(Error::of("UpdateItem", &error)),
        }
    }

    /// Puts one item where the conditions hold; `conditions` changes nothing itself.
    pub(crate) async fn put(
        &self,
        table: Table,
        item: Attributes,
        conditions: &Change,
    ) -> Result<Outcome, Error> {
        let request = self
            .client
            .put_item()
            .table_name(self.tables.name(table))
            .set_item(Some(item))
            .set_condition_expression(conditions.condition())
            .set_expression_attribute_names(conditions.names())
            .set_expression_attribute_values(conditions.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match request.send().await {
            Ok(_) => Ok(Outcome::Done(Attributes::new())),
            Err(SdkError::ServiceError(answer))
                if matches!(
                    answer.err(),
                    PutItemError::ConditionalCheckFailedException(_)
                ) =>
            {
                match answer.into_err() {
                    PutItemError::ConditionalCheckFailedException(failed) => {
                        Ok(Outcome::Failed(failed.item))
                    }
                    _ => Ok(Outcome::Failed(None)),
                }
            }
            Err(error) => Err(Error::of("PutItem", &error)),
        }
    }

    /// Deletes one item where the conditions hold.
    pub(crate) async fn delete(
        &self,
        table: Table,
        key: Attributes,
        conditions: &Change,
    ) -> Result<Outcome, Error> {
        let request = self
            .client
            .delete_item()
            .table_name(self.tables.name(table))
            .set_key(Some(key))
            .set_condition_expression(conditions.condition())
            .set_expression_attribute_names(conditions.names())
            .set_expression_attribute_values(conditions.values())
            .return_values(ReturnValue::AllOld);
        match request.send().await {
            Ok(output) => Ok(Outcome::Done(output.attributes.unwrap_or_default())),
            Err(SdkError::ServiceError(answer))
                if matches!(
                    answer.err(),
                    DeleteItemError::ConditionalCheckFailedException(_)
                ) =>
            {
                Ok(Outcome::Failed(None))
            }
            Err(error) => Err(Error::of("DeleteItem", &error)),
        }
    }
}

fn is_condition_of_update(error: &UpdateItemError) -> bool {
    matches!(error, UpdateItemError::ConditionalCheckFailedException(_))
}
