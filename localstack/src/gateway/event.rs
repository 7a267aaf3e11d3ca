//! The events that API Gateway hands to functions: HTTP API payload 2.0 and WebSocket.
//!
//! Pure: a request and a moment in, JSON out. Field by field what AWS sends, so that a function that
//! works here reads the same there. What has no meaning on one machine (account, API id) has a fixed
//! value of the right form.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;
use http::header::{COOKIE, HOST, USER_AGENT};
use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};

/// The stage of the WebSocket API. With it `http://{domainName}/{stage}` is where `@connections`
/// answers, here as on AWS.
pub(crate) const WEBSOCKET_STAGE: &str = "management";

const ACCOUNT: &str = "000000000000";
const API: &str = "local";
const CATCH_ALL: &str = "$default";

/// One HTTP request.
#[derive(Debug)]
pub(crate) struct Http<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) source: IpAddr,
    pub(crate) body: &'a [u8],
    pub(crate) request_id: &'a str,
    pub(crate) at: Timestamp,
}

/// One WebSocket connection, as every event of it says.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) id: String,
    pub(crate) domain: String,
    pub(crate) source: IpAddr,
    pub(crate) user_agent: Option<String>,
    pub(crate) connected_at: Timestamp,
}

/// A request to the HTTP API.
pub(crate) fn http(request: &Http<'_>) -> Value {
    let mut event = json!({
        "version": "2.0",
        "routeKey": CATCH_ALL,
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": joined_headers(request.headers, request.source),
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API,
            "domainName": header(request.headers, HOST),
            "domainPrefix": API,
            "http": {
                "method": request.method.as_str(),
                "path": request.path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.source.to_string(),
                "userAgent": header(request.headers, USER_AGENT),
            },
            "requestId": request.request_id,
            "routeKey": CATCH_ALL,
            "stage": CATCH_ALL,
            "time": clf_time(request.at),
            "timeEpoch": request.at.millis(),
        },
        "isBase64Encoded": false,
    });
    let cookies: Vec<_> = cookies(request.headers).collect();
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !request.query.is_empty() {
        event["queryStringParameters"] = joined_query(request.query);
    }
    match std::str::from_utf8(request.body) {
        Ok("") => {}
        Ok(text) => event["body"] = text.into(),
        Err(_) => {
            event["body"] = STANDARD.encode(request.body).into();
            event["isBase64Encoded"] = true.into();
        }
    }
    event
}

/// `$connect`: asks whether the connection may be.
pub(crate) fn connect(
    connection: &Connection,
    headers: &HeaderMap,
    query: &str,
    request_id: &str,
) -> Value {
    let (single, multi) = header_maps(headers, connection.source);
    let mut context = context(
        connection,
        "CONNECT",
        "$connect",
        request_id,
        connection.connected_at,
    );
    context.insert("messageDirection".into(), "IN".into());
    let mut event = json!({
        "headers": single,
        "multiValueHeaders": multi,
        "requestContext": context,
        "isBase64Encoded": false,
    });
    if !query.is_empty() {
        let (single, multi) = query_maps(query);
        event["queryStringParameters"] = single;
        event["multiValueQueryStringParameters"] = multi;
    }
    event
}

/// A message of the client.
pub(crate) fn message(
    connection: &Connection,
    route: &str,
    body: &str,
    request_id: &str,
    at: Timestamp,
) -> Value {
    let mut context = context(connection, "MESSAGE", route, request_id, at);
    context.insert("messageId".into(), request_id.into());
    context.insert("messageDirection".into(), "IN".into());
    json!({
        "requestContext": context,
        "body": body,
        "isBase64Encoded": false,
    })
}

/// `$disconnect`: the connection is over, whoever ended it.
pub(crate) fn disconnect(
    connection: &Connection,
    code: u16,
    reason: &str,
    request_id: &str,
    at: Timestamp,
) -> Value {
    let mut context = context(connection, "DISCONNECT", "$disconnect", request_id, at);
    context.insert("messageDirection".into(), "IN".into());
    context.insert("disconnectStatusCode".into(), code.into());
    context.insert("disconnectReason".into(), reason.into());
    let headers =
        json!({"Host": connection.domain, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""});
    json!({
        "headers": headers,
        "multiValueHeaders": {
            "Host": [connection.domain],
            "x-api-key": [""],
            "X-Forwarded-For": [""],
            "x-restapi": [""],
        },
        "requestContext": context,
        "isBase64Encoded": false,
    })
}

