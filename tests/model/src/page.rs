//! A page that shows the channel's status: it takes what comes in any order and drops what is lower
//! than what it has.

use domain::live::{Item, Version};
use domain::status::{Shown, Status};

use crate::kept::Kept;
use crate::names;

/// What the page has, and what is on its way to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Page {
    /// What it shows.
    pub shows: Message,
    /// A push under way; it may be old when it arrives.
    pub push: Option<Message>,
}

/// A status, as pushed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Message {
    /// Orders it.
    pub version: Version,
    /// What is to be shown.
    pub shown: Shown,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            shows: Message::of(None),
            push: None,
        }
    }
}

impl Message {
    /// What is pushed of an item.
    #[must_use]
    pub(crate) fn of(item: Option<Kept<Item>>) -> Self {
        let status = Status::of(item.as_deref(), names::janitors_clock());
        Self {
            version: status.version,
            shown: status.shown,
        }
    }
}

impl Page {
    /// The push under way arrives.
    pub(crate) fn receive(&mut self) {
        if let Some(push) = self.push.take()
            && push.version > self.shows.version
        {
            self.shows = push;
        }
    }

    /// A sample arrives, under the version its edge gave it. Those of one version are ordered by a
    /// number of their own and change no status; one of a higher version than the page has comes
    /// before its status and is taken for LIVE.
    pub(crate) fn sample(&mut self, version: Version) {
        if version > self.shows.version {
            self.shows = Message {
                version,
                shown: Shown::Live,
            };
        }
    }
}
