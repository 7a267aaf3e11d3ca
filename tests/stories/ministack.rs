//! The artifacts as they are deployed: zip files and templates, on an AWS that nobody here wrote.

use std::collections::BTreeSet;

use anyhow::Result;
use aws_sdk_dynamodb::Client;
use harness::repository;
use store::Store;
use stream_sync::database::Database;

/// A database with the store's tables.
async fn embedded() -> Result<Client> {
    let database = Database::embedded(None).await?;
    let client = Client::new(&database.sdk_config().await);
    Store::new(client.clone(), "").create_tables().await?;
    Ok(client)
}

#[tokio::test]
async fn the_template_lets_the_same_tables_expire_as_the_store_does() -> Result<()> {
    let client = embedded().await?;
    let mut expected = BTreeSet::new();
    for name in client.list_tables().send().await?.table_names() {
        let described = client
            .describe_time_to_live()
            .table_name(name)
            .send()
            .await?;
        let ttl = described.time_to_live_description;
        if let Some(attribute) = ttl.and_then(|ttl| ttl.attribute_name) {
            expected.insert((name.clone(), attribute));
        }
    }
    let text = std::fs::read_to_string(repository::root()?.join("infra/tables.yaml"))?;
    let mut found = BTreeSet::new();
    for table in text.split("TableName: !Sub ${Name}-").skip(1) {
        let name = table.lines().next().unwrap_or_default();
        let ttl = table.split_once("TimeToLiveSpecification: {AttributeName: ");
        if let Some((attribute, _)) = ttl.and_then(|(_, rest)| rest.split_once(", Enabled: true}"))
        {
            found.insert((name.to_owned(), attribute.to_owned()));
        }
    }
    assert!(!expected.is_empty());
    assert_eq!(found, expected);
    Ok(())
}

/// These need what only the full run of the tests makes: the functions' zip files and ministack.
#[allow(clippy::print_stdout, reason = "figures are for a person to read")]
mod slow {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::{Duration, Instant};

    use anyhow::{Context as _, Result, ensure};
    use aws_sdk_dynamodb::Client;
    use aws_sdk_dynamodb::config::Credentials;
    use aws_sdk_dynamodb::types::TableDescription;
    use aws_smithy_http_client::Builder as Http;
    use contract::event::{Event, EventKind};
    use contract::http::{ResetStreamKey, StatusWord};
    use domain::ChannelId;
    use harness::{
        Api, Dashboard, Ffmpeg, HANG, Ministack, Options, Publisher, Stack, functions, ministack,
        wait,
    };
    use rustix::process::Signal;
    use tempfile::NamedTempFile;

    const NAME: &str = "story";
    const ORIGIN: &str = "https://dashboard.example";
    /// The reaper runs each minute, and fences an edge that it saw stand still for another.
    const REAPED_WITHIN: Duration = Duration::from_secs(240);

    #[tokio::test]
    async fn the_deployed_artifacts_take_a_stream_live_and_give_it_back_when_its_edge_is_lost()
    -> Result<()> {
        // Who users are is said by a local stack: it signs tokens and publishes its keys.
        let login = Stack::start(Options {
            edges: 0,
            ..Options::default()
        })
        .await?;
        let aws = Ministack::start().await?;
        let deployed = deploy(&aws, &login).await?;
        the_tables_are_those_of_the_store(&aws, &deployed.0).await?;
        let told = take_a_stream_live_and_lose_its_edge(&aws, &deployed.0, &login).await;
        let log = aws.functions_log(NAME).await?;
        told.with_context(|| log.clone())?;
        for function in functions::NAMES {
            ensure!(log.contains(function), "{function} wrote nothing: {log}");
        }
        // A right that is missing, above all.
        let complains = |line: &&str| {
            let complains = line.contains("WARN") || line.contains("ERROR");
            let is_expected = line.contains("silent edge fenced")
                // An interpreter on a busy machine; the functions try again.
                || line.contains("timed out");
            complains && !is_expected
        };
        let complaints: Vec<_> = log.lines().filter(complains).collect();
        ensure!(complaints.is_empty(), "{complaints:#?}");
        login.canary.check("the functions' log", &log)?;
        login.canary.check("ministack's log", &aws.log())?;
        aws.stop().await?;
        login.stop().await
    }

    /// The templates and the zip files, and the file with the functions' secret.
    async fn deploy(
        aws: &Ministack,
        login: &Stack,
    ) -> Result<(ministack::Deployed, NamedTempFile)> {
        let issuer = &login.endpoints.http;
        let secret = NamedTempFile::new()?;
        std::fs::write(secret.path(), [7; 32])?;
        let parameters = [
            ("KeyEncryptionFile", secret.path().display().to_string()),
            ("JwksUrl", format!("{issuer}/dev/jwks.json")),
            ("JwtIssuer", issuer.clone()),
            ("JwtAudience", "stream-sync-local".to_owned()),
            ("AllowedOrigins", ORIGIN.to_owned()),
            ("Architecture", "x86_64".to_owned()),
            ("GraceSeconds", "2".to_owned()),
        ];
        let began = Instant::now();
        let deployed = aws.deploy(NAME, &parameters).await?;
        println!("deployed in {:?}", began.elapsed());
        Ok((deployed, secret))
    }

