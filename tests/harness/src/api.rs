//! The HTTP API as an owner's script calls it.

use anyhow::{Context as _, Result, bail, ensure};
use contract::event::Event;
use contract::http::{
    Channel, CreateChannel, DevToken, DevTokenRequest, Disconnect, Hold, MaskedStreamCredential,
    Page, ResetStreamKey, Session, Status, StreamCredential, UpdateChannel, UpdateLimits,
    WebsocketTicket,
};
use contract::problem::{CONTENT_TYPE, Problem};
use domain::{ChannelId, UserId};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Canary;

/// Calls the API as one user, or as nobody.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
    canary: Canary,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// A whole answer, whatever its status.
#[derive(Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The media type, without parameters.
    pub content_type: String,
    /// The body.
    pub body: String,
}

impl std::fmt::Debug for Answer {
    /// Without the body: it may be one that holds a key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// The body of a success.
    ///
    /// # Errors
    /// When it is not a success, or not a `T`.
    pub fn ok<T: DeserializeOwned>(&self) -> Result<T> {
        ensure!(
            (200..300).contains(&self.status),
            "{}: {}",
            self.status,
            self.body
        );
        serde_json::from_str(&self.body).context("the body has an unexpected shape")
    }

    /// The problem details of a failure, checked for consistency with the answer around them.
    ///
    /// # Errors
    /// When it is a success, or no well-formed problem.
    pub fn problem(&self) -> Result<Problem> {
        ensure!(self.status >= 400, "{} is not an error", self.status);
        ensure!(
            self.content_type == CONTENT_TYPE,
            "{} is no problem",
            self.content_type
        );
        let problem: Problem = serde_json::from_str(&self.body).context(self.body.clone())?;
        ensure!(
            problem.status == self.status,
            "{problem:?} came with {}",
            self.status
        );
        ensure!(
            problem.code.status() == self.status,
            "{problem:?} came with {}",
            self.status
        );
        ensure!(!problem.detail.is_empty(), "{problem:?} says nothing");
        Ok(problem)
    }
}

/// A request's body.
#[derive(Clone, Debug)]
pub enum Body {
    /// None at all.
    Empty,
    /// This text, sent as `application/json`.
    Json(String),
    /// This text under another media type.
    Other(&'static str, String),
}

impl Body {
    /// Something as JSON.
    ///
    /// # Errors
    /// When it cannot be JSON.
    pub fn json(value: &impl Serialize) -> Result<Self> {
        Ok(Self::Json(serde_json::to_string(value)?))
    }
}

/// Talks to loopback directly, whatever proxy the machine has.
///
/// # Panics
/// When the TLS library does not initialise, which leaves nothing to test with.
#[must_use]
pub fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client without options builds")
}

impl Api {
    /// Calls as nobody.
    #[must_use]
    pub fn anonymous(base: &str, canary: Canary) -> Self {
        Self {
            http: client(),
            base: base.trim_end_matches('/').to_owned(),
            token: None,
            canary,
        }
    }

    /// The same API, called as `user`.
    ///
    /// # Errors
    /// When the stack gives no token.
    pub async fn as_user(&self, user: &UserId) -> Result<Self> {
        let body = Body::json(&DevTokenRequest {
            user_id: user.clone(),
        })?;
        let token: DevToken = self.call(Method::POST, "/dev/token", body).await?.ok()?;
        Ok(self.with_token(&token.token))
    }

