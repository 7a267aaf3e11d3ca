//! Reads queries: which part of a list is asked for.
//!
//! A parameter that nobody knows is refused: it is a mistyped one, and would else be ignored.

use ::http::request::Parts;
use axum::extract::{FromRequestParts, Query};
use contract::problem::Code;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use store::{MAX_CURSOR_BYTES, MAX_PAGE};

use super::describe::{Operation, Reads, Schemas};
use super::problem::{Problem, problem};
use crate::service::event::Part;

/// Entries of a page where the caller does not say.
const DEFAULT_LIMIT: u32 = 20;

/// `limit` and `cursor` of a list.
#[derive(Debug)]
pub(super) struct Paging {
    pub(super) limit: u32,
    pub(super) cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPaging {
    limit: Option<String>,
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let known = "the query takes limit and cursor, each at most once";
        let RawPaging { limit, cursor } = read(parts, state, known).await?;
        let limit = parse_limit(limit.as_deref())?;
        Ok(Self { limit, cursor })
    }
}

impl Reads for Paging {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        let limit = json!({
            "type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": DEFAULT_LIMIT,
        });
        operation.takes_from_query("limit", "Most rows of the page.", limit);
        let cursor = json!({
            "type": "string", "maxLength": MAX_CURSOR_BYTES, "pattern": "^[A-Za-z0-9_-]+$",
        });
        let words = "Where the page begins; one that this list gave.";
        operation.takes_from_query("cursor", words, cursor);
        operation.may_refuse(&[Code::MalformedRequest, Code::InvalidValue]);
    }
}

/// `limit`, and `after` or `cursor`, of the event log.
#[derive(Debug)]
pub(super) struct EventPaging {
    pub(super) limit: u32,
    pub(super) part: Part,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEventPaging {
    limit: Option<String>,
    cursor: Option<String>,
    after: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for EventPaging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let known = "the query takes limit, and after or cursor, each at most once";
        let raw: RawEventPaging = read(parts, state, known).await?;
        let part = match (raw.after, raw.cursor) {
            (None, cursor) => Part::Newest(cursor),
            (Some(after), None) => Part::After(parse_after(&after)?),
            (Some(_), Some(_)) => {
                let detail = "send either after or cursor";
                return Err(problem(Code::MalformedRequest, detail).in_field("after"));
            }
        };
        let limit = parse_limit(raw.limit.as_deref())?;
        Ok(Self { limit, part })
    }
}

impl Reads for EventPaging {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Paging::describe(operation, schemas);
        let number = json!({ "type": "integer", "minimum": 0 });
        let words = "The events that follow the one of this number, oldest first. Not with cursor.";
        operation.takes_from_query("after", words, number);
    }
}

async fn read<T: DeserializeOwned, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    known: &str,
) -> Result<T, Problem> {
    let query = Query::<T>::from_request_parts(parts, state).await;
    query
        .map(|Query(query)| query)
        .map_err(|_| problem(Code::MalformedRequest, known))
}

fn parse_limit(text: Option<&str>) -> Result<u32, Problem> {
    let Some(text) = text else {
        return Ok(DEFAULT_LIMIT);
    };
    let detail = format!("limit must be a number from 1 to {MAX_PAGE}");
    let limit = parse_number("limit", text, &detail)?;
    let limit = limit.and_then(|limit| u32::try_from(limit).ok());
    let limit = limit.filter(|limit| (1..=MAX_PAGE).contains(limit));
    limit.ok_or_else(|| problem(Code::InvalidValue, detail).in_field("limit"))
}

/// After a number that is too large for any event there is nothing.
fn parse_after(text: &str) -> Result<u64, Problem> {
    let number = parse_number("after", text, "after must be the number of an event")?;
    Ok(number.unwrap_or(u64::MAX))
}

/// None where it is a number, and a very large one.
fn parse_number(field: &'static str, text: &str, detail: &str) -> Result<Option<u64>, Problem> {
    // Rust would take a sign, too.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(problem(Code::MalformedRequest, detail).in_field(field));
    }
    Ok(text.parse().ok())
}
