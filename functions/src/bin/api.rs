//! The HTTP API, on AWS Lambda.

use std::process::ExitCode;

use functions::startup::{self, ApiOptions};

#[tokio::main]
async fn main() -> ExitCode {
    startup::run::<ApiOptions>().await
}
