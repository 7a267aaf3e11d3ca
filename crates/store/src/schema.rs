//! Tables, their keys, and how they are created.

use crate::{Error, Store};

/// The names of one deployment's tables.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) prefix: String,
}

impl Tables {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }
}

fn unready() -> Error {
    Error::Unavailable(crate::Trouble::new("store", "not there yet"))
}
pub(crate) fn unready_<T>() -> Result<T, Error> {
    Err(unready())
}

impl Store {
    /// Creates what is missing; what is there already stays as it is.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Refused`].
    pub async fn create_tables(&self) -> Result<(), Error> {
        let _ = (&self.client, &self.tables.prefix);
        unready_()
    }
}
