//! The demo: a user with one channel and a stream key, so that the first thing to do is to stream.
//!
//! Made through the HTTP API's function like anybody's channel, once: with `--state` the same channel
//! and key are there at the next start.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::http::{Channel, CreateChannel, Page, StreamCredential};
use contract::problem::{Code, Problem};
use domain::{ChannelId, UserId};
use http::{HeaderMap, HeaderValue, Method, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::gateway::{Function, event, now, random_id};
use crate::login::Login;

const USER: &str = "demo";
const CHANNEL: &str = "Demo channel";

/// The demo channel. Its `Debug` is silent about the key.
pub(crate) struct Demo {
    /// Its owner.
    pub(crate) user_id: UserId,
    /// Its id.
    pub(crate) channel_id: ChannelId,
    /// What goes into the encoder's key field; none where it was made by a stack with another secret.
    pub(crate) stream_key: Option<String>,
}

impl fmt::Debug for Demo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Demo")
            .field("channel_id", &self.channel_id)
            .finish_non_exhaustive()
    }
}

/// Finds the demo channel or makes it.
///
/// # Errors
/// The API refuses or fails.
pub(crate) async fn prepare(api: &Function, login: &Login) -> anyhow::Result<Demo> {
    let user_id = UserId::parse(USER)?;
    let token = login.token(&user_id, now())?;
    let caller = Caller { api, token };
    let channel = caller.channel().await?;
    let stream_key = caller.stream_key(&channel).await?;
    Ok(Demo {
        user_id,
        channel_id: channel.id,
        stream_key,
    })
}

/// The HTTP API, called as the demo user.
struct Caller<'a> {
    api: &'a Function,
    token: String,
}

impl Caller<'_> {
    async fn channel(&self) -> anyhow::Result<Channel> {
        let found: Page<Channel> = self.call(Method::GET, "/v1/channels", "").await??;
        if let Some(channel) = found.items.into_iter().find(|found| found.name == CHANNEL) {
            return Ok(channel);
        }
        let wanted = CreateChannel {
            name: CHANNEL.into(),
            grace_seconds: None,
            limits: None,
        };
        let wanted = serde_json::to_string(&wanted)?;
        Ok(self.call(Method::POST, "/v1/channels", &wanted).await??)
    }

    async fn stream_key(&self, channel: &Channel) -> anyhow::Result<Option<String>> {
        let path = format!("/v1/channels/{}/stream-key", channel.id);
        if !channel.has_stream_key {
            let made: StreamCredential = self.call(Method::POST, &path, "").await??;
            return Ok(Some(made.stream_key));
        }
        let revealed = self
            .call(Method::POST, &format!("{path}/reveal"), "")
            .await?;
        match revealed {
            Ok(StreamCredential { stream_key, .. }) => Ok(Some(stream_key)),
            Err(Refused(problem)) if problem.code == Code::Internal => Ok(None),
            Err(refused) => Err(refused.into()),
        }
    }

    /// One call. The outer error is a failure, the inner one what the API refused.
    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &str,
    ) -> anyhow::Result<Result<T, Refused>> {
        let mut headers = HeaderMap::new();
        let authorization = HeaderValue::try_from(format!("Bearer {}", self.token))?;
        headers.insert(header::AUTHORIZATION, authorization);
        headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        if !body.is_empty() {
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
        }
        let event = event::http(&event::Http {
            method: &method,
            path,
            query: "",
            headers: &headers,
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            body: body.as_bytes(),
            request_id: &random_id(),
            at: now(),
        });
        let answer = self.api.invoke(event).await?;
        // Not with the body in the message: it may hold the key.
        let (status, body) = read(&answer).context("the API's answer is no response")?;
        if status < 300 {
            return match serde_json::from_slice(&body) {
                Ok(body) => Ok(Ok(body)),
                Err(_) => bail!("the API's answer to {method} {path} has an unexpected shape"),
            };
        }
        match serde_json::from_slice(&body) {
            Ok(problem) => Ok(Err(Refused(problem))),
            Err(_) => bail!("the API answered {method} {path} with status {status}"),
        }
    }
}

/// What the API said no with.
#[derive(Debug, thiserror::Error)]
#[error("the API refused: {}", .0.detail)]
struct Refused(Problem);

fn read(answer: &Value) -> Option<(u64, Vec<u8>)> {
    let status = answer.get("statusCode")?.as_u64()?;
    let body = answer
        .get("body")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let body = match answer.get("isBase64Encoded") {
        Some(Value::Bool(true)) => STANDARD.decode(body).ok()?,
        _ => body.as_bytes().to_vec(),
    };
    Some((status, body))
}
