//! The change stream of a table: hands what changed to the function `status-fanout`, as Lambda's event
//! source mapping does. There is one for each table that has a stream; their records are in order
//! within a table and not across tables, as on AWS.
//!
//! Polled through the ordinary streams client, so that it is the same with the embedded database and
//! with another one. Each shard is read in order; a batch is handed on until the function took it or
//! its records would have expired, because nothing behind it may overtake it. What was handed on is
//! remembered in `--state`, so that the next start goes on from there.
//!
//! Absent on purpose: waiting for a parent shard before its children. The embedded database has one
//! shard; elsewhere status messages carry an order of their own.

mod position;
mod record;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::error::DisplayErrorContext;
use aws_sdk_dynamodbstreams::types::{Record, ShardIteratorType};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

pub(crate) use position::Positions;

use crate::gateway::Function;

/// How often new records are asked for. Lambda itself polls about this often.
const POLL: Duration = Duration::from_millis(200);
/// How long to wait after a read that failed.
const PAUSE: Duration = Duration::from_secs(2);
/// Most records in one event, as in the AWS template.
const MAX_BATCH: i32 = 100;
/// For how long a batch is handed on again, as in the AWS template: DynamoDB keeps a record for a day.
const RECORD_LIFETIME: Duration = Duration::from_secs(24 * 3_600);
/// First wait before a batch is handed on again; it doubles.
const RETRY: Duration = Duration::from_millis(100);
/// The longest such wait: so much later than a database that was away is the status right again.
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// Where reading begins in a shard that was never read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the oldest record: the database is this stack's own.
    Oldest,
    /// With what comes from now on: the history is somebody else's.
    Latest,
}

/// The stream of one table, and what it is handed to.
#[derive(Debug)]
pub(crate) struct ChangeStream {
    client: Client,
    table: String,
    function: Function,
    positions: Positions,
    start: Start,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A shard's iterator; none where it is closed and was read to its end.
type Shards = BTreeMap<String, Option<String>>;

impl ChangeStream {
    /// The stream of `table`, to be handed to `function`.
    pub(crate) fn new(
        client: Client,
        table: String,
        function: Function,
        positions: Positions,
        start: Start,
    ) -> Self {
        Self {
            client,
            table,
            function,
            positions,
            start,
        }
    }

    /// Reads until `shutdown`, and then once more what was written until then.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut start = self.start;
        while !shutdown.is_cancelled() {
            let failure = match self.follow(start, &shutdown).await {
                Ok(()) => return,
                Err(failure) => failure,
            };
            if shutdown.is_cancelled() {
                tracing::error!(error = %failure, table = self.table, "changes are left over at the end: with --state the next start hands them on");
                return;
            }
            tracing::warn!(error = %failure, table = self.table, "cannot read the change stream");
            // Whatever it missed meanwhile is to be read, not skipped.
            start = Start::Oldest;
            shutdown.run_until_cancelled(sleep(PAUSE)).await;
        }
    }

    async fn follow(&mut self, start: Start, shutdown: &CancellationToken) -> Result<(), Failure> {
        let arn = self.find().await?;
        let mut shards = Shards::new();
        self.discover(&arn, &mut shards, start).await?;
        loop {
            let stopping = shutdown.is_cancelled();
            let mut closed = false;
            for (shard, iterator) in &mut shards {
                if let Some(from) = iterator.take() {
                    *iterator = self.read_all(&arn, shard, from, shutdown).await?;
                    closed |= iterator.is_none();
                }
            }
            if stopping {
                return Ok(());
            }
            if closed {
                self.discover(&arn, &mut shards, Start::Oldest).await?;
            }
            shutdown.run_until_cancelled(sleep(POLL)).await;
        }
    }

    async fn find(&self) -> Result<String, Failure> {
        let listed = self.client.list_streams().table_name(&self.table).send();
        let listed = listed.await.map_err(described)?;
        let newest = listed
            .streams()
            .last()
            .and_then(|stream| stream.stream_arn());
        Ok(newest.ok_or("the table has no change stream")?.to_owned())
    }

    /// Adds the shards that were not known yet.
    async fn discover(&self, arn: &str, shards: &mut Shards, start: Start) -> Result<(), Failure> {
        let described_stream = self.client.describe_stream().stream_arn(arn).send();
        let answer = described_stream.await.map_err(described)?;
        let found = answer.stream_description().map(|stream| stream.shards());
        for shard in found
            .unwrap_or_default()
            .iter()
            .filter_map(|shard| shard.shard_id())
        {
            if !shards.contains_key(shard) {
                let iterator = self.begin(arn, shard, start).await?;
                shards.insert(shard.to_owned(), iterator);
            }
        }
        Ok(())
    }

