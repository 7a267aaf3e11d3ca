//! The API's own description: which operations there are, and whether it speaks of an answer.

use functions::Function;
use serde_json::{Value, json};

use super::{Answer, http_event};

/// The description, as it is served.
pub(crate) struct Description(pub(crate) Value);

/// One operation of it.
#[derive(Debug)]
pub(crate) struct Operation {
    /// `GET`, ...
    pub(crate) method: String,
    /// With `{id}` where the channel's id stands.
    pub(crate) path: String,
    pub(crate) needs_a_token: bool,
    /// The smallest body that it takes; null where it may do without.
    pub(crate) body: Value,
}

impl Operation {
    /// Whether it is about one channel.
    pub(crate) fn is_about_a_channel(&self) -> bool {
        self.path.starts_with("/v1/channels/{id}")
    }

    /// Its path for this channel.
    pub(crate) fn path_of(&self, channel_id: &str) -> String {
        self.path.replace("{id}", channel_id)
    }
}

impl Description {
    pub(crate) async fn of(api: &Function) -> Self {
        let asked = http_event("GET", "/v1/openapi.json", json!({}), None);
        // Boxed: every story's future would else hold one more whole invocation.
        let answer = Box::pin(api.invoke(asked)).await;
        let answer = Answer::of(&answer.expect("an answer"));
        assert_eq!(answer.status, 200, "{answer:?}");
        Self(answer.body)
    }

    pub(crate) fn operations(&self) -> Vec<Operation> {
        let paths = self.0["paths"].as_object().expect("paths");
        let operations = paths.iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods");
            methods.iter().map(move |(method, operation)| Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                needs_a_token: operation["security"].is_array(),
                body: self.smallest_body(operation),
            })
        });
        operations.collect()
    }

    /// Fails where an answer is not one that the description has for this request.
    pub(super) fn check(&self, method: &str, path: &str, answer: &Answer) {
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        let path = format!("/{}", path.trim_start_matches('/'));
        let paths = self.0["paths"].as_object().expect("paths");
        let found = paths.iter().filter(|(template, _)| fits(template, &path));
        // One without a variable part goes before one with it.
        let found = found.min_by_key(|(template, _)| template.matches('{').count());
        let Some((template, methods)) = found else {
            return answer.is_problem(404, "not_found");
        };
        let operation = &methods[method.to_lowercase()];
        if operation.is_null() {
            return answer.is_problem(405, "method_not_allowed");
        }
        let described = &operation["responses"][answer.status.to_string()];
        let what = format!("{method} {template} is not described to answer {answer:?}");
        assert!(described.is_object(), "{what}");
        let content = described["content"].as_object();
        match answer.headers["content-type"].as_str() {
            Some(kind) => assert!(
                content.is_some_and(|content| content.contains_key(kind)),
                "{what}"
            ),
            None => assert!(content.is_none() && answer.body.is_null(), "{what}"),
        }
        if answer.status >= 400 {
            let schema = &described["content"]["application/problem+json"]["schema"];
            let codes = schema["properties"]["code"]["enum"].as_array();
            assert!(
                codes.is_some_and(|codes| codes.contains(&answer.body["code"])),
                "{what}"
            );
        }
        for name in described["headers"]
            .as_object()
            .into_iter()
            .flat_map(|all| all.keys())
        {
            assert!(answer.headers[name.to_lowercase()].is_string(), "{what}");
        }
    }

    fn smallest_body(&self, operation: &Value) -> Value {
        let body = &operation["requestBody"];
        if body["required"] != true {
            return Value::Null;
        }
        self.smallest(&body["content"]["application/json"]["schema"])
    }

    /// The smallest value that a schema of a request allows, or the schema's own example.
    fn smallest(&self, schema: &Value) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let place = reference.trim_start_matches('#');
            return self.smallest(self.0.pointer(place).expect("a schema"));
        }
        let given = [&schema["examples"][0], &schema["const"], &schema["enum"][0]];
        if let Some(given) = given.into_iter().find(|given| !given.is_null()) {
            return given.clone();
        }
        let kind = schema["type"].as_str().or(schema["type"][0].as_str());
        match kind {
            Some("object") => {
                let required = schema["required"].as_array().into_iter().flatten();
                let required = required.filter_map(Value::as_str);
                let field =
                    |name: &str| (name.to_owned(), self.smallest(&schema["properties"][name]));
                Value::Object(required.map(field).collect())
            }
            Some("array") => json!([]),
            Some("boolean") => json!(false),
            Some("integer" | "number") => json!(schema["minimum"].as_u64().unwrap_or(0)),
            Some("string") => {
                let length = schema["minLength"].as_u64().unwrap_or(1);
                json!("x".repeat(usize::try_from(length).expect("short")))
            }
            _ => panic!("a body with {schema} needs an example"),
        }
    }
}

/// Whether a path is one of those that a template stands for.
fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    let same = |(expected, part): (&&str, &&str)| {
        expected == part || (expected.starts_with('{') && !part.is_empty())
    };
    template.len() == path.len() && template.iter().zip(&path).all(same)
}
