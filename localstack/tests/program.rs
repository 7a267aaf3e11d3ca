//! The program as a person or a script starts it.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use contract::endpoints::Endpoints;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// Longer than a start or an end takes on a busy machine; only a hang reaches it.
const DEADLINE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(10);

/// The program, told nothing by the environment.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stream-sync"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STREAM_SYNC_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = program(arguments).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// A running program that is ended with the test.
struct Stack {
    child: Child,
    directory: TempDir,
    endpoints: Endpoints,
}

impl Stack {
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("endpoints.json");
        let mut child = program(&["--http", "127.0.0.1:0", "--rtmp", "127.0.0.1:0"])
            .args(arguments)
            .arg("--endpoints")
            .arg(&file)
            .envs(environment.iter().copied())
            .stdout(File::create(directory.path().join("stdout")).unwrap())
            .stderr(File::create(directory.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        wait(|| {
            assert!(child.try_wait().unwrap().is_none(), "it ended");
            file.exists().then_some(())
        });
        let endpoints = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        Self {
            child,
            directory,
            endpoints,
        }
    }

    fn written(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(name)).unwrap()
    }

    fn end(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        wait(|| self.child.try_wait().unwrap())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // Already ended in a test that went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `condition` gives something.
fn wait<T>(mut condition: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "waited too long");
        std::thread::sleep(POLL);
    }
}

async fn post(url: String, token: Option<&str>, body: &Value) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.post(url).json(body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap().error_for_status().unwrap();
    answer.json().await.unwrap()
}

#[test]
fn a_wrong_flag_is_named_and_ends_with_2() {
    for (arguments, words) in [
        (&["--nope"][..], "--nope"),
        (&["--http", "8080"], "HOST:PORT"),
        (&["--http", "0.0.0.0:0"], "0.0.0.0:0"),
        (&["--dynamodb-listen", "0.0.0.0:0"], "0.0.0.0:0"),
        (&["--edges", "many"], "--edges"),
        (&["--grace-seconds", "61"], "61"),
        (&["--log", "stream_sync=loud"], "--log"),
    ] {
        let (code, said) = refused(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[test]
fn every_flag_has_a_variable_of_the_same_name() {
    let output = program(&[])
        .env("STREAM_SYNC_EDGES", "many")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let help = String::from_utf8(program(&["--help"]).output().unwrap().stdout).unwrap();
    for line in help
        .lines()
        .filter(|line| line.trim_start().starts_with("--"))
    {
        let flag = line.split_whitespace().next().unwrap();
        if flag == "--help" || flag == "--version" {
            continue;
        }
        let variable = flag
            .trim_start_matches('-')
            .to_uppercase()
            .replace('-', "_");
        assert!(
            help.contains(&format!("[env: STREAM_SYNC_{variable}")),
            "{flag}"
        );
    }
}

#[test]
fn a_port_that_is_taken_is_named_with_the_flag_that_changes_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--http", "--rtmp", "--dynamodb-listen"] {
        let others = ["--http", "--rtmp"]
            .into_iter()
            .filter(|other| *other != flag);
        let mut arguments: Vec<_> = others.flat_map(|other| [other, "127.0.0.1:0"]).collect();
        arguments.extend([flag, &address]);
        let (code, said) = refused(&arguments);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&address) && said.contains(flag), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn a_database_that_is_not_there_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", free.local_addr().unwrap());
    drop(free);
    let arguments = [
        "--http",
        "127.0.0.1:0",
        "--rtmp",
        "127.0.0.1:0",
        "--dynamodb",
        &url,
    ];
    let (code, said) = refused(&arguments);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&url) && said.contains("--dynamodb"), "{said}");
}

#[test]
fn it_ends_well_when_told_and_shows_the_key_on_standard_output_only() {
    let mut stack = Stack::start(&[], &[]);
    let shown = wait(|| Some(stack.written("stdout")).filter(|text| text.contains("Ctrl-C")));
    assert!(shown.contains(&stack.endpoints.edges[0].rtmp), "{shown}");
    let key = shown
        .lines()
        .find_map(|line| line.trim().strip_prefix("Stream Key"))
        .unwrap()
        .trim()
        .to_owned();
    assert_eq!(key.len(), 40);
    assert!(stack.end().success());
    assert!(!stack.directory.path().join("endpoints.json").exists());
    let log = stack.written("stderr");
    assert!(!log.contains(&key) && !log.contains("panicked"), "{log}");
}

#[test]
fn what_was_kept_is_there_at_the_next_start_even_after_a_kill() {
    let state = tempfile::tempdir().unwrap();
    let arguments = ["--state", state.path().to_str().unwrap()];
    let mut first = Stack::start(&arguments, &[]);
    let (code, said) = refused(&[&arguments[..], &["--http", "127.0.0.1:0"]].concat());
    assert_eq!(code, Some(1));
    assert!(said.contains("another stream-sync"), "{said}");
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    let mut second = Stack::start(&arguments, &[]);
    assert_eq!(first.endpoints.demo, second.endpoints.demo);
    let log = second.written("stderr");
    assert!(log.contains("edge of an earlier run fenced"), "{log}");
    assert!(second.end().success());
    assert!(!Path::new(&state.path().join("endpoints.json")).exists());
}

#[tokio::test]
async fn a_proxy_in_the_environment_does_not_stand_between_the_stack_and_itself() {
    let nowhere = [
        ("HTTP_PROXY", "http://127.0.0.1:9"),
        ("http_proxy", "http://127.0.0.1:9"),
    ];
    let mut stack = Stack::start(&["--edges", "0"], &nowhere);
    let Endpoints {
        http, websocket, ..
    } = &stack.endpoints;
    let user = json!({"userId": "demo"});
    let login = post(format!("{http}/dev/token"), None, &user).await;
    let token = login["token"].as_str();
    let ticket = post(format!("{http}/v1/websocket-tickets"), token, &json!({})).await;
    let url = format!("{websocket}?ticket={}", ticket["ticket"].as_str().unwrap());
    let mut request = url.into_client_request().unwrap();
    request
        .headers_mut()
        .insert("origin", http.parse().unwrap());
    let (mut socket, _) = connect_async(request).await.unwrap();
    socket.send(r#"{"action":"hello"}"#.into()).await.unwrap();
    // Events of the channel, which was made a moment ago, may come before it.
    let snapshot = loop {
        let message = tokio::time::timeout(DEADLINE, socket.next()).await.unwrap();
        let message = message.unwrap().unwrap();
        let message: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
        if message["type"] == "snapshot" {
            break message;
        }
    };
    assert_eq!(snapshot["channels"][0]["channel"]["name"], "Demo channel");
    drop(socket);
    assert!(stack.end().success());
}
