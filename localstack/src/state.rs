//! What outlives the process: the directory of `--state`, its lock, and the secrets in it.
//!
//! One process at a time owns the directory, and with it the embedded database: what it finds there
//! was left by a process that is no more. Without `--state` secrets live as long as the process.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The owner alone may enter the directory and read the secrets.
const DIRECTORY_MODE: u32 = 0o700;
const SECRET_MODE: u32 = 0o600;
/// Largest secret that is read, in bytes; ours are far smaller.
const MAX_SECRET_BYTES: u64 = 4 * 1024;

/// Where state is kept, if it is.
#[derive(Debug)]
pub(crate) struct State(Option<Kept>);

#[derive(Debug)]
struct Kept {
    directory: PathBuf,
    /// Held as long as the process runs; the system releases it whatever happens.
    _lock: File,
}

impl State {
    /// Opens the directory, making it where it is not there. Memory where none is given.
    ///
    /// # Errors
    /// It cannot be made, or another process has it.
    pub(crate) fn open(directory: Option<&Path>) -> anyhow::Result<Self> {
        let Some(directory) = directory else {
            return Ok(Self(None));
        };
        let kept = Kept::open(directory)
            .with_context(|| format!("cannot use --state {}", directory.display()))?;
        Ok(Self(Some(kept)))
    }

    /// The directory, if there is one.
    pub(crate) fn directory(&self) -> Option<&Path> {
        self.0.as_ref().map(|kept| kept.directory.as_path())
    }

    /// The secret of this name; `make` makes it the first time.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(crate) fn secret(
        &self,
        name: &str,
        make: impl FnOnce() -> anyhow::Result<Vec<u8>>,
    ) -> anyhow::Result<Vec<u8>> {
        let Some(directory) = self.directory() else {
            return make();
        };
        let path = directory.join(name);
        read_or_make(&path, make).with_context(|| format!("cannot keep {}", path.display()))
    }
}

impl Kept {
    fn open(directory: &Path) -> anyhow::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(directory)?;
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .open(directory.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                directory: directory.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => {
                bail!("another stream-sync runs with it; end that one or choose another directory")
            }
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

fn read_or_make(
    path: &Path,
    make: impl FnOnce() -> anyhow::Result<Vec<u8>>,
) -> anyhow::Result<Vec<u8>> {
    match File::open(path) {
        Ok(file) => {
            let mut secret = Vec::new();
            file.take(MAX_SECRET_BYTES).read_to_end(&mut secret)?;
            Ok(secret)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let secret = make()?;
            write_secret(path, &secret)?;
            Ok(secret)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whole or not at all: a process killed half-way must not leave a key that is none.
fn write_secret(path: &Path, secret: &[u8]) -> anyhow::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(SECRET_MODE)
        .open(&unfinished)?;
    file.write_all(secret)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_only_its_owner_may_read_it() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("state");
        let made = |byte| move || Ok(vec![byte; 32]);
        {
            let state = State::open(Some(&directory)).unwrap();
            assert_eq!(state.secret("key", made(1)).unwrap(), [1; 32]);
        }
        let state = State::open(Some(&directory)).unwrap();
        assert_eq!(state.secret("key", made(2)).unwrap(), [1; 32]);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory.join("key")), SECRET_MODE);
        assert_eq!(mode(&directory), DIRECTORY_MODE);
    }

    #[test]
    fn two_processes_never_own_one_directory() {
        let directory = tempfile::tempdir().unwrap();
        let first = State::open(Some(directory.path())).unwrap();
        let second = State::open(Some(directory.path())).unwrap_err();
        assert!(format!("{second:#}").contains("another stream-sync"));
        drop(first);
        State::open(Some(directory.path())).unwrap();
    }

    #[test]
    fn without_a_directory_a_secret_lasts_as_long_as_its_holder() {
        let state = State::open(None).unwrap();
        assert_eq!(state.secret("key", || Ok(vec![3])).unwrap(), [3]);
        assert_eq!(state.directory(), None);
    }
}
