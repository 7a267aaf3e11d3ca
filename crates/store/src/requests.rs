//! The `idempotency` table: what is remembered of requests for a while.
//!
//! `REQUEST#user#hash` is a request that carries an `Idempotency-Key`: who repeats it is given what
//! the first one made. What it makes is named before it is made, so that an instance that dies half
//! way leaves nobody in doubt. `REPORTS#address#minute` counts key reports.
//!
//! Neither holds a stream key, nor the text of an `Idempotency-Key`: that may be one by mistake.

use std::time::Duration;

use domain::{Timestamp, UserId};

use crate::call::Outcome;
use crate::change::Change;
use crate::item::{Attributes, PK, PURGE_AT, Reader, Writer, moment, purge_at, text};
use crate::schema::Table;
use crate::{Error, Store};

/// How long a request is remembered.
pub const KEEP_REQUESTS: Duration = Duration::from_secs(24 * 60 * 60);
/// After this nobody works on a request any more: API Gateway ends every call after 30 s.
pub const REQUEST_ENDS_WITHIN: Duration = Duration::from_secs(35);
/// Reports are counted by the minute.
const REPORT_WINDOW: Duration = Duration::from_secs(60);

const REQUEST_HASH: &str = "requestHash";
const RESOURCE: &str = "resource";
const ATTEMPT: &str = "attempt";
const STARTED_AT: &str = "startedAt";
const EXPIRES_AT: &str = "expiresAt";
const STATUS: &str = "status";
const WORKING: &str = "working";
const DONE: &str = "done";
const COUNT: &str = "count";

/// A request that may come more than once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RepeatableRequest {
    /// Who sent it.
    pub user_id: UserId,
    /// SHA-256 of its `Idempotency-Key`, in hexadecimal digits.
    pub key_sha256: String,
    /// SHA-256 of what it asks for, in hexadecimal digits.
    pub request_sha256: String,
    /// Names this try at it: nobody else has the same.
    pub attempt: String,
}

/// What is known of a request when it comes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Begun {
    /// It is the first with its key: it makes the resource that was planned.
    First,
    /// An earlier one never ended. It may have made this resource or not.
    Unfinished(String),
    /// An earlier one made this resource.
    Finished(String),
    /// An earlier one is being worked on.
    InFlight,
    /// The key came with another request.
    Another,
}

impl Store {
    /// Begins a request that is to make `planned`, or says what became of an earlier one.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn begin_request(
        &self,
        request: &RepeatableRequest,
        planned: &str,
        now: Timestamp,
    ) -> Result<Begun, Error> {
        let item = write(request, planned, now);
        let new = Change::new().when_absent(PK);
        match self.put(Table::Idempotency, item, &new).await? {
            Outcome::Done(_) => Ok(Begun::First),
            Outcome::Failed(Some(found)) => self.found(request, planned, &found, now).await,
            // It was there and is gone: whoever had it gave it up just now.
            Outcome::Failed(None) => Ok(Begun::InFlight),
        }
    }

    async fn found(
        &self,
        request: &RepeatableRequest,
        planned: &str,
        found: &Attributes,
        now: Timestamp,
    ) -> Result<Begun, Error> {
        let reader = Reader::new(Table::Idempotency, found);
        let attempt = reader.text(ATTEMPT)?;
        if attempt == request.attempt {
            // Written before, and the answer was lost.
            return Ok(Begun::First);
        }
        let seen = Change::new().when(ATTEMPT, text(attempt));
        if reader.moment(EXPIRES_AT)? <= now {
            let item = write(request, planned, now);
            return Ok(match self.put(Table::Idempotency, item, &seen).await? {
                Outcome::Done(_) => Begun::First,
                Outcome::Failed(_) => Begun::InFlight,
            });
        }
        if reader.text(REQUEST_HASH)? != request.request_sha256 {
            return Ok(Begun::Another);
        }
        let resource = reader.text(RESOURCE)?.to_owned();
        if reader.text(STATUS)? == DONE {
            return Ok(Begun::Finished(resource));
        }
        if now < reader.moment(STARTED_AT)? + REQUEST_ENDS_WITHIN {
            return Ok(Begun::InFlight);
        }
        let mine = seen
            .set(ATTEMPT, text(&request.attempt))
            .set(STARTED_AT, moment(now));
        let taken = self.update(Table::Idempotency, key(request), &mine).await?;
        Ok(match taken {
            Outcome::Done(_) => Begun::Unfinished(resource),
            Outcome::Failed(_) => Begun::InFlight,
        })
    }

    /// Remembers that a request made what it was to make.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn finish_request(&self, request: &RepeatableRequest) -> Result<(), Error> {
        let done = mine(request).set(STATUS, text(DONE));
        self.update(Table::Idempotency, key(request), &done).await?;
        Ok(())
    }

    /// Forgets a request that made nothing, so that its key can be used again.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn forget_request(&self, request: &RepeatableRequest) -> Result<(), Error> {
        let mine = mine(request);
        self.delete(Table::Idempotency, key(request), &mine).await?;
        Ok(())
    }

    /// Counts a key report from this address. False where it sent as many within the minute as are
    /// allowed.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn count_key_report(
        &self,
        address: &str,
        allowed: u64,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let window = now.millis() / millis(REPORT_WINDOW);
        let key = Attributes::from([(PK.to_owned(), text(format!("REPORTS#{address}#{window}")))]);
        let most = crate::item::number(allowed.saturating_sub(1));
        let one_more = Change::new()
            .when_absent_or_at_most(COUNT, most)
            .set_one_more(COUNT, COUNT)
            .set(PURGE_AT, purge_at(now + 2 * REPORT_WINDOW));
        let counted = self.update(Table::Idempotency, key, &one_more).await?;
        Ok(matches!(counted, Outcome::Done(_)))
    }
}

fn mine(request: &RepeatableRequest) -> Change {
    Change::new().when(ATTEMPT, text(&request.attempt))
}

fn key(request: &RepeatableRequest) -> Attributes {
    let RepeatableRequest {
        user_id,
        key_sha256,
        ..
    } = request;
    Attributes::from([(
        PK.to_owned(),
        text(format!("REQUEST#{user_id}#{key_sha256}")),
    )])
}

fn write(request: &RepeatableRequest, planned: &str, now: Timestamp) -> Attributes {
    Writer::new(key(request))
        .set(REQUEST_HASH, text(&request.request_sha256))
        .set(RESOURCE, text(planned))
        .set(ATTEMPT, text(&request.attempt))
        .set(STARTED_AT, moment(now))
        .set(EXPIRES_AT, moment(now + KEEP_REQUESTS))
        .set(PURGE_AT, purge_at(now + KEEP_REQUESTS))
        .set(STATUS, text(WORKING))
        .finish()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
