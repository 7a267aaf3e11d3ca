//! What happened, in words: one line for each step, with the item as it is after it.

use std::collections::BTreeMap;

use domain::live::{Item, State};
use domain::{EdgeId, Owner};

use crate::event::Process;
use crate::time::Time;

/// The lines of a run; none where nobody wants to read them.
#[derive(Debug, Default)]
pub(crate) struct Story {
    lines: Option<Vec<String>>,
    names: BTreeMap<EdgeId, String>,
    /// The same, by process.
    processes: Vec<String>,
}

impl Story {
    pub(crate) fn new(told: bool) -> Self {
        Self {
            lines: told.then(Vec::new),
            names: BTreeMap::new(),
            processes: Vec::new(),
        }
    }

    /// A process is to be called by this name.
    pub(crate) fn introduce(&mut self, id: &EdgeId, name: &str) {
        if self.lines.is_some() {
            self.names.insert(id.clone(), name.to_owned());
            self.processes.push(name.to_owned());
        }
    }

    pub(crate) const fn is_told(&self) -> bool {
        self.lines.is_some()
    }

    pub(crate) fn line(&mut self, now: Time, who: &str, what: &str) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{now}  {who:<12} {what}"));
        }
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }

    pub(crate) fn process(&self, process: Process) -> String {
        self.processes.get(process).cloned().unwrap_or_default()
    }

    pub(crate) fn edge(&self, id: &EdgeId) -> String {
        self.names
            .get(id)
            .cloned()
            .unwrap_or_else(|| id.to_string())
    }

    pub(crate) fn owner(&self, owner: &Owner) -> String {
        format!("{}#{}", self.edge(&owner.edge_id), owner.epoch)
    }

    pub(crate) fn item(&self, item: Option<&Item>) -> String {
        let Some(item) = item else {
            return "[no item]".to_owned();
        };
        let version = item.version;
        let owner = item
            .owner
            .as_ref()
            .map_or("nobody".to_owned(), |owner| self.owner(owner));
        let session = item.session_id.as_ref().map_or("", |id| id.as_str());
        // The last digits of a session's id are its random part.
        let session = &session[session.len().saturating_sub(4)..];
        format!(
            "[{} {}.{} of {owner}, session {session}, key {}]",
            state(item.state),
            version.generation,
            version.sequence,
            item.key_version
        )
    }
}

const fn state(state: State) -> &'static str {
    match state {
        State::Offline => "OFFLINE",
        State::Starting => "STARTING",
        State::Live => "LIVE",
        State::Grace => "GRACE",
    }
}
