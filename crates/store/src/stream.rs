//! Records of change streams, read: what was written to a table, in the JSON of a Lambda event.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::ChannelId;
use domain::event::Event;
use domain::live::Item;
use serde_json::Value;

use crate::attempts::{self, RefusedAttempt};
use crate::event_item::read_event;
use crate::item::Attributes;
use crate::schema::Table;
use crate::{Error, Store, live};

/// What a record of a change stream tells of.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one at a time, on the stack of its invocation"
)]
pub enum StreamChange {
    /// A live item was written.
    Live {
        /// As it is.
        item: Item,
        /// As it was; None where there was none, or none that can be read.
        before: Option<Item>,
    },
    /// A refused attempt was noted.
    Attempt {
        /// The channel that was tried.
        channel_id: ChannelId,
        /// The record of all attempts that it is coalesced with.
        attempt: RefusedAttempt,
        /// Whether it is the first of them.
        is_first: bool,
    },
    /// An owner did something.
    Audit(Event),
}

impl Store {
    /// The tables whose change streams `status-fanout` follows, by their whole names.
    #[must_use]
    pub fn streamed_tables(&self) -> Vec<String> {
        let streamed = Table::ALL.into_iter().filter(|table| table.has_stream());
        streamed.map(|table| self.tables.name(table)).collect()
    }

    /// Reads a record of the change stream `source_arn` (`...:table/<name>/stream/<label>`) with its
    /// images, `{"pk": {"S": "..."}, "gen": {"N": "3"}, ...}`.
    ///
    /// # Errors
    /// [`Error::Corrupt`], also where it is of no table that is followed.
    pub fn stream_change(
        &self,
        source_arn: &str,
        image: &Value,
        old_image: Option<&Value>,
    ) -> Result<StreamChange, Error> {
        let name = source_arn.split_once(":table/").map(|(_, rest)| rest);
        let name = name.and_then(|rest| rest.split('/').next());
        let table = Table::ALL
            .into_iter()
            .find(|table| name == Some(self.tables.name(*table).as_str()));
        match table {
            Some(table @ Table::Live) => Ok(StreamChange::Live {
                item: live::read(&attributes(table, image)?)?,
                before: old_image.and_then(|old| live::read(&attributes(table, old).ok()?).ok()),
            }),
            Some(table @ Table::Attempts) => {
                let (channel_id, attempt) = attempts::read_image(&attributes(table, image)?)?;
                Ok(StreamChange::Attempt {
                    channel_id,
                    attempt,
                    is_first: old_image.is_none(),
                })
            }
            Some(table @ Table::Audit) => {
                read_event(table, &attributes(table, image)?).map(StreamChange::Audit)
            }
            _ => Err(Error::Corrupt {
                table: "of no change stream",
                what: "source",
            }),
        }
    }
}

/// The attributes of an image. Kinds that no followed table has are left out.
fn attributes(table: Table, image: &Value) -> Result<Attributes, Error> {
    let image = image.as_object().ok_or(Error::Corrupt {
        table: table.name(),
        what: "image",
    })?;
    let attributes = image.iter();
    Ok(attributes
        .filter_map(|(name, value)| Some((name.clone(), attribute(value)?)))
        .collect())
}

fn attribute(value: &Value) -> Option<AttributeValue> {
    let (kind, value) = value.as_object()?.iter().next()?;
    Some(match kind.as_str() {
        "S" => AttributeValue::S(value.as_str()?.to_owned()),
        "N" => AttributeValue::N(value.as_str()?.to_owned()),
        "BOOL" => AttributeValue::Bool(value.as_bool()?),
        "L" => {
            let values = value.as_array()?.iter();
            AttributeValue::L(values.map(attribute).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}
