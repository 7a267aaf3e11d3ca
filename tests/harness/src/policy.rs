//! What a part of the system has a right to in DynamoDB: its IAM policy in `infra/policies`, held
//! against the calls that it makes.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// How policies name the tables of a deployment.
const TABLE: &str = "table/${TablePrefix}";

/// `UpdateItem live`, `Query live/index/byOwner`, ...
pub type Right = String;

/// One part's rights.
#[derive(Clone, Debug)]
pub struct Policy {
    name: String,
    rights: BTreeSet<Right>,
}

impl Policy {
    /// The policy of `edge`, `api`, `websocket`, `status-fanout` or `reaper`.
    ///
    /// # Errors
    /// When there is none, or it says something that nobody here looks at.
    pub fn of(name: &str) -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let file = root.join("infra/policies").join(format!("{name}.json"));
        let text = std::fs::read_to_string(&file);
        let text = text.map_err(|error| format!("{}: {error}", file.display()))?;
        let policy: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let mut rights = BTreeSet::new();
        for statement in list(&policy["Statement"]) {
            if statement["Effect"] != "Allow" {
                return Err(format!("{name}: only Allow is understood"));
            }
            for action in list(&statement["Action"]).filter_map(Value::as_str) {
                for resource in list(&statement["Resource"]).filter_map(Value::as_str) {
                    if let Some(right) = right(action, resource) {
                        rights.insert(right);
                    }
                }
            }
        }
        let name = name.to_owned();
        Ok(Self { name, rights })
    }

    /// What of these rights it does not give.
    pub fn lacks<'a>(&self, needed: impl IntoIterator<Item = &'a Right>) -> Vec<String> {
        let needed = needed.into_iter();
        let lacking = needed.filter(|right| !self.rights.contains(*right));
        lacking
            .map(|right| format!("{} has no right to {right}", self.name))
            .collect()
    }
}

/// One right; None where it is none to a table.
fn right(action: &str, resource: &str) -> Option<Right> {
    let operation = action.strip_prefix("dynamodb:")?;
    let (_, table) = resource.split_once(TABLE)?;
    Some(format!("{operation} {table}"))
}

/// The rights that a request needs, as IAM counts them: a transaction those of each of its parts. The
/// operation is the last part of `X-Amz-Target`, the body its JSON.
#[must_use]
pub fn needed(operation: &str, body: &Value) -> BTreeSet<Right> {
    let mut needed = BTreeSet::new();
    let mut need = |operation: &str, table: &str| needed.insert(format!("{operation} {table}"));
    if let Some(table) = body["TableName"].as_str() {
        match body["IndexName"].as_str() {
            Some(index) => need(operation, &format!("{table}/index/{index}")),
            None => need(operation, table),
        };
    }
    for table in body["RequestItems"].as_object().into_iter().flatten() {
        need(operation, table.0);
    }
    for part in list(&body["TransactItems"]) {
        for (kind, part) in part.as_object().into_iter().flatten() {
            let operation = match kind.as_str() {
                "ConditionCheck" => "ConditionCheckItem".to_owned(),
                kind => format!("{kind}Item"),
            };
            need(&operation, part["TableName"].as_str().unwrap_or_default());
        }
    }
    if needed.is_empty() {
        // No policy of ours gives what names no table.
        needed.insert(operation.to_owned());
    }
    needed
}

/// The elements of a list, or the one value that stands in its place.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    let one = (!value.is_array() && !value.is_null()).then_some(value);
    value.as_array().into_iter().flatten().chain(one)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_that_a_parts_policy_does_not_name_is_forbidden() {
        let reaper = Policy::of("reaper").unwrap();
        let read = json!({ "TableName": "live" });
        assert_eq!(
            reaper.lacks(&needed("GetItem", &read)),
            Vec::<String>::new()
        );
        assert_eq!(
            reaper.lacks(&needed("DeleteItem", &read)),
            ["reaper has no right to DeleteItem live"]
        );
        let by_owner = json!({ "TableName": "live", "IndexName": "byOwner" });
        assert!(reaper.lacks(&needed("Query", &by_owner)).is_empty());
        assert!(!reaper.lacks(&needed("Query", &read)).is_empty());
    }

    #[test]
    fn a_transaction_needs_the_right_to_each_of_its_parts() {
        let api = Policy::of("api").unwrap();
        let parts = json!({ "TransactItems": [
            { "Put": { "TableName": "channels" } },
            { "ConditionCheck": { "TableName": "live" } },
        ] });
        assert_eq!(
            api.lacks(&needed("TransactWriteItems", &parts)),
            ["api has no right to ConditionCheckItem live"]
        );
    }
}