fn context(
    connection: &Connection,
    kind: &str,
    route: &str,
    request_id: &str,
    at: Timestamp,
) -> Map<String, Value> {
    let mut identity = json!({"sourceIp": connection.source.to_string()});
    if let Some(user_agent) = &connection.user_agent {
        identity["userAgent"] = user_agent.as_str().into();
    }
    [
        ("routeKey", json!(route)),
        ("eventType", json!(kind)),
        ("extendedRequestId", json!(request_id)),
        ("requestTime", json!(clf_time(at))),
        ("stage", json!(WEBSOCKET_STAGE)),
        ("connectedAt", json!(connection.connected_at.millis())),
        ("requestTimeEpoch", json!(at.millis())),
        ("identity", identity),
        ("requestId", json!(request_id)),
        ("domainName", json!(connection.domain)),
        ("connectionId", json!(connection.id)),
        ("apiId", json!(API)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// The value of a header, empty where it is absent or no text.
pub(crate) fn header(headers: &HeaderMap, name: http::HeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// Payload 2.0: lower-case names, several values joined by commas, cookies elsewhere.
fn joined_headers(headers: &HeaderMap, source: IpAddr) -> Value {
    let mut joined = Map::new();
    for name in headers.keys().filter(|name| *name != COOKIE) {
        joined.insert(
            name.as_str().to_owned(),
            values(headers, name).join(",").into(),
        );
    }
    joined.insert("x-forwarded-for".into(), source.to_string().into());
    joined.insert("x-forwarded-proto".into(), "http".into());
    joined.into()
}

/// WebSocket events: names as HTTP/1.1 clients write them, the last value and all values.
fn header_maps(headers: &HeaderMap, source: IpAddr) -> (Value, Value) {
    let mut single = Map::new();
    let mut multi = Map::new();
    let forwarded = ("x-forwarded-for".to_owned(), vec![source.to_string()]);
    let sent = headers
        .keys()
        .map(|name| (name.as_str().to_owned(), values(headers, name)));
    for (name, values) in sent.chain([forwarded]) {
        let name = capitalized(&name);
        single.insert(
            name.clone(),
            values.last().cloned().unwrap_or_default().into(),
        );
        multi.insert(name, json!(values));
    }
    (single.into(), multi.into())
}

fn values(headers: &HeaderMap, name: &http::HeaderName) -> Vec<String> {
    headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect()
}

fn capitalized(name: &str) -> String {
    let mut start = true;
    name.chars()
        .map(|c| {
            let c = if start { c.to_ascii_uppercase() } else { c };
            start = c == '-';
            c
        })
        .collect()
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split("; "))
}

/// Payload 2.0: several values of one parameter joined by commas.
fn joined_query(query: &str) -> Value {
    let mut joined = Map::<String, Value>::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = match joined.get(&*name).and_then(Value::as_str) {
            Some(before) => format!("{before},{value}"),
            None => value.into_owned(),
        };
        joined.insert(name.into_owned(), value.into());
    }
    joined.into()
}

fn query_maps(query: &str) -> (Value, Value) {
    let mut single = Map::new();
    let mut multi = Map::<String, Value>::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        single.insert(name.to_string(), value.to_string().into());
        let values = multi.entry(name).or_insert_with(|| json!([]));
        if let Some(values) = values.as_array_mut() {
            values.push(value.into());
        }
    }
    (single.into(), multi.into())
}

/// `09/Feb/2024:18:11:43 +0000`, the Common Log Format's time.
fn clf_time(at: Timestamp) -> String {
    let seconds = i64::try_from(at.millis() / 1000).unwrap_or_default();
    let moment = time::OffsetDateTime::from_unix_timestamp(seconds)
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let month = &moment.month().to_string()[..3];
    format!(
        "{:02}/{month}/{}:{:02}:{:02}:{:02} +0000",
        moment.day(),
        moment.year(),
        moment.hour(),
        moment.minute(),
        moment.second(),
    )
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    http::HeaderValue::from_static(value),
                )
            })
            .fold(HeaderMap::new(), |mut all, (name, value)| {
                all.append(name, value);
                all
            })
    }

    fn request<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> Http<'a> {
        Http {
            method: &Method::POST,
            path: "/v1/channels",
            query: "limit=2&tag=a&tag=b%20c",
            headers,
            source: SOURCE,
            body,
            request_id: "JKJaXmPLvHcESHA=",
            at: Timestamp::from_millis(1_900_000_000_123),
        }
    }

    fn connection() -> Connection {
        Connection {
            id: "L0SM9cOFvHcCIhw=".into(),
            domain: "127.0.0.1:8080".into(),
            source: SOURCE,
            user_agent: Some("Mozilla/5.0".into()),
            connected_at: Timestamp::from_millis(1_900_000_000_123),
        }
    }

    #[test]
    fn an_http_request_has_the_shape_of_payload_2_0() {
        let headers = headers(&[
            ("host", "127.0.0.1:8080"),
            ("user-agent", "curl/8.0"),
            ("content-type", "application/json"),
            ("accept", "text/plain"),
            ("accept", "application/json"),
            ("cookie", "a=1; b=2"),
        ]);
        insta::assert_json_snapshot!(http(&request(&headers, b"{\"name\":\"x\"}")));
    }

    #[test]
    fn a_body_that_is_no_text_is_base64_and_an_empty_one_absent() {
        let headers = headers(&[]);
        let binary = http(&request(&headers, &[0xff, 0x00]));
        assert_eq!(binary["isBase64Encoded"], true);
        assert_eq!(binary["body"], "/wA=");
        let empty = http(&request(&headers, b""));
        assert_eq!(empty["isBase64Encoded"], false);
        assert_eq!(empty.get("body"), None);
    }

    #[test]
    fn a_websocket_that_opens_has_the_shape_of_connect() {
        let headers = headers(&[
            ("host", "127.0.0.1:8080"),
            ("sec-websocket-version", "13"),
            ("origin", "http://127.0.0.1:8080"),
        ]);
        insta::assert_json_snapshot!(connect(
            &connection(),
            &headers,
            "ticket=abc",
            "JKJaXmPLvHcESHA="
        ));
    }

    #[test]
    fn a_websocket_message_has_the_shape_of_its_route() {
        let at = Timestamp::from_millis(1_900_000_001_000);
        let body = "{\"action\":\"hello\"}";
        insta::assert_json_snapshot!(message(
            &connection(),
            "hello",
            body,
            "JKJaXmPLvHcESHA=",
            at
        ));
    }

    #[test]
    fn a_websocket_that_closes_has_the_shape_of_disconnect() {
        let at = Timestamp::from_millis(1_900_000_002_000);
        insta::assert_json_snapshot!(disconnect(
            &connection(),
            1001,
            "Going away",
            "JKJaXmPLvHcESHA=",
            at
        ));
    }
}
