//! A load balancer in front of an edge: says whose each connection is, and hands on bytes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use url::Url;

use crate::hostile::wire;

/// Where load balancers connect from: an address of this machine that nobody else uses.
pub const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Forwards as long as it is kept.
#[derive(Debug)]
pub struct LoadBalancer {
    server: String,
    _forwarding: JoinSet<()>,
}

impl LoadBalancer {
    /// Stands before `server` and says of every connection that it is of `client`.
    ///
    /// # Errors
    /// When `server` is no address, or no port is free.
    pub async fn before(server: &str, client: SocketAddr) -> Result<Self> {
        let mut url = Url::parse(server)?;
        let edge = url.socket_addrs(|| None)?;
        let edge = *edge.first().context("the server has no address")?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        url.set_port(Some(port))
            .ok()
            .context("a URL without a port")?;
        let mut forwarding = JoinSet::new();
        forwarding.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(forward(socket, edge, client));
            }
        });
        Ok(Self {
            server: url.into(),
            _forwarding: forwarding,
        })
    }

    /// What goes into the encoder's server field.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }
}

/// Until either side closes, which is what a story watches for.
async fn forward(mut inside: TcpStream, edge: SocketAddr, client: SocketAddr) -> Result<()> {
    let outside = TcpSocket::new_v4()?;
    outside.bind((ADDRESS, 0).into())?;
    let mut outside = outside.connect(edge).await?;
    outside.write_all(&wire::proxy_header(client, edge)).await?;
    copy_bidirectional(&mut inside, &mut outside).await?;
    Ok(())
}