    async fn take_a_stream_live_and_lose_its_edge(
        aws: &Ministack,
        deployed: &ministack::Deployed,
        login: &Stack,
    ) -> Result<()> {
        let owner = login.owner.at(&deployed.http);
        let channel = owner.create_channel("On somebody else's AWS").await?.id;
        let old = owner.generate_key(&channel).await?.stream_key;
        let mut edge = aws.edge(deployed).await?;
        let (websocket, canary) = (&deployed.websocket, &login.canary);
        let mut dashboard = Dashboard::connect(&owner, websocket, ORIGIN, canary).await?;
        let ffmpeg = Ffmpeg::publish(&edge.server, &old)?;
        let (at, shown) = dashboard.expect_status(StatusWord::Live, HANG).await?;
        println!(
            "LIVE on the WebSocket {:?} after ffmpeg's start",
            at - ffmpeg.started()
        );
        let status = owner.status(&channel).await?;
        assert_eq!(status.session_id, shown.session_id);
        dashboard.expect_metrics(HANG).await?;
        let (told, _) = ffmpeg.stop_normally().await?;
        let (at, _) = dashboard.expect_status(StatusWord::Offline, HANG).await?;
        println!("OFFLINE {:?} after ffmpeg was told to stop", at - told);

        let reset = owner.reset_key(&channel, ResetStreamKey::default()).await?;
        let refused = Publisher::publish(&edge.server, &old).await?.refused()?;
        assert_eq!(refused, "NetStream.Publish.Denied");
        dashboard.expect_refused(HANG).await?;

        let accepted = Publisher::publish(&edge.server, &reset.stream_key).await?;
        let mut publisher = accepted.accepted()?;
        publisher.send_keyframe(0).await?;
        dashboard.expect_status(StatusWord::Live, HANG).await?;
        edge.process.end(Signal::KILL, HANG).await?;
        let killed = Instant::now();
        // No edge is left: the schedule, the reaper, the change stream and status-fanout do it alone.
        let grace = dashboard.expect_status(StatusWord::Grace, REAPED_WITHIN);
        grace.await?;
        let offline = dashboard.expect_status(StatusWord::Offline, REAPED_WITHIN);
        let (at, _) = offline.await?;
        println!("OFFLINE {:?} after its edge was killed", at - killed);
        wait::until(
            "every session to be written down as ended",
            HANG,
            async || {
                let sessions = owner.sessions(&channel).await?;
                let ended = sessions.iter().all(|session| session.ended_at.is_some());
                Ok((sessions.len() == 2 && ended).then_some(()))
            },
        )
        .await?;
        the_log_has_all_of_it(&owner, &channel).await?;
        canary.check("the edge's log", &edge.process.written())
    }

    /// What the change streams of three tables tell is in one log, without a gap.
    async fn the_log_has_all_of_it(owner: &Api, channel: &ChannelId) -> Result<()> {
        let told = |event: &Event| match &event.kind {
            EventKind::WentLive { .. } => "live",
            EventKind::Ended { .. } => "ended",
            EventKind::Refused { .. } => "refused",
            EventKind::KeyReset { .. } => "reset",
            _ => "else",
        };
        wait::until("the event log to have all of it", HANG, async || {
            let log = owner.events_after(channel, 0).await?;
            let numbers = log.iter().map(|event| event.number);
            ensure!(numbers.eq(1..=log.len() as u64), "{log:#?}");
            let told: BTreeSet<_> = log.iter().map(told).collect();
            Ok(["live", "ended", "refused", "reset"]
                .iter()
                .all(|word| told.contains(word))
                .then_some(()))
        })
        .await
    }

    async fn the_tables_are_those_of_the_store(
        aws: &Ministack,
        deployed: &ministack::Deployed,
    ) -> Result<()> {
        let ours = super::embedded().await?;
        let theirs = ours
            .config()
            .to_builder()
            .http_client(Http::new().build_http())
            .credentials_provider(Credentials::new("test", "test", None, None, "its owner"))
            .endpoint_url(&aws.url);
        let theirs = Client::from_conf(theirs.build());
        let expected = tables(&ours, "").await?;
        ensure!(!expected.is_empty(), "the store has no tables");
        assert_eq!(tables(&theirs, &deployed.table_prefix).await?, expected);
        Ok(())
    }

    /// Every table by its name, as far as it matters to whoever uses it. Not when its items expire:
    /// ministack leaves that out of a template.
    async fn tables(client: &Client, prefix: &str) -> Result<BTreeMap<String, Vec<String>>> {
        let mut tables = BTreeMap::new();
        for name in client.list_tables().send().await?.table_names() {
            let described = client.describe_table().table_name(name).send().await?;
            let table = described.table.context("no description")?;
            let short = name.strip_prefix(prefix).unwrap_or(name).to_owned();
            tables.insert(short, shape(&table));
        }
        Ok(tables)
    }

    fn shape(table: &TableDescription) -> Vec<String> {
        let mut shape: Vec<String> = Vec::new();
        for part in table.key_schema() {
            shape.push(format!("key {} {}", part.attribute_name(), part.key_type()));
        }
        for attribute in table.attribute_definitions() {
            let kind = attribute.attribute_type();
            shape.push(format!("attribute {} {kind}", attribute.attribute_name()));
        }
        for index in table.global_secondary_indexes() {
            let name = index.index_name().unwrap_or_default();
            let keys = index.key_schema().iter().map(|part| part.attribute_name());
            let keys: Vec<_> = keys.collect();
            let shown = index
                .projection()
                .and_then(|projection| projection.projection_type());
            shape.push(format!("index {name} {keys:?} {shown:?}"));
        }
        let stream = table.stream_specification();
        shape.push(format!(
            "stream {:?}",
            stream.and_then(|stream| stream.stream_view_type())
        ));
        shape.sort();
        shape
    }
}
