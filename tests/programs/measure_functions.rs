//! Measures the functions' programs as Lambda runs them, through the Runtime API of the local stack: size
//! of program and zip file, time to begin, the first answer, and, of one instance of `api`, how long the
//! status of a channel takes and how many it reads in a second.
//!
//! The first argument is the folder of the programs: `target/lambda/<name>/bootstrap`, or
//! `target/release`. Without one it is this build's own, which says nothing about AWS. Prints a table and
//! one line of JSON.

#![allow(
    clippy::print_stdout,
    reason = "printing figures is this program's job"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use contract::http::{DevToken, DevTokenRequest};
use futures_util::future::join_all;
use harness::functions::NAMES;
use harness::{Options, Stack, api, programs};
use serde_json::{Value, json};
use stream_sync::lambda::{self, Function, Limits, Program};

/// Starts of each program that the times to begin are taken from.
const STARTS: usize = 10;
/// Reads of the status that are not counted: connections open, caches fill.
const WARM_UP: usize = 200;
/// Reads one after the other, for how long one takes.
const READS: usize = 2_000;
/// Reads of which two wait at any time, so that the instance never does.
const AT_ONCE: usize = 2;

/// What it takes to start each function as Lambda does, and to read a channel's status through one.
#[derive(Debug, clap::Parser)]
#[command(name = "measure-functions", version)]
struct Arguments {
    /// Where <function>/bootstrap or <function> is; beside this program unless said otherwise
    folder: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = match <Arguments as clap::Parser>::parse().folder {
        Some(folder) => folder,
        None => programs::path_of_ours("api")?
            .parent()
            .context("no folder")?
            .to_owned(),
    };
    let options = Options {
        edges: 0,
        more: ["--dynamodb-listen", "127.0.0.1:0"]
            .map(str::to_owned)
            .into(),
        ..Options::default()
    };
    let stack = Stack::start(options).await?;
    let bench = Bench::new(&stack, &folder).await?;
    let mut all = Vec::new();
    for name in NAMES {
        all.push(bench.measure(name).await?);
    }
    let status = bench.status().await?;
    print_table(&all, &status);
    let functions: Vec<_> = all.iter().map(Beginning::json).collect();
    println!(
        "{}",
        json!({"functions": functions, "status": status.json()})
    );
    stack.stop().await
}

/// What programs are run against.
struct Bench<'a> {
    folder: &'a Path,
    environment: Vec<(String, String)>,
    authorization: String,
    channel: String,
    _key: tempfile::NamedTempFile,
}

/// How a function begins.
struct Beginning {
    name: &'static str,
    program_bytes: u64,
    zip_bytes: Option<u64>,
    init: Vec<Duration>,
    first: Vec<Duration>,
}

/// How one instance of `api` reads a status.
struct Status {
    took: Vec<Duration>,
    a_second: f64,
}

