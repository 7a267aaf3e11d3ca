//! One request's way through the proxy.

use std::convert::Infallible;
use std::sync::PoisonError;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use url::Url;

use super::faults::{Fate, Throttle};
use super::{Call, Shared, Tally, counts};
use crate::policy;

/// The header that names the operation, as `Service_Version.Operation`.
const TARGET: &str = "x-amz-target";
/// The media type of DynamoDB's answers.
const JSON: &str = "application/x-amz-json-1.0";
/// Headers that are about one connection, and the body's length, which may change.
const NOT_FORWARDED: [http::HeaderName; 4] = [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING];

/// The database behind the proxy.
#[derive(Clone)]
pub(super) struct Upstream {
    client: reqwest::Client,
    url: Url,
}

/// One request, read to its end.
struct Asked {
    method: Method,
    path: String,
    headers: HeaderMap,
    call: Call,
    body: Value,
    bytes: Bytes,
}

impl Upstream {
    pub(super) fn new(url: &str) -> Result<Self> {
        Ok(Self {
            client: crate::api::client(),
            url: Url::parse(url).with_context(|| format!("{url} is no URL"))?,
        })
    }

    async fn ask(&self, asked: &Asked) -> Result<(http::response::Builder, Bytes)> {
        let url = self.url.join(&asked.path)?;
        let request = self.client.request(asked.method.clone(), url);
        let request = request.headers(asked.headers.clone());
        let answer = request.body(asked.bytes.clone()).send().await?;
        let mut builder = Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            if !NOT_FORWARDED.contains(name) {
                builder = builder.header(name, value);
            }
        }
        Ok((builder, answer.bytes().await?))
    }
}

/// Answers a request, in the way that the line's faults leave it. An error closes the connection,
/// which is what the client would see without a proxy between.
pub(super) async fn answer(
    line: Shared,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>> {
    let asked = Asked::read(&line, request).await?;
    let faults = line.faults.borrow().clone();
    let delay = faults.delay(&asked.call);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let fate = draw(&line, &faults, &asked.call);
    line.count(&asked.call, |tally| {
        tally.requests += 1;
        match fate {
            Fate::Answered => {}
            Fate::RequestLost => tally.requests_lost += 1,
            Fate::Throttled(_) => tally.throttled += 1,
            Fate::AnswerLost => tally.answers_lost += 1,
        }
    });
    match fate {
        Fate::Answered => carry_out(&line, &asked).await,
        Fate::RequestLost => Ok(never().await),
        Fate::Throttled(throttle) => refusal(throttle),
        Fate::AnswerLost => {
            carry_out(&line, &asked).await?;
            Ok(never().await)
        }
    }
}

impl Shared {
    fn count(&self, call: &Call, how: impl FnOnce(&mut Tally)) {
        how(counts::locked(&self.counts).tally(call));
    }
}

fn draw(line: &Shared, faults: &super::Faults, call: &Call) -> Fate {
    let dice = line.dice.lock();
    let mut dice = dice.unwrap_or_else(PoisonError::into_inner);
    faults.draw(call, &mut *dice)
}

/// Waits until the client gives up: hyper drops the request with its connection.
async fn never() -> Response<Full<Bytes>> {
    let never: Infallible = std::future::pending().await;
    match never {}
}

async fn carry_out(line: &Shared, asked: &Asked) -> Result<Response<Full<Bytes>>> {
    let (answer, body) = line.upstream.ask(asked).await?;
    let stated = serde_json::from_slice(&body).unwrap_or_default();
    let answer = answer.body(Full::new(body))?;
    let done = answer.status().is_success();
    line.count(&asked.call, |tally| {
        tally.charge(&asked.call.operation, done, &asked.body, &stated);
    });
    Ok(answer)
}

fn refusal(throttle: Throttle) -> Result<Response<Full<Bytes>>> {
    let body = json!({"__type": throttle.kind(), "message": throttle.message()});
    let response = Response::builder().status(400).header(CONTENT_TYPE, JSON);
    Ok(response.body(Full::new(body.to_string().into()))?)
}

impl Asked {
    async fn read(line: &Shared, request: Request<Incoming>) -> Result<Self> {
        let (mut parts, body) = request.into_parts();
        let mut bytes = body.collect().await?.to_bytes();
        let mut body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let target = parts.headers.get(TARGET);
        let target = target.and_then(|target| target.to_str().ok());
        let operation = target.and_then(|target| Some(target.split_once('.')?.1));
        let operation = operation.unwrap_or_default().to_owned();
        if counts::ask_for_units(&operation, &mut body) {
            bytes = serde_json::to_vec(&body)?.into();
        }
        for name in NOT_FORWARDED {
            parts.headers.remove(name);
        }
        let call = Call {
            line: line.name.to_string(),
            operation,
            table: counts::table(&body),
        };
        let rights = policy::needed(&call.operation, &body);
        counts::locked(&line.counts).needs(&call.line, rights);
        Ok(Self {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            headers: parts.headers,
            call,
            body,
            bytes,
        })
    }
}
