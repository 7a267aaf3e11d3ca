//! The `connections` table: which dashboards are connected.
//!
//! Two items for each connection, written together: `USER#id / <connection>` to push to a user, and
//! `CONN#<connection> / OWNER` to know whose a connection is when it speaks or leaves. Both expire
//! with the socket's longest life; one that is gone earlier is removed by whoever is told so.

use domain::{Timestamp, UserId};

use crate::change::Change;
use crate::cursor::List;
use crate::item::{Attributes, PURGE_AT, Reader, SK, Writer, composite_key, purge_at, text};
use crate::schema::Table;
use crate::transaction::Transacted;
use crate::{Error, Store, Trouble};

/// Most connections of one user that are pushed to: far more dashboards than a person opens, few
/// enough that a push stays a push.
pub const MAX_CONNECTIONS: usize = 100;

const OWNER: &str = "OWNER";
const USER_ID: &str = "userId";

impl Store {
    /// Notes a dashboard's connection; `expires_at` is when its socket ends at the latest. May be
    /// repeated.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn add_connection(
        &self,
        user_id: &UserId,
        connection_id: &str,
        expires_at: Timestamp,
    ) -> Result<(), Error> {
        let always = Change::new();
        let mut items = Vec::with_capacity(2);
        for key in [
            listing_key(user_id, connection_id),
            owner_key(connection_id),
        ] {
            let item = Writer::new(key)
                .set(USER_ID, text(user_id.as_str()))
                .set(PURGE_AT, purge_at(expires_at))
                .finish();
            items.push(self.transact_put(Table::Connections, item, &always)?);
        }
        self.transact(items).await.and_then(unconditional)
    }

    /// A user's connections, at most [`MAX_CONNECTIONS`]. Strongly consistent. Some may be gone.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn connections_of(&self, user_id: &UserId) -> Result<Vec<String>, Error> {
        let list = List {
            table: Table::Connections,
            partition: user_partition(user_id),
            sort_prefix: "",
            newest_first: false,
        };
        let entries = self.entries(&list, MAX_CONNECTIONS, None).await?;
        let ids = entries.iter().map(|item| {
            let reader = Reader::new(Table::Connections, item);
            reader.text(SK).map(str::to_owned)
        });
        ids.collect()
    }

    /// Whose connection it is; None where it is not known. Strongly consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn connection_owner(&self, connection_id: &str) -> Result<Option<UserId>, Error> {
        let found = self
            .get(Table::Connections, owner_key(connection_id))
            .await?;
        let read = |item: Attributes| {
            Reader::new(Table::Connections, &item).parsed(USER_ID, UserId::parse)
        };
        found.map(read).transpose()
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

fn user_partition(user_id: &UserId) -> String {
    format!("USER#{user_id}")
}

fn listing_key(user_id: &UserId, connection_id: &str) -> Attributes {
    composite_key(user_partition(user_id), connection_id)
}

fn owner_key(connection_id: &str) -> Attributes {
    composite_key(format!("CONN#{connection_id}"), OWNER)
}
