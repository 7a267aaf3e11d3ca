//! What can go wrong with the store, split by who can act.

use std::fmt;

/// Why a call of the store gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store is throttled, slow or out of reach. Whether a write was made is not known; every
    /// write may be repeated. The caller reads "Service Unavailable".
    #[error("the store is unavailable")]
    Unavailable(#[source] Trouble),
    /// The item changed since it was read. Read again and decide again.
    #[error("the item was changed meanwhile")]
    Conflict,
    /// The cursor is not one that this list gave.
    #[error("not a cursor of this list")]
    InvalidCursor,
    /// An item that this program cannot read: a person should look at it.
    #[error("an item of table {table} cannot be read: {what}")]
    Corrupt {
        /// The table, without the deployment's prefix.
        table: &'static str,
        /// The attribute that is missing or of another type, never its value.
        what: &'static str,
    },
    /// The store refuses the call as such: a missing table or right. Repeating does not help.
    #[error("the store refused the call")]
    Refused(#[source] Trouble),
}

/// What the operator is told of a failed call.
///
/// Names the operation and the store's error code. The store's own message is left out on purpose:
/// it may quote an item's key, and a stream key's hash is part of some.
#[derive(Debug)]
pub struct Trouble {
    pub(crate) operation: &'static str,
    pub(crate) what: String,
}

impl Trouble {
    pub(crate) fn new(operation: &'static str, what: impl Into<String>) -> Self {
        Self {
            operation,
            what: what.into(),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.what)
    }
}

impl std::error::Error for Trouble {}
