//! Where the shared cache is: at an address that is given, or looked up in ElastiCache by its name.
//!
//! A look-up is made once, at the start of a process. It needs the feature `elasticache`, which
//! deployments on AWS are built with; without it a name is refused with what to do about it.
//!
//! Absent on purpose: passwords and IAM authentication (a cache that asks who one is is refused: its
//! address is to be given, with what it asks for in it) and caches of several shards (this client
//! speaks to one node).

use aws_config::SdkConfig;

use super::Cache;

/// Why there is no cache at the place that was given; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no address.
    #[error(transparent)]
    Address(#[from] super::Error),
    /// The name cannot be looked up by this build.
    #[error(
        "this build looks up no cache by name: build it with --features elasticache, or give the \
         cache's address as STREAM_SYNC_REDIS_URL"
    )]
    NotInThisBuild,
    /// There is none of this name.
    #[error(
        "there is neither a serverless cache nor a replication group of this name in region \
         {region}: look at STREAM_SYNC_ELASTICACHE_NAME and AWS_REGION"
    )]
    NoSuchCache {
        /// Where it was looked for.
        region: String,
    },
    /// It is being made, or going.
    #[error("the cache is {status} and cannot be reached: start again when it is available")]
    NotAvailable {
        /// ElastiCache's word.
        status: String,
    },
    /// It is of a kind that this client cannot use.
    #[error("the cache {what}")]
    Unusable {
        /// Which, and what to do.
        what: &'static str,
    },
    /// The process has no right to ask.
    #[error(
        "not allowed to look up the cache ({code}): allow elasticache:DescribeServerlessCaches and \
         elasticache:DescribeReplicationGroups, or give its address as STREAM_SYNC_REDIS_URL"
    )]
    Denied {
        /// The service's error code.
        code: String,
    },
    /// ElastiCache cannot be asked.
    #[error(
        "ElastiCache gives no answer ({trouble}): start again, or give the cache's address as \
         STREAM_SYNC_REDIS_URL"
    )]
    Unavailable {
        /// The operator's part of it.
        trouble: String,
    },
}

impl Cache {
    /// The cache at `url`, or the one that ElastiCache has under `name`; None where neither is given.
    /// As [`Cache::redis`], it starts even where it is away.
    ///
    /// # Errors
    /// [`Error`]: there is nothing to be reached at that place.
    pub async fn open(
        sdk: &SdkConfig,
        url: Option<&str>,
        name: Option<&str>,
    ) -> Result<Option<Self>, Error> {
        let found = match (url, name) {
            (Some(url), _) => url.to_owned(),
            (None, Some(name)) => find(sdk, name).await?,
            (None, None) => return Ok(None),
        };
        Ok(Some(Self::redis(&found).await?))
    }
}

/// The address of the cache that ElastiCache has under `name`: a serverless cache or a replication
/// group.
///
/// # Errors
/// [`Error`].
#[cfg(not(feature = "elasticache"))]
#[allow(clippy::unused_async, reason = "with the feature it asks")]
pub async fn find(_: &SdkConfig, _: &str) -> Result<String, Error> {
    Err(Error::NotInThisBuild)
}

#[cfg(feature = "elasticache")]
pub use by_name::find;

#[cfg(feature = "elasticache")]
mod by_name {
    use std::time::Duration;

    use aws_config::SdkConfig;
    use aws_sdk_elasticache::Client;
    use aws_sdk_elasticache::config::http::HttpResponse;
    use aws_sdk_elasticache::config::retry::RetryConfig;
    use aws_sdk_elasticache::config::timeout::TimeoutConfig;
    use aws_sdk_elasticache::error::{ProvideErrorMetadata, SdkError};
    use aws_sdk_elasticache::types::{Endpoint, ReplicationGroup, ServerlessCache};

    use super::Error;

