//! A stream key reaches its owner and nobody else: no log line, no error.

use std::cell::Cell;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::stack::Stack;

thread_local! {
    /// Whether what this thread logs is kept.
    static KEPT: Cell<bool> = const { Cell::new(false) };
}

/// Everything that this thread logs, whatever its level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// For the whole process, because a call site that another test reaches first would else be
    /// taken as one that nobody listens to.
    fn keep() -> Self {
        let log = Self::default();
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(log.clone())
            .with_filter(dynamic_filter_fn(|_, _| KEPT.get()));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::set_global_default(subscriber).expect("the only one");
        KEPT.set(true);
        log
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn text(&self) -> String {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&log).into_owned()
    }
}

#[tokio::test]
async fn no_error_body_or_log_line_contains_a_key() {
    // All of this test runs on this thread, the database included.
    let log = Log::keep();
    let stack = Stack::start().await;
    let path = format!("/v1/channels/{}", stack.channel("alice").await);
    let key_path = format!("{path}/stream-key");
    let mut keys = Vec::new();
    for (path, body) in [
        (key_path.clone(), Value::Null),
        (
            format!("{key_path}/reset"),
            json!({ "disconnectLive": true }),
        ),
        (format!("{key_path}/reset"), json!({ "overlapSeconds": 60 })),
        (format!("{key_path}/reveal"), Value::Null),
    ] {
        keys.push(stack.post("alice", &path, body).await.text("streamKey"));
    }
    // Keys in wrong places: as field, value, id, cursor, body, method's argument, token.
    let key = keys.last().expect("a key").clone();
    let mut errors = Vec::new();
    for (method, path, body) in [
        (
            "POST",
            "/v1/channels".to_owned(),
            json!({ key.as_str(): 1 }),
        ),
        (
            "POST",
            "/v1/channels".into(),
            json!({ "name": 1, "x": key }),
        ),
        ("POST", "/v1/channels".into(), json!(key)),
        ("PATCH", path.clone(), json!({ "graceSeconds": key })),
        (
            "POST",
            format!("{key_path}/reset"),
            json!({ "overlapSeconds": key }),
        ),
        ("GET", format!("/v1/channels/{key}"), Value::Null),
        ("GET", format!("/{key}"), Value::Null),
        (
            "GET",
            format!("/v1/channels?cursor={key}&limit={key}"),
            Value::Null,
        ),
        ("POST", key_path.clone(), Value::Null),
    ] {
        let answer = stack.call("alice", method, &path, body).await;
        assert!(answer.status >= 400, "{answer:?}");
        errors.push(answer);
    }
    let token = json!({ "authorization": format!("Bearer {key}") });
    errors.push(stack.send("GET", "/v1/channels", token, None).await);
    let headers =
        json!({ "authorization": stack.bearer("alice"), "content-type": "application/json" });
    errors.push(
        stack
            .send("POST", "/v1/channels", headers, Some(&key))
            .await,
    );

    let log = log.text();
    for seen in ["stream key revealed", "stream key reset", "request body"] {
        assert!(log.contains(seen), "the log lacks \"{seen}\"");
    }
    let errors = format!("{errors:?}");
    for key in keys {
        assert!(!errors.contains(&key[..12]), "an error body has a key");
        let ours = log.lines().filter(|line| line.contains(&key[..12]));
        assert_eq!(ours.collect::<Vec<_>>(), [] as [&str; 0]);
    }
}
