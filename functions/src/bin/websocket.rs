//! The dashboards' WebSockets, on AWS Lambda.

use std::process::ExitCode;

use functions::startup::{self, WebsocketOptions};

#[tokio::main]
async fn main() -> ExitCode {
    startup::run::<WebsocketOptions>().await
}
