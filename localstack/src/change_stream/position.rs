//! How far each shard of a table's stream was handed on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The last sequence number of each shard that was handed on; in a file where state is kept.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    reached: BTreeMap<String, String>,
    file: Option<PathBuf>,
}

impl Positions {
    /// What was remembered of this table in this directory. A file that cannot be read counts as none:
    /// what was handed on is then handed on again, which does no harm.
    pub(crate) fn open(state: Option<&Path>, table: &str) -> Self {
        let file = state.map(|state| state.join(format!("change-stream-{table}.json")));
        let reached = file
            .as_deref()
            .and_then(|file| std::fs::read(file).ok())
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        Self { reached, file }
    }

    /// The last sequence number of this shard.
    pub(super) fn of(&self, shard: &str) -> Option<&str> {
        self.reached.get(shard).map(String::as_str)
    }

    /// Notes that everything up to here was handed on.
    pub(super) fn reached(&mut self, shard: &str, sequence_number: &str) {
        self.reached
            .insert(shard.to_owned(), sequence_number.to_owned());
        if let Err(error) = self.write() {
            tracing::warn!(%error, "cannot remember the place in the change stream");
        }
    }

    fn write(&self) -> std::io::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let unfinished = file.with_extension("unfinished");
        std::fs::write(&unfinished, serde_json::to_vec(&self.reached)?)?;
        std::fs::rename(unfinished, file)
    }
}
