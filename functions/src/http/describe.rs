//! What a handler's signature says of its operation: each argument and each answer describes itself.
//!
//! So the description of the API says what is read and answered, because it is made of the very
//! types that read and answer. What no type knows (a name, a sentence, the problems that a service
//! comes upon) is said where the route is (`routes`).

use std::collections::{BTreeMap, BTreeSet};

use ::http::StatusCode;
use axum::extract::State;
use axum::{Extension, Json};
use contract::problem::{CONTENT_TYPE, Code, Problem as Body};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// What is read or answered as JSON.
pub(super) const JSON: &str = "application/json";

/// What is known of one operation so far.
#[derive(Debug, Default)]
pub(super) struct Operation {
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    refusals: BTreeMap<u16, Refusal>,
}

/// The problems of one status.
#[derive(Debug)]
struct Refusal {
    title: &'static str,
    codes: BTreeSet<String>,
}

/// The schemas of all types that were met, by name. Of what is read and of what is written apart: a
/// caller may leave out what has a default, and reads it in every answer.
#[derive(Debug)]
pub(super) struct Schemas {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

/// An argument of a handler.
pub(super) trait Reads {
    fn describe(operation: &mut Operation, schemas: &mut Schemas);
}

/// What a handler answers.
pub(super) trait Answers {
    fn describe(operation: &mut Operation, schemas: &mut Schemas);
}

/// A handler of which every argument and the answer describe themselves.
pub(super) trait Described<I, O> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas);
}

macro_rules! described {
    ($($input:ident)*) => {
        impl<F, Answer, $($input),*> Described<($($input,)*), Answer::Output> for F
        where
            F: Fn($($input),*) -> Answer,
            Answer: Future<Output: Answers>,
            $($input: Reads,)*
        {
            fn describe(operation: &mut Operation, schemas: &mut Schemas) {
                $($input::describe(operation, schemas);)*
                Answer::Output::describe(operation, schemas);
            }
        }
    };
}

described!();
described!(A);
described!(A B);
described!(A B C);
described!(A B C D);
described!(A B C D E);
described!(A B C D E G);

/// The caller sends none of it.
impl<T> Reads for State<T> {
    fn describe(_: &mut Operation, _: &mut Schemas) {}
}

impl<T> Reads for Extension<T> {
    fn describe(_: &mut Operation, _: &mut Schemas) {}
}

impl<T: JsonSchema> Answers for Json<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        operation.answers(StatusCode::OK, Some(schemas.written::<T>()));
    }
}

impl Default for Schemas {
    fn default() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12()
                .with(|settings| settings.definitions_path = "/components/schemas".into())
        };
        Self {
            read: settings().into_generator(),
            written: settings().for_serialize().into_generator(),
        }
    }
}

impl Schemas {
    /// Of what callers send.
    pub(super) fn read<T: JsonSchema>(&mut self) -> Value {
        self.read.subschema_for::<T>().into()
    }

    /// Of what callers are sent.
    pub(super) fn written<T: JsonSchema>(&mut self) -> Value {
        self.written.subschema_for::<T>().into()
    }

    /// All that were referred to by name: of what is read, and of what is written.
    pub(super) fn take(mut self) -> (Map<String, Value>, Map<String, Value>) {
        let read = self.read.take_definitions(true);
        (read, self.written.take_definitions(true))
    }
}

impl Operation {
    /// The path has `{name}`.
    pub(super) fn takes_from_path(&mut self, name: &str, words: &str, schema: Value) {
        self.parameters.push(json!({
            "name": name, "in": "path", "required": true, "description": words, "schema": schema,
        }));
    }

    /// The query may have `name`.
    pub(super) fn takes_from_query(&mut self, name: &str, words: &str, schema: Value) {
        self.parameters.push(json!({
            "name": name, "in": "query", "description": words, "schema": schema,
        }));
    }

    /// There may be a header of this name.
    pub(super) fn takes_from_header(&mut self, name: &str, words: &str, schema: Value) {
        self.parameters.push(json!({
            "name": name, "in": "header", "description": words, "schema": schema,
        }));
    }

    /// There is a JSON body, or may be one.
    pub(super) fn takes_body(&mut self, required: bool, schema: Value) {
        self.body =
            Some(json!({ "required": required, "content": { JSON: { "schema": schema } } }));
    }

    /// It answers so where nothing is wrong.
    pub(super) fn answers(&mut self, status: StatusCode, schema: Option<Value>) {
        let mut answer = json!({ "description": status.canonical_reason() });
        if let Some(schema) = schema {
            answer["content"] = json!({ JSON: { "schema": schema } });
        }
        self.answers.insert(status.as_u16(), answer);
    }

    /// An answer of this status has this header, always.
    pub(super) fn answers_with_header(
        &mut self,
        status: u16,
        name: &str,
        words: &str,
        schema: Value,
    ) {
        self.answers.entry(status).or_insert_with(|| json!({}))["headers"][name] =
            json!({ "required": true, "description": words, "schema": schema });
    }

    /// It may answer with a problem of each of these codes.
    pub(super) fn may_refuse(&mut self, codes: &[Code]) {
        for code in codes {
            let refusal = self
                .refusals
                .entry(code.status())
                .or_insert_with(|| Refusal {
                    title: code.title(),
                    codes: BTreeSet::new(),
                });
            let spelled = json!(code).as_str().unwrap_or_default().to_owned();
            refusal.codes.insert(spelled);
            if matches!(code, Code::TooManyRequests) {
                let seconds = json!({ "type": "integer", "minimum": 1 });
                self.answers_with_header(429, "Retry-After", "In seconds.", seconds);
            }
        }
    }

    /// As an Operation Object of OpenAPI 3.1, without its name.
    pub(super) fn into_object(self, schemas: &mut Schemas) -> Map<String, Value> {
        let mut answers = self.answers;
        for (status, Refusal { title, codes }) in self.refusals {
            let answer = answers.entry(status).or_insert_with(|| json!({}));
            let mut schema = schemas.written::<Body>();
            schema["properties"] =
                json!({ "status": { "const": status }, "code": { "enum": codes } });
            answer["description"] = title.into();
            answer["content"] = json!({ CONTENT_TYPE: { "schema": schema } });
        }
        let answers = answers.into_iter();
        let answers: Map<_, _> = answers
            .map(|(status, answer)| (status.to_string(), answer))
            .collect();
        let mut object = Map::from_iter([("responses".to_owned(), Value::Object(answers))]);
        if !self.parameters.is_empty() {
            object.insert("parameters".into(), self.parameters.into());
        }
        if let Some(body) = self.body {
            object.insert("requestBody".into(), body);
        }
        object
    }
}
