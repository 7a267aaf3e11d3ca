//! Everything that is kept: DynamoDB tables with their conditional writes, and the Redis cache.
//!
//! [`Store`] decides, through conditional writes; [`cache::Cache`] makes look-ups and refusals cheap
//! and never admits anybody. This crate is the only place that names a table, an attribute or a
//! cache key.
//!
//! Invariants:
//! - Every write may be repeated: one whose answer was lost counts as done where the item shows
//!   exactly what it would have left.
//! - Reads that decide something are strongly consistent and never go through an index.
//! - Items of `live` are never deleted: a generation only grows. No decision rests on the deletion
//!   of expired items.
//! - No error, log field or debug output holds a stream key or its hash.
//!
//! Absent on purpose: a second implementation (the local stack and the tests run this one on an
//! embedded DynamoDB), clocks (`now` is an argument), and retries beyond the client's own bounds.

mod attempts;
pub mod cache;
mod call;
mod change;
mod channels;
pub mod client;
mod connections;
mod cursor;
mod edges;
mod error;
mod event_item;
mod events;
mod item;
mod keys;
mod live;
mod requests;
mod schema;
mod sessions;
mod stream;
mod tickets;
mod transaction;

use std::sync::Arc;

pub use attempts::RefusedAttempt;
pub use connections::{Connection, MAX_CONNECTIONS};
pub use cursor::MAX_CURSOR_BYTES;
pub use error::{Error, Trouble};
pub use keys::{EncryptedKey, NewKey, Reset};
pub use requests::{Begun, KEEP_REQUESTS, REQUEST_ENDS_WITHIN, RepeatableRequest};
use schema::Tables;
pub use sessions::SessionEnd;
pub use stream::StreamChange;
pub use tickets::Ticket;

/// Most entries on one page of a list, and the most that are asked for at a time.
pub const MAX_PAGE: u32 = 100;

/// The tables of one deployment. A cheap clone: all share one client.
#[derive(Clone, Debug)]
pub struct Store {
    client: aws_sdk_dynamodb::Client,
    tables: Arc<Tables>,
}

impl Store {
    /// A store on tables whose names begin with `table_prefix`, reached through `client`, which
    /// should be built from [`client::config_for`].
    #[must_use]
    pub fn new(client: aws_sdk_dynamodb::Client, table_prefix: &str) -> Self {
        Self {
            client,
            tables: Arc::new(Tables::new(table_prefix)),
        }
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries, in the list's order.
    pub items: Vec<T>,
    /// Where the next part begins; None at the end. Opaque, at most [`MAX_CURSOR_BYTES`] bytes,
    /// and of use for the same list only.
    pub cursor: Option<String>,
}
