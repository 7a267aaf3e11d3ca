//! The command line of the edge container. Every flag has an environment variable of its name.

mod front_door;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

pub use front_door::FrontDoor;

use crate::proxy_protocol::Proxies;
use crate::settings::OnStoreOutage;
use crate::tls::CertificateFiles;

/// Takes RTMP from OBS and other encoders, proves the stream key, keeps one publisher live per
/// channel and pushes status to the owner's dashboards.
#[derive(Debug, Parser)]
#[command(name = "edge-ingest", version, after_help = EXAMPLES)]
pub struct Options {
    /// Stable name of this edge; the host name where it is not given.
    #[arg(long, env = "STREAM_SYNC_EDGE_NAME")]
    pub edge_name: Option<String>,
    /// Region this edge stands in.
    #[arg(long, env = "STREAM_SYNC_REGION", default_value = "local")]
    pub region: String,
    /// Host name or address that encoders reach this edge by.
    #[arg(long, env = "STREAM_SYNC_PUBLIC_HOST", default_value = "127.0.0.1")]
    pub public_host: String,
    /// Publishers it takes at most.
    #[arg(long, env = "STREAM_SYNC_CAPACITY", default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub capacity: u32,
    /// Where it takes RTMP; port 0 means any free one.
    #[arg(
        long,
        env = "STREAM_SYNC_RTMP_LISTEN",
        default_value = "0.0.0.0:1935",
        value_name = "HOST:PORT"
    )]
    pub rtmp_listen: SocketAddr,
    /// Where it takes RTMP over TLS; needs a certificate and its key.
    #[arg(long, env = "STREAM_SYNC_RTMPS_LISTEN", value_name = "HOST:PORT", requires_all = ["tls_cert", "tls_key"])]
    pub rtmps_listen: Option<SocketAddr>,
    /// Certificate chain in PEM, leaf first; read again when the file changes.
    #[arg(
        long,
        env = "STREAM_SYNC_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key in PEM; read again when the file changes.
    #[arg(
        long,
        env = "STREAM_SYNC_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,
    /// Where /healthz, /readyz and /metrics are.
    #[arg(
        long,
        env = "STREAM_SYNC_ADMIN_LISTEN",
        default_value = "127.0.0.1:9090",
        value_name = "HOST:PORT"
    )]
    pub admin_listen: SocketAddr,
    /// Application name in the ingest URL.
    #[arg(long, env = "STREAM_SYNC_INGEST_APP", default_value = "live")]
    pub ingest_app: String,
    /// What the names of the DynamoDB tables begin with.
    #[arg(long, env = "STREAM_SYNC_TABLE_PREFIX", default_value = "")]
    pub table_prefix: String,
    /// The shared cache, redis://HOST:PORT; without it every key is looked up in DynamoDB.
    #[arg(
        long,
        env = "STREAM_SYNC_REDIS_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub redis_url: Option<String>,
    /// The same, looked up by its name in ElastiCache; only in builds with the feature `elasticache`.
    #[arg(
        long,
        env = "STREAM_SYNC_ELASTICACHE_NAME",
        value_name = "NAME",
        conflicts_with = "redis_url"
    )]
    pub elasticache_name: Option<String>,
    /// The WebSocket API's @connections URL.
    #[arg(long, env = "STREAM_SYNC_WEBSOCKET_MANAGEMENT_URL", value_name = "URL")]
    pub websocket_management_url: String,
    /// A file with the fleet's secret, at least 16 bytes: edges sign with it what they ask each
    /// other, and key fingerprints in the logs of all edges are then the same.
    #[arg(long, env = "STREAM_SYNC_FLEET_SECRET_FILE", value_name = "FILE")]
    pub fleet_secret_file: Option<PathBuf>,
    /// A private port for the other edges, which ask there for locks and about outages of the store.
    /// Every edge of a fleet of several needs one; port 0 means any free one.
    #[arg(
        long,
        env = "STREAM_SYNC_PEER_LISTEN",
        value_name = "HOST:PORT",
        requires = "fleet_secret_file"
    )]
    pub peer_listen: Option<SocketAddr>,
    /// What the other edges reach that port by; where it listens, if this is not given.
    #[arg(
        long,
        env = "STREAM_SYNC_PEER_ADDRESS",
        value_name = "HOST:PORT",
        requires = "peer_listen"
    )]
    pub peer_address: Option<String>,
    /// What becomes of running publishers while the store is away: hold keeps them where every other
    /// edge says that it is away for it, too; stop drops them after four seconds.
    #[arg(long, env = "STREAM_SYNC_ON_STORE_OUTAGE", value_enum, default_value_t)]
    pub on_store_outage: OnStoreOutage,
    /// Steady media is read once per tick of this many milliseconds, which costs a fraction of the
    /// CPU; 0 reads each message as it comes.
    #[arg(long, env = "STREAM_SYNC_READ_TICK_MILLIS", default_value_t = 50, value_name = "MILLISECONDS",
        value_parser = clap::value_parser!(u64).range(0..=50))]
    pub read_tick_millis: u64,
    /// Refused keys and broken handshakes that one address may have in a minute before its
    /// connections are closed at once; 0 means any number. Loopback is exempt.
    #[arg(
        long,
        env = "STREAM_SYNC_FAILURES_PER_MINUTE",
        default_value_t = 10,
        value_name = "COUNT"
    )]
    pub failures_per_minute: u32,
    /// Connections of one address that have not been let in yet; 0 means any number. Loopback is
    /// exempt.
    #[arg(
        long,
        env = "STREAM_SYNC_OPENING_CONNECTIONS",
        default_value_t = 64,
        value_name = "COUNT"
    )]
    pub opening_connections: u32,
    /// Load balancers in front of this edge, by address or network. From these a PROXY header of
    /// version 2 is required on RTMP and RTMPS, and budgets, logs and sessions have the address in
    /// it; from nobody else is one believed.
    #[arg(
        long,
        env = "STREAM_SYNC_PROXY_PROTOCOL_FROM",
        value_delimiter = ',',
        value_name = "CIDR[,CIDR]"
    )]
    pub proxy_protocol_from: Vec<Proxies>,
    /// What all connections together may hold of what their peers sent.
    #[arg(long, env = "STREAM_SYNC_MEMORY_BUDGET_MIB", default_value_t = 512, value_name = "MIB",
        value_parser = clap::value_parser!(u32).range(16..=65_536))]
    pub memory_budget_mib: u32,
    /// What a connection may send and how long it may take.
    #[command(flatten)]
    pub front_door: FrontDoor,
    /// Log filter, as in RUST_LOG: error, warn, info, debug, or target=level.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub log: String,
}

