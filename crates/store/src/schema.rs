//! Tables, their keys and indexes, and how they are created.
//!
//! AWS deployments create the same tables from a template; [`Store::create_tables`] is for the
//! local stack and for tests.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType, TableStatus,
    TimeToLiveSpecification, TimeToLiveStatus,
};

use crate::item::{PK, PURGE_AT, SK};
use crate::{Error, Store, Trouble, edges, keys, live};

/// How often a new table's state is asked for. Real tables take some seconds.
const READY_POLL: Duration = Duration::from_millis(200);
/// How often at most: 60 s in all.
const READY_POLLS: u32 = 300;

/// A table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Table {
    Live,
    Edges,
    Channels,
    Secrets,
    Sessions,
    Attempts,
    Audit,
    Events,
    Connections,
    Tickets,
    Idempotency,
}

impl Table {
    pub(crate) const ALL: [Self; 11] = [
        Self::Live,
        Self::Edges,
        Self::Channels,
        Self::Secrets,
        Self::Sessions,
        Self::Attempts,
        Self::Audit,
        Self::Events,
        Self::Connections,
        Self::Tickets,
        Self::Idempotency,
    ];

    /// Its name, without the deployment's prefix.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Edges => "edges",
            Self::Channels => "channels",
            Self::Secrets => "secrets",
            Self::Sessions => "sessions",
            Self::Attempts => "attempts",
            Self::Audit => "audit",
            Self::Events => "events",
            Self::Connections => "connections",
            Self::Tickets => "tickets",
            Self::Idempotency => "idempotency",
        }
    }

    /// Its key: partition, and sort where it has one.
    const fn key(self) -> (&'static str, Option<(&'static str, ScalarAttributeType)>) {
        match self {
            Self::Edges => (edges::EDGE_ID, None),
            Self::Secrets => (keys::CHANNEL_ID, None),
            Self::Live | Self::Tickets | Self::Idempotency => (PK, None),
            // Events have a gap-free number, which must not sort as text.
            Self::Events => (PK, Some((SK, ScalarAttributeType::N))),
            Self::Channels | Self::Sessions | Self::Attempts | Self::Audit | Self::Connections => {
                (PK, Some((SK, ScalarAttributeType::S)))
            }
        }
    }

    /// Whether its items sort by a number.
    pub(crate) const fn is_numbered(self) -> bool {
        matches!(self, Self::Events)
    }

    /// Whether its items expire, or some of them.
    const fn expires(self) -> bool {
        matches!(
            self,
            Self::Attempts
                | Self::Audit
                | Self::Events
                | Self::Connections
                | Self::Tickets
                | Self::Idempotency
        )
    }

    /// Whether what is written to it is told to `status-fanout`.
    pub(crate) const fn has_stream(self) -> bool {
        matches!(self, Self::Live | Self::Attempts | Self::Audit)
    }
}

/// The names of one deployment's tables.
#[derive(Debug)]
pub(crate) struct Tables {
    prefix: String,
}

impl Tables {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    pub(crate) fn name(&self, table: Table) -> String {
        format!("{}{}", self.prefix, table.name())
    }
}

impl Store {
    /// Creates the tables that are missing and waits until all can be used. What is there already
    /// stays as it is, so that it may be repeated.
    ///
    /// # Errors
    /// [`Error::Unavailable`], also where a table is not ready within a minute; [`Error::Refused`].
    pub async fn create_tables(&self) -> Result<(), Error> {
        for table in Table::ALL {
            self.create_table(table).await?;
        }
        for table in Table::ALL {
            let has_stream = self.wait_until_ready(table).await?;
            if table.has_stream() && !has_stream {
                self.enable_stream(table).await?;
                self.wait_until_ready(table).await?;
            }
            if table.expires() {
                self.enable_expiry(table).await?;
            }
        }
        Ok(())
    }

