//! What an owner lets a channel be published with: from where, and how large.
//!
//! The address is judged before a publish is let in and whenever the limits change, the resolution
//! as soon as the bitstream says it, the bitrate over [`BITRATE_WINDOW`]. What the encoder claims of
//! itself is not looked at: it says what it likes.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

use crate::Refusal;
use crate::channel::InvalidSetting;
use crate::metrics::Reading;
use crate::session::Resolution;

/// Most networks of a channel: an office, a home and a few studios, and a list that is read at a
/// glance.
pub const MAX_NETWORKS: usize = 32;
/// What a maximum bitrate may be, in kbit/s: below it no picture is worth sending, above it nothing
/// that is live is sent.
pub const BITRATES: RangeInclusive<u32> = 100..=200_000;
/// What a side of a maximum resolution may be, in pixels: up to what video codecs take.
pub const SIDES: RangeInclusive<u32> = 16..=16_384;
/// A bitrate is judged by its mean over so long: a keyframe or a scene full of motion exceeds any
/// limit for a second.
pub const BITRATE_WINDOW: Duration = Duration::from_secs(10);
/// How far that mean may be over the maximum, in percent of it: encoders hold what they are told by
/// about that much.
pub const BITRATE_TOLERANCE_PERCENT: u32 = 10;
/// Readings that are closer together than this say nothing new; it bounds how many are kept.
const LEAST_STEP: Duration = Duration::from_millis(500);
/// Networks that are named in advice; of more only the number is.
const NAMED_NETWORKS: usize = 4;

/// IPv6 addresses that stand for IPv4 ones begin with so many bits in common.
const MAPPED_BITS: u8 = 96;

/// A channel's limits. By default there are none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// Where a publish may come from, [`MAX_NETWORKS`] at most. Empty: from anywhere.
    pub allowed_networks: Vec<IpNet>,
    /// Most kbit/s of media, within [`BITRATES`].
    pub maximum_bitrate_kbps: Option<u32>,
    /// The largest picture, whichever way it is turned; its sides are within [`SIDES`].
    pub maximum_resolution: Option<Resolution>,
}

/// A limit that a publish is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Exceeded {
    /// It comes from elsewhere.
    Networks {
        /// What is allowed.
        allowed: Vec<IpNet>,
        /// Where it comes from.
        address: IpAddr,
    },
    /// Its mean bitrate is too high.
    Bitrate {
        /// kbit/s.
        allowed: u32,
        /// kbit/s, the mean over [`BITRATE_WINDOW`].
        sent: u32,
    },
    /// Its picture is too large.
    Resolution {
        /// The largest.
        allowed: Resolution,
        /// What the bitstream says.
        sent: Resolution,
    },
}

impl Limits {
    /// Whether a publish may come from this address.
    ///
    /// # Errors
    /// [`Exceeded::Networks`].
    pub fn check_address(&self, address: IpAddr) -> Result<(), Exceeded> {
        if is_within(&self.allowed_networks, address) {
            return Ok(());
        }
        Err(Exceeded::Networks {
            allowed: self.allowed_networks.clone(),
            address: address.to_canonical(),
        })
    }

    /// Whether a picture may be so large: the longer side is held against the longer, the shorter
    /// against the shorter.
    ///
    /// # Errors
    /// [`Exceeded::Resolution`].
    pub fn check_resolution(&self, sent: Resolution) -> Result<(), Exceeded> {
        match self.maximum_resolution {
            Some(allowed) if !fits(sent, allowed) => Err(Exceeded::Resolution { allowed, sent }),
            Some(_) | None => Ok(()),
        }
    }
}

/// Whether these networks let an address in; none let everybody in.
#[must_use]
pub fn is_within(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.is_empty() || networks.iter().any(|network| network.contains(&address))
}

fn fits(sent: Resolution, allowed: Resolution) -> bool {
    let sides = |of: Resolution| (of.width.max(of.height), of.width.min(of.height));
    let (sent, allowed) = (sides(sent), sides(allowed));
    sent.0 <= allowed.0 && sent.1 <= allowed.1
}

/// The last readings of a stream whose bitrate is limited.
#[derive(Clone, Debug, Default)]
pub struct BitrateWindow {
    readings: VecDeque<Reading>,
}

