//! The `tickets` table: single-use tickets for the WebSocket, kept under their hash.
//!
//! A ticket is used up by a conditional deletion. Where the answer of that deletion is lost the
//! ticket counts as used: the page asks for another one.

use domain::{Timestamp, UserId};

use crate::call::Outcome;
use crate::change::Change;
use crate::item::{Attributes, PK, PURGE_AT, Reader, Writer, moment, purge_at, text};
use crate::schema::Table;
use crate::{Error, Store};

const USER_ID: &str = "userId";
const EXPIRES_AT: &str = "expiresAt";
const SESSION_EXPIRES_AT: &str = "sessionExpiresAt";

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
    /// Keeps a ticket under the SHA-256 of its text, in hexadecimal digits.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn put_ticket(&self, ticket_sha256_hex: &str, ticket: &Ticket) -> Result<(), Error> {
        let item = Writer::new(key(ticket_sha256_hex))
            .set(USER_ID, text(ticket.user_id.as_str()))
            .set(EXPIRES_AT, moment(ticket.expires_at))
            .set(SESSION_EXPIRES_AT, moment(ticket.session_expires_at))
            .set(PURGE_AT, purge_at(ticket.expires_at))
            .finish();
        let outcome = self.put(Table::Tickets, item, &Change::new()).await?;
        match outcome {
            Outcome::Done(_) | Outcome::Failed(_) => Ok(()),
        }
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
        let valid = Change::new().when_greater(EXPIRES_AT, moment(now));
        match self
            .delete(Table::Tickets, key(ticket_sha256_hex), &valid)
            .await?
        {
            Outcome::Done(taken) => read(&taken).map(Some),
            Outcome::Failed(_) => Ok(None),
        }
    }
}

fn key(ticket_sha256_hex: &str) -> Attributes {
    Attributes::from([(PK.to_owned(), text(ticket_sha256_hex))])
}

fn read(attributes: &Attributes) -> Result<Ticket, Error> {
    let reader = Reader::new(Table::Tickets, attributes);
    Ok(Ticket {
        user_id: reader.parsed(USER_ID, UserId::parse)?,
        expires_at: reader.moment(EXPIRES_AT)?,
        session_expires_at: reader.moment(SESSION_EXPIRES_AT)?,
    })
}
