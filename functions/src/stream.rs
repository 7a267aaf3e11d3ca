//! Events of the change streams, from JSON to `service::fanout` and back.
//!
//! A batch is worked through in order. Where the store gives no answer the batch stops, and the
//! answer names the record to begin with again (`ReportBatchItemFailures`). A record that cannot be
//! read is logged and passed over: trying again would only hold up those after it.

use domain::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

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
    /// Whose stream it is.
    #[serde(rename = "eventSourceARN", default)]
    source: String,
    dynamodb: Change,
}

#[derive(Deserialize)]
struct Change {
    #[serde(rename = "SequenceNumber")]
    sequence_number: String,
    /// In seconds.
    #[serde(rename = "ApproximateCreationDateTime")]
    written_at: Option<f64>,
    /// Absent where an item was deleted: it had expired.
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
    for record in batch.records {
        if let Err(error) = follow(services, &record, now).await {
            tracing::warn!(error = %Chain(&error), "batch stopped; it goes on from this record");
            failures.push(json!({ "itemIdentifier": record.dynamodb.sequence_number }));
            break;
        }
    }
    Ok(json!({ "batchItemFailures": failures }))
}

async fn follow(
    services: &StatusFanout,
    Record { source, dynamodb }: &Record,
    now: Timestamp,
) -> Result<(), store::Error> {
    let Some(image) = &dynamodb.new_image else {
        return Ok(());
    };
    let old_image = dynamodb.old_image.as_ref();
    let times = fanout::Times {
        written_at: dynamodb.written_at.map_or(now, of_seconds),
        now,
    };
    let followed = match services.store.stream_change(source, image, old_image) {
        Ok(change) => fanout::follow(services, &change, times).await,
        Err(error) => Err(error),
    };
    match followed {
        Err(error @ store::Error::Corrupt { .. }) => {
            tracing::error!(
                error = %Chain(&error),
                sequence_number = dynamodb.sequence_number,
                "record passed over"
            );
            Ok(())
        }
        other => other,
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and no record is from before 1970"
)]
fn of_seconds(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1_000.0) as u64)
}
