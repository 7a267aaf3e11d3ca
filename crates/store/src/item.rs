//! Attributes of items: read with a name for what is wrong, written without what is absent.
//!
//! An absent value is an absent attribute; there are no nulls. Moments are whole milliseconds since
//! 1970, so that a condition can compare them; only [`PURGE_AT`] is in seconds, as DynamoDB's
//! expiry demands.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{ChannelId, Timestamp};

use crate::Error;
use crate::schema::Table;

/// An item, or a part of one.
pub(crate) type Attributes = HashMap<String, AttributeValue>;

/// Partition key of every table but `edges` and `secrets`.
pub(crate) const PK: &str = "pk";
/// Sort key of the tables that have one.
pub(crate) const SK: &str = "sk";
/// When DynamoDB may delete the item: seconds since 1970. No decision rests on it.
pub(crate) const PURGE_AT: &str = "purgeAt";

/// A number, as an attribute.
pub(crate) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A text, as an attribute.
pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A moment, as an attribute.
pub(crate) fn moment(value: Timestamp) -> AttributeValue {
    number(value.millis())
}

/// The moment after which DynamoDB may delete an item, rounded up to its seconds.
pub(crate) fn purge_at(value: Timestamp) -> AttributeValue {
    number(value.millis().div_ceil(1_000))
}

/// The partition of everything about a channel.
pub(crate) fn channel_partition(channel_id: &ChannelId) -> String {
    format!("CH#{channel_id}")
}

/// A key of two parts.
pub(crate) fn composite_key(partition: impl Into<String>, sort: impl Into<String>) -> Attributes {
    HashMap::from([
        (PK.to_owned(), text(partition)),
        (SK.to_owned(), text(sort)),
    ])
}

/// A key of two parts, of a table that sorts by a number.
pub(crate) fn numbered_key(partition: impl Into<String>, place: u64) -> Attributes {
    HashMap::from([
        (PK.to_owned(), text(partition)),
        (SK.to_owned(), number(place)),
    ])
}

/// Builds an item.
#[derive(Debug, Default)]
pub(crate) struct Writer(Attributes);

impl Writer {
    /// An item with this key.
    pub(crate) fn new(key: Attributes) -> Self {
        Self(key)
    }

    pub(crate) fn set(mut self, name: &str, value: AttributeValue) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn set_some(self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    pub(crate) fn finish(self) -> Attributes {
        self.0
    }
}

/// Reads an item of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    table: Table,
    attributes: &'a Attributes,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(table: Table, attributes: &'a Attributes) -> Self {
        Self { table, attributes }
    }

    /// What is wrong with this attribute; never says its value.
    pub(crate) fn corrupt(&self, what: &'static str) -> Error {
        Error::Corrupt {
            table: self.table.name(),
            what,
        }
    }

    pub(crate) fn text(&self, name: &'static str) -> Result<&'a str, Error> {
        self.some_text(name)?.ok_or_else(|| self.corrupt(name))
    }

    pub(crate) fn some_text(&self, name: &'static str) -> Result<Option<&'a str>, Error> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(AttributeValue::S(value)) => Ok(Some(value)),
            Some(_) => Err(self.corrupt(name)),
        }
    }

    /// Its sort key, as a cursor keeps it.
    pub(crate) fn sort_key(&self) -> Result<&'a str, Error> {
        match self.attributes.get(SK) {
            Some(AttributeValue::S(value) | AttributeValue::N(value)) => Ok(value),
            _ => Err(self.corrupt(SK)),
        }
    }

    pub(crate) fn number<T: FromStr>(&self, name: &'static str) -> Result<T, Error> {
        self.some_number(name)?.ok_or_else(|| self.corrupt(name))
    }

    pub(crate) fn some_number<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, Error> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(AttributeValue::N(value)) => {
                value.parse().map(Some).map_err(|_| self.corrupt(name))
            }
            Some(_) => Err(self.corrupt(name)),
        }
    }

    pub(crate) fn moment(&self, name: &'static str) -> Result<Timestamp, Error> {
        self.number(name).map(Timestamp::from_millis)
    }

    pub(crate) fn some_moment(&self, name: &'static str) -> Result<Option<Timestamp>, Error> {
        Ok(self.some_number(name)?.map(Timestamp::from_millis))
    }

    pub(crate) fn boolean(&self, name: &'static str) -> Result<bool, Error> {
        match self.attributes.get(name) {
            Some(AttributeValue::Bool(value)) => Ok(*value),
            _ => Err(self.corrupt(name)),
        }
    }

    pub(crate) fn bytes(&self, name: &'static str) -> Result<Vec<u8>, Error> {
        match self.attributes.get(name) {
            Some(AttributeValue::B(value)) => Ok(value.as_ref().to_vec()),
            _ => Err(self.corrupt(name)),
        }
    }

    pub(crate) fn texts(&self, name: &'static str) -> Result<Vec<&'a str>, Error> {
        let Some(AttributeValue::L(values)) = self.attributes.get(name) else {
            return Err(self.corrupt(name));
        };
        let texts = values.iter().map(|value| value.as_s().map(String::as_str));
        texts
            .collect::<Result<_, _>>()
            .map_err(|_| self.corrupt(name))
    }

    /// A text that `parse` understands.
    pub(crate) fn parsed<T, E>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Result<T, Error> {
        self.some_parsed(name, parse)?
            .ok_or_else(|| self.corrupt(name))
    }

    /// A text that `parse` understands, or none.
    pub(crate) fn some_parsed<T, E>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Result<Option<T>, Error> {
        let text = self.some_text(name)?;
        text.map(parse).transpose().map_err(|_| self.corrupt(name))
    }

    /// What follows `prefix` in a text, as `parse` understands it.
    pub(crate) fn after<T, E>(
        &self,
        name: &'static str,
        prefix: &str,
        parse: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Result<T, Error> {
        self.parsed(name, |text| {
            let rest = text.strip_prefix(prefix).ok_or(())?;
            parse(rest).map_err(|_| ())
        })
    }
}

/// Bytes, as an attribute.
pub(crate) fn bytes(value: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

/// Texts in order, as an attribute.
pub(crate) fn texts<T: ToString>(values: &[T]) -> AttributeValue {
    AttributeValue::L(values.iter().map(|value| text(value.to_string())).collect())
}
