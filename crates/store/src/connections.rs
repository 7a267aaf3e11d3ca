//! Dashboards that are connected.

use domain::{Timestamp, UserId};

use crate::{Error, Store};

impl Store {
    /// Notes a dashboard's connection.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn add_connection(
        &self,
        user_id: &UserId,
        connection_id: &str,
        expires_at: Timestamp,
    ) -> Result<(), Error> {
        let _ = (user_id, connection_id, expires_at);
        crate::schema::unready_()
    }

    /// A user's connections. Strongly consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn connections_of(&self, user_id: &UserId) -> Result<Vec<String>, Error> {
        let _ = user_id;
        crate::schema::unready_()
    }

    /// Whose connection it is. Strongly consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn connection_owner(&self, connection_id: &str) -> Result<Option<UserId>, Error> {
        let _ = connection_id;
        crate::schema::unready_()
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
        let _ = (user_id, connection_id);
        crate::schema::unready_()
    }
}
