//! Every status that was pushed to any of several dashboards, with the moment at which it came: for
//! stories that promise what is never shown, or exactly once.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use contract::http::{Status, StatusWord};
use contract::websocket::ServerMessage;
use domain::ChannelId;

use crate::{Api, Dashboard, Stack, wait};

/// Dashboards that are only watched.
#[derive(Debug)]
pub struct DashboardWatch(Vec<Dashboard>);

/// A status as one of the dashboards was sent it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// When.
    pub at: Instant,
    /// On which dashboard, counted from 0.
    pub dashboard: usize,
    /// What.
    pub status: Status,
}

impl DashboardWatch {
    /// Opens a dashboard for each of these owners.
    ///
    /// # Errors
    /// When one is refused.
    pub async fn open(stack: &Stack, owners: impl IntoIterator<Item = &Api>) -> Result<Self> {
        let mut dashboards = Vec::new();
        for owner in owners {
            dashboards.push(stack.dashboard_of(owner).await?);
        }
        Ok(Self(dashboards))
    }

    /// Every status so far, in the order in which they came.
    ///
    /// # Errors
    /// When a dashboard lost its connection or was sent what is no message: it may have missed
    /// what the story is about.
    pub fn shown(&self) -> Result<Vec<Shown>> {
        let mut shown = Vec::new();
        for (dashboard, watched) in self.0.iter().enumerate() {
            for arrived in watched.messages() {
                let message = arrived.message.map_err(anyhow::Error::msg);
                let message = message.with_context(|| format!("dashboard {dashboard}"))?;
                if let ServerMessage::Status(sent) = message {
                    shown.push(Shown {
                        at: arrived.at,
                        dashboard,
                        status: sent.status,
                    });
                }
            }
        }
        shown.sort_by_key(|shown| shown.at);
        Ok(shown)
    }

    /// Fails where one of these channels was shown with this word, on any dashboard, in this time.
    ///
    /// # Errors
    /// When one was, or a dashboard broke.
    pub fn never<'a>(
        &self,
        channels: impl IntoIterator<Item = &'a ChannelId>,
        word: StatusWord,
        during: Range<Instant>,
    ) -> Result<()> {
        let channels: BTreeSet<_> = channels.into_iter().collect();
        let of_them = |shown: &Shown| {
            let status = &shown.status;
            status.status == word && channels.contains(&status.channel_id)
        };
        let mut found = self.shown()?;
        found.retain(|shown| during.contains(&shown.at) && of_them(shown));
        ensure!(found.is_empty(), "{word:?} was shown: {found:#?}");
        Ok(())
    }

    /// The versions of the channel's changes to this word from `since` on: each counts once,
    /// however many pushes told of it.
    ///
    /// # Errors
    /// When a dashboard broke.
    pub fn changes(
        &self,
        channel: &ChannelId,
        word: StatusWord,
        since: Instant,
    ) -> Result<BTreeSet<(u64, u64)>> {
        let of_it = |shown: &Shown| {
            let status = &shown.status;
            (shown.at >= since && status.channel_id == *channel && status.status == word)
                .then_some((status.generation, status.sequence))
        };
        Ok(self.shown()?.iter().filter_map(of_it).collect())
    }

    /// Waits for the channel's first status from `since` on that `pick` takes.
    ///
    /// # Errors
    /// When `deadline` passes first, or a dashboard broke.
    pub async fn until(
        &self,
        what: &str,
        channel: &ChannelId,
        since: Instant,
        deadline: Duration,
        pick: impl Fn(&Status) -> bool,
    ) -> Result<Shown> {
        let of_it = |shown: &Shown| {
            shown.at >= since && shown.status.channel_id == *channel && pick(&shown.status)
        };
        let found = wait::until(what, deadline, async || {
            Ok(self.shown()?.into_iter().find(&of_it))
        });
        let found = found.await;
        found.with_context(|| format!("shown so far: {:#?}", self.shown()))
    }

    /// Waits until the channel is shown with this word, from `since` on.
    ///
    /// # Errors
    /// When `deadline` passes first, or a dashboard broke.
    pub async fn shows(
        &self,
        channel: &ChannelId,
        word: StatusWord,
        since: Instant,
        deadline: Duration,
    ) -> Result<Shown> {
        let what = format!("{channel} to be shown as {word:?}");
        self.until(&what, channel, since, deadline, |status| {
            status.status == word
        })
        .await
    }
}
