//! What the API says to input that it does not take: which problem it is, and nothing changed.

use anyhow::{Result, ensure};
use contract::http::{Channel, Page};
use contract::problem::Code;
use domain::UserId;
use harness::api::Body;
use harness::{Api, Options, Stack, dashboard};
use reqwest::Method;

/// Everything of a channel that a call could have changed.
async fn everything(stack: &Stack) -> Result<String> {
    let channels: Page<Channel> = stack.owner.get("/v1/channels").await?;
    let masked = stack.owner.masked_key(stack.channel()).await?;
    let status = stack.owner.status(stack.channel()).await?;
    let key = stack.key().await?;
    let sessions = stack.owner.sessions(stack.channel()).await?;
    Ok(format!(
        "{channels:?} {masked:?} {status:?} {key} {sessions:?}"
    ))
}

/// Every call about one channel.
fn calls_about(channel: &str) -> Vec<(Method, String, Body)> {
    let path = format!("/v1/channels/{channel}");
    let name = Body::Json(r#"{"name":"Somebody else's"}"#.into());
    vec![
        (Method::GET, path.clone(), Body::Empty),
        (Method::PATCH, path.clone(), name),
        (Method::DELETE, path.clone(), Body::Empty),
        (Method::GET, format!("{path}/status"), Body::Empty),
        (Method::GET, format!("{path}/sessions"), Body::Empty),
        (Method::GET, format!("{path}/stream-key"), Body::Empty),
        (Method::POST, format!("{path}/stream-key"), Body::Empty),
        (
            Method::POST,
            format!("{path}/stream-key/reset"),
            Body::Empty,
        ),
        (
            Method::POST,
            format!("{path}/stream-key/reveal"),
            Body::Empty,
        ),
    ]
}

#[tokio::test]
async fn a_call_without_a_valid_token_is_told_so_and_changes_nothing() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let before = everything(&stack).await?;
    let mut calls = calls_about(stack.channel().as_str());
    calls.push((Method::GET, "/v1/channels".into(), Body::Empty));
    calls.push((
        Method::POST,
        "/v1/channels".into(),
        Body::Json(r#"{"name":"Mine"}"#.into()),
    ));
    calls.push((Method::POST, "/v1/websocket-tickets".into(), Body::Empty));
    calls.push((Method::GET, "/v1/ingest-endpoints".into(), Body::Empty));
    // Unsigned, and claiming to be somebody: "alg": "none".
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJkZW1vIn0.";
    for api in [
        stack.nobody.clone(),
        stack.nobody.with_token("x"),
        stack.nobody.with_token(unsigned),
    ] {
        for (method, path, body) in calls.clone() {
            let problem = api.send(method.clone(), &path, body).await?.problem()?;
            assert_eq!(problem.code, Code::Unauthenticated, "{method} {path}");
        }
    }
    assert_eq!(everything(&stack).await?, before);
    stack.stop().await
}

#[tokio::test]
async fn another_users_channel_is_as_if_it_were_not_there() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let before = everything(&stack).await?;
    let stranger = stack.nobody.as_user(&UserId::parse("a-stranger")?).await?;
    for channel in [
        stack.channel().as_str(),
        "ch_00000000000000000000000000000000",
        "..%2F..",
        "%00",
    ] {
        for (method, path, body) in calls_about(channel) {
            let problem = stranger
                .send(method.clone(), &path, body)
                .await?
                .problem()?;
            assert_eq!(problem.code, Code::NotFound, "{method} {path}");
        }
    }
    let listed: Page<Channel> = stranger.get("/v1/channels").await?;
    assert!(listed.items.is_empty(), "{listed:?}");
    assert_eq!(everything(&stack).await?, before);
    stack.stop().await
}

