//! The `connections` table: which dashboards are connected.
//!
//! Two items for each connection, written together: `USER#id / <connection>` to push to a user, and
//! `CONN#<connection> / OWNER` to know whose a connection is when it speaks or leaves. Both expire
//! when the socket is to end; one that is gone earlier is removed by whoever is told so. One that has
//! expired is not listed, whether it was deleted or not.

use domain::{Timestamp, UserId};

use crate::change::Change;
use crate::cursor::List;
use crate::item::{
    Attributes, PURGE_AT, Reader, SK, Writer, composite_key, moment, purge_at, text,
};
use crate::schema::Table;
use crate::transaction::Transacted;
use crate::{Error, Store, Trouble};

/// Most connections of one user: far more dashboards than a person opens, few enough that a push
/// stays a push.
pub const MAX_CONNECTIONS: usize = 100;

const OWNER: &str = "OWNER";
const USER_ID: &str = "userId";
const CONNECTION_ID: &str = "connectionId";
const CONNECTED_AT: &str = "connectedAt";
const EXPIRES_AT: &str = "expiresAt";

/// A dashboard's connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connection {
    /// What the gateway calls it.
    pub id: String,
    /// Whose dashboard it is.
    pub user_id: UserId,
    /// When it asked to be let in.
    pub connected_at: Timestamp,
    /// When its socket is to end: nothing is sent to it from then on.
    pub expires_at: Timestamp,
}

impl Store {
    /// Notes a dashboard's connection. May be repeated.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn add_connection(&self, connection: &Connection) -> Result<(), Error> {
        let always = Change::new();
        let mut items = Vec::with_capacity(2);
        for key in [
            listing_key(&connection.user_id, &connection.id),
            owner_key(&connection.id),
        ] {
            let item = Writer::new(key)
                .set(USER_ID, text(connection.user_id.as_str()))
                .set(CONNECTION_ID, text(connection.id.as_str()))
                .set(CONNECTED_AT, moment(connection.connected_at))
                .set(EXPIRES_AT, moment(connection.expires_at))
                .set(PURGE_AT, purge_at(connection.expires_at))
                .finish();
            items.push(self.transact_put(Table::Connections, item, &always)?);
        }
        self.transact(items).await.and_then(unconditional)
    }

    /// A user's connections that have not expired at `now`, at most [`MAX_CONNECTIONS`]. Strongly
    /// consistent. Some may be gone.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn connections_of(
        &self,
        user_id: &UserId,
        now: Timestamp,
    ) -> Result<Vec<Connection>, Error> {
        let list = List {
            table: Table::Connections,
            partition: user_partition(user_id),
            sort_prefix: "",
            newest_first: false,
        };
        let mut open = Vec::new();
        let mut start = None;
        loop {
            let entries = self.entries(&list, MAX_CONNECTIONS, start).await?;
            for entry in &entries {
                let connection = read(entry)?;
                if connection.expires_at > now {
                    open.push(connection);
                }
            }
            // Those that expired and are not deleted yet must not hide the others.
            let last = entries.last().filter(|_| entries.len() >= MAX_CONNECTIONS);
            start = last
                .map(|last| Reader::new(Table::Connections, last).text(SK))
                .transpose()?
                .map(|connection_id| listing_key(user_id, connection_id));
            if start.is_none() || open.len() >= MAX_CONNECTIONS {
                open.truncate(MAX_CONNECTIONS);
                return Ok(open);
            }
        }
    }

    /// The connection of this id, expired or not; None where it is not known. Strongly consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn connection(&self, connection_id: &str) -> Result<Option<Connection>, Error> {
        let found = self
            .get(Table::Connections, owner_key(connection_id))
            .await?;
        found.as_ref().map(read).transpose()
    }

    /// Forgets a connection; nothing happens where there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn remove_connection(
        &self,
        user_id: &UserId,
        connection_id: &str,
    ) -> Result<(), Error> {
        let always = Change::new();
        let mut items = Vec::with_capacity(2);
        for key in [
            listing_key(user_id, connection_id),
            owner_key(connection_id),
        ] {
            items.push(self.transact_delete(Table::Connections, key, &always)?);
        }
        self.transact(items).await.and_then(unconditional)
    }
}

/// These transactions have no condition that could fail.
fn unconditional(transacted: Transacted) -> Result<(), Error> {
    match transacted {
        Transacted::Done => Ok(()),
        Transacted::Failed(_) => Err(Error::Refused(Trouble::new(
            "TransactWriteItems",
            "a condition failed where there is none",
        ))),
    }
}

fn read(item: &Attributes) -> Result<Connection, Error> {
    let reader = Reader::new(Table::Connections, item);
    Ok(Connection {
        id: reader.text(CONNECTION_ID)?.to_owned(),
        user_id: reader.parsed(USER_ID, UserId::parse)?,
        // Earlier releases did not write it down: then it is an old one.
        connected_at: reader.some_moment(CONNECTED_AT)?.unwrap_or_default(),
        expires_at: reader.moment(EXPIRES_AT)?,
    })
}

fn user_partition(user_id: &UserId) -> String {
    format!("USER#{user_id}")
}

fn listing_key(user_id: &UserId, connection_id: &str) -> Attributes {
    composite_key(user_partition(user_id), connection_id)
}

fn owner_key(connection_id: &str) -> Attributes {
    composite_key(format!("CONN#{connection_id}"), OWNER)
}
