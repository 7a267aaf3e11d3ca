//! `endpoints.json`: tells scripts and tests where a running stack listens.
//!
//! It is there only while everything in it accepts connections: put in place whole after the last
//! listener came up, taken away before the first one goes.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use contract::endpoints::Endpoints;

/// The file's name inside `--state`.
pub(crate) const FILE_NAME: &str = "endpoints.json";

/// The file, while it is in place; dropping it takes it away.
#[derive(Debug)]
pub(crate) struct Published(PathBuf);

impl Published {
    /// Puts the file in place.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn publish(file: &Path, endpoints: &Endpoints) -> anyhow::Result<Self> {
        write(file, endpoints).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self(file.to_owned()))
    }
}

fn write(file: &Path, endpoints: &Endpoints) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(endpoints)?;
    text.push('\n');
    // Beside it, so that the rename stays within one file system.
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(".unfinished");
    std::fs::write(&unfinished, text)?;
    std::fs::rename(&unfinished, file)?;
    Ok(())
}

impl Drop for Published {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(%error, file = %self.0.display(), "cannot remove the endpoints file");
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::endpoints::{Demo, SCHEMA};
    use domain::{ChannelId, UserId};

    use super::*;

    #[test]
    fn the_file_is_there_whole_and_goes_with_its_holder() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("endpoints.json");
        let endpoints = Endpoints {
            schema: SCHEMA,
            http: "http://127.0.0.1:1".into(),
            websocket: "ws://127.0.0.1:1/ws".into(),
            management: "http://127.0.0.1:1/management".into(),
            dynamodb: None,
            redis: None,
            edges: Vec::new(),
            demo: Some(Demo {
                user_id: UserId::parse("demo").unwrap(),
                channel_id: ChannelId::from_random([1; 16]),
            }),
        };
        let published = Published::publish(&file, &endpoints).unwrap();
        let read: Endpoints = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(read, endpoints);
        drop(published);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("nowhere").join("endpoints.json");
        let endpoints = serde_json::from_value(serde_json::json!({
            "schema": 1, "http": "", "websocket": "", "management": "", "dynamodb": null,
            "redis": null, "edges": [], "demo": {"userId": "demo", "channelId": "ch_1"},
        }));
        let refused = Published::publish(&file, &endpoints.unwrap()).unwrap_err();
        assert!(refused.to_string().contains("nowhere"));
    }
}
