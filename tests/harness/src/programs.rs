//! Finds the workspace's programs and those of the machine.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;
use tokio::time::timeout;

/// A program of this workspace, as `cargo build --workspace` left it beside the tests.
///
/// # Errors
/// When it is not built, saying how to build it.
pub fn ours(name: &str) -> Result<Command> {
    Ok(untold(Command::new(path_of_ours(name)?)))
}

/// Without what a developer has set for their own stack or AWS account, which must not reach a story's.
pub(crate) fn untold(mut command: Command) -> Command {
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("STREAM_SYNC_") || name.starts_with("AWS_") || name == "RUST_LOG" {
            command.env_remove(&variable);
        }
    }
    command
}

/// Where a program of this workspace is.
///
/// # Errors
/// When it is not built, saying how to build it.
pub fn path_of_ours(name: &str) -> Result<PathBuf> {
    let path = beside_the_tests()?.join(name);
    if !path.is_file() {
        bail!(
            "{} is missing: run `cargo build --workspace` first",
            path.display()
        );
    }
    Ok(path)
}

/// Runs a program that is to end by itself, to its end.
///
/// # Errors
/// When it does not start, or still runs after `deadline`; it is killed then.
pub async fn run(mut command: Command, deadline: Duration) -> Result<Output> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(deadline, command.output()).await;
    let output = output.with_context(|| format!("still running after {deadline:?}"))?;
    output.context("the program does not start")
}

/// A program of the machine.
///
/// # Errors
/// When it is not in the path, saying how to get it.
pub fn of_the_machine(name: &str) -> Result<Command> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    if !found {
        bail!("{name} is not installed: tests/run installs what the stories need");
    }
    Ok(Command::new(name))
}

/// The folder of this profile's programs: test executables lie in its `deps`.
pub(crate) fn beside_the_tests() -> Result<PathBuf> {
    let this = std::env::current_exe().context("this executable has no path")?;
    let mut folder = this.parent().context("this executable lies in no folder")?;
    if folder.ends_with("deps") {
        folder = folder.parent().context("deps lies in no folder")?;
    }
    Ok(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_of_ours_says_how_to_build_it() {
        let error = ours("no-such-program").unwrap_err().to_string();
        assert!(
            error.ends_with("run `cargo build --workspace` first"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_program_of_the_machine_says_how_to_get_it() {
        let error = of_the_machine("no-such-program").unwrap_err().to_string();
        assert!(error.contains("tests/run installs"), "{error}");
    }
}