    /// The API at another address, called as the same user.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            ..self.clone()
        }
    }

    /// The same API, called with this bearer token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// Any call at all. The answer's body is not searched for keys.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn call(&self, method: Method, path: &str, body: Body) -> Result<Answer> {
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        request = match body {
            Body::Empty => request,
            Body::Json(text) => request
                .header("content-type", "application/json")
                .body(text),
            Body::Other(kind, text) => request.header("content-type", kind).body(text),
        };
        let answer = request
            .send()
            .await
            .with_context(|| format!("no answer: {method} {path}"))?;
        let header = answer.headers().get("content-type");
        let content_type = header
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        Ok(Answer {
            status: answer.status().as_u16(),
            content_type: content_type
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned(),
            body: answer.text().await?,
        })
    }

    /// A call whose answer must not hold a stream key.
    ///
    /// # Errors
    /// When no answer comes, or one with a key.
    pub async fn send(&self, method: Method, path: &str, body: Body) -> Result<Answer> {
        let answer = self.call(method.clone(), path, body).await?;
        self.canary
            .check(&format!("the answer to {method} {path}"), &answer.body)?;
        Ok(answer)
    }

    /// `GET` of something.
    ///
    /// # Errors
    /// When the answer is not a `T`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send(Method::GET, path, Body::Empty)
            .await?
            .ok()
            .with_context(|| path.to_owned())
    }

    /// The channel's status.
    ///
    /// # Errors
    /// When the answer is not one.
    pub async fn status(&self, channel: &ChannelId) -> Result<Status> {
        self.get(&format!("/v1/channels/{channel}/status")).await
    }

    /// The channel.
    ///
    /// # Errors
    /// When the answer is not one.
    pub async fn channel(&self, channel: &ChannelId) -> Result<Channel> {
        self.get(&format!("/v1/channels/{channel}")).await
    }

    /// The channel's latest sessions, newest first.
    ///
    /// # Errors
    /// When the answer is not a page of sessions.
    pub async fn sessions(&self, channel: &ChannelId) -> Result<Vec<Session>> {
        let page: Page<Session> = self
            .get(&format!("/v1/channels/{channel}/sessions"))
            .await?;
        Ok(page.items)
    }

    /// The channel's events after a number, oldest first: one page.
    ///
    /// # Errors
    /// When the answer is not a page of events.
    pub async fn events_after(&self, channel: &ChannelId, after: u64) -> Result<Vec<Event>> {
        let page: Page<Event> = self
            .get(&format!(
                "/v1/channels/{channel}/events?limit=100&after={after}"
            ))
            .await?;
        Ok(page.items)
    }

    /// Makes a channel.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn create_channel(&self, name: &str) -> Result<Channel> {
        let body = Body::json(&CreateChannel {
            name: name.to_owned(),
            grace_seconds: None,
            limits: None,
        })?;
        self.send(Method::POST, "/v1/channels", body).await?.ok()
    }

    /// Changes the channel's grace.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn set_grace(&self, channel: &ChannelId, seconds: u64) -> Result<Channel> {
        let update = UpdateChannel {
            grace_seconds: Some(seconds),
            ..UpdateChannel::default()
        };
        let path = format!("/v1/channels/{channel}");
        self.send(Method::PATCH, &path, Body::json(&update)?)
            .await?
            .ok()
    }

    /// Changes the channel's limits; None lifts all of them.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn set_limits(
        &self,
        channel: &ChannelId,
        limits: Option<UpdateLimits>,
    ) -> Result<Channel> {
        let update = UpdateChannel {
            limits: Some(limits),
            ..UpdateChannel::default()
        };
        let path = format!("/v1/channels/{channel}");
        let answer = self.send(Method::PATCH, &path, Body::json(&update)?);
        answer.await?.ok()
    }

    /// The masked view of the channel's key.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn masked_key(&self, channel: &ChannelId) -> Result<MaskedStreamCredential> {
        self.get(&format!("/v1/channels/{channel}/stream-key"))
            .await
    }

    /// Makes the channel's first key.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn generate_key(&self, channel: &ChannelId) -> Result<StreamCredential> {
        self.credential(&format!("/v1/channels/{channel}/stream-key"), Body::Empty)
            .await
    }

    /// Reveals the channel's key.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn reveal_key(&self, channel: &ChannelId) -> Result<StreamCredential> {
        self.credential(
            &format!("/v1/channels/{channel}/stream-key/reveal"),
            Body::Empty,
        )
        .await
    }

    /// Gives the channel a new key.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn reset_key(
        &self,
        channel: &ChannelId,
        reset: ResetStreamKey,
    ) -> Result<StreamCredential> {
        let path = format!("/v1/channels/{channel}/stream-key/reset");
        self.credential(&path, Body::json(&reset)?).await
    }

    async fn credential(&self, path: &str, body: Body) -> Result<StreamCredential> {
        let answer = self.call(Method::POST, path, body).await?;
        if answer.status >= 400 {
            let problem = answer.problem()?;
            bail!("{path}: {problem:?}");
        }
        let credential: StreamCredential = answer.ok()?;
        self.canary.plant(&credential.stream_key);
        Ok(credential)
    }

    /// Ends who is live on the channel, and lets nobody in for so many seconds.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn disconnect(&self, channel: &ChannelId, hold_seconds: u64) -> Result<Hold> {
        let path = format!("/v1/channels/{channel}/disconnect");
        let body = Body::json(&Disconnect { hold_seconds })?;
        self.send(Method::POST, &path, body).await?.ok()
    }

    /// Lets publishers in again.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn lift_hold(&self, channel: &ChannelId) -> Result<()> {
        let path = format!("/v1/channels/{channel}/hold");
        let answer = self.send(Method::DELETE, &path, Body::Empty).await?;
        ensure!(answer.status == 204, "{}: {}", answer.status, answer.body);
        Ok(())
    }

    /// A ticket for one WebSocket.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn websocket_ticket(&self) -> Result<WebsocketTicket> {
        self.send(Method::POST, "/v1/websocket-tickets", Body::Empty)
            .await?
            .ok()
    }
}
