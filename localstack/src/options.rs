//! What the stack is told when it starts: flags, or environment variables of the same names.
//!
//! Everything that can be refused by looking at it is refused here, before anything starts, with the
//! message and the exit status (2) of a wrong flag.

use std::path::PathBuf;

use clap::{CommandFactory as _, Parser, error::ErrorKind};
use tracing_subscriber::EnvFilter;
use url::Url;

use crate::address::Address;
use crate::deployed;

/// Most edges of one stack: more than a test needs, few enough that a mistyped number is noticed.
const MAX_EDGES: u16 = 16;

/// Other people's words that say nothing here: the database warns of each condition that fails, which
/// is its everyday life; the SDK has a dozen lines of debugging for each call. `--log` may name them.
const QUIET: &str = "dynoxide=error,hyper=info,hyper_util=info,aws_runtime=info,aws_smithy_runtime=info,\
    aws_smithy_runtime_api=info,aws_sdk_dynamodb=info,aws_sdk_dynamodbstreams=info,\
    aws_sdk_apigatewaymanagement=info";

const EXAMPLES: &str = "\
Examples:
  stream-sync                                  everything, in memory, on the ordinary ports
  stream-sync --state ./state                  the same, and what was there is there at the next start
  stream-sync --rtmp 0.0.0.0:1935              encoders on other machines may publish
  stream-sync --edges 2                        two edges, on ports 1935 and 1936
  stream-sync --http 127.0.0.1:0 --rtmp 127.0.0.1:0 --endpoints here.json
                                               free ports, written to a file for a script
  stream-sync --edges 0 --dynamodb-listen 127.0.0.1:8000
                                               no edge: start one yourself against this database
  stream-sync --functions target/lambda --redis redis://127.0.0.1
                                               the functions' binaries, run as on Lambda
  stream-sync --http stream.example:8080 --rtmp 0.0.0.0:1935 --state /var/lib/stream-sync \
      --jwks https://login.example/jwks.json --jwt-issuer https://login.example --jwt-audience ID
                                               for others too: an identity provider says who is who

Each flag can be given as a variable instead: --table-prefix is STREAM_SYNC_TABLE_PREFIX.
Logs go to stderr; what to paste into OBS goes to stdout.";

