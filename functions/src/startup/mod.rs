//! What a binary does before its function runs: options, logs, clients, first connections.
//!
//! Each binary has the options of its own function only. Clients are built once and their TLS
//! connection is opened before the first event, so that no caller waits for it.

mod options;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use clap::error::ErrorKind;
use domain::ChannelId;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use store::Store;
use tracing_subscriber::EnvFilter;

pub use self::options::{ApiOptions, ReaperOptions, StatusFanoutOptions, WebsocketOptions};
use crate::chain::Chain;
use crate::{Error, Function};

/// Lambda sets it for every function; without it nobody sends events.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// The options of one function, and how it is built from them.
pub trait Options: Parser {
    /// Builds the clients and opens their connections.
    fn start(self) -> impl Future<Output = anyhow::Result<Function>> + Send;
}

/// Runs a function under the Lambda runtime until Lambda ends the process. Prints help, version or
/// what is wrong with the options, and exits, where that is asked for.
pub async fn run<O: Options>() -> ExitCode {
    let options = parse::<O>();
    write_logs();
    match serve(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %Chain(error.as_ref()), "function cannot run");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: impl Options) -> anyhow::Result<()> {
    let function = options.start().await?;
    let answer = |event: LambdaEvent<Value>| {
        let function = &function;
        async move { function.invoke(event.payload).await.map_err(diagnostic) }
    };
    lambda_runtime::run(service_fn(answer))
        .await
        .map_err(|error| anyhow::anyhow!(error))
        .context("the Lambda runtime ended")
}

/// What Lambda shows of a failed invocation.
fn diagnostic(error: Error) -> Diagnostic {
    Diagnostic {
        error_type: "functions::Error".into(),
        error_message: Chain(&error).to_string(),
    }
}

fn parse<O: Options>() -> O {
    let on_lambda = std::env::var_os(RUNTIME_API).is_some();
    match O::try_parse() {
        Ok(options) if on_lambda => options,
        Err(error) if on_lambda || error.kind() != ErrorKind::MissingRequiredArgument => {
            error.exit()
        }
        Ok(_) | Err(_) => {
            let message = "this program runs on AWS Lambda: \
                AWS_LAMBDA_RUNTIME_API is not set (the local stack runs the same function)";
            O::command().error(ErrorKind::Io, message).exit()
        }
    }
}

/// JSON lines on standard output, which Lambda collects; `RUST_LOG` chooses, `info` by default.
fn write_logs() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        // Lambda adds the time.
        .without_time()
        .init();
}

/// Opens the store's connection with a read that finds nothing, and that every function has a right to.
async fn open(store: &Store) {
    let nobody = ChannelId::from_random([0; 16]);
    if let Err(error) = store.channel(&nobody).await {
        tracing::warn!(error = %Chain(&error), "store not reached yet");
    }
}
