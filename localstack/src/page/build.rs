//! Builds the page from its sources, where Node is there.
//!
//! Only when it is due: the built page is missing or older than a source. Several stacks that start
//! at once take turns; the later ones find it built. Each step has a time; nothing waits for it.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime};

use tokio::process::Command;

/// Longest installation of the page's packages: a slow network, nothing cached.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(300);
/// Longest build; it takes seconds.
const BUILD_TIMEOUT: Duration = Duration::from_secs(180);
/// Longest answer to "which version are you".
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);
/// Oldest Node that the build tool runs on.
const OLDEST_NODE: Version = Version(20, 19);
/// Major and minor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
struct Version(u32, u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// What of a failed step's words goes into the message, in lines.
const LAST_LINES: usize = 8;
/// Deepest folder of sources that is looked into.
const MAX_DEPTH: usize = 8;

/// What the page is made of, below its folder.
const SOURCES: [&str; 6] = [
    "index.html",
    "package.json",
    "package-lock.json",
    "vite.config.ts",
    "src",
    "public",
];

/// Why there is no page. The words are for a person.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("Node.js is not installed. Install Node {OLDEST_NODE} or newer and start again.")]
    NoNode,
    #[error("Node.js here is {0}; the dashboard needs {OLDEST_NODE} or newer.")]
    OldNode(String),
    #[error("{step} failed: {why}")]
    Failed { step: &'static str, why: String },
}

/// Whether the built page is there and newer than all of its sources.
pub(super) fn is_fresh(folder: &Path) -> bool {
    let Some(built) = modified(&super::files::index(folder)) else {
        return false;
    };
    SOURCES
        .iter()
        .filter_map(|source| newest(&folder.join(source), MAX_DEPTH))
        .all(|source| source <= built)
}

fn modified(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|about| about.modified()).ok()
}

/// When the newest file at or below `path` was written.
fn newest(path: &Path, depth: usize) -> Option<SystemTime> {
    if !path.is_dir() {
        return modified(path);
    }
    let below = depth.checked_sub(1)?;
    let entries = path.read_dir().ok()?;
    entries
        .filter_map(|entry| newest(&entry.ok()?.path(), below))
        .max()
}

/// Builds the page.
///
/// # Errors
/// [`Error`]: Node is not there or too old, or a step failed.
pub(super) async fn run(folder: &Path) -> Result<(), Error> {
    check_node().await?;
    let _turn = turn(folder).await;
    if is_fresh(folder) {
        return Ok(());
    }
    if !are_packages_fresh(folder) {
        tracing::info!("dashboard: installing its packages (npm ci)");
        npm(
            folder,
            "npm ci",
            &["ci", "--no-audit", "--no-fund"],
            INSTALL_TIMEOUT,
        )
        .await?;
    }
    tracing::info!("dashboard: building (npm run build)");
    npm(folder, "npm run build", &["run", "build"], BUILD_TIMEOUT).await?;
    tracing::info!("dashboard: built");
    Ok(())
}

/// Held while one process builds; others wait. Without it (another file system, another system) the
/// worst is that two build the same.
async fn turn(folder: &Path) -> Option<File> {
    let file = File::open(folder.join("package.json")).ok()?;
    let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
    locked.await.ok()?.ok()
}

/// npm leaves this file behind when an installation is whole.
fn are_packages_fresh(folder: &Path) -> bool {
    let installed = modified(&folder.join("node_modules/.package-lock.json"));
    installed.is_some_and(|installed| {
        modified(&folder.join("package-lock.json")).is_none_or(|wanted| wanted <= installed)
    })
}

async fn check_node() -> Result<(), Error> {
    let mut node = Command::new("node");
    let output = output(node.arg("--version"), VERSION_TIMEOUT).await;
    let output = output.map_err(|_| Error::NoNode)?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match is_new_enough(&version) {
        true => Ok(()),
        false => Err(Error::OldNode(version)),
    }
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.');
    let mut next = || numbers.next().and_then(|number| number.parse().ok());
    let version = next().zip(next());
    version.is_some_and(|(major, minor)| Version(major, minor) >= OLDEST_NODE)
}

async fn npm(
    folder: &Path,
    step: &'static str,
    arguments: &[&str],
    timeout: Duration,
) -> Result<(), Error> {
    let mut npm = Command::new("npm");
    npm.args(arguments).current_dir(folder);
    match output(&mut npm, timeout).await {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(Error::Failed {
            step,
            why: last_lines(&output),
        }),
        Err(error) => Err(Error::Failed {
            step,
            why: error.to_string(),
        }),
    }
}

/// Runs a program to its end. A program that is not waited for any more is ended.
async fn output(command: &mut Command, timeout: Duration) -> io::Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    tokio::time::timeout(timeout, command.output())
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn last_lines(output: &Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let first = lines.len().saturating_sub(LAST_LINES);
    lines.get(first..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_older_than_one_of_its_sources_is_built_again() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, age: u64| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "x").unwrap();
            let at = SystemTime::now() - Duration::from_secs(age);
            File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_modified(at)
                .unwrap();
        };
        write("src/view/card.tsx", 50);
        write("package.json", 60);
        assert!(!is_fresh(folder.path()));
        write("dist/index.html", 40);
        assert!(is_fresh(folder.path()));
        write("README.md", 10);
        assert!(is_fresh(folder.path()));
        write("src/view/card.tsx", 30);
        assert!(!is_fresh(folder.path()));
    }

    #[test]
    fn a_node_that_is_too_old_is_told_apart() {
        for version in ["v20.19.0", "v22.1.0", "v100.0.0"] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["v18.20.4", "v20.18.9", "", "node", "v20"] {
            assert!(!is_new_enough(version), "{version}");
        }
    }
}