/// The whole of stream-sync on one machine: edges, API, WebSocket gateway, dashboard, database.
#[derive(Clone, Debug, Parser)]
#[command(name = "stream-sync", version, after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Where the API and the dashboard listen. Only this machine, unless --jwks is given: anyone who
    /// reaches this address can log in as anyone. With --jwks, the name or address that people use:
    /// requests and pages under another are turned away
    #[arg(
        long,
        env = "STREAM_SYNC_HTTP",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:8080"
    )]
    pub(crate) http: Address,

    /// Where the first edge takes RTMP; port 0 means any free one, here and elsewhere
    #[arg(
        long,
        env = "STREAM_SYNC_RTMP",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:1935"
    )]
    pub(crate) rtmp: Address,

    /// Where the first edge takes RTMP over TLS; needs a certificate and its key
    #[arg(
        long,
        env = "STREAM_SYNC_RTMPS",
        value_name = "HOST:PORT",
        requires_all = ["tls_cert", "tls_key"]
    )]
    pub(crate) rtmps: Option<Address>,

    /// Certificate chain in PEM, leaf first; read again when the file changes
    #[arg(
        long,
        env = "STREAM_SYNC_TLS_CERT",
        value_name = "FILE",
        requires = "rtmps"
    )]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The certificate's private key in PEM; read again when the file changes
    #[arg(
        long,
        env = "STREAM_SYNC_TLS_KEY",
        value_name = "FILE",
        requires = "rtmps"
    )]
    pub(crate) tls_key: Option<PathBuf>,

    /// How many edges; the second is on the next port, and so on
    #[arg(long, env = "STREAM_SYNC_EDGES", value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(0..=i64::from(MAX_EDGES)))]
    pub(crate) edges: u16,

    /// Use this DynamoDB instead of the embedded one. Two stacks must not share their tables: give
    /// each a --table-prefix of its own
    #[arg(
        long,
        env = "STREAM_SYNC_DYNAMODB",
        value_name = "URL",
        conflicts_with = "dynamodb_listen"
    )]
    pub(crate) dynamodb: Option<Url>,

    /// Let other processes on this machine use the embedded database too
    #[arg(long, env = "STREAM_SYNC_DYNAMODB_LISTEN", value_name = "HOST:PORT")]
    pub(crate) dynamodb_listen: Option<Address>,

    /// Use this Redis as the cache that edges and functions share, instead of one in this process
    #[arg(long, env = "STREAM_SYNC_REDIS", value_name = "URL", value_parser = redis_url,
          hide_env_values = true)]
    pub(crate) redis: Option<Url>,

    /// Run the functions' binaries in this directory as on Lambda, each in processes of its own,
    /// instead of the functions in this process: DIR/<name>/bootstrap, or DIR/<name>, for api,
    /// websocket, status-fanout and reaper
    #[arg(long, env = "STREAM_SYNC_FUNCTIONS", value_name = "DIR")]
    pub(crate) functions: Option<PathBuf>,

    /// Longest that a function's binary may take for one call, in seconds; its process is then killed
    #[arg(long, env = "STREAM_SYNC_FUNCTION_TIMEOUT", value_name = "SECONDS", default_value_t = 10,
          requires = "functions", value_parser = clap::value_parser!(u64).range(1..=28))]
    pub(crate) function_timeout: u64,

    /// Take the tokens that verify against the public keys at this URL, instead of handing a token for
    /// any user to whoever asks; there is no demo channel then
    #[arg(long, env = "STREAM_SYNC_JWKS", value_name = "URL", value_parser = jwks_url,
          requires_all = ["jwt_issuer", "jwt_audience"])]
    pub(crate) jwks: Option<Url>,

    /// The `iss` of tokens that are taken
    #[arg(
        long,
        env = "STREAM_SYNC_JWT_ISSUER",
        value_name = "TEXT",
        requires = "jwks"
    )]
    pub(crate) jwt_issuer: Option<String>,

    /// The `aud` (or, without one, the `client_id`) of tokens that are taken
    #[arg(
        long,
        env = "STREAM_SYNC_JWT_AUDIENCE",
        value_name = "TEXT",
        requires = "jwks"
    )]
    pub(crate) jwt_audience: Option<String>,

    /// Keep everything in this directory; without it all is in memory and gone at the end
    #[arg(long, env = "STREAM_SYNC_STATE", value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,

    /// Write where everything listens to this file while the stack runs (with --state it is
    /// DIR/endpoints.json unless said otherwise)
    #[arg(long, env = "STREAM_SYNC_ENDPOINTS", value_name = "FILE")]
    pub(crate) endpoints: Option<PathBuf>,

    /// Put this in front of the name of every table
    #[arg(long, env = "STREAM_SYNC_TABLE_PREFIX", value_name = "TEXT", default_value = "",
          value_parser = table_prefix)]
    pub(crate) table_prefix: String,

    /// For how long a dropped publisher may come back as the same session, in seconds, on channels
    /// that are made from now on and do not say otherwise
    #[arg(long, env = "STREAM_SYNC_GRACE_SECONDS", value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) grace_seconds: u64,

    /// The region that the edges say they are in
    #[arg(
        long,
        env = "STREAM_SYNC_REGION",
        value_name = "NAME",
        default_value = "local"
    )]
    pub(crate) region: String,

    /// What to log, as in RUST_LOG (which goes first): "info", "debug", "edge_ingest=debug,info"
    #[arg(
        long,
        env = "STREAM_SYNC_LOG",
        value_name = "FILTER",
        value_parser = log_filter,
        default_value = "info"
    )]
    pub(crate) log: String,
}

impl Options {
    /// Reads the command line and the environment; prints what is wrong with them and ends the
    /// process where they cannot be taken.
    pub(crate) fn from_command_line() -> Self {
        let options = Self::parse();
        match options.check() {
            Ok(()) => options,
            Err(wrong) => Self::command()
                .error(ErrorKind::ValueValidation, wrong)
                .exit(),
        }
    }

