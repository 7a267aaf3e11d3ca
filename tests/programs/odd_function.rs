//! A Lambda function that does what functions should not, on demand: for the stories of what becomes of
//! its callers then. What it does stands as a word somewhere in the event; how it begins stands in
//! `STREAM_SYNC_ODD_BEGIN`. It speaks the Runtime API itself, so that it can break it.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use harness::api::client;
use serde_json::{Value, json};

/// A function's answer may be 6 MB.
const MORE_THAN_AN_ANSWER_MAY_BE: usize = 7 * 1024 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let runtime = Runtime {
        http: client(),
        root: format!(
            "http://{}/2018-06-01/runtime",
            std::env::var("AWS_LAMBDA_RUNTIME_API").context("this program runs on Lambda")?
        ),
    };
    note_the_start()?;
    match std::env::var("STREAM_SYNC_ODD_BEGIN").as_deref() {
        Ok("crash") => {
            writeln!(std::io::stderr(), "the odd function has no wish to begin")?;
            return Ok(ExitCode::from(3));
        }
        Ok("hang") => std::future::pending().await,
        Ok("error") => {
            let error = json!({"errorMessage": "it is not its day", "errorType": "Odd"});
            runtime.post("init/error", error.to_string()).await?;
            std::future::pending().await
        }
        Ok(_) | Err(_) => {}
    }
    loop {
        runtime.answer_one().await?;
    }
}

/// A line in the file of this name for each process that is started.
fn note_the_start() -> Result<()> {
    if let Some(file) = std::env::var_os("STREAM_SYNC_ODD_STARTS") {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(file)?;
        // In one write: several may start at the same moment.
        file.write_all(format!("{}\n", std::process::id()).as_bytes())?;
    }
    Ok(())
}

/// The Lambda Runtime API.
struct Runtime {
    http: reqwest::Client,
    root: String,
}

impl Runtime {
    async fn answer_one(&self) -> Result<()> {
        let (id, event) = self.next().await?;
        let does = |word: &str| event.contains(word);
        let own = json!({"process": std::process::id()});
        if does("do-crash") {
            writeln!(std::io::stderr(), "the odd function leaves")?;
            std::process::exit(4);
        }
        if does("do-hang") {
            writeln!(std::io::stderr(), "the odd function hangs")?;
            std::future::pending::<()>().await;
        }
        if does("do-ask-again") {
            self.next().await?;
        }
        if does("do-fail") {
            let error = json!({"errorMessage": "it will not", "errorType": "Odd"});
            self.post(&format!("invocation/{id}/error"), error.to_string())
                .await?;
            return Ok(());
        }
        let answer = if does("do-no-json") {
            "{".to_owned()
        } else if does("do-much") {
            json!("x".repeat(MORE_THAN_AN_ANSWER_MAY_BE)).to_string()
        } else if does("do-another-id") {
            let status = self
                .post("invocation/another/response", own.to_string())
                .await?;
            json!({"status": status}).to_string()
        } else {
            own.to_string()
        };
        if does("do-wait") {
            self.wait(&event).await?;
        }
        let posted = self
            .post(&format!("invocation/{id}/response"), answer)
            .await;
        // One that is too large may be refused before all of it was sent.
        if !does("do-much") {
            posted?;
        }
        if does("do-leave") {
            std::process::exit(0);
        }
        Ok(())
    }

    /// Answers no sooner than somebody answers at the address in the event.
    async fn wait(&self, event: &str) -> Result<()> {
        let event: Value = serde_json::from_str(event)?;
        let gate = event["gate"].as_str().context("no gate to wait at")?;
        self.http.get(gate).send().await?.error_for_status()?;
        Ok(())
    }

    async fn next(&self) -> Result<(String, String)> {
        let answer = self.http.get(format!("{}/invocation/next", self.root));
        let answer = answer.send().await?.error_for_status()?;
        let id = answer.headers().get("lambda-runtime-aws-request-id");
        let id = id.context("an event without an id")?.to_str()?.to_owned();
        Ok((id, answer.text().await?))
    }

    /// Gives the status of the answer.
    async fn post(&self, path: &str, body: String) -> Result<u16> {
        let answer = self.http.post(format!("{}/{path}", self.root)).body(body);
        Ok(answer.send().await?.status().as_u16())
    }
}
