//! What a channel may be published with, in bodies of the HTTP API.

use serde::{Deserialize, Deserializer, Serialize};

/// A channel's limits. What is null or, of networks, empty does not limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Networks that a publish may come from, `192.0.2.0/24`, `2001:db8::/32`, or single addresses;
    /// at most 32. Empty: from anywhere.
    pub allowed_networks: Vec<String>,
    /// Most kbit/s of media, as the mean of ten seconds; a tenth more is let pass.
    pub maximum_bitrate_kbps: Option<u32>,
    /// The largest picture, `1920x1080`, whichever way it is turned.
    pub maximum_resolution: Option<String>,
}

/// A change of [`Limits`]: what is absent stays, what is null limits no more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UpdateLimits {
    /// Other networks.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub allowed_networks: Option<Option<Vec<String>>>,
    /// Another bitrate.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub maximum_bitrate_kbps: Option<Option<u32>>,
    /// Another resolution.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub maximum_resolution: Option<Option<String>>,
}

/// Tells null from absent: only what is there is read by this.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    reader: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(reader).map(Some)
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