#[tokio::test]
async fn input_that_cannot_be_taken_is_named_and_changes_nothing() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let before = everything(&stack).await?;
    let json = |text: &str| Body::Json(text.to_owned());
    let channels = "/v1/channels".to_owned();
    let channel = format!("/v1/channels/{}", stack.channel());
    let reset = format!("{channel}/stream-key/reset");
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(101));
    let huge = format!(r#"{{"name":"{}"}}"#, "x".repeat(64 * 1024));
    for (method, path, body, code) in [
        (
            Method::POST,
            &channels,
            Body::Empty,
            Code::UnsupportedMediaType,
        ),
        (Method::POST, &channels, json(""), Code::MalformedBody),
        (
            Method::POST,
            &channels,
            json(r#"{"name":"a""#),
            Code::MalformedBody,
        ),
        (Method::POST, &channels, json("[]"), Code::MalformedBody),
        (Method::POST, &channels, json("{}"), Code::MalformedBody),
        (
            Method::POST,
            &channels,
            json(r#"{"name":5}"#),
            Code::MalformedBody,
        ),
        (
            Method::POST,
            &channels,
            json(r#"{"name":"a","colour":"red"}"#),
            Code::MalformedBody,
        ),
        (
            Method::POST,
            &channels,
            json(r#"{"name":"a","graceSeconds":-1}"#),
            Code::MalformedBody,
        ),
        (
            Method::POST,
            &channels,
            json(r#"{"name":" "}"#),
            Code::InvalidValue,
        ),
        (Method::POST, &channels, json(&long), Code::InvalidValue),
        (Method::POST, &channels, json(&huge), Code::BodyTooLarge),
        (
            Method::POST,
            &channels,
            Body::Other("text/plain", r#"{"name":"a"}"#.into()),
            Code::UnsupportedMediaType,
        ),
        (
            Method::PATCH,
            &channel,
            json(r#"{"graceSeconds":0}"#),
            Code::InvalidValue,
        ),
        (
            Method::PATCH,
            &channel,
            json(r#"{"graceSeconds":61}"#),
            Code::InvalidValue,
        ),
        (
            Method::PATCH,
            &channel,
            json(r#"{"graceSeconds":"10"}"#),
            Code::MalformedBody,
        ),
        (
            Method::PATCH,
            &channel,
            json(r#"{"userId":"a-stranger"}"#),
            Code::MalformedBody,
        ),
        (
            Method::POST,
            &reset,
            json(r#"{"overlapSeconds":86401}"#),
            Code::InvalidValue,
        ),
        (
            Method::POST,
            &reset,
            json(r#"{"overlapSeconds":1.5}"#),
            Code::MalformedBody,
        ),
        (
            Method::POST,
            &reset,
            json(r#"{"disconnectLive":"yes"}"#),
            Code::MalformedBody,
        ),
        (
            Method::POST,
            &reset,
            json(r#"{"streamKey":"my own"}"#),
            Code::MalformedBody,
        ),
        (Method::PUT, &channel, json("{}"), Code::MethodNotAllowed),
        (
            Method::GET,
            &format!("{channel}/nothing"),
            Body::Empty,
            Code::NotFound,
        ),
        (
            Method::GET,
            &format!("{channel}/sessions?limit=x"),
            Body::Empty,
            Code::MalformedRequest,
        ),
        (
            Method::GET,
            &format!("{channel}/sessions?limit=0"),
            Body::Empty,
            Code::InvalidValue,
        ),
        (
            Method::GET,
            &format!("{channel}/sessions?cursor=x"),
            Body::Empty,
            Code::MalformedRequest,
        ),
    ] {
        let problem = stack
            .owner
            .send(method.clone(), path, body.clone())
            .await?
            .problem()?;
        assert_eq!(problem.code, code, "{method} {path} {body:?}: {problem:?}");
    }
    assert_eq!(everything(&stack).await?, before);
    stack.stop().await
}

#[tokio::test]
async fn a_wrong_value_names_its_field() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let channel = format!("/v1/channels/{}", stack.channel());
    for (path, body, field) in [
        (channel.clone(), r#"{"graceSeconds":61}"#, "graceSeconds"),
        (channel.clone(), r#"{"name":""}"#, "name"),
    ] {
        let answer = stack
            .owner
            .send(Method::PATCH, &path, Body::Json(body.into()))
            .await?;
        assert_eq!(answer.problem()?.field.as_deref(), Some(field), "{body}");
    }
    stack.stop().await
}

#[tokio::test]
async fn a_websocket_needs_a_ticket_of_its_own_and_the_pages_origin() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let (websocket, http) = (&stack.endpoints.websocket, &stack.endpoints.http);
    let ticket = stack.owner.websocket_ticket().await?.ticket;
    dashboard::open(websocket, http, &ticket).await?;
    refused(
        dashboard::open(websocket, http, &ticket).await,
        "a ticket used twice",
    )?;
    refused(dashboard::open(websocket, http, "").await, "no ticket")?;
    refused(
        dashboard::open(websocket, http, "made-up").await,
        "a made-up ticket",
    )?;
    let ticket = stack.owner.websocket_ticket().await?.ticket;
    let elsewhere = dashboard::open(websocket, "http://evil.example", &ticket).await;
    refused(elsewhere, "another page's origin")?;
    stack.stop().await
}

fn refused<T>(outcome: Result<T>, what: &str) -> Result<()> {
    ensure!(outcome.is_err(), "{what} opened a WebSocket");
    Ok(())
}

#[tokio::test]
async fn a_page_of_another_site_reaches_nothing_through_a_name_of_its_own() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let client = harness::api::client();
    for path in ["/v1/health", "/dev/token", "/config.json"] {
        let request = client.post(format!("{}{path}", stack.endpoints.http));
        let answer = request
            .header("host", "evil.example")
            .body("{}")
            .send()
            .await?;
        assert!(
            answer.status().is_client_error(),
            "{path} answered {}",
            answer.status()
        );
        assert!(
            !answer.text().await?.contains("token\":"),
            "{path} gave a token"
        );
    }
    let demo: &Api = &stack.owner;
    assert_eq!(demo.channel(stack.channel()).await?.id, *stack.channel());
    stack.stop().await
}
