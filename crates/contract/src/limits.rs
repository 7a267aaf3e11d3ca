//! What a channel may be published with, in bodies of the HTTP API.

use std::borrow::Cow;

use domain::limits::{BITRATES, MAX_NETWORKS};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::reading;

/// A channel's limits. What is null or, of networks, empty does not limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Networks that a publish may come from, `192.0.2.0/24`, `2001:db8::/32`, or single addresses;
    /// at most 32. Empty: from anywhere.
    #[schemars(with = "Vec<Network>", length(max = MAX_NETWORKS))]
    pub allowed_networks: Vec<String>,
    /// Most kbit/s of media, as the mean of ten seconds; a tenth more is let pass.
    #[schemars(range(min = *BITRATES.start(), max = *BITRATES.end()))]
    #[serde(deserialize_with = "reading::whole_or_null")]
    pub maximum_bitrate_kbps: Option<u32>,
    /// The largest picture, `1920x1080`, whichever way it is turned.
    #[schemars(with = "Option<Resolution>")]
    pub maximum_resolution: Option<String>,
}

/// A change of [`Limits`]: what is absent stays, what is null limits no more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UpdateLimits {
    /// Other networks.
    #[schemars(with = "Option<Vec<Network>>", length(max = MAX_NETWORKS))]
    #[serde(
        deserialize_with = "reading::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub allowed_networks: Option<Option<Vec<String>>>,
    /// Another bitrate.
    #[schemars(with = "Option<u32>", range(min = *BITRATES.start(), max = *BITRATES.end()))]
    #[serde(
        deserialize_with = "reading::given_whole_or_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub maximum_bitrate_kbps: Option<Option<u32>>,
    /// Another resolution.
    #[schemars(with = "Option<Resolution>")]
    #[serde(
        deserialize_with = "reading::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub maximum_resolution: Option<Option<String>>,
}

/// How a network is described: no pattern that anybody could read says what one is.
struct Network;

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "ip-network",
            "description": "A network in CIDR notation, or a single address; IPv4 or IPv6.",
            "examples": ["192.0.2.0/24", "2001:db8::1"],
        })
    }
}

/// How a resolution is described.
struct Resolution;

/// 16 to 16384, the sides that `domain` takes.
const SIDE: &str =
    "(1[6-9]|[2-9][0-9]|[1-9][0-9]{2,3}|1[0-5][0-9]{3}|16[0-2][0-9]{2}|163[0-7][0-9]|1638[0-4])";

impl JsonSchema for Resolution {
    fn schema_name() -> Cow<'static, str> {
        "Resolution".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": format!("^{SIDE}x{SIDE}$"),
            "examples": ["1920x1080"],
        })
    }
}

impl From<domain::Limits> for Limits {
    fn from(limits: domain::Limits) -> Self {
        let networks = limits.allowed_networks.iter();
        let resolution = limits.maximum_resolution;
        Self {
            allowed_networks: networks.map(ToString::to_string).collect(),
            maximum_bitrate_kbps: limits.maximum_bitrate_kbps,
            maximum_resolution: resolution.map(|resolution| resolution.to_string()),
        }
    }
}
