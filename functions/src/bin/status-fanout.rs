//! What follows from each change of a live item, on AWS Lambda.

use std::process::ExitCode;

use functions::startup::{self, StatusFanoutOptions};

#[tokio::main]
async fn main() -> ExitCode {
    startup::run::<StatusFanoutOptions>().await
}
