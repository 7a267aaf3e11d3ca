//! Tickets for the WebSocket: a browser cannot send a bearer token with one.
//!
//! 256 random bits, kept as their SHA-256, good for one connection within 30 s.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::http::WebsocketTicket;
use domain::Timestamp;
use domain::id::hex;
use store::{Store, Ticket};

use super::Error;
use crate::{Api, Caller};

/// How long a ticket may be used: the page connects at once.
const VALID_FOR: Duration = Duration::from_secs(30);
/// Random bytes of a ticket.
const RANDOM_BYTES: usize = 32;

/// Gives the caller a ticket. It opens nothing beyond the caller's token.
pub(crate) async fn give(
    api: &Api,
    caller: &Caller,
    now: Timestamp,
) -> Result<WebsocketTicket, Error> {
    let ticket = URL_SAFE_NO_PAD.encode(rand::random::<[u8; RANDOM_BYTES]>());
    let expires_at = (now + VALID_FOR).min(caller.session_expires_at);
    let kept = Ticket {
        user_id: caller.user_id.clone(),
        expires_at,
        session_expires_at: caller.session_expires_at,
    };
    api.store.put_ticket(&hash(&ticket), &kept).await?;
    Ok(WebsocketTicket { ticket, expires_at })
}

/// Uses a ticket up. None where it is not good, whatever the reason.
pub(super) async fn take(
    store: &Store,
    ticket: &str,
    now: Timestamp,
) -> Result<Option<Ticket>, Error> {
    Ok(store.take_ticket(&hash(ticket), now).await?)
}

fn hash(ticket: &str) -> String {
    hex(digest(&SHA256, ticket.as_bytes()).as_ref())
}
