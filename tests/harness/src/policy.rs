//! What a part of the system has a right to in DynamoDB: its IAM policy in `infra/policies`, held
//! against the calls that it makes.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// How policies name the tables of a deployment.
const TABLE: &str = "table/${TablePrefix}";

/// One part's rights: `UpdateItem live`, `Query live/index/byOwner`, ...
#[derive(Clone, Debug)]
pub struct Policy {
    name: String,
    rights: BTreeSet<String>,
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

    /// What of a request is not allowed: the operation is the last part of `X-Amz-Target`, the body
    /// its JSON.
    #[must_use]
    pub fn forbidden(&self, operation: &str, body: &Value) -> Vec<String> {
        let asked = asked(operation, body).into_iter();
        let asked = asked.filter(|right| !self.rights.contains(right));
        asked
            .map(|right| format!("{} has no right to {right}", self.name))
            .collect()
    }

    /// Whether this operation on this table, or on an index of it, is allowed.
    #[must_use]
    pub fn allows(&self, operation: &str, table: &str) -> bool {
        let wanted = format!("{operation} {table}");
        let is_wanted = |right: &String| {
            let rest = right.strip_prefix(&wanted);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("/index/"))
        };
        self.rights.iter().any(is_wanted)
    }
}

/// One right; None where it is none to a table.
fn right(action: &str, resource: &str) -> Option<String> {
    let operation = action.strip_prefix("dynamodb:")?;
    let (_, table) = resource.split_once(TABLE)?;
    Some(format!("{operation} {table}"))
}

/// The rights that a request needs, as IAM counts them: a transaction those of each of its parts.
fn asked(operation: &str, body: &Value) -> BTreeSet<String> {
    let mut asked = BTreeSet::new();
    let mut ask = |operation: &str, table: &str| asked.insert(format!("{operation} {table}"));
    if let Some(table) = body["TableName"].as_str() {
        match body["IndexName"].as_str() {
            Some(index) => ask(operation, &format!("{table}/index/{index}")),
            None => ask(operation, table),
        };
    }
    for table in body["RequestItems"].as_object().into_iter().flatten() {
        ask(operation, table.0);
    }
    for part in list(&body["TransactItems"]) {
        for (kind, part) in part.as_object().into_iter().flatten() {
            let operation = match kind.as_str() {
                "ConditionCheck" => "ConditionCheckItem".to_owned(),
                kind => format!("{kind}Item"),
            };
            ask(&operation, part["TableName"].as_str().unwrap_or_default());
        }
    }
    asked
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
        assert_eq!(reaper.forbidden("GetItem", &read), Vec::<String>::new());
        assert_eq!(
            reaper.forbidden("DeleteItem", &read),
            ["reaper has no right to DeleteItem live"]
        );
        let by_owner = json!({ "TableName": "live", "IndexName": "byOwner" });
        assert!(reaper.forbidden("Query", &by_owner).is_empty());
        assert!(!reaper.forbidden("Query", &read).is_empty());
        assert!(reaper.allows("Query", "live") && !reaper.allows("Query", "channels"));
    }

    #[test]
    fn a_transaction_needs_the_right_to_each_of_its_parts() {
        let api = Policy::of("api").unwrap();
        let parts = json!({ "TransactItems": [
            { "Put": { "TableName": "channels" } },
            { "ConditionCheck": { "TableName": "live" } },
        ] });
        assert_eq!(
            api.forbidden("TransactWriteItems", &parts),
            ["api has no right to ConditionCheckItem live"]
        );
    }
}
