//! The description of the API (OpenAPI 3.1): what it says beside its operations, and its serving.

use std::collections::{BTreeMap, BTreeSet};

use ::http::StatusCode;
use ::http::header::CONTENT_TYPE;
use axum::Extension;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use contract::problem::Code;
use serde_json::{Map, Value, json};

use super::describe::{Answers, JSON, Operation, Schemas};

/// The name of the one way to say who calls.
pub(super) const TOKEN: &str = "token";

/// Ends the name of what callers send, where they are sent it in another form.
const SENT: &str = "Sent";

/// What a caller knows before the first call.
const WORDS: &str = "\
Channels, their stream keys, and what happens on them.

Every answer is JSON, a problem (RFC 9457) or empty, and has `Cache-Control: no-store`. Programs \
decide on a problem's `code`; its `detail` is for people. A path that is not described here is \
`not_found`; a described one with another method is `method_not_allowed`, with the methods that it \
takes in `Allow`. What is another user's is `not_found`, too.

Lists come in pages: a page has a `cursor` while there are more rows, which asks for the next one. A \
cursor is good for the list that gave it, and is not to be made by hand.";

/// Path by path, the operations by method.
pub(super) type Paths = BTreeMap<&'static str, Map<String, Value>>;

/// The whole description, as it is served.
#[derive(Clone, Debug)]
pub(super) struct Document(Bytes);

impl Document {
    pub(super) fn new(mut paths: Paths, mut schemas: Schemas) -> Self {
        link(&mut paths);
        let elsewhere = answers_of_no_operation(&mut schemas);
        let schemas = components(&mut paths, schemas);
        let document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "stream-sync",
                "version": env!("CARGO_PKG_VERSION"),
                "description": WORDS,
                "license": { "name": "MIT OR Apache-2.0", "identifier": env!("CARGO_PKG_LICENSE") },
            },
            "servers": [{ "url": "/" }],
            "paths": paths,
            "components": {
                "responses": elsewhere,
                "schemas": schemas,
                "securitySchemes": { TOKEN: {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of the identity provider, signed with RS256 or ES256.",
                } },
            },
        });
        Self(document.to_string().into())
    }
}

/// The schemas by name. What is read in another form than it is written has a name for each.
fn components(paths: &mut Paths, schemas: Schemas) -> Map<String, Value> {
    let (read, mut all) = schemas.take();
    let other = |(name, schema): &(&String, &Value)| all.get(*name).is_some_and(|it| it != *schema);
    let others: BTreeSet<_> = read
        .iter()
        .filter(other)
        .map(|(name, _)| name.clone())
        .collect();
    let operations = paths.values_mut().flat_map(|methods| methods.values_mut());
    for request in operations.filter_map(|operation| operation.get_mut("requestBody")) {
        rename(request, &others);
    }
    for (mut name, mut schema) in read {
        rename(&mut schema, &others);
        if others.contains(&name) {
            name.push_str(SENT);
        }
        let written = all.insert(name, schema.clone());
        debug_assert!(
            written.is_none_or(|written| written == schema),
            "one name, two schemas"
        );
    }
    all
}

fn rename(value: &mut Value, others: &BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref")
                && others
                    .iter()
                    .any(|name| reference.rsplit('/').next() == Some(name))
            {
                reference.push_str(SENT);
            }
            fields.values_mut().for_each(|field| rename(field, others));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| rename(value, others)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What is answered where there is no operation.
fn answers_of_no_operation(schemas: &mut Schemas) -> Value {
    let mut none = Operation::default();
    none.may_refuse(&[Code::NotFound, Code::MethodNotAllowed]);
    let methods = json!({ "type": "string" });
    none.answers_with_header(405, "Allow", "The methods that the path takes.", methods);
    let mut described = none.into_object(schemas);
    let responses = described["responses"].take();
    json!({ "NoSuchPath": responses["404"], "NoSuchMethod": responses["405"] })
}

/// What makes a thing at a path leads to every operation on the things below that path.
fn link(paths: &mut Paths) {
    let operations = |below: &str| {
        let below = format!("{below}/{{id}}");
        let found = paths.iter().filter(|(path, _)| path.starts_with(&below));
        let found = found.flat_map(|(_, operations)| operations.values());
        let follow = |operation: &Value| {
            let id = operation["operationId"].as_str()?.to_owned();
            let parameters = json!({ "id": "$response.body#/id" });
            Some((
                id.clone(),
                json!({ "operationId": id, "parameters": parameters }),
            ))
        };
        Value::Object(found.filter_map(follow).collect())
    };
    let makers = paths.iter().filter_map(|(path, methods)| {
        let made = methods
            .get("post")?
            .pointer("/responses/201/headers/Location");
        made.map(|_| (*path, operations(path)))
    });
    let links: Vec<_> = makers.collect();
    for (path, links) in links {
        if let Some(post) = paths
            .get_mut(path)
            .and_then(|methods| methods.get_mut("post"))
        {
            post["responses"]["201"]["links"] = links;
        }
    }
}

/// `GET /v1/openapi.json`.
pub(super) async fn description(Extension(document): Extension<Document>) -> Document {
    document
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, JSON)], self.0).into_response()
    }
}

impl Answers for Document {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        let schema = json!({
            "type": "object",
            "required": ["openapi", "info", "paths", "components"],
            "properties": { "openapi": { "const": "3.1.0" } },
        });
        operation.answers(StatusCode::OK, Some(schema));
    }
}