    /// What to log: RUST_LOG where it is set, else the flag.
    pub(crate) fn log_filter(&self) -> EnvFilter {
        let wanted = std::env::var(EnvFilter::DEFAULT_ENV).ok();
        let wanted = wanted.filter(|filter| log_filter(filter).is_ok());
        let wanted = wanted.as_deref().unwrap_or(&self.log);
        EnvFilter::new(format!("{QUIET},{wanted}"))
    }

    /// Where the embedded database listens, if it does: functions in processes of their own need it to.
    pub(crate) fn database_listen(&self) -> Option<Address> {
        let needed = self.functions.is_some() && self.dynamodb.is_none();
        let given = self.dynamodb_listen.clone();
        given.or_else(|| needed.then(Address::any_port_of_this_machine))
    }

    /// The identity provider that says who callers are, where it is not the development login.
    pub(crate) fn provider(&self) -> Option<Provider> {
        Some(Provider {
            jwks: self.jwks.clone()?,
            issuer: self.jwt_issuer.clone()?,
            audience: self.jwt_audience.clone()?,
        })
    }

    fn check_http(&self) -> Result<(), String> {
        let (http, port) = (&self.http, self.http.port);
        if self.jwks.is_none() && !http.is_loopback() {
            return Err(format!(
                "--http {http} is not an address of this machine alone: the development login hands a \
                 token for any user to whoever can reach it. Use 127.0.0.1:{port}, or name an identity \
                 provider with --jwks, --jwt-issuer and --jwt-audience"
            ));
        }
        // Which requests and whose pages are answered follows from the name.
        if http.is_unspecified() {
            return Err(format!(
                "--http {http} names no host: give the name or address that people open the page \
                 under, like stream.example:{port} or 192.0.2.1:{port}"
            ));
        }
        Ok(())
    }

    /// What no single flag's value shows.
    fn check(&self) -> Result<(), String> {
        self.check_http()?;
        if let Some(listen) = self
            .dynamodb_listen
            .as_ref()
            .filter(|listen| !listen.is_loopback())
        {
            return Err(format!(
                "--dynamodb-listen {listen} is not an address of this machine alone: the embedded \
                 database checks nobody's rights. Use 127.0.0.1:{}",
                listen.port
            ));
        }
        if let Some(directory) = &self.functions {
            deployed::programs(directory)?;
        }
        let last_edge = self.edges.saturating_sub(1);
        for first in std::iter::once(&self.rtmp).chain(&self.rtmps) {
            if first.port != 0 && first.port.checked_add(last_edge).is_none() {
                return Err(format!(
                    "--edges {} does not fit: there are not as many ports from {} on",
                    self.edges, first.port
                ));
            }
        }
        Ok(())
    }
}

/// An identity provider, and what its tokens must say to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Provider {
    /// Where its public keys are.
    pub(crate) jwks: Url,
    /// The `iss`.
    pub(crate) issuer: String,
    /// The `aud`, or the `client_id`.
    pub(crate) audience: String,
}

fn redis_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "redis" | "rediss" => Ok(url),
        other => Err(format!(
            "it must begin with redis:// or rediss://, not {other}:"
        )),
    }
}

fn jwks_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!(
            "it must begin with https:// or http://, not {other}:"
        )),
    }
}

