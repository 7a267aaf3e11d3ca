//! What follows from a record of a change stream: of `live` the repair push, the end of a session's
//! record and an event; of refused attempts and of what owners did an event.
//!
//! Edges push status changes themselves and write session records; this repeats both from the
//! change stream, for those that an edge could not finish. Events are appended here and nowhere else.
//! All of it may be repeated: pushes are ordered by `(gen, seq)` at the receiver or name their event,
//! a record that has its end is left alone, and an event is in the log once.

use contract::http::Status as StatusView;
use contract::websocket::{EventMessage, ServerMessage, StatusMessage};
use domain::event::{Event, What};
use domain::live::{EndReason, Item, State};
use domain::session::{MeanBitrate, Session};
use domain::status::Status;
use domain::{ChannelId, EdgeId, SessionId, Timestamp, UserId};
use notify::Reach;
use store::{Error, RefusedAttempt, SessionEnd, StreamChange};

use crate::StatusFanout;

/// The moments of one record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// About when it was written, in whole seconds.
    pub(crate) written_at: Timestamp,
    /// The invocation.
    pub(crate) now: Timestamp,
}

/// Follows one change.
pub(crate) async fn follow(
    fanout: &StatusFanout,
    change: &StreamChange,
    times: Times,
) -> Result<(), Error> {
    match change {
        StreamChange::Live { item, before } => {
            follow_live(fanout, item, before.as_ref(), times).await
        }
        StreamChange::Attempt {
            channel_id,
            attempt,
            is_first: true,
        } => {
            let owner = owner(fanout, channel_id).await?;
            append(fanout, &refused(channel_id, attempt), owner.as_ref(), times).await
        }
        // Its first is in the log; how many came after it is in its own record.
        StreamChange::Attempt {
            is_first: false, ..
        } => Ok(()),
        StreamChange::Audit(event) => {
            let owner = owner(fanout, &event.channel_id).await?;
            append(fanout, event, owner.as_ref(), times).await
        }
    }
}

async fn follow_live(
    fanout: &StatusFanout,
    item: &Item,
    before: Option<&Item>,
    times: Times,
) -> Result<(), Error> {
    if item.state == State::Offline {
        close_session(fanout, item, before).await?;
    }
    let event = Event::of_change(before, item, times.written_at);
    // STARTING is shown as what was before it: there is no new status.
    let shows = item.state != State::Starting;
    if !shows && event.is_none() {
        return Ok(());
    }
    let owner = owner(fanout, &item.channel_id).await?;
    if let Some(owner) = owner.as_ref().filter(|_| shows) {
        push_status(fanout, item, owner, times.now).await;
    }
    if let Some(event) = event {
        append(fanout, &event, owner.as_ref(), times).await?;
    }
    Ok(())
}

/// Who is told; None where the channel was removed.
async fn owner(fanout: &StatusFanout, channel_id: &ChannelId) -> Result<Option<UserId>, Error> {
    let channel = fanout.store.channel(channel_id).await?;
    Ok(channel.map(|channel| channel.user_id))
}

async fn push_status(fanout: &StatusFanout, item: &Item, owner: &UserId, now: Timestamp) {
    let status = StatusView::new(item.channel_id.clone(), Status::of(Some(item), now), None);
    let message = ServerMessage::Status(StatusMessage { status, at: now });
    let pushed = fanout
        .notifier
        .push(owner, &message, Reach::Fresh, now)
        .await;
    tracing::debug!(
        channel_id = %item.channel_id,
        sent = pushed.sent,
        gone = pushed.gone,
        failed = pushed.failed,
        "status pushed again"
    );
}

/// Appends an event and shows it. One that is in the log already is shown again: whoever appended it
/// may not have come so far.
async fn append(
    fanout: &StatusFanout,
    event: &Event,
    owner: Option<&UserId>,
    Times { now, .. }: Times,
) -> Result<(), Error> {
    let logged = fanout.store.append_event(event, now).await?;
    tracing::debug!(channel_id = %event.channel_id, number = logged.number, id = event.id, "event appended");
    let Some(owner) = owner else {
        return Ok(());
    };
    let message = ServerMessage::Event(EventMessage {
        channel_id: event.channel_id.clone(),
        event: logged.into(),
        at: now,
    });
    fanout
        .notifier
        .push(owner, &message, Reach::Fresh, now)
        .await;
    Ok(())
}

fn refused(channel_id: &ChannelId, attempt: &RefusedAttempt) -> Event {
    Event {
        channel_id: channel_id.clone(),
        id: format!("attempt.{}", attempt.id),
        at: attempt.first_at,
        what: What::Refused {
            reason: attempt.reason.clone(),
            detail: attempt.detail.clone(),
            ip_address: attempt.ip_address.clone(),
            encoder: attempt.encoder.clone(),
        },
    }
}

/// Ends the session's record where its edge has not.
async fn close_session(
    fanout: &StatusFanout,
    item: &Item,
    before: Option<&Item>,
) -> Result<(), Error> {
    let Some(session_id) = &item.session_id else {
        return Ok(());
    };
    let won = match fanout.store.session(&item.channel_id, session_id).await? {
        Some(session) if session.ended_at.is_some() => return Ok(()),
        Some(_) => match end(session_id, item) {
            Some(end) => fanout.store.end_session(&end).await?,
            None => return Ok(()),
        },
        None => match unwritten(item, before) {
            Some(session) => fanout.store.put_session(&session).await?,
            None => return Ok(()),
        },
    };
    tracing::info!(channel_id = %item.channel_id, %session_id, won, "session record closed");
    Ok(())
}

fn end(session_id: &SessionId, item: &Item) -> Option<SessionEnd> {
    let (ended_at, reason) = item.ended_at.zip(item.reason)?;
    Some(SessionEnd {
        id: session_id.clone(),
        channel_id: item.channel_id.clone(),
        generation: item.version.generation,
        ended_at,
        reason,
    })
}

/// What the live item knows of a session whose edge died before it wrote the record. None where
/// no media ever came: that was no broadcast.
fn unwritten(item: &Item, before: Option<&Item>) -> Option<Session> {
    let started_at = item.started_at?;
    let went_live = item.last_live_at.is_some_and(|at| at >= started_at);
    if !went_live || item.reason == Some(EndReason::NoMedia) {
        return None;
    }
    let edge_id = |item: &Item| -> Option<EdgeId> { Some(item.owner.as_ref()?.edge_id.clone()) };
    Some(Session {
        id: item.session_id.clone()?,
        channel_id: item.channel_id.clone(),
        generation: item.version.generation,
        ip_address: item.client_ip.clone().unwrap_or_default(),
        encoder: None,
        started_at,
        ended_at: item.ended_at,
        mean: MeanBitrate::default(),
        resolution: None,
        fps: None,
        edge_ids: before.and_then(edge_id).into_iter().collect(),
        reason: item.reason,
    })
}
