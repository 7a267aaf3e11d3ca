//! The DynamoDB of the stack: embedded by default, another one where `--dynamodb` names it.
//!
//! Both are reached through the ordinary SDK clients, so there is one store implementation, the one
//! that runs on AWS. The embedded one needs no socket ([`http_client`]); with `--dynamodb-listen` it
//! also answers on one, for edges and functions in other processes.
//!
//! Absent on purpose: anything that knows a table. The store does.

mod http_client;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The database's file inside `--state`.
const FILE_NAME: &str = "dynamodb.sqlite";

/// Each write to a table that has a change stream looks for the stream's last number, and each poll for
/// what came after one. Without an index both read every change that there ever was: 2 ms a write after
/// 9,000 of them, which is a thousand publishes.
const INDEX_OF_CHANGES: &str = "CREATE INDEX IF NOT EXISTS stream_sync_changes
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER))";

/// The region that requests are signed for where the environment names none.
pub const REGION: &str = "us-east-1";

/// Where the tables are.
#[derive(Clone)]
pub enum Database {
    /// In this process, owned by it alone.
    Embedded(dynoxide::Database),
    /// At this URL.
    Remote(url::Url),
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Embedded(_) => f.write_str("Embedded"),
            Self::Remote(url) => f.debug_tuple("Remote").field(&url.as_str()).finish(),
        }
    }
}

impl Database {
    /// Opens the embedded database: a file in `state`, or memory where there is none.
    ///
    /// # Errors
    /// Where the file cannot be opened or is not a database.
    pub async fn embedded(state: Option<&Path>) -> anyhow::Result<Self> {
        let place = match state {
            Some(state) => state.join(FILE_NAME).to_string_lossy().into_owned(),
            None => memory(),
        };
        let opened = tokio::task::spawn_blocking(move || open(&place).context(place));
        Ok(Self::Embedded(opened.await??))
    }

    /// What SDK clients of this database are configured with.
    ///
    /// The embedded one verifies no signature: the credentials only fill the place of real ones.
    /// Another one gets what the environment says, and these where it says nothing.
    pub async fn sdk_config(&self) -> SdkConfig {
        match self {
            Self::Embedded(database) => local_config()
                .into_builder()
                .endpoint_url("http://embedded.invalid")
                .http_client(http_client::InProcess::new(database.clone()))
                .build(),
            Self::Remote(url) => {
                let mut loader =
                    aws_config::defaults(BehaviorVersion::latest()).endpoint_url(url.as_str());
                if url.scheme() == "http" {
                    loader = loader.http_client(direct());
                }
                if std::env::var_os("AWS_ACCESS_KEY_ID").is_none()
                    && std::env::var_os("AWS_PROFILE").is_none()
                {
                    loader = loader.credentials_provider(local_credentials());
                }
                if std::env::var_os("AWS_REGION").is_none() {
                    loader = loader.region(Region::from_static(REGION));
                }
                loader.load().await
            }
        }
    }

    /// The embedded one, where it is that.
    #[must_use]
    pub fn as_embedded(&self) -> Option<dynoxide::Database> {
        match self {
            Self::Embedded(database) => Some(database.clone()),
            Self::Remote(_) => None,
        }
    }

    /// Removes what has expired, as DynamoDB does within days. No logic depends on it; a database in
    /// this process would otherwise grow for ever. Another one looks after itself.
    pub async fn remove_expired(&self) {
        let Self::Embedded(database) = self else {
            return;
        };
        let database = database.clone();
        match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
            Ok(Ok(removed)) => tracing::debug!(removed, "expired items removed"),
            Ok(Err(error)) => tracing::warn!(%error, "cannot remove expired items"),
            Err(error) => tracing::warn!(%error, "removal of expired items failed"),
        }
    }
}

/// A place in memory of its own, that more than one connection finds.
fn memory() -> String {
    static OPENED: AtomicU64 = AtomicU64::new(0);
    let number = OPENED.fetch_add(1, Ordering::Relaxed);
    format!("file:stream-sync-{number}?mode=memory&cache=shared")
}

/// Opens what SQLite knows by this name, and adds [`INDEX_OF_CHANGES`].
fn open(place: &str) -> anyhow::Result<dynoxide::Database> {
    let database = dynoxide::Database::new(place)?;
    rusqlite::Connection::open(place)?.execute_batch(INDEX_OF_CHANGES)?;
    Ok(database)
}

/// Answers on `listener` with the embedded database until `shutdown`.
pub async fn serve(
    listener: TcpListener,
    database: dynoxide::Database,
    shutdown: CancellationToken,
) {
    let served =
        dynoxide::server::serve_with_shutdown(listener, database, shutdown.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(error, "the database's listener failed");
    }
}

/// The configuration of clients whose other end is in this process.
#[must_use]
pub fn local_config() -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .credentials_provider(SharedCredentialsProvider::new(local_credentials()))
        .http_client(direct())
        .build()
}

/// A client without TLS that asks no proxy, whatever the environment names: a proxy elsewhere cannot
/// reach this machine's loopback addresses.
fn direct() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_http()
}

/// Credentials for an end that checks none.
fn local_credentials() -> Credentials {
    Credentials::new("local", "local", None, None, "local stack")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_written_to_a_file_is_there_at_the_next_start() {
        let state = tempfile::tempdir().unwrap();
        {
            let database = Database::embedded(Some(state.path())).await.unwrap();
            let client = aws_sdk_dynamodb::Client::new(&database.sdk_config().await);
            http_client::tests::create_table(&client).await;
            http_client::tests::put(&client, "a", "1").await;
        }
        let database = Database::embedded(Some(state.path())).await.unwrap();
        let client = aws_sdk_dynamodb::Client::new(&database.sdk_config().await);
        assert_eq!(
            http_client::tests::get(&client, "a").await.as_deref(),
            Some("1")
        );
    }

    #[test]
    fn the_last_change_of_a_table_is_found_without_reading_all_of_them() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join(FILE_NAME).display().to_string();
        for place in [file, memory()] {
            let _open = open(&place).unwrap();
            let asked = "EXPLAIN QUERY PLAN SELECT MAX(CAST(sequence_number AS INTEGER)) \
                FROM _stream_records WHERE table_name = 'live'";
            let plan: String = rusqlite::Connection::open(&place)
                .unwrap()
                .query_row(asked, [], |row| row.get("detail"))
                .unwrap();
            assert!(plan.contains("INDEX stream_sync_changes"), "{plan}");
        }
    }

    #[tokio::test]
    async fn the_embedded_database_answers_on_a_socket_too() {
        let database = Database::embedded(None).await.unwrap();
        let Database::Embedded(embedded) = database.clone() else {
            unreachable!()
        };
        let inside = aws_sdk_dynamodb::Client::new(&database.sdk_config().await);
        http_client::tests::create_table(&inside).await;
        http_client::tests::put(&inside, "a", "1").await;

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(serve(listener, embedded, shutdown.clone()));
        let remote = Database::Remote(url.parse().unwrap());
        let outside = aws_sdk_dynamodb::Client::new(&remote.sdk_config().await);
        assert_eq!(
            http_client::tests::get(&outside, "a").await.as_deref(),
            Some("1")
        );
        shutdown.cancel();
        drop(outside);
        served.await.unwrap();
    }
}
