//! Channels that are live, each with an encoder that comes back, and all that their dashboards are
//! shown: what a fault happens to.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use contract::http::{Status, StatusWord};
use domain::SessionId;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::{Channel, Fleet};
use crate::reconnecting::Habit;
use crate::{DashboardWatch, HANG, ReconnectingPublisher};

/// How many go live at once: encoders are not started in one instant, and the embedded database
/// answers a hundred of them later than the store's client waits.
const AT_ONCE: usize = 6;

/// A channel of a crowd.
#[derive(Debug)]
pub struct Member {
    /// The channel.
    pub channel: Channel,
    /// Its encoder.
    pub encoder: ReconnectingPublisher,
    /// The session in which it went live first.
    pub session: SessionId,
}

/// A crowd, all of it live at least once.
#[derive(Debug)]
pub struct Crowd {
    /// Its channels.
    pub members: Vec<Member>,
    /// The dashboards of all of them.
    pub watch: DashboardWatch,
    /// Before any of them was live.
    pub began: Instant,
}

impl Member {
    async fn live(
        fleet: &Fleet,
        channel: Channel,
        first: usize,
        habit: Habit,
        watch: &DashboardWatch,
    ) -> Result<Self> {
        let began = Instant::now();
        let servers = fleet.servers();
        let encoder = ReconnectingPublisher::start(servers, first, &channel.key, habit);
        encoder.starts(began, HANG).await?;
        let live = watch.shows(&channel.id, StatusWord::Live, began, HANG);
        Ok(Self {
            session: session(&live.await?.status)?,
            channel,
            encoder,
        })
    }
}

impl Crowd {
    /// Goes live: each member on the server that `first` gives for its number, later ones from 0.
    ///
    /// # Errors
    /// When one does not.
    pub async fn live(
        fleet: &Fleet,
        count: usize,
        habit: Habit,
        first: impl Fn(usize) -> usize,
    ) -> Result<Self> {
        let began = Instant::now();
        let channels = fleet.channels(count).await?;
        let watch = fleet.watch(&channels).await?;
        let live = |(number, channel)| Member::live(fleet, channel, first(number), habit, &watch);
        let members = stream::iter(channels.into_iter().enumerate().map(live));
        let members = members.buffered(AT_ONCE).try_collect().await?;
        Ok(Self {
            members,
            watch,
            began,
        })
    }

    /// Waits until each is let in and shown as LIVE again, in the session that it had, and gives
    /// how long after `since` each was let in.
    ///
    /// # Errors
    /// When one is not, before `deadline`, or in another session.
    pub async fn back(&self, since: Instant, deadline: Duration) -> Result<Vec<Duration>> {
        let mut waits = Vec::new();
        for member in &self.members {
            waits.push(self.is_back(member, since, deadline).await?);
        }
        Ok(waits)
    }

    /// The same for one member.
    ///
    /// # Errors
    /// When it is not, before `deadline`, or in another session.
    pub async fn is_back(
        &self,
        member: &Member,
        since: Instant,
        deadline: Duration,
    ) -> Result<Duration> {
        let started = member.encoder.starts(since, deadline).await?;
        let live = self
            .watch
            .shows(&member.channel.id, StatusWord::Live, started, HANG);
        let live = live.await?;
        ensure!(
            session(&live.status)? == member.session,
            "another session: {live:?}"
        );
        Ok(started - since)
    }

    /// None was ever shown as OFFLINE, on any dashboard.
    ///
    /// # Errors
    /// When one was.
    pub fn never_offline(&self) -> Result<()> {
        self.never(StatusWord::Offline)
    }

    /// None was ever shown with this word, on any dashboard.
    ///
    /// # Errors
    /// When one was.
    pub fn never(&self, word: StatusWord) -> Result<()> {
        let channels = self.members.iter().map(|member| &member.channel.id);
        let until_now = self.began..Instant::now();
        self.watch.never(channels, word, until_now)
    }

    /// None lost its connection.
    ///
    /// # Errors
    /// When one did.
    pub fn never_dropped(&self) -> Result<()> {
        for member in &self.members {
            let history = member.encoder.history();
            ensure!(member.encoder.losses() == 0, "dropped: {history:#?}");
        }
        Ok(())
    }

    /// Each has one session, and its record says so.
    ///
    /// # Errors
    /// When one has another number of them.
    pub async fn one_session_each(&self) -> Result<()> {
        for Member {
            channel, session, ..
        } in &self.members
        {
            let sessions = channel.owner.sessions(&channel.id).await?;
            let ids: Vec<_> = sessions.iter().map(|session| &session.id).collect();
            ensure!(ids == [session], "{sessions:#?}");
        }
        Ok(())
    }

    /// Says goodbye for each and waits until it is shown as OFFLINE.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn leave(self) -> Result<()> {
        let left = Instant::now();
        let mut channels = Vec::new();
        for member in self.members {
            member.encoder.unpublish().await?;
            channels.push(member.channel.id);
        }
        for channel in channels {
            let offline = self.watch.shows(&channel, StatusWord::Offline, left, HANG);
            offline.await?;
        }
        Ok(())
    }
}

fn session(status: &Status) -> Result<SessionId> {
    let session = status.session_id.clone();
    session.with_context(|| format!("no session: {status:?}"))
}