    async fn create_table(&self, table: Table) -> Result<(), Error> {
        let (partition, sort) = table.key();
        let mut request = self
            .client
            .create_table()
            .table_name(self.tables.name(table))
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(definition(partition, ScalarAttributeType::S)?)
            .key_schema(key_part(partition, KeyType::Hash)?);
        if let Some((sort, kind)) = sort {
            request = request
                .attribute_definitions(definition(sort, kind)?)
                .key_schema(key_part(sort, KeyType::Range)?);
        }
        if table == Table::Live {
            request = request
                .attribute_definitions(definition(live::OWNER, ScalarAttributeType::S)?)
                .global_secondary_indexes(by_owner()?);
        }
        if table.has_stream() {
            request = request.stream_specification(both_images()?);
        }
        match request.send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(answer)) if is_there_already(answer.err()) => Ok(()),
            Err(error) => Err(Error::of("CreateTable", &error)),
        }
    }

    /// Whether it has a change stream, once it is ready.
    async fn wait_until_ready(&self, table: Table) -> Result<bool, Error> {
        for _ in 0..READY_POLLS {
            let request = self.client.describe_table();
            let answer = request.table_name(self.tables.name(table)).send().await;
            let described = answer.map_err(|error| Error::of("DescribeTable", &error))?;
            let active = described
                .table
                .filter(|table| table.table_status == Some(TableStatus::Active));
            if let Some(table) = active {
                let stream = table.stream_specification;
                return Ok(stream.is_some_and(|stream| stream.stream_enabled));
            }
            tokio::time::sleep(READY_POLL).await;
        }
        let trouble = Trouble::new("DescribeTable", format!("{} not ready", table.name()));
        Err(Error::Unavailable(trouble))
    }

    /// For a table that an earlier release made without one.
    async fn enable_stream(&self, table: Table) -> Result<(), Error> {
        let request = self.client.update_table();
        let request = request.table_name(self.tables.name(table));
        let answer = request.stream_specification(both_images()?).send().await;
        answer
            .map(|_| ())
            .map_err(|error| Error::of("UpdateTable", &error))
    }

    async fn enable_expiry(&self, table: Table) -> Result<(), Error> {
        let name = self.tables.name(table);
        let request = self.client.describe_time_to_live().table_name(&name);
        let answer = request.send().await;
        let described = answer.map_err(|error| Error::of("DescribeTimeToLive", &error))?;
        let status = described
            .time_to_live_description
            .and_then(|description| description.time_to_live_status);
        if matches!(
            status,
            Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
        ) {
            return Ok(());
        }
        let wanted = TimeToLiveSpecification::builder()
            .attribute_name(PURGE_AT)
            .enabled(true);
        let request = self
            .client
            .update_time_to_live()
            .table_name(name)
            .time_to_live_specification(built(wanted.build())?);
        let answer = request.send().await;
        answer
            .map(|_| ())
            .map_err(|error| Error::of("UpdateTimeToLive", &error))
    }
}

fn is_there_already(error: &CreateTableError) -> bool {
    matches!(error, CreateTableError::ResourceInUseException(_))
}

fn definition(name: &str, kind: ScalarAttributeType) -> Result<AttributeDefinition, Error> {
    let builder = AttributeDefinition::builder();
    built(builder.attribute_name(name).attribute_type(kind).build())
}

fn key_part(name: &str, kind: KeyType) -> Result<KeySchemaElement, Error> {
    let builder = KeySchemaElement::builder();
    built(builder.attribute_name(name).key_type(kind).build())
}

/// Only items that have an owner are in it, with nothing but their keys.
fn by_owner() -> Result<GlobalSecondaryIndex, Error> {
    let keys_only = Projection::builder()
        .projection_type(ProjectionType::KeysOnly)
        .build();
    let index = GlobalSecondaryIndex::builder()
        .index_name(live::BY_OWNER)
        .key_schema(key_part(live::OWNER, KeyType::Hash)?)
        .projection(keys_only);
    built(index.build())
}

fn both_images() -> Result<StreamSpecification, Error> {
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewAndOldImages);
    built(stream.build())
}

/// A part of a request that lacks something: a fault of this program that no caller can repair.
pub(crate) fn built<T, E: std::fmt::Display>(part: Result<T, E>) -> Result<T, Error> {
    part.map_err(|error| Error::Refused(Trouble::new("building a request", error.to_string())))
}
