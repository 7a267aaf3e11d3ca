//! How ids and times look to callers of the HTTP API, in JSON Schema.
//!
//! Here and not where the API is described, because what is written of an id must be what this crate
//! makes and takes. Only with the feature `schema`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{AttemptId, ChannelId, ConnectionId, EdgeId, SessionId, Timestamp, UserId};

macro_rules! text {
    ($name:ident, $keyword:literal: $value:expr) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", $keyword: $value })
            }
        }
    };
}

// An identity provider's subject: visible ASCII without the two that separate an item's key.
text!(UserId, "pattern": r#"^[!"$-.0-~]{1,128}$"#);
text!(ChannelId, "pattern": "^ch_[0-9a-f]{32}$");
text!(EdgeId, "pattern": "^edge_[0-9a-f]{32}$");
text!(ConnectionId, "pattern": "^conn_[0-9a-f]{32}$");
text!(SessionId, "pattern": "^[0-9a-f]{32}$");
text!(AttemptId, "pattern": "^[0-9a-f]{32}$");
text!(Timestamp, "format": "date-time");