impl<'a> Bench<'a> {
    async fn new(stack: &Stack, folder: &'a Path) -> Result<Self> {
        let endpoints = &stack.endpoints;
        let demo = endpoints.demo.as_ref().context("no demo user")?;
        let body = DevTokenRequest {
            user_id: demo.user_id.clone(),
        };
        let login = api::client().post(format!("{}/dev/token", endpoints.http));
        let token: DevToken = login.json(&body).send().await?.json().await?;
        let key = tempfile::NamedTempFile::new()?;
        std::fs::write(key.path(), [7; 32])?;
        let database = endpoints
            .dynamodb
            .clone()
            .context("no database on a socket")?;
        let environment = [
            ("AWS_ACCESS_KEY_ID", "local".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ENDPOINT_URL_DYNAMODB", database),
            (
                "STREAM_SYNC_JWKS_URL",
                format!("{}/dev/jwks.json", endpoints.http),
            ),
            ("STREAM_SYNC_JWT_ISSUER", endpoints.http.clone()),
            ("STREAM_SYNC_JWT_AUDIENCE", "stream-sync-local".to_owned()),
            (
                "STREAM_SYNC_KEY_ENCRYPTION",
                format!("file:{}", key.path().display()),
            ),
            (
                "STREAM_SYNC_WEBSOCKET_MANAGEMENT_URL",
                endpoints.management.clone(),
            ),
        ];
        Ok(Self {
            folder,
            environment: environment
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            authorization: format!("Bearer {}", token.token),
            channel: stack.channel().to_string(),
            _key: key,
        })
    }

    fn function(&self, name: &str) -> Result<Function> {
        let program = Program {
            name: name.to_owned(),
            path: lambda::find(self.folder, name)?,
            environment: self.environment.clone(),
            leashed: false,
        };
        let limits = Limits {
            instances: 1,
            ..Limits::default()
        };
        Ok(Function::new(program, limits))
    }

    async fn measure(&self, name: &'static str) -> Result<Beginning> {
        let zip = self.folder.join(name).join("bootstrap.zip");
        let mut measured = Beginning {
            name,
            program_bytes: lambda::find(self.folder, name)?.metadata()?.len(),
            zip_bytes: zip.metadata().ok().map(|zip| zip.len()),
            init: Vec::new(),
            first: Vec::new(),
        };
        for _ in 0..STARTS {
            let function = self.function(name)?;
            let began = Instant::now();
            function.warm().await?;
            measured.init.push(began.elapsed());
            let event = self.event(name);
            let asked = Instant::now();
            let answer = function.invoke(&event).await?;
            measured.first.push(asked.elapsed());
            check(name, &answer)?;
            function.stop().await;
        }
        measured.init.sort_unstable();
        measured.first.sort_unstable();
        Ok(measured)
    }

    async fn status(&self) -> Result<Status> {
        let function = self.function("api")?;
        let event = self.event("api");
        for _ in 0..WARM_UP {
            check("api", &function.invoke(&event).await?)?;
        }
        let mut took = Vec::with_capacity(READS);
        for _ in 0..READS {
            let asked = Instant::now();
            check("api", &function.invoke(&event).await?)?;
            took.push(asked.elapsed());
        }
        took.sort_unstable();
        let began = Instant::now();
        let callers = (0..AT_ONCE).map(async |_| {
            for _ in 0..READS / AT_ONCE {
                check("api", &function.invoke(&event).await?)?;
            }
            Ok::<(), anyhow::Error>(())
        });
        for caller in join_all(callers).await {
            caller?;
        }
        let reads = u32::try_from(READS)?;
        let a_second = f64::from(reads) / began.elapsed().as_secs_f64();
        function.stop().await;
        Ok(Status { took, a_second })
    }

    /// Something that each function answers without changing anything.
    fn event(&self, name: &str) -> Value {
        match name {
            "api" => self.read_status(),
            "websocket" => json!({
                "requestContext": {
                    "routeKey": "$disconnect", "eventType": "DISCONNECT", "connectionId": "none=",
                    "stage": "live", "requestTimeEpoch": 0, "connectedAt": 0,
                },
                "isBase64Encoded": false,
            }),
            "status-fanout" => json!({"Records": []}),
            _ => json!({"detail-type": "Scheduled Event"}),
        }
    }

    fn read_status(&self) -> Value {
        let path = format!("/v1/channels/{}/status", self.channel);
        json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
            "headers": {"authorization": self.authorization, "host": "localhost"},
            "requestContext": {
                "http": {
                    "method": "GET", "path": path, "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1", "userAgent": "measure",
                },
                "stage": "$default", "requestId": "none", "timeEpoch": 0,
            },
            "isBase64Encoded": false,
        })
    }
}

fn check(name: &str, answer: &Value) -> Result<()> {
    if name == "api" {
        ensure!(answer["statusCode"] == 200, "{answer}");
    }
    Ok(())
}

impl Beginning {
    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "program_bytes": self.program_bytes,
            "zip_bytes": self.zip_bytes,
            "init_ms": {"median": millis(middle(&self.init)), "max": millis(last(&self.init))},
            "first_answer_ms": {"median": millis(middle(&self.first)), "max": millis(last(&self.first))},
        })
    }
}

impl Status {
    fn json(&self) -> Value {
        json!({
            "p50_ms": millis(middle(&self.took)),
            "p99_ms": millis(self.took[self.took.len() * 99 / 100]),
            "max_ms": millis(last(&self.took)),
            "a_second": self.a_second,
        })
    }
}

fn print_table(all: &[Beginning], status: &Status) {
    println!("function       program KiB  zip KiB  init ms (max)   first answer ms (max)");
    for measured in all {
        let zip = measured
            .zip_bytes
            .map_or("-".to_owned(), |bytes| (bytes / 1024).to_string());
        println!(
            "{:<14} {:>11} {:>8} {:>8.1} ({:.1}) {:>12.1} ({:.1})",
            measured.name,
            measured.program_bytes / 1024,
            zip,
            millis(middle(&measured.init)),
            millis(last(&measured.init)),
            millis(middle(&measured.first)),
            millis(last(&measured.first)),
        );
    }
    println!(
        "\nstatus of a channel, one instance: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms; {:.0} in a second",
        millis(middle(&status.took)),
        millis(status.took[status.took.len() * 99 / 100]),
        millis(last(&status.took)),
        status.a_second
    );
}

fn middle(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() / 2]
}

fn last(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() - 1]
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
