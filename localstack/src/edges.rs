//! The stack's edges: on ports that follow each other, over the services that all share.

use std::net::{Ipv4Addr, SocketAddr};

use contract::endpoints::Edge as EdgeEndpoint;
use edge_ingest::tls::CertificateFiles;
use edge_ingest::{Edge, Error, FleetSecret, PeerPort, Services, Settings};
use futures_util::future::join_all;

use crate::address::Address;
use crate::listen::{refused, resolve};
use crate::options::Options;

/// Starts all edges or none.
///
/// # Errors
/// An address is taken, a certificate cannot be used, or the store is away: said for a person.
pub(crate) async fn start(options: &Options, services: &Services) -> anyhow::Result<Vec<Edge>> {
    let mut edges = Vec::new();
    let secret = FleetSecret::derive(&rand::random::<[u8; 32]>());
    for number in 0..options.edges {
        match start_one(options, number, secret.clone(), services.clone()).await {
            Ok(edge) => edges.push(edge),
            Err(error) => {
                join_all(edges.into_iter().map(Edge::stop)).await;
                return Err(error);
            }
        }
    }
    Ok(edges)
}

/// An edge as `endpoints.json` has it.
pub(crate) fn endpoint(edge: &Edge) -> EdgeEndpoint {
    EdgeEndpoint {
        id: edge.id().clone(),
        rtmp: edge.rtmp_url().to_owned(),
        rtmps: edge.rtmps_url().map(str::to_owned),
        admin: format!("http://{}", edge.admin_address()),
    }
}

async fn start_one(
    options: &Options,
    number: u16,
    secret: Option<FleetSecret>,
    services: Services,
) -> anyhow::Result<Edge> {
    let address = options.rtmp.plus(number);
    let name = format!("edge-{}", number + 1);
    let rtmp_listen = resolve("--rtmp", &address).await?;
    let admin_listen = (Ipv4Addr::LOCALHOST, 0).into();
    let settings = Settings {
        region: options.region.clone(),
        public_host: public_host(&address).to_owned(),
        rtmps: rtmps(options, number).await?,
        peers: secret.map(|secret| PeerPort {
            listen: admin_listen,
            address: None,
            secret,
        }),
        ..Settings::local(&name, rtmp_listen, admin_listen)
    };
    Edge::start(settings, services)
        .await
        .map_err(|error| not_started(&name, error))
}

async fn rtmps(
    options: &Options,
    number: u16,
) -> anyhow::Result<Option<(SocketAddr, CertificateFiles)>> {
    let files = options.tls_cert.clone().zip(options.tls_key.clone());
    let Some((address, (certificate, key))) = options.rtmps.as_ref().zip(files) else {
        return Ok(None);
    };
    let listen = resolve("--rtmps", &address.plus(number)).await?;
    Ok(Some((listen, CertificateFiles { certificate, key })))
}

fn not_started(name: &str, error: Error) -> anyhow::Error {
    let error = match error {
        Error::Listen {
            what: "RTMPS",
            address,
            source,
        } => refused("--rtmps", &address, &source),
        Error::Listen {
            address, source, ..
        } => refused("--rtmp", &address, &source),
        Error::Certificate(error) => {
            anyhow::anyhow!("{error} (see --tls-cert and --tls-key)")
        }
        other => other.into(),
    };
    error.context(format!("cannot start {name}"))
}

/// What encoders on this machine reach an edge at this address by.
pub(crate) fn url(address: &Address) -> String {
    format!("rtmp://{}:{}/live", public_host(address), address.port)
}

/// What encoders on this machine say for an address that stands for all.
fn public_host(address: &Address) -> &str {
    match address.host.as_str() {
        "0.0.0.0" => "127.0.0.1",
        "[::]" => "[::1]",
        other => other,
    }
}
