//! Tickets.

use domain::{Timestamp, UserId};

use crate::{Error, Store};

/// What a WebSocket ticket stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// Who may connect with it.
    pub user_id: UserId,
    /// Until when it may be used.
    pub expires_at: Timestamp,
    /// When the token that it was given for ends, and with it the socket.
    pub session_expires_at: Timestamp,
}

impl Store {
    /// Keeps a ticket under its hash.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn put_ticket(&self, ticket_sha256_hex: &str, ticket: &Ticket) -> Result<(), Error> {
        let _ = (ticket_sha256_hex, ticket);
        crate::schema::unready_()
    }

    /// Uses a ticket up; None where there is none, it was used, or it has expired at `now`.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn take_ticket(
        &self,
        ticket_sha256_hex: &str,
        now: Timestamp,
    ) -> Result<Option<Ticket>, Error> {
        let _ = (ticket_sha256_hex, now);
        crate::schema::unready_()
    }
}
