//! A channel's limits: what a request says of them, in the domain's terms.

use contract::http::{Limits as Wanted, UpdateLimits};
use domain::Limits;
use domain::channel::InvalidSetting;
use domain::limits::{parse_bitrate, parse_networks, parse_resolution};

/// The limits of a new channel.
pub(super) fn parse(wanted: &Wanted) -> Result<Limits, InvalidSetting> {
    let resolution = wanted.maximum_resolution.as_deref();
    Ok(Limits {
        allowed_networks: parse_networks(&wanted.allowed_networks)?,
        maximum_bitrate_kbps: wanted.maximum_bitrate_kbps.map(parse_bitrate).transpose()?,
        maximum_resolution: resolution.map(parse_resolution).transpose()?,
    })
}

/// The limits after a change: what is absent stays, what is null limits no more.
pub(super) fn changed(
    seen: &Limits,
    change: Option<&Option<UpdateLimits>>,
) -> Result<Limits, InvalidSetting> {
    let change = match change {
        None => return Ok(seen.clone()),
        Some(None) => return Ok(Limits::default()),
        Some(Some(change)) => change,
    };
    let mut limits = seen.clone();
    if let Some(networks) = &change.allowed_networks {
        limits.allowed_networks = parse_networks(networks.as_deref().unwrap_or_default())?;
    }
    if let Some(kbps) = change.maximum_bitrate_kbps {
        limits.maximum_bitrate_kbps = kbps.map(parse_bitrate).transpose()?;
    }
    if let Some(resolution) = &change.maximum_resolution {
        let resolution = resolution.as_deref();
        limits.maximum_resolution = resolution.map(parse_resolution).transpose()?;
    }
    Ok(limits)
}