    /// Longest attempt to ask: ElastiCache answers in some 100 ms.
    const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
    /// Longest question with all its attempts: a start waits for it.
    const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);
    /// Most attempts of one question.
    const MAX_ATTEMPTS: u32 = 3;
    /// What a cache that can be reached is called.
    const AVAILABLE: &str = "available";

    const ASKS_WHO: Error = Error::Unusable {
        what: "asks who one is, which its name does not say: give its address with user and \
               password as STREAM_SYNC_REDIS_URL",
    };
    const SEVERAL_SHARDS: Error = Error::Unusable {
        what: "has several shards: use a serverless cache, or a replication group with cluster mode \
               disabled",
    };

    /// The address of the cache that ElastiCache has under `name`: a serverless cache or a
    /// replication group.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn find(sdk: &SdkConfig, name: &str) -> Result<String, Error> {
        let client = client(sdk);
        if let Some(cache) = serverless(&client, name).await? {
            return address_of_serverless(&cache);
        }
        match group(&client, name).await? {
            Some(group) => address_of_group(&group),
            None => Err(Error::NoSuchCache {
                region: sdk.region().map_or("unknown", AsRef::as_ref).to_owned(),
            }),
        }
    }

    fn client(sdk: &SdkConfig) -> Client {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let config = aws_sdk_elasticache::config::Builder::from(sdk)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
            .build();
        Client::from_conf(config)
    }

    async fn serverless(client: &Client, name: &str) -> Result<Option<ServerlessCache>, Error> {
        let request = client.describe_serverless_caches();
        match request.serverless_cache_name(name).send().await {
            Ok(found) => Ok(found
                .serverless_caches
                .and_then(|all| all.into_iter().next())),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(trouble(&error)),
        }
    }

    async fn group(client: &Client, name: &str) -> Result<Option<ReplicationGroup>, Error> {
        let request = client.describe_replication_groups();
        match request.replication_group_id(name).send().await {
            Ok(found) => Ok(found
                .replication_groups
                .and_then(|all| all.into_iter().next())),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(trouble(&error)),
        }
    }

    /// What is no name of the one kind may be one of the other: their rules differ.
    fn is_not_found<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
        let codes = [
            "ServerlessCacheNotFoundFault",
            "ReplicationGroupNotFoundFault",
            "InvalidParameterValue",
        ];
        let code = error
            .as_service_error()
            .and_then(ProvideErrorMetadata::code);
        code.is_some_and(|code| codes.contains(&code))
    }

    fn trouble<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Error {
        let SdkError::ServiceError(answer) = error else {
            return Error::Unavailable {
                trouble: error.to_string(),
            };
        };
        let code = answer.err().code().unwrap_or("no code").to_owned();
        let status = answer.raw().status().as_u16();
        if status == 403 || code == "AccessDenied" {
            return Error::Denied { code };
        }
        Error::Unavailable {
            trouble: format!("{code}, status {status}"),
        }
    }

    fn address_of_serverless(cache: &ServerlessCache) -> Result<String, Error> {
        if cache.user_group_id.is_some() {
            return Err(ASKS_WHO);
        }
        address(cache.endpoint.as_ref(), cache.status.as_deref(), true)
    }

    fn address_of_group(group: &ReplicationGroup) -> Result<String, Error> {
        if group.auth_token_enabled == Some(true) || !group.user_group_ids().is_empty() {
            return Err(ASKS_WHO);
        }
        let [shard] = group.node_groups() else {
            return Err(if group.node_groups().is_empty() {
                not_available(group.status.as_deref())
            } else {
                SEVERAL_SHARDS
            });
        };
        // With cluster mode on there is one endpoint for all shards, and none of the only one's own.
        let endpoint = shard.primary_endpoint.as_ref();
        let endpoint = endpoint.or(group.configuration_endpoint.as_ref());
        let encrypted = group.transit_encryption_enabled == Some(true);
        address(endpoint, group.status.as_deref(), encrypted)
    }

    /// A cache that is being changed has its endpoint all the same, and can be reached.
    fn address(
        endpoint: Option<&Endpoint>,
        status: Option<&str>,
        encrypted: bool,
    ) -> Result<String, Error> {
        let host = endpoint.and_then(|endpoint| endpoint.address.as_deref());
        let port = endpoint.and_then(|endpoint| endpoint.port);
        let (host, port) = host.zip(port).ok_or_else(|| not_available(status))?;
        let scheme = if encrypted { "rediss" } else { "redis" };
        Ok(format!("{scheme}://{host}:{port}"))
    }

    fn not_available(status: Option<&str>) -> Error {
        let status = match status {
            Some(AVAILABLE) | None => "without an endpoint",
            Some(status) => status,
        };
        Error::NotAvailable {
            status: status.to_owned(),
        }
    }
}
