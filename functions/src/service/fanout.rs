//! What follows from a change of a live item: the repair push, and the end of its session record.
//!
//! Edges push status changes themselves and write session records; this repeats both from the
//! change stream, for those that an edge could not finish. All of it may be repeated: pushes are
//! ordered by `(gen, seq)` at the receiver, and a record that has its end is left alone.
//!
//! Absent on purpose: the event log, which is to come.

use contract::http::Status as StatusView;
use contract::websocket::{ServerMessage, StatusMessage};
use domain::live::{EndReason, Item, State};
use domain::session::{MeanBitrate, Session};
use domain::status::Status;
use domain::{EdgeId, SessionId, Timestamp};
use notify::Reach;
use store::{Error, SessionEnd};

use crate::StatusFanout;

/// Follows one change. `before` is the item as it was, where the stream has it.
pub(crate) async fn follow(
    fanout: &StatusFanout,
    item: &Item,
    before: Option<&Item>,
    now: Timestamp,
) -> Result<(), Error> {
    if item.state == State::Offline {
        close_session(fanout, item, before).await?;
    }
    // STARTING is shown as what was before it: there is nothing new to say.
    if item.state != State::Starting {
        push(fanout, item, now).await?;
    }
    Ok(())
}

async fn push(fanout: &StatusFanout, item: &Item, now: Timestamp) -> Result<(), Error> {
    let Some(channel) = fanout.store.channel(&item.channel_id).await? else {
        return Ok(());
    };
    let status = StatusView::new(channel.id, Status::of(Some(item), now), None);
    let message = ServerMessage::Status(StatusMessage { status, at: now });
    let pushed = fanout
        .notifier
        .push(&channel.user_id, &message, Reach::Fresh)
        .await;
    tracing::debug!(
        channel_id = %item.channel_id,
        sent = pushed.sent,
        gone = pushed.gone,
        failed = pushed.failed,
        "status pushed again"
    );
    Ok(())
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
