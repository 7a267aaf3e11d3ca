//! What handlers answer with, beside JSON and problems.

use ::http::StatusCode;
use ::http::header::LOCATION;
use axum::Json;
use axum::response::{IntoResponse, Response};
use contract::problem::Code;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::describe::{Answers, Operation, Schemas};
use super::problem::Problem;

/// 201, and what was made.
#[derive(Debug)]
pub(super) struct Created<T>(pub(super) T);

/// 201, what was made, and where it is from now on.
#[derive(Debug)]
pub(super) struct CreatedAt<T> {
    pub(super) location: String,
    pub(super) body: T,
}

/// 202: it is heard, and no more is said.
#[derive(Debug)]
pub(super) struct Accepted;

/// 204: it is done, and there is nothing to say.
#[derive(Debug)]
pub(super) struct NoContent;

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

impl<T: JsonSchema> Answers for Created<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        operation.answers(StatusCode::CREATED, Some(schemas.written::<T>()));
    }
}

impl<T: Serialize> IntoResponse for CreatedAt<T> {
    fn into_response(self) -> Response {
        let location = [(LOCATION, self.location)];
        (StatusCode::CREATED, location, Json(self.body)).into_response()
    }
}

impl<T: JsonSchema> Answers for CreatedAt<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Created::<T>::describe(operation, schemas);
        let path = json!({ "type": "string", "format": "uri-reference", "pattern": "^/v1/" });
        let words = "The path of what was made.";
        operation.answers_with_header(201, "Location", words, path);
    }
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        StatusCode::ACCEPTED.into_response()
    }
}

impl Answers for Accepted {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        operation.answers(StatusCode::ACCEPTED, None);
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl Answers for NoContent {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        operation.answers(StatusCode::NO_CONTENT, None);
    }
}

/// What can fail may find a fault of ours, or the store away; what else, its route says.
impl<T: Answers> Answers for Result<T, Problem> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        T::describe(operation, schemas);
        operation.may_refuse(&[Code::Internal, Code::Unavailable]);
    }
}