impl BitrateWindow {
    /// Takes a reading. From when they span [`BITRATE_WINDOW`] on, the mean is judged.
    ///
    /// # Errors
    /// [`Exceeded::Bitrate`].
    pub fn take(&mut self, reading: Reading, maximum_kbps: u32) -> Result<(), Exceeded> {
        let age = |held: &Reading| since(reading, *held);
        if self
            .readings
            .back()
            .is_some_and(|last| age(last) < LEAST_STEP)
        {
            return Ok(());
        }
        self.readings.push_back(reading);
        while self
            .readings
            .get(1)
            .is_some_and(|second| age(second) >= BITRATE_WINDOW)
        {
            self.readings.pop_front();
        }
        match self.readings.front() {
            Some(first) if age(first) >= BITRATE_WINDOW => {
                check_bitrate(reading.kbps_since(*first), maximum_kbps)
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn since(now: Reading, before: Reading) -> Duration {
    Duration::from_millis(now.at_millis.saturating_sub(before.at_millis))
}

fn check_bitrate(sent: u32, allowed: u32) -> Result<(), Exceeded> {
    let most = u64::from(allowed) * u64::from(100 + BITRATE_TOLERANCE_PERCENT);
    if u64::from(sent) * 100 <= most {
        return Ok(());
    }
    Err(Exceeded::Bitrate { allowed, sent })
}

/// Reads networks as people write them: CIDR or a single address, IPv4 or IPv6.
///
/// # Errors
/// [`InvalidSetting::AllowedNetworks`].
pub fn parse_networks<T: AsRef<str>>(texts: &[T]) -> Result<Vec<IpNet>, InvalidSetting> {
    if texts.len() > MAX_NETWORKS {
        return Err(InvalidSetting::AllowedNetworks);
    }
    let networks = texts.iter().map(|text| parse_network(text.as_ref().trim()));
    let networks: Option<Vec<IpNet>> = networks.collect();
    networks.ok_or(InvalidSetting::AllowedNetworks)
}

/// Bits behind the prefix are dropped, and IPv4 in the clothes of IPv6 is undressed: publishers'
/// addresses are compared that way, and what is shown is what is compared.
fn parse_network(text: &str) -> Option<IpNet> {
    let network: IpNet = match text.parse() {
        Ok(network) => network,
        Err(_) => text.parse::<IpAddr>().ok()?.into(),
    };
    Some(canonical(network).trunc())
}

fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else {
        return network;
    };
    let inner = mapped.addr().to_ipv4_mapped();
    let bits = mapped.prefix_len().checked_sub(MAPPED_BITS);
    let inner = inner
        .zip(bits)
        .and_then(|(address, bits)| Ipv4Net::new(address, bits).ok());
    inner.map_or(network, IpNet::V4)
}

/// Checks a maximum bitrate, in kbit/s.
///
/// # Errors
/// [`InvalidSetting::MaximumBitrate`].
pub fn parse_bitrate(kbps: u32) -> Result<u32, InvalidSetting> {
    let allowed = BITRATES.contains(&kbps);
    allowed
        .then_some(kbps)
        .ok_or(InvalidSetting::MaximumBitrate)
}

/// Reads a maximum resolution: `1920x1080`.
///
/// # Errors
/// [`InvalidSetting::MaximumResolution`].
pub fn parse_resolution(text: &str) -> Result<Resolution, InvalidSetting> {
    let allowed = |of: &Resolution| SIDES.contains(&of.width) && SIDES.contains(&of.height);
    let resolution = Resolution::parse(text.trim()).filter(allowed);
    resolution.ok_or(InvalidSetting::MaximumResolution)
}

impl Exceeded {
    /// What the owner reads on the page: which limit, what was sent, what to change.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Networks { allowed, address } => format!(
                "{address} is in none of the networks that this channel allows ({}). Publish from \
                 one of them, or change the channel's allowed networks.",
                some_of(allowed)
            ),
            Self::Bitrate { .. } => {
                format!("{self}. Lower the bitrate in your encoder; in OBS: Settings > Output.")
            }
            Self::Resolution { .. } => format!(
                "{self}. Lower the resolution in your encoder; in OBS: Settings > Video > Output \
                 (Scaled) Resolution."
            ),
        }
    }
}

fn some_of(networks: &[IpNet]) -> String {
    let named = networks
        .iter()
        .take(NAMED_NETWORKS)
        .map(ToString::to_string);
    let named = named.collect::<Vec<_>>().join(", ");
    match networks.len().saturating_sub(NAMED_NETWORKS) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// What the encoder is told. It does not name the networks: who asks may have found the key.
impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Networks { address, .. } => {
                write!(
                    f,
                    "{address} is in none of the networks that this channel allows"
                )
            }
            Self::Bitrate { allowed, sent } => write!(
                f,
                "Bitrate {sent} kbit/s is over this channel's maximum of {allowed} kbit/s"
            ),
            Self::Resolution { allowed, sent } => {
                write!(
                    f,
                    "Resolution {sent} is over this channel's maximum of {allowed}"
                )
            }
        }
    }
}

impl From<Exceeded> for Refusal {
    fn from(exceeded: Exceeded) -> Self {
        Self::Limit(exceeded)
    }
}

#[cfg(test)]
mod tests;
