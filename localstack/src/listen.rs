//! Taking a listening address, or saying which one is taken and how to choose another.

use std::io;
use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::address::Address;

/// Listens on the address that `flag` was given.
///
/// # Errors
/// What [`refused`] says.
pub(crate) async fn listen(flag: &str, address: &Address) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address.to_string())
        .await
        .map_err(|error| refused(flag, address, &error))
}

/// The first address that the host's name stands for.
///
/// # Errors
/// The name stands for none.
pub(crate) async fn resolve(flag: &str, address: &Address) -> anyhow::Result<SocketAddr> {
    let mut found = tokio::net::lookup_host(address.to_string())
        .await
        .map_err(|error| refused(flag, address, &error))?;
    found
        .next()
        .with_context(|| format!("{} is no address of anything ({flag})", address.host))
}

/// For a person: what is wrong with the address, and which flag changes it.
pub(crate) fn refused(
    flag: &str,
    address: &impl std::fmt::Display,
    error: &io::Error,
) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "{address} is taken by another program; choose another with {flag} HOST:PORT \
             (port 0 is any free one)"
        ),
        io::ErrorKind::PermissionDenied => anyhow::anyhow!(
            "{address} may not be used by this user; choose a port above 1023 with {flag} HOST:PORT"
        ),
        _ => {
            anyhow::anyhow!("cannot listen on {address} ({error}); change it with {flag} HOST:PORT")
        }
    }
}
