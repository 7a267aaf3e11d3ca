//! Publishes to an RTMP server on this machine and says how it held up. See `--help`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the report is what this program is for"
)]

use std::process::ExitCode;

use load::options::Options;

fn main() -> ExitCode {
    let (target, mode) = Options::from_command_line();
    load::descriptors::raise_limit();
    let report = load::run(&target, mode, &mut |moment| eprintln!("{moment}"));
    let line = report.and_then(|report| Ok(serde_json::to_string(&report)?));
    match line {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("rtmp-load: {error}");
            ExitCode::FAILURE
        }
    }
}
