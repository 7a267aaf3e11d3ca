//! A folder of functions' programs, as `--functions` takes it.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

use crate::programs;

/// The functions that there are.
pub const NAMES: [&str; 4] = ["api", "websocket", "status-fanout", "reaper"];

/// A folder that vanishes with the story.
#[derive(Debug)]
pub struct Functions(TempDir);

impl Functions {
    /// With the programs of this build.
    ///
    /// # Errors
    /// When one is not built.
    pub fn of_this_build() -> Result<Self> {
        let folder = Self(tempfile::tempdir()?);
        for name in NAMES {
            symlink(programs::path_of_ours(name)?, folder.0.path().join(name))?;
        }
        Ok(folder)
    }

    /// With another program of this workspace in the place of the function `name`.
    ///
    /// # Errors
    /// When that is not built.
    pub fn replaced(self, name: &str, by: &str) -> Result<Self> {
        let path = self.0.path().join(name);
        std::fs::remove_file(&path)?;
        symlink(programs::path_of_ours(by)?, path)?;
        Ok(self)
    }

    /// With this script in the place of the function `name`, in a folder of its own as cargo-lambda
    /// lays programs.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn scripted(self, name: &str, script: &str) -> Result<Self> {
        let path = self.0.path().join(name);
        std::fs::remove_file(&path)?;
        std::fs::create_dir(&path)?;
        let bootstrap = path.join("bootstrap");
        std::fs::write(&bootstrap, format!("#!/bin/sh\n{script}\n"))?;
        std::fs::set_permissions(&bootstrap, Permissions::from_mode(0o755))?;
        Ok(self)
    }

    /// Without the function `name`.
    ///
    /// # Errors
    /// When it is not there.
    pub fn without(self, name: &str) -> Result<Self> {
        std::fs::remove_file(self.0.path().join(name))?;
        Ok(self)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The flag that has a stack run them.
    #[must_use]
    pub fn flag(&self) -> Vec<String> {
        vec![
            "--functions".to_owned(),
            self.0.path().display().to_string(),
        ]
    }
}
