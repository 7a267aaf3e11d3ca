//! Whose connection it is where a load balancer stands in between: the PROXY protocol, version 2.
//!
//! Whoever may write a header can say to be anybody, so it is believed from configured addresses
//! only, and required from these: one that sends none is not set up as its operator thinks. From
//! any other address its bytes are a broken RTMP or TLS handshake like any other.
//!
//! Nothing behind the header is read here: it belongs to the handshake that follows.
//!
//! Absent on purpose: version 1, and what extensions say (their checksum included, which guards
//! against nothing that TCP does not).

use std::io;
use std::net::{AddrParseError, IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Signature, version, family, and the length of what follows.
const FIXED_BYTES: usize = 16;
/// What may follow, in bytes: the longest pair of addresses has 216, extensions of load balancers
/// some 100; the protocol itself advises to stay below 536.
const VARIABLE_BYTES: usize = 536;
const VERSION_2: ParseConfig = ParseConfig {
    include_tlvs: false,
    allow_v1: false,
    allow_v2: true,
};

/// Addresses whose word is taken for whose connection it is: one, or a network of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proxies(IpNet);

impl Proxies {
    /// Whether a connection from this address is theirs.
    pub(crate) fn include(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Proxies {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let network = text.parse().or_else(|_| text.parse().map(IpAddr::into));
        network.map(Self)
    }
}

/// Whom a proxy speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// The client at this address.
    Client(SocketAddr),
    /// Nobody but itself: a health check.
    Proxy,
}

/// Why a header was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The proxy left, or was too slow.
    #[error(transparent)]
    Unfinished(#[from] io::Error),
    /// No header of version 2, or one that contradicts itself.
    #[error("not a PROXY header of version 2: {0}")]
    Malformed(#[from] proxy_header::Error),
    #[error("{0} bytes of addresses and extensions are more than {VARIABLE_BYTES}")]
    TooLong(usize),
    #[error("the client did not come by TCP")]
    NotTcp,
}

/// Reads the header that a proxy's connection begins with, and nothing behind it.
pub(crate) async fn read_header<S: AsyncRead + Unpin>(socket: &mut S) -> Result<Speaker, Error> {
    let mut header = vec![0; FIXED_BYTES];
    socket.read_exact(&mut header).await?;
    let length = announced_length(&header)?;
    header.resize(FIXED_BYTES + length, 0);
    socket.read_exact(&mut header[FIXED_BYTES..]).await?;
    speaker(&header)
}

/// Judges the fixed part before the rest is waited for: what is no header at all may have none.
fn announced_length(fixed: &[u8]) -> Result<usize, Error> {
    match ProxyHeader::parse(fixed, VERSION_2) {
        Ok(_) | Err(proxy_header::Error::BufferTooShort) => {}
        Err(error) => return Err(error.into()),
    }
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if length > VARIABLE_BYTES {
        return Err(Error::TooLong(length));
    }
    Ok(length)
}

fn speaker(header: &[u8]) -> Result<Speaker, Error> {
    let (header, _) = ProxyHeader::parse(header, VERSION_2)?;
    match header.proxied_address() {
        None => Ok(Speaker::Proxy),
        Some(address) if address.protocol == Protocol::Stream => {
            Ok(Speaker::Client(address.source))
        }
        Some(_) => Err(Error::NotTcp),
    }
}

#[cfg(test)]
mod tests {
    use proxy_header::{ProxiedAddress, Tlv};

    use super::*;

    const CLIENT: &str = "203.0.113.7:50000";
    const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn encoded(header: &ProxyHeader) -> Vec<u8> {
        let mut bytes = Vec::new();
        header.encode_v2(&mut bytes).expect("encodable");
        bytes
    }

    fn of_client(client: &str) -> ProxyHeader<'static> {
        let server = if client.starts_with('[') {
            "[2001:db8::1]:1935"
        } else {
            "192.0.2.1:1935"
        };
        ProxyHeader::with_address(ProxiedAddress::stream(address(client), address(server)))
    }

    /// A header with this command, family and length, and so many bytes behind it.
    fn raw(command: u8, family: u8, length: u16, follows: usize) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend(length.to_be_bytes());
        bytes.resize(bytes.len() + follows, 1);
        bytes
    }

    /// What a connection with exactly these bytes is taken for.
    async fn read(bytes: &[u8]) -> Result<Speaker, Error> {
        let mut rest = bytes;
        let speaker = read_header(&mut rest).await?;
        assert!(rest.is_empty(), "{} bytes are left", rest.len());
        Ok(speaker)
    }

    async fn is_refused(bytes: &[u8], why: &str) {
        let error = read(bytes).await.expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
    }

    #[tokio::test]
    async fn a_proxys_header_names_the_client() {
        for client in [CLIENT, "[2001:db8::7]:50000"] {
            let speaker = read(&encoded(&of_client(client))).await.expect("taken");
            assert_eq!(speaker, Speaker::Client(address(client)));
        }
    }

    #[tokio::test]
    async fn a_health_check_is_the_proxys_own() {
        let local = encoded(&ProxyHeader::with_local());
        // HAProxy's word for a client that has no address.
        let unknown = raw(0x21, 0x00, 0, 0);
        for bytes in [local, unknown] {
            assert_eq!(read(&bytes).await.expect("taken"), Speaker::Proxy);
        }
    }

    #[tokio::test]
    async fn extensions_are_skipped_and_what_follows_is_left_alone() {
        let mut header = of_client(CLIENT);
        header.append_tlv(Tlv::Crc32c(7));
        header.append_tlv(Tlv::Custom(0xEA, b"\x01vpce-08d2bf15fac5001c9"[..].into()));
        let mut bytes = encoded(&header);
        bytes.extend_from_slice(b"\x03C1");
        let mut rest = &bytes[..];
        let speaker = read_header(&mut rest).await.expect("taken");
        assert_eq!(speaker, Speaker::Client(address(CLIENT)));
        assert_eq!(rest, b"\x03C1");
    }

    #[tokio::test]
    async fn a_header_has_at_most_552_bytes() {
        assert!(read(&raw(0x21, 0x11, 536, 536)).await.is_ok());
        is_refused(&raw(0x21, 0x11, 537, 0), "537 bytes").await;
    }

    #[tokio::test]
    async fn what_is_no_header_of_version_2_is_refused_by_its_fixed_part() {
        let version_1 = b"PROXY TCP4 203.0.113.7 192.0.2.1 50000 1935\r\n";
        for bytes in [
            &version_1[..],
            &[3; 16],
            &raw(0x11, 0x11, 12, 0),
            &raw(0x22, 0x11, 12, 0),
        ] {
            is_refused(bytes, "version 2").await;
        }
    }

    #[tokio::test]
    async fn a_header_that_contradicts_itself_is_refused() {
        is_refused(&raw(0x21, 0x11, 11, 11), "version 2").await;
        is_refused(&raw(0x21, 0x41, 12, 12), "version 2").await;
        is_refused(&raw(0x21, 0x12, 12, 12), "TCP").await;
    }

    #[tokio::test]
    async fn half_a_header_is_no_header() {
        let whole = encoded(&of_client(CLIENT));
        for length in 0..whole.len() {
            let error = read(&whole[..length]).await.expect_err("unfinished");
            assert!(matches!(error, Error::Unfinished(_)), "{length}: {error}");
        }
    }

    #[test]
    fn proxies_are_an_address_or_a_network_in_any_spelling() {
        let proxies = |text: &str| text.parse::<Proxies>().expect("proxies");
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        for (network, inside, outside) in [
            ("10.0.0.0/16", "10.0.255.1", "10.1.0.1"),
            ("10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
        ] {
            assert!(proxies(network).include(ip(inside)), "{network}");
            assert!(!proxies(network).include(ip(outside)), "{network}");
        }
        assert!("10.0.0.0/33".parse::<Proxies>().is_err());
    }
}