impl Options {
    /// Where RTMPS is taken and with what, where it is.
    #[must_use]
    pub fn rtmps(&self) -> Option<(SocketAddr, CertificateFiles)> {
        let files = self.tls_cert.clone().zip(self.tls_key.clone());
        let files = files.map(|(certificate, key)| CertificateFiles { certificate, key });
        self.rtmps_listen.zip(files)
    }
}

const EXAMPLES: &str = "\
AWS's own variables keep their names: AWS_REGION, AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, ...

Examples:
  An edge on AWS:
    edge-ingest --region eu-central-1 --public-host edge1.example.com \\
      --redis-url rediss://cache.example.com:6379 \\
      --websocket-management-url https://abc123.execute-api.eu-central-1.amazonaws.com/live

  An edge beside a local stack that was started with --dynamodb-listen 127.0.0.1:8000:
    AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:8000 AWS_REGION=us-east-1 \\
    AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local \\
    edge-ingest --rtmp-listen 127.0.0.1:1940 --admin-listen 127.0.0.1:9091 \\
      --websocket-management-url http://127.0.0.1:8080/management

On SIGTERM or Ctrl-C it drains: it takes nobody in, sends its publishers away 50 a second, and ends
with 0; they come back on another edge as the same session. A second signal ends it at once, with 1.
1 also where it could not start, 2 on bad flags.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn an_edge_needs_to_know_where_dashboards_are() {
        assert!(Options::try_parse_from(["edge-ingest", "--capacity", "5"]).is_err());
        let url = [
            "edge-ingest",
            "--websocket-management-url",
            "http://127.0.0.1:8080/management",
        ];
        let options = Options::try_parse_from(url).expect("valid");
        assert_eq!(
            (options.capacity, options.rtmp_listen.port()),
            (1_000, 1935)
        );
        assert!(options.proxy_protocol_from.is_empty());
    }

    #[test]
    fn load_balancers_are_given_in_one_flag() {
        let flags = |proxies| {
            let url = "--websocket-management-url=http://127.0.0.1:8080/management";
            Options::try_parse_from(["edge-ingest", url, "--proxy-protocol-from", proxies])
        };
        let options = flags("10.0.0.0/16,10.1.0.7").expect("valid");
        assert_eq!(options.proxy_protocol_from.len(), 2);
        let wrong = flags("10.0.0.0/16,balancer").expect_err("no address");
        assert!(wrong.to_string().contains("balancer"), "{wrong}");
    }
}
