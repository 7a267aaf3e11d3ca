//! Events of the change stream, from JSON to `service::fanout` and back.
//!
//! A batch is worked through in order. Where the store gives no answer the batch stops, and the
//! answer names the record to begin with again (`ReportBatchItemFailures`). A record that cannot be
//! read is logged and passed over: trying again would only hold up those after it.

use domain::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use store::Store;

use crate::chain::Chain;
use crate::service::fanout;
use crate::{Error, StatusFanout};

/// A batch, as far as it is read. The images stay JSON: only the store knows their attributes.
#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    dynamodb: Change,
}

#[derive(Deserialize)]
struct Change {
    #[serde(rename = "SequenceNumber")]
    sequence_number: String,
    /// Absent where an item was deleted, which no live item is.
    #[serde(rename = "NewImage")]
    new_image: Option<Value>,
    #[serde(rename = "OldImage")]
    old_image: Option<Value>,
}

pub(crate) async fn answer(
    services: &StatusFanout,
    event: Value,
    now: Timestamp,
) -> Result<Value, Error> {
    let batch: Batch =
        serde_json::from_value(event).map_err(|_| Error::MalformedEvent("a DynamoDB stream"))?;
    let mut failures = Vec::new();
    for Record { dynamodb: change } in batch.records {
        if let Err(error) = follow(services, &change, now).await {
            tracing::warn!(error = %Chain(&error), "batch stopped; it goes on from this record");
            failures.push(json!({ "itemIdentifier": change.sequence_number }));
            break;
        }
    }
    Ok(json!({ "batchItemFailures": failures }))
}

async fn follow(
    services: &StatusFanout,
    change: &Change,
    now: Timestamp,
) -> Result<(), store::Error> {
    let Some(image) = &change.new_image else {
        return Ok(());
    };
    let before = change.old_image.as_ref();
    let before = before.and_then(|image| Store::live_image(image).ok());
    let followed = match Store::live_image(image) {
        Ok(item) => fanout::follow(services, &item, before.as_ref(), now).await,
        Err(error) => Err(error),
    };
    match followed {
        Err(error @ store::Error::Corrupt { .. }) => {
            tracing::error!(
                error = %Chain(&error),
                sequence_number = change.sequence_number,
                "record passed over"
            );
            Ok(())
        }
        other => other,
    }
}
