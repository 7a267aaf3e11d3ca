//! One change as DynamoDB's event source spells it for a function.

use std::collections::HashMap;

use aws_sdk_dynamodbstreams::types::{AttributeValue, Record, StreamRecord};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// The record, with the stream that it comes from.
pub(super) fn json(record: &Record, arn: &str) -> Value {
    let mut event = json!({
        "eventID": record.event_id(),
        "eventName": record.event_name().map(|name| name.as_str()),
        "eventVersion": record.event_version(),
        "eventSource": "aws:dynamodb",
        "awsRegion": record.aws_region(),
        "eventSourceARN": arn,
    });
    if let Some(change) = record.dynamodb() {
        event["dynamodb"] = stream_record(change);
    }
    if let Some(identity) = record.user_identity() {
        event["userIdentity"] = json!({
            "type": identity.r#type(),
            "principalId": identity.principal_id(),
        });
    }
    event
}

fn stream_record(change: &StreamRecord) -> Value {
    let mut fields = Map::new();
    if let Some(at) = change.approximate_creation_date_time() {
        fields.insert("ApproximateCreationDateTime".into(), at.secs().into());
    }
    let images = [
        ("Keys", change.keys()),
        ("NewImage", change.new_image()),
        ("OldImage", change.old_image()),
    ];
    for (name, image) in images {
        if let Some(image) = image {
            fields.insert(name.into(), item(image));
        }
    }
    fields.insert("SequenceNumber".into(), json!(change.sequence_number()));
    fields.insert("SizeBytes".into(), json!(change.size_bytes()));
    let view = change.stream_view_type().map(|view| view.as_str());
    fields.insert("StreamViewType".into(), json!(view));
    fields.into()
}

fn item(item: &HashMap<String, AttributeValue>) -> Value {
    item.iter()
        .map(|(name, value)| (name.clone(), attribute(value)))
        .collect::<Map<_, _>>()
        .into()
}

fn attribute(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(number) => json!({"N": number}),
        AttributeValue::Bool(truth) => json!({"BOOL": truth}),
        AttributeValue::Null(truth) => json!({"NULL": truth}),
        AttributeValue::B(bytes) => json!({"B": STANDARD.encode(bytes)}),
        AttributeValue::Ss(texts) => json!({"SS": texts}),
        AttributeValue::Ns(numbers) => json!({"NS": numbers}),
        AttributeValue::Bs(all) => {
            let all: Vec<_> = all.iter().map(|bytes| STANDARD.encode(bytes)).collect();
            json!({"BS": all})
        }
        AttributeValue::L(list) => json!({"L": list.iter().map(attribute).collect::<Vec<_>>()}),
        AttributeValue::M(map) => json!({"M": item(map)}),
        // A kind that this client does not know yet: none of ours.
        _ => Value::Null,
    }
}
