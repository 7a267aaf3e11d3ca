//! Finishes what no edge is left to finish, on AWS Lambda.

use std::process::ExitCode;

use functions::startup::{self, ReaperOptions};

#[tokio::main]
async fn main() -> ExitCode {
    startup::run::<ReaperOptions>().await
}
