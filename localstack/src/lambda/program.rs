//! What is started for a function: where its program is, and what it is told by its environment.

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::leash;

/// The name that Lambda gives to a function's program.
const BOOTSTRAP: &str = "bootstrap";
/// Handed on from this process where it has them: a program finds its libraries and its clock by them.
const INHERITED: [&str; 3] = ["PATH", "LANG", "LD_LIBRARY_PATH"];

/// A function's program.
#[derive(Clone)]
pub struct Program {
    /// The function's name.
    pub name: String,
    /// The executable.
    pub path: PathBuf,
    /// All that it is told besides what Lambda tells every function.
    pub environment: Vec<(String, String)>,
    /// Whether this process can keep its children on a leash; see [`leash`].
    pub leashed: bool,
}

impl fmt::Debug for Program {
    /// Without the environment: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("name", &self.name)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A function whose program is not where it should be.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no program for the function `{name}`: neither {} nor {} is an executable file",
    .bootstrap.display(), .plain.display()
)]
pub struct Missing {
    name: String,
    bootstrap: PathBuf,
    plain: PathBuf,
}

/// The program of the function `name` in `directory`: `directory/name/bootstrap`, as cargo-lambda lays
/// it, or `directory/name`, as cargo does.
///
/// # Errors
/// Neither is an executable file.
pub fn find(directory: &Path, name: &str) -> Result<PathBuf, Missing> {
    let plain = directory.join(name);
    let bootstrap = plain.join(BOOTSTRAP);
    if is_executable(&bootstrap) {
        return Ok(bootstrap);
    }
    if is_executable(&plain) {
        return Ok(plain);
    }
    Err(Missing {
        name: name.to_owned(),
        bootstrap,
        plain,
    })
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

impl Program {
    /// The command that starts an instance of this id, whose runtime API is at `runtime_api`.
    pub(super) fn command(&self, instance: &str, runtime_api: &str) -> Command {
        let mut command = match self.leashed {
            true => leash::command(&self.path),
            false => Command::new(&self.path),
        };
        command.env_clear();
        command.envs(INHERITED.iter().filter_map(|name| {
            let value = std::env::var_os(name)?;
            Some((*name, value))
        }));
        let log_group = format!("/aws/lambda/{}", self.name);
        command.envs([
            ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("AWS_LAMBDA_FUNCTION_NAME", self.name.as_str()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", &log_group),
            ("AWS_LAMBDA_LOG_STREAM_NAME", instance),
            ("AWS_LAMBDA_RUNTIME_API", runtime_api),
            ("TZ", ":UTC"),
            ("_HANDLER", BOOTSTRAP),
        ]);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A terminal's Ctrl-C is for this process: it ends its instances after their last events.
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    fn program(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_program_is_found_as_cargo_lambda_and_as_cargo_lay_it() {
        let directory = tempfile::tempdir().unwrap();
        let bootstrap = directory.path().join("api/bootstrap");
        let plain = directory.path().join("reaper");
        program(&bootstrap);
        program(&plain);
        assert_eq!(find(directory.path(), "api").unwrap(), bootstrap);
        assert_eq!(find(directory.path(), "reaper").unwrap(), plain);
    }

    #[test]
    fn a_missing_program_is_named_with_the_places_where_it_was_looked_for() {
        let directory = tempfile::tempdir().unwrap();
        let unusable = directory.path().join("websocket");
        std::fs::write(&unusable, "no program").unwrap();
        let missing = find(directory.path(), "websocket").unwrap_err().to_string();
        for place in [unusable.join("bootstrap"), unusable] {
            let place = place.display().to_string();
            assert!(missing.contains(&place), "{missing}");
        }
    }

    #[test]
    fn a_password_in_the_environment_is_not_shown() {
        let program = Program {
            name: "api".into(),
            path: "api".into(),
            environment: vec![(
                "STREAM_SYNC_REDIS_URL".into(),
                "redis://:secret@host".into(),
            )],
            leashed: false,
        };
        assert!(!format!("{program:?}").contains("secret"));
    }
}
