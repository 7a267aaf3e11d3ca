//! Where the load goes, and where it comes from: this machine, and nothing else.
//!
//! A generator of slow handshakes and reconnect storms must not be one typing mistake away from
//! somebody's server, so addresses that are not loopback are refused when the target is parsed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};
use url::{Host, Url};

/// RTMP's port.
const DEFAULT_PORT: u16 = 1935;
/// Most source addresses: 127.0.0.1 and up.
pub const MAX_SOURCES: u8 = 250;

/// A server on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    address: SocketAddr,
    app: String,
    sources: u8,
}

/// Why a URL cannot be aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not `rtmp://HOST:PORT/APP`.
    #[error("must be rtmp://HOST:PORT/APP")]
    Url,
    /// Somebody else's machine.
    #[error("must be a loopback address: 127.0.0.1, [::1] or localhost")]
    NotLoopback,
    /// A key would be printed with the target.
    #[error("must not hold a user, a password or a query: keys come from --keys")]
    Secret,
}

impl Target {
    /// Reads `rtmp://HOST:PORT/APP`; nothing is looked up.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let url = Url::parse(text).map_err(|_| Error::Url)?;
        let app = url.path().trim_matches('/');
        if url.scheme() != "rtmp" || app.is_empty() {
            return Err(Error::Url);
        }
        if url.query().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err(Error::Secret);
        }
        // For schemes that are not the web's, `url` leaves an IPv4 address a name.
        let host: IpAddr = match url.host().ok_or(Error::Url)? {
            Host::Domain("localhost") => Ipv4Addr::LOCALHOST.into(),
            Host::Domain(name) => name.parse().map_err(|_| Error::NotLoopback)?,
            Host::Ipv4(address) => address.into(),
            Host::Ipv6(address) => address.into(),
        };
        if !host.is_loopback() {
            return Err(Error::NotLoopback);
        }
        let address = SocketAddr::new(host, url.port().unwrap_or(DEFAULT_PORT));
        Ok(Self {
            address,
            app: app.to_owned(),
            sources: 1,
        })
    }

    /// The same server, reached from this many addresses in turn (IPv4 only), as if from as many
    /// machines: for servers that bound what one address may do.
    #[must_use]
    pub fn from_sources(mut self, sources: u8) -> Self {
        self.sources = sources.clamp(1, MAX_SOURCES);
        self
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What stands after the host.
    #[must_use]
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The whole URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("rtmp://{}/{}", self.address, self.app)
    }

    /// Begins connection number `nth`; it is up, or has failed, when it is writable.
    ///
    /// # Errors
    /// What the system says, e.g. no descriptor is left.
    pub fn connect(&self, nth: usize) -> io::Result<TcpStream> {
        let socket = Socket::new(
            Domain::for_address(self.address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_nonblocking(true)?;
        // A message leaves when it is due, not when the last one was acknowledged.
        socket.set_tcp_nodelay(true)?;
        if self.sources > 1 && self.address.is_ipv4() {
            let last = nth % usize::from(self.sources) + 1;
            let source = Ipv4Addr::new(127, 0, 0, u8::try_from(last).unwrap_or(1));
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        }
        match socket.connect(&self.address.into()) {
            Ok(()) => {}
            Err(error)
                if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        Ok(TcpStream::from_std(socket.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_can_be_aimed_at() {
        for foreign in [
            "rtmp://203.0.113.7/live",
            "rtmp://example.com/live",
            "rtmp://0.0.0.0/live",
        ] {
            assert_eq!(Target::parse(foreign), Err(Error::NotLoopback), "{foreign}");
        }
        let near = Target::parse("rtmp://127.0.0.1:2935/live/inst").expect("loopback");
        assert_eq!(
            near.address(),
            "127.0.0.1:2935".parse().expect("an address")
        );
        assert_eq!(
            (near.app(), near.url().as_str()),
            ("live/inst", "rtmp://127.0.0.1:2935/live/inst")
        );
        let named = Target::parse("rtmp://localhost/live").expect("loopback");
        assert_eq!(named.address().port(), 1935);
        assert!(Target::parse("rtmp://[::1]:1935/live").is_ok());
    }

    #[test]
    fn other_urls_are_refused() {
        for wrong in [
            "http://127.0.0.1/live",
            "rtmp://127.0.0.1",
            "127.0.0.1:1935",
            "",
        ] {
            assert_eq!(Target::parse(wrong), Err(Error::Url), "{wrong}");
        }
        assert_eq!(
            Target::parse("rtmp://127.0.0.1/live?key=x"),
            Err(Error::Secret)
        );
    }
}
