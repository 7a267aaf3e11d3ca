//! A stack whose callers are signed in by somebody else: another stack stands in for the provider.

use anyhow::{Context as _, Result, ensure};
use contract::endpoints::Endpoints;
use contract::http::StatusWord;
use contract::problem::Code;
use domain::UserId;
use harness::api::{Body, client};
use harness::{Api, Canary, Dashboard, Ffmpeg, Functions, HANG, Options, Process, Stack};
use harness::{programs, wait};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Whom the development login's tokens are for.
const AUDIENCE: &str = "stream-sync-local";

/// A stack that takes a provider's tokens.
struct Relying {
    process: Process,
    endpoints: Endpoints,
    nobody: Api,
    canary: Canary,
    _directory: TempDir,
}

impl Relying {
    async fn start(jwks: &str, issuer: &str, audience: &str, more: &[&str]) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("endpoints.json");
        let mut command = programs::ours("stream-sync")?;
        command.args(["--http", "127.0.0.1:0", "--rtmp", "127.0.0.1:0"]);
        command.args(["--jwks", jwks, "--jwt-issuer", issuer]);
        command.args(["--jwt-audience", audience, "--endpoints"]);
        command.arg(&file).args(more);
        let mut process = Process::spawn("stream-sync", command)?;
        let endpoints = wait::until("endpoints.json", HANG * 4, async || {
            ensure!(process.runs(), "it ended: {}", process.written());
            Ok(std::fs::read_to_string(&file).ok())
        });
        let endpoints: Endpoints = serde_json::from_str(&endpoints.await?)?;
        let canary = Canary::default();
        Ok(Self {
            process,
            nobody: Api::anonymous(&endpoints.http, canary.clone()),
            endpoints,
            canary,
            _directory: directory,
        })
    }

    async fn of(provider: &Stack, audience: &str, more: &[&str]) -> Result<Self> {
        let issuer = &provider.endpoints.http;
        let jwks = format!("{issuer}/dev/jwks.json");
        Self::start(&jwks, issuer, audience, more).await
    }

    async fn status_of(&self, method: Method, path: &str, body: &str) -> Result<u16> {
        let url = format!("{}{path}", self.endpoints.http);
        let request = client().request(method, url).body(body.to_owned());
        let request = request.header("content-type", "application/json");
        Ok(request.send().await?.status().as_u16())
    }

    async fn stop(mut self) -> Result<()> {
        let ended = self
            .process
            .end(rustix::process::Signal::TERM, HANG)
            .await?;
        ensure!(ended.success(), "{ended}: {}", self.process.written());
        self.canary
            .check("all that it wrote", &self.process.written())
    }
}

async fn token_of(provider: &Stack, user: &str) -> Result<String> {
    let body = Body::Json(json!({"userId": user}).to_string());
    let answer = provider.nobody.call(Method::POST, "/dev/token", body);
    let token: Value = answer.await?.ok()?;
    Ok(token["token"].as_str().context("no token")?.to_owned())
}

/// From a token of the provider to a stream that is live on the owner's dashboard.
async fn goes_live(stack: &Relying, provider: &Stack) -> Result<()> {
    let user = "somebody-elsewhere";
    let owner = stack.nobody.with_token(&token_of(provider, user).await?);
    let channel = owner.create_channel("Mine").await?;
    assert_eq!(channel.user_id, UserId::parse(user)?);
    let key = owner.generate_key(&channel.id).await?.stream_key;
    let Endpoints {
        http, websocket, ..
    } = &stack.endpoints;
    let mut dashboard = Dashboard::connect(&owner, websocket, http, &stack.canary).await?;
    let ffmpeg = Ffmpeg::publish(&stack.endpoints.edges[0].rtmp, &key)?;
    dashboard.expect_status(StatusWord::Live, HANG).await?;
    ffmpeg.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    Ok(())
}

#[tokio::test]
async fn a_stack_takes_its_identity_providers_tokens_and_hands_out_none() -> Result<()> {
    let provider = Stack::start(Options::default()).await?;
    let stack = Relying::of(&provider, AUDIENCE, &[]).await?;
    let demo = r#"{"userId":"demo"}"#;
    assert_eq!(
        stack.status_of(Method::GET, "/dev/jwks.json", "").await?,
        404
    );
    assert_eq!(stack.status_of(Method::GET, "/dev/token", "").await?, 404);
    assert_eq!(
        stack.status_of(Method::POST, "/dev/token", demo).await?,
        404
    );
    assert_eq!(stack.endpoints.demo, None);
    let banner = stack.process.stdout();
    assert!(banner.contains(&provider.endpoints.http), "{banner}");

    let config = client().get(format!("{}/config.json", stack.endpoints.http));
    let config: Value = config.send().await?.json().await?;
    assert_eq!(config["login"], "oidc");
    assert_eq!(config["issuer"], provider.endpoints.http);
    assert_eq!(config["clientId"], AUDIENCE);

    // Whoever reaches the page must not reach what speaks to anybody's dashboard.
    let push = "/management/@connections/abc";
    assert_eq!(stack.status_of(Method::GET, push, "").await?, 404);
    goes_live(&stack, &provider).await?;
    stack.stop().await?;
    provider.stop().await
}

#[tokio::test]
async fn functions_of_their_own_take_the_same_identity_provider() -> Result<()> {
    let provider = Stack::start(Options::default()).await?;
    let functions = Functions::of_this_build()?;
    let folder = functions.path().display().to_string();
    let stack = Relying::of(&provider, AUDIENCE, &["--functions", &folder]).await?;
    goes_live(&stack, &provider).await?;
    stack.stop().await?;
    provider.stop().await
}

#[tokio::test]
async fn a_token_for_somebody_else_or_of_somebody_else_opens_nothing() -> Result<()> {
    let provider = Stack::start(Options::default()).await?;
    let stranger = Stack::start(Options::default()).await?;
    let token = token_of(&provider, "demo").await?;
    let other_audience = Relying::of(&provider, "another-client", &[]).await?;
    let of_its_audience = Relying::of(&provider, AUDIENCE, &[]).await?;
    for (stack, token) in [
        (&other_audience, token),
        (&of_its_audience, token_of(&stranger, "demo").await?),
    ] {
        let caller = stack.nobody.with_token(&token);
        let answer = caller.call(Method::GET, "/v1/channels", Body::Empty);
        assert_eq!(answer.await?.problem()?.code, Code::Unauthenticated);
    }
    other_audience.stop().await?;
    of_its_audience.stop().await?;
    stranger.stop().await?;
    provider.stop().await
}

/// Streams need no sign-in: a provider that is away when a box starts must not keep them off.
#[tokio::test]
async fn an_identity_provider_that_is_away_is_named_in_the_log_and_callers_are_told() -> Result<()>
{
    let free = std::net::TcpListener::bind("127.0.0.1:0")?;
    let nowhere = format!("http://{}/jwks.json", free.local_addr()?);
    drop(free);
    let provider = Stack::start(Options::default()).await?;
    let token = token_of(&provider, "demo").await?;
    let stack = Relying::start(&nowhere, &provider.endpoints.http, AUDIENCE, &[]).await?;
    let log = stack.process.stderr();
    assert!(log.contains("identity provider's keys not read"), "{log}");
    assert!(log.contains(&nowhere), "{log}");
    let caller = stack.nobody.with_token(&token);
    let answer = caller.call(Method::GET, "/v1/channels", Body::Empty);
    assert_eq!(answer.await?.problem()?.code, Code::Unavailable);
    stack.stop().await?;
    provider.stop().await
}