fn log_filter(text: &str) -> Result<String, String> {
    let read = EnvFilter::builder().parse(text);
    read.map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

/// DynamoDB's own rule for table names, with room for the longest of ours.
fn table_prefix(text: &str) -> Result<String, &'static str> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if plain && text.len() <= 200 {
        Ok(text.to_owned())
    } else {
        Err("it must be at most 200 letters, digits, '_', '-' and '.'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Options, String> {
        let arguments = ["stream-sync"].iter().chain(arguments);
        let options = Options::try_parse_from(arguments).map_err(|error| error.to_string())?;
        options.check().map(|()| options)
    }

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_what_the_readme_says() {
        let options = read(&[]).unwrap();
        assert_eq!(options.http.to_string(), "127.0.0.1:8080");
        assert_eq!(options.rtmp.to_string(), "127.0.0.1:1935");
        assert_eq!((options.edges, options.grace_seconds), (1, 10));
        assert_eq!(options.region, "local");
    }

    #[test]
    fn an_address_that_others_reach_is_refused_where_anyone_could_log_in() {
        for address in [
            "0.0.0.0:8080",
            "[::]:8080",
            "192.0.2.1:8080",
            "stack.example:8080",
        ] {
            assert!(read(&["--http", address]).unwrap_err().contains(address));
            assert!(
                read(&["--dynamodb-listen", address])
                    .unwrap_err()
                    .contains(address)
            );
            assert!(read(&["--rtmp", address]).is_ok());
        }
        for address in ["192.0.2.1:8080", "stream.example:8080", "127.0.0.1:0"] {
            let options = read(&with_provider(address)).unwrap();
            assert_eq!(options.provider().unwrap().issuer, "https://login.example");
        }
        for address in ["0.0.0.0:8080", "[::]:8080"] {
            let refused = read(&with_provider(address)).unwrap_err();
            assert!(refused.contains("names no host"), "{refused}");
        }
        for address in ["localhost:0", "127.0.0.2:0", "[::1]:0"] {
            assert!(read(&["--http", address, "--dynamodb-listen", address]).is_ok());
        }
    }

    fn with_provider(http: &str) -> [&str; 8] {
        [
            "--http",
            http,
            "--jwks",
            "https://login.example/jwks.json",
            "--jwt-issuer",
            "https://login.example",
            "--jwt-audience",
            "a-client",
        ]
    }

    #[test]
    fn an_identity_provider_is_named_whole_or_not_at_all() {
        let whole = with_provider("127.0.0.1:0");
        assert_eq!(read(&[]).unwrap().provider(), None);
        for missing in [2, 4, 6] {
            let parts = [&whole[..missing], &whole[missing + 2..]].concat();
            let refused = read(&parts).unwrap_err();
            assert!(refused.contains(whole[missing]), "{refused}");
        }
        for wrong in ["login.example", "file:///etc/jwks.json", "https://"] {
            let mut arguments = whole;
            arguments[3] = wrong;
            let refused = read(&arguments).unwrap_err();
            assert!(refused.contains("--jwks"), "{refused}");
        }
    }

    #[test]
    fn edges_take_one_port_after_the_other() {
        let options = read(&["--rtmp", "127.0.0.1:65535", "--edges", "1"]).unwrap();
        assert_eq!(options.rtmp.plus(0).port, 65535);
        assert!(read(&["--rtmp", "127.0.0.1:65535", "--edges", "2"]).is_err());
    }

    #[test]
    fn functions_without_programs_are_refused_with_what_makes_them() {
        let empty = tempfile::tempdir().unwrap();
        let refused = read(&["--functions", empty.path().to_str().unwrap()]).unwrap_err();
        assert!(
            refused.contains("`api`") && refused.contains("cargo lambda build"),
            "{refused}"
        );
    }

    #[test]
    fn the_database_listens_where_functions_need_it_to() {
        let mut options = read(&[]).unwrap();
        assert_eq!(options.database_listen(), None);
        options.functions = Some("target/lambda".into());
        let any = options.database_listen().unwrap();
        assert_eq!(any.to_string(), "127.0.0.1:0");
        options.dynamodb = Some("http://127.0.0.1:8000".parse().unwrap());
        assert_eq!(options.database_listen(), None);
        options.dynamodb = None;
        options.dynamodb_listen = Some("127.0.0.1:8000".parse().unwrap());
        assert_eq!(options.database_listen().unwrap().port, 8000);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let both = [
            "--dynamodb",
            "http://127.0.0.1:8000",
            "--dynamodb-listen",
            "127.0.0.1:0",
        ];
        assert!(read(&both).unwrap_err().contains("cannot be used with"));
        for wrong in [
            ["--edges", "17"],
            ["--grace-seconds", "0"],
            ["--redis", "http://127.0.0.1"],
            ["--table-prefix", "a b"],
            ["--dynamodb", "nowhere"],
            ["--function-timeout", "5"],
        ] {
            assert!(read(&wrong).is_err(), "{wrong:?}");
        }
    }
}