    /// An iterator after what was handed on already, or from the start.
    async fn begin(&self, arn: &str, shard: &str, start: Start) -> Result<Option<String>, Failure> {
        let request = || {
            self.client
                .get_shard_iterator()
                .stream_arn(arn)
                .shard_id(shard)
        };
        if let Some(position) = self.positions.of(shard) {
            let after = request()
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .sequence_number(position);
            match after.send().await {
                Ok(answer) => return Ok(answer.shard_iterator),
                Err(error) => {
                    let error = DisplayErrorContext(error);
                    tracing::warn!(%error, "the remembered place is gone; reading from the oldest");
                }
            }
        }
        let kind = match start {
            Start::Oldest => ShardIteratorType::TrimHorizon,
            Start::Latest => ShardIteratorType::Latest,
        };
        let answer = request().shard_iterator_type(kind).send();
        Ok(answer.await.map_err(described)?.shard_iterator)
    }

    /// Hands on everything there is now. Gives the iterator to go on with.
    async fn read_all(
        &mut self,
        arn: &str,
        shard: &str,
        mut from: String,
        shutdown: &CancellationToken,
    ) -> Result<Option<String>, Failure> {
        loop {
            let records = self
                .client
                .get_records()
                .shard_iterator(&from)
                .limit(MAX_BATCH);
            let answer = records.send().await.map_err(described)?;
            let batch = answer.records();
            self.hand_on(arn, shard, batch, shutdown).await?;
            match answer.next_shard_iterator {
                Some(next) if batch_is_empty(answer.records.as_deref()) => return Ok(Some(next)),
                Some(next) => from = next,
                None => return Ok(None),
            }
        }
    }

    /// Hands a batch to the function until it took all of it; once more where `shutdown` is fired
    /// meanwhile, and then what is left waits for the next start.
    async fn hand_on(
        &mut self,
        arn: &str,
        shard: &str,
        batch: &[Record],
        shutdown: &CancellationToken,
    ) -> Result<(), Failure> {
        let (mut left, mut wait) = (batch, RETRY);
        let (began, mut stopping) = (Instant::now(), false);
        while !left.is_empty() {
            let json = |record| record::json(record, arn);
            let records: Vec<_> = left.iter().map(json).collect();
            if let Ok(answer) = self.function.invoke(json!({"Records": records})).await {
                let (taken, rest) = left.split_at(taken(left, &answer));
                if let Some(last) = taken.last().and_then(sequence_number) {
                    self.positions.reached(shard, last);
                }
                left = rest;
            }
            if left.is_empty() {
                return Ok(());
            }
            if stopping {
                return Err(format!("{} changes were not taken until the end", left.len()).into());
            }
            if began.elapsed() >= RECORD_LIFETIME {
                let records = left.len();
                tracing::error!(
                    records,
                    "changes given up: a dashboard, the session log or the event log may lack them"
                );
                if let Some(last) = left.last().and_then(sequence_number) {
                    self.positions.reached(shard, last);
                }
                return Ok(());
            }
            let waited = shutdown.run_until_cancelled(sleep(wait)).await;
            stopping = waited.is_none();
            wait = (wait * 2).min(LONGEST_RETRY);
        }
        Ok(())
    }
}

fn batch_is_empty(records: Option<&[Record]>) -> bool {
    records.is_none_or(<[Record]>::is_empty)
}

fn described<E: std::error::Error + Send + Sync + 'static>(error: E) -> Failure {
    DisplayErrorContext(error).to_string().into()
}

fn sequence_number(record: &Record) -> Option<&str> {
    record.dynamodb()?.sequence_number()
}

/// How many records of a batch the function took: those before the first that it names, as Lambda
/// has it for streams.
fn taken(batch: &[Record], answer: &Value) -> usize {
    let failures = answer.get("batchItemFailures").and_then(Value::as_array);
    let named: Vec<_> = failures
        .into_iter()
        .flatten()
        .filter_map(|failure| failure.get("itemIdentifier")?.as_str())
        .collect();
    let is_named = |record| sequence_number(record).is_some_and(|number| named.contains(&number));
    batch.iter().position(is_named).unwrap_or(batch.len())
}

#[cfg(test)]
mod tests;
