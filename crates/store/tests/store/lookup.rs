//! A cache that is looked up by its name, with answers of ElastiCache as its API spells them; one
//! story also on the service at `ELASTICACHE_URL`, where that is given.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::{Response, StatusCode};
use aws_smithy_runtime_api::shared::IntoShared as _;
use store::cache::lookup::find;

/// Answers each action of the query API with a status and a body.
#[derive(Clone, Debug)]
struct ElastiCache(BTreeMap<&'static str, (u16, String)>);

impl HttpClient for ElastiCache {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.clone().into_shared()
    }
}

impl HttpConnector for ElastiCache {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().unwrap_or_default();
        let asked = String::from_utf8_lossy(body);
        let answer = self.0.iter().find(|(action, _)| {
            asked.starts_with(&format!("Action={action}&")) && asked.contains("=live-cache")
        });
        let (_, (status, body)) = answer.unwrap_or_else(|| panic!("unforeseen: {asked}"));
        let status = StatusCode::try_from(*status).expect("a status");
        HttpConnectorFuture::ready(Ok(Response::new(status, body.clone().into())))
    }
}

const SERVERLESS: &str = "DescribeServerlessCaches";
const GROUPS: &str = "DescribeReplicationGroups";

fn answer(action: &str, list: &str, item: &str, fields: &str) -> (u16, String) {
    let body = format!(
        r#"<{action}Response xmlns="http://elasticache.amazonaws.com/doc/2015-02-02/">
        <{action}Result><{list}><{item}>{fields}</{item}></{list}></{action}Result>
        <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>"#
    );
    (200, body)
}

fn serverless(fields: &str) -> (u16, String) {
    answer(SERVERLESS, "ServerlessCaches", "member", fields)
}

fn group(fields: &str) -> (u16, String) {
    answer(GROUPS, "ReplicationGroups", "ReplicationGroup", fields)
}

fn error(status: u16, code: &str) -> (u16, String) {
    let body = format!(
        r#"<ErrorResponse xmlns="http://elasticache.amazonaws.com/doc/2015-02-02/"><Error>
        <Type>Sender</Type><Code>{code}</Code><Message>no words of ours</Message></Error>
        <RequestId>1</RequestId></ErrorResponse>"#
    );
    (status, body)
}

fn endpoint(name: &str, host: &str) -> String {
    format!("<{name}><Address>{host}</Address><Port>6379</Port></{name}>")
}

fn sdk() -> SdkConfig {
    let credentials = Credentials::new("fake", "fake", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// What becomes of a look-up: an address, or what the operator reads.
async fn found(serverless: (u16, String), group: Option<(u16, String)>) -> Result<String, String> {
    let mut answers = BTreeMap::from([(SERVERLESS, serverless)]);
    answers.extend(group.map(|group| (GROUPS, group)));
    let sdk = sdk()
        .into_builder()
        .http_client(ElastiCache(answers))
        .build();
    let found = find(&sdk, "live-cache").await;
    found.map_err(|error| error.to_string())
}

fn no_serverless() -> (u16, String) {
    error(404, "ServerlessCacheNotFoundFault")
}

/// Makes a serverless cache and a replication group, without TLS, on the service at `url` and looks
/// both up.
async fn found_on_the_service(url: &str) -> [Result<String, String>; 2] {
    let sdk = sdk().into_builder().endpoint_url(url).build();
    let client = aws_sdk_elasticache::Client::new(&sdk);
    let [cache, group] = ["cache", "group"].map(|of| format!("{of}-{:08x}", rand::random::<u32>()));
    let made = client.create_serverless_cache().engine("valkey");
    let made = made.serverless_cache_name(&cache).send().await;
    made.expect("a serverless cache");
    let made = client.create_replication_group().engine("redis");
    let made = made.replication_group_id(&group).num_cache_clusters(1);
    let made = made.cache_node_type("cache.t3.micro");
    let made = made.replication_group_description("of a story").send();
    made.await.expect("a replication group");
    let found = async |name: &str| find(&sdk, name).await.map_err(|error| error.to_string());
    [found(&cache).await, found(&group).await]
}

#[tokio::test]
async fn a_name_is_looked_up_among_caches_of_both_kinds() {
    let found = match std::env::var("ELASTICACHE_URL") {
        Ok(url) => found_on_the_service(&url).await,
        Err(_) => {
            let cache = serverless(&endpoint("Endpoint", "cache.example"));
            let shard = endpoint("PrimaryEndpoint", "group.example");
            let shards = format!("<NodeGroups><NodeGroup>{shard}</NodeGroup></NodeGroups>");
            [
                found(cache, None).await,
                found(no_serverless(), Some(group(&shards))).await,
            ]
        }
    };
    let [cache, group] = found.map(|found| found.expect("found"));
    println!("{cache}, {group}");
    assert!(cache.starts_with("rediss://"), "{cache}");
    assert!(group.starts_with("redis://"), "{group}");
}

#[tokio::test]
async fn a_serverless_cache_is_found_at_its_endpoint_and_asked_over_tls() {
    let endpoint = endpoint("Endpoint", "live.serverless.euc1.cache.amazonaws.com");
    let fields = format!(
        "<ServerlessCacheName>live-cache</ServerlessCacheName><Status>available</Status>{endpoint}"
    );
    let address = "rediss://live.serverless.euc1.cache.amazonaws.com:6379";
    assert_eq!(found(serverless(&fields), None).await, Ok(address.into()));
}

#[tokio::test]
async fn a_replication_group_is_found_at_its_primary_endpoint_and_asked_as_it_is_encrypted() {
    let shard = format!(
        "<NodeGroups><NodeGroup>{}</NodeGroup></NodeGroups>",
        endpoint("PrimaryEndpoint", "primary.example")
    );
    for (encrypted, scheme) in [("true", "rediss"), ("false", "redis")] {
        let encrypted =
            format!("<TransitEncryptionEnabled>{encrypted}</TransitEncryptionEnabled>{shard}");
        let address = format!("{scheme}://primary.example:6379");
        let found = found(no_serverless(), Some(group(&encrypted))).await;
        assert_eq!(found, Ok(address));
    }
}

#[tokio::test]
async fn a_cache_that_cannot_be_used_is_refused_with_what_to_do() {
    let creating = "<Status>creating</Status>";
    let asks = format!(
        "<UserGroupId>people</UserGroupId>{}",
        endpoint("Endpoint", "host.example")
    );
    let shard = format!(
        "<NodeGroup>{}</NodeGroup>",
        endpoint("PrimaryEndpoint", "host.example")
    );
    let password =
        format!("<AuthTokenEnabled>true</AuthTokenEnabled><NodeGroups>{shard}</NodeGroups>");
    let two = format!("<NodeGroups>{shard}{shard}</NodeGroups>");
    let none = error(404, "ReplicationGroupNotFoundFault");
    for (serverless, group, words) in [
        (serverless(creating), None, "the cache is creating"),
        (serverless(&asks), None, "STREAM_SYNC_REDIS_URL"),
        (no_serverless(), Some(group(&password)), "asks who one is"),
        (no_serverless(), Some(group(&two)), "several shards"),
        (no_serverless(), Some(group(creating)), "is creating"),
        (no_serverless(), Some(none), "in region eu-central-1"),
        (
            error(403, "AccessDenied"),
            None,
            "elasticache:DescribeServerlessCaches",
        ),
        (error(500, "InternalFailure"), None, "gives no answer"),
    ] {
        let refused = found(serverless, group).await.expect_err(words);
        assert!(refused.contains(words), "{refused}");
        assert!(!refused.contains("no words of ours"), "{refused}");
    }
}
