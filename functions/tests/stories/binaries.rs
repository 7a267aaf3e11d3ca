//! The binaries, as Lambda starts them: options from the environment, events from the runtime API.

use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};

use crate::stack::{AUDIENCE, ISSUER, Stack, http_event};

const ALL: [&str; 4] = [
    env!("CARGO_BIN_EXE_api"),
    env!("CARGO_BIN_EXE_websocket"),
    env!("CARGO_BIN_EXE_status-fanout"),
    env!("CARGO_BIN_EXE_reaper"),
];
/// A binary that has not answered by now hangs.
const HANG: Duration = Duration::from_secs(60);

/// A binary with this environment and no other.
fn command(binary: &str, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary);
    command
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn outcome(mut command: Command) -> (Option<i32>, String) {
    let output = tokio::time::timeout(HANG, command.output()).await;
    let Output {
        status,
        stdout,
        stderr,
    } = output.expect("an end").expect("a start");
    let said = [stdout, stderr].concat();
    (status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test]
async fn a_binary_says_what_it_is_and_what_it_takes() {
    for binary in ALL {
        for (flag, says) in [("--help", "--table-prefix"), ("--version", "0.")] {
            let mut command = command(binary, &[]);
            command.arg(flag);
            let (code, said) = outcome(command).await;
            assert!(
                code == Some(0) && said.contains(says),
                "{binary} {flag}: {said}"
            );
        }
    }
}

#[tokio::test]
async fn a_binary_outside_lambda_or_with_bad_options_says_so_and_exits_2() {
    for binary in ALL {
        let (code, said) = outcome(command(binary, &[])).await;
        assert_eq!(code, Some(2), "{binary}: {said}");
        assert!(said.contains("AWS_LAMBDA_RUNTIME_API is not set"), "{said}");
        let mut bad = command(binary, &[]);
        bad.arg("--colour");
        let (code, said) = outcome(bad).await;
        assert_eq!(code, Some(2), "{binary}: {said}");
        assert!(said.contains("--colour"), "{said}");
    }
    #[cfg(not(feature = "kms"))]
    {
        let kms = [
            ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9"),
            ("STREAM_SYNC_KEY_ENCRYPTION", "kms:key"),
        ];
        let (code, said) = outcome(command(ALL[0], &kms)).await;
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("this build has no KMS"), "{said}");
    }
}

/// The runtime API of Lambda: gives out events one by one and takes the answers.
struct Lambda {
    address: String,
    events: mpsc::Sender<Value>,
    answers: mpsc::Receiver<(String, Value)>,
}

struct Runtime {
    events: Mutex<mpsc::Receiver<Value>>,
    answers: mpsc::Sender<(String, Value)>,
}

impl Lambda {
    async fn start() -> Self {
        let (events, next) = mpsc::channel(1);
        let (answered, answers) = mpsc::channel(1);
        let runtime = Runtime {
            events: Mutex::new(next),
            answers: answered,
        };
        let root = "/2018-06-01/runtime/invocation";
        let router = Router::new()
            .route(&format!("{root}/next"), get(next_event))
            .route(&format!("{root}/{{id}}/{{outcome}}"), post(take_answer))
            .with_state(Arc::new(runtime));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            address,
            events,
            answers,
        }
    }

    /// Starts a binary with what Lambda gives every function, and these options.
    fn run(&self, binary: &str, stack: &Stack, options: &[(&str, &str)]) -> Child {
        let lambda = [
            ("AWS_LAMBDA_RUNTIME_API", self.address.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "tests"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "fake"),
            ("AWS_SECRET_ACCESS_KEY", "fake"),
            ("AWS_ENDPOINT_URL", &stack.database_url),
        ];
        let mut command = command(binary, &lambda);
        command.envs(options.iter().copied());
        command.spawn().expect("a start")
    }

    /// Hands an event to the function; what it answered.
    async fn invoke(&mut self, event: Value) -> Value {
        self.events.send(event).await.expect("a runtime");
        let answer = tokio::time::timeout(HANG, self.answers.recv()).await;
        let (outcome, answer) = answer.expect("in time").expect("a runtime");
        assert_eq!(outcome, "response", "{answer}");
        answer
    }
}

async fn next_event(State(runtime): State<Arc<Runtime>>) -> impl IntoResponse {
    let event = runtime.events.lock().await.recv().await;
    let header = |name: &'static str| HeaderName::from_static(name);
    let headers = [
        (header("lambda-runtime-aws-request-id"), "1"),
        (header("lambda-runtime-deadline-ms"), "4102444800000"),
        (
            header("lambda-runtime-invoked-function-arn"),
            "arn:aws:lambda:us-east-1:000000000000:function:tests",
        ),
    ];
    (headers, Json(event))
}

async fn take_answer(
    State(runtime): State<Arc<Runtime>>,
    Path((_, outcome)): Path<(String, String)>,
    answer: String,
) -> StatusCode {
    let answer = serde_json::from_str(&answer).expect("JSON");
    let taken = runtime.answers.send((outcome, answer)).await;
    taken.map_or(StatusCode::GONE, |()| StatusCode::ACCEPTED)
}

#[tokio::test]
async fn a_binary_answers_lambdas_events_as_the_function_in_process_does() {
    let stack = Stack::start().await;
    let channel = stack.channel("alice").await;
    let mut lambda = Lambda::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let key_file = folder.path().join("key");
    let secret = base64::engine::general_purpose::STANDARD.encode([7; 32]);
    std::fs::write(&key_file, secret).expect("written");
    let key_encryption = format!("file:{}", key_file.display());
    let options = [
        ("STREAM_SYNC_KEY_ENCRYPTION", key_encryption.as_str()),
        ("STREAM_SYNC_JWKS_URL", &stack.jwks_url().await),
        ("STREAM_SYNC_JWT_ISSUER", ISSUER),
        ("STREAM_SYNC_JWT_AUDIENCE", AUDIENCE),
    ];
    let _api = lambda.run(ALL[0], &stack, &options);
    let path = format!("/v1/channels/{channel}/stream-key");
    let headers = json!({ "authorization": stack.bearer("alice") });
    let event = http_event("POST", &path, headers, None);
    let answer = lambda.invoke(event.clone()).await;
    assert_eq!(answer["statusCode"], 201, "{answer}");
    let body = answer["body"].as_str().expect("a body");
    let body: Value = serde_json::from_str(body).expect("JSON");
    // The function in process opens what the binary sealed: both have the same secret.
    let reveal = format!("{path}/reveal");
    let revealed = stack.post("alice", &reveal, Value::Null).await;
    assert_eq!(revealed.body["streamKey"], body["streamKey"]);
    let again = lambda.invoke(event).await;
    assert_eq!(again["statusCode"], 409, "{again}");
}

#[tokio::test]
async fn the_reaper_runs_on_a_schedule() {
    let stack = Stack::start().await;
    let mut lambda = Lambda::start().await;
    let _reaper = lambda.run(ALL[3], &stack, &[]);
    let counted = lambda
        .invoke(json!({ "detail-type": "Scheduled Event" }))
        .await;
    assert_eq!(counted["seen"], 0, "{counted}");
}
