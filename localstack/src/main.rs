//! The local stack: the whole of stream-sync on one machine, in one process.
//!
//! The same edges, the same functions and the same store as on AWS; what AWS itself would do is done
//! here: the database ([`database`]), API Gateway ([`gateway`]), the change streams
//! ([`change_stream`]), the schedule ([`schedule`]), the identity provider where no other is named
//! ([`login`], [`identity`]), the page's host
//! ([`page`]) and, where the functions' binaries are to run ([`deployed`]), Lambda. [`stack`] composes
//! them.
//!
//! Absent on purpose: any rule of the product. Whatever is decided is decided in the other packages.

mod address;
mod banner;
mod change_stream;
mod demo;
mod deployed;
mod edges;
mod endpoints;
mod gateway;
mod identity;
mod listen;
mod login;
mod options;
mod page;
mod schedule;
mod stack;
mod state;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use options::Options;
use stack::Stack;
use stream_sync::database;
use stream_sync::lambda::leash;
use tokio::signal::unix::{Signal, SignalKind, signal};

fn main() -> ExitCode {
    match leash::become_program() {
        Some(failed) => failed,
        None => start(),
    }
}

#[tokio::main]
async fn start() -> ExitCode {
    let options = Options::from_command_line();
    write_logs(&options);
    match run(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // For the person who started it, in words, not as a line of the log.
            let _ = writeln!(std::io::stderr(), "stream-sync: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let (stack, banner) = tokio::select! {
        started = Stack::start(options) => started?,
        () = signals.next() => return Ok(()),
    };
    banner.print();
    let told = banner.page.clone();
    tokio::select! {
        () = signals.next() => {}
        () = tell_page(&stack, told) => {}
    }
    tracing::info!("ending; once more ends at once");
    tokio::select! {
        () = stack.stop() => {}
        () = signals.next() => anyhow::bail!("ended before everything was"),
    }
    Ok(())
}

/// Says when the page is there, if that was open; never ends.
async fn tell_page(stack: &Stack, told: page::Status) {
    if told == page::Status::Building {
        let status = stack.page().settled().await;
        banner::print_page(stack.url(), &status);
    }
    std::future::pending().await
}

/// What a terminal or a scheduler ends a program with.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Logs go to stderr: stdout is for the banner, which shows what no log may.
fn write_logs(options: &Options) {
    tracing_subscriber::fmt()
        .with_env_filter(options.log_filter())
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
