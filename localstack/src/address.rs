//! `HOST:PORT`, as the flags take it.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// `HOST:PORT`. The host is a name, an IPv4 address, or an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// As it was given.
    pub(crate) host: String,
    /// 0 means any free one.
    pub(crate) port: u16,
}

impl Address {
    /// Where only this machine reaches it.
    pub(crate) fn any_port_of_this_machine() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 0,
        }
    }

    /// The same host, this many ports on; any free port stays any free port.
    pub(crate) fn plus(&self, ports: u16) -> Self {
        let port = match self.port {
            0 => 0,
            first => first.saturating_add(ports),
        };
        Self {
            host: self.host.clone(),
            port,
        }
    }

    /// Whether it can only be reached from this machine: a loopback address, or the name that every
    /// system gives to it.
    pub(crate) fn is_loopback(&self) -> bool {
        match self.to_string().parse::<SocketAddr>() {
            Ok(address) => address.ip().is_loopback(),
            Err(_name) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Whether it stands for every address of this machine: a place to listen, not one to go to.
    pub(crate) fn is_unspecified(&self) -> bool {
        let address = self.to_string().parse::<SocketAddr>();
        address.is_ok_and(|address| address.ip().is_unspecified())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "it must be HOST:PORT, like 127.0.0.1:8080 or [::1]:8080";
        let (host, port) = text.rsplit_once(':').ok_or(FORM)?;
        let port = port.parse().map_err(|_| FORM)?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let plain = host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        if host.is_empty() || !(plain || bracketed) {
            return Err(FORM);
        }
        if bracketed && text.parse::<SocketAddr>().is_err() {
            return Err(FORM);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for text in [
            "127.0.0.1:0",
            "localhost:8080",
            "[::1]:65535",
            "edge-1.example:1935",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "8080",
            ":8080",
            "localhost",
            "a:70000",
            "::1:80",
            "[::1",
            "[x]:1",
            "a b:1",
            "http://a:1",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn any_free_port_stays_any_free_port() {
        let free: Address = "127.0.0.1:0".parse().unwrap();
        assert_eq!(
            (free.plus(3).port, Address::any_port_of_this_machine()),
            (0, free)
        );
    }
}
