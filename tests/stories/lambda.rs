//! What becomes of a function's callers, whatever its program does: the local stack's Lambda over a
//! program that misbehaves on demand.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use futures_util::future::join_all;
use harness::process::is_there;
use harness::{HANG, programs, wait};
use serde_json::{Value, json};
use stream_sync::lambda::{Error, Function, Limits, MAX_PAYLOAD_BYTES, Program};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// So long that no call of a story reaches it.
const PATIENT: Limits = Limits {
    instances: 4,
    timeout: HANG,
    init: HANG,
    idle: Duration::from_secs(600),
};
/// For stories about waits that end.
const SHORT: Duration = Duration::from_secs(1);

/// The odd function, and where it notes its starts.
struct Odd {
    function: Function,
    directory: TempDir,
}

impl Odd {
    /// That begins as `begin` says: see the program.
    fn new(begin: &str, limits: Limits) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let starts = directory.path().join("starts").display().to_string();
        let program = Program {
            name: "odd".into(),
            path: programs::path_of_ours("odd-function")?,
            environment: vec![
                ("STREAM_SYNC_ODD_BEGIN".into(), begin.into()),
                ("STREAM_SYNC_ODD_STARTS".into(), starts),
            ],
            leashed: false,
        };
        Ok(Self {
            function: Function::new(program, limits),
            directory,
        })
    }

    async fn does(&self, what: &str) -> Result<Value, Error> {
        self.function.invoke(&json!({ "please": what })).await
    }

    /// The process ids of all that were ever started.
    fn starts(&self) -> Result<Vec<u32>> {
        let file: PathBuf = self.directory.path().join("starts");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines().map(|line| Ok(line.parse()?)).collect()
    }

    /// Waits until each process of it that was ever started is gone.
    async fn is_gone(&self) -> Result<()> {
        wait::until("every process to be gone", HANG, async || {
            let left = self.starts()?.into_iter().any(is_there);
            Ok((!left).then_some(()))
        })
        .await
    }
}

/// Where calls wait until it is opened.
struct Gate {
    url: String,
    arrived: Arc<AtomicUsize>,
    open: watch::Sender<bool>,
}

impl Gate {
    async fn closed() -> Result<Self> {
        let arrived = Arc::new(AtomicUsize::new(0));
        let (open, opens) = watch::channel(false);
        let pass = |State((arrived, mut opens)): State<(
            Arc<AtomicUsize>,
            watch::Receiver<bool>,
        )>| async move {
            arrived.fetch_add(1, Ordering::SeqCst);
            // Whoever waits when the story ends may pass.
            let _ = opens.wait_for(|open| *open).await;
        };
        let state = (Arc::clone(&arrived), opens);
        let routes = Router::new().route("/", get(pass)).with_state(state);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self { url, arrived, open })
    }

    fn event(&self) -> Value {
        json!({"please": "do-wait", "gate": self.url})
    }

    async fn has(&self, calls: usize) -> Result<()> {
        wait::until("the calls to arrive", HANG, async || {
            Ok((self.arrived.load(Ordering::SeqCst) == calls).then_some(()))
        })
        .await
    }
}

#[tokio::test]
async fn one_instance_answers_call_after_call() -> Result<()> {
    let odd = Odd::new("", PATIENT)?;
    odd.function.warm().await?;
    let first = odd.does("answer").await?;
    for _ in 0..20 {
        assert_eq!(odd.does("answer").await?, first);
    }
    assert_eq!(odd.starts()?.len(), 1);
    odd.function.stop().await;
    odd.is_gone().await
}

#[tokio::test]
async fn calls_at_once_have_an_instance_each_and_beyond_the_limit_they_wait() -> Result<()> {
    let limits = Limits {
        instances: 2,
        ..PATIENT
    };
    let (odd, gate) = (Odd::new("", limits)?, Gate::closed().await?);
    let event = gate.event();
    let calls = join_all((0..5).map(|_| odd.function.invoke(&event)));
    let opened = async {
        gate.has(2).await?;
        assert_eq!(odd.function.instances(), 2);
        gate.open.send_replace(true);
        Ok::<(), anyhow::Error>(())
    };
    let (answers, opened) = tokio::join!(calls, opened);
    opened?;
    for answer in answers {
        answer?;
    }
    assert_eq!(odd.starts()?.len(), 2);
    odd.function.stop().await;
    Ok(())
}

#[tokio::test]
async fn an_instance_that_has_nothing_to_do_is_ended_and_the_next_call_starts_another() -> Result<()>
{
    let limits = Limits {
        idle: SHORT,
        ..PATIENT
    };
    let odd = Odd::new("", limits)?;
    odd.does("answer").await?;
    wait::until("the instance to end", HANG, async || {
        Ok((odd.function.instances() == 0).then_some(()))
    })
    .await?;
    odd.is_gone().await?;
    odd.does("answer").await?;
    assert_eq!(odd.starts()?.len(), 2);
    odd.function.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_function_that_says_it_failed_goes_on() -> Result<()> {
    let odd = Odd::new("", PATIENT)?;
    let failed = odd.does("do-fail").await;
    assert_eq!(failed, Err(Error::Failed("it will not".into())));
    odd.does("answer").await?;
    assert_eq!(odd.starts()?.len(), 1);
    odd.function.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_call_whose_process_ends_fails_at_once_and_the_next_one_is_answered() -> Result<()> {
    let odd = Odd::new("", PATIENT)?;
    odd.function.warm().await?;
    let began = Instant::now();
    let lost = odd.does("do-crash").await;
    assert!(
        matches!(&lost, Err(Error::Lost(words)) if words.contains("exit status: 4")),
        "{lost:?}"
    );
    assert!(began.elapsed() < PATIENT.timeout, "{:?}", began.elapsed());
    odd.does("answer").await?;
    assert_eq!(odd.starts()?.len(), 2);
    odd.function.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_process_that_ends_after_its_answer_costs_nobody_a_call() -> Result<()> {
    let odd = Odd::new("", PATIENT)?;
    for _ in 0..3 {
        odd.does("do-leave").await?;
    }
    assert_eq!(odd.starts()?.len(), 3);
    odd.function.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_call_that_takes_too_long_fails_and_its_process_is_killed() -> Result<()> {
    let limits = Limits {
        timeout: SHORT,
        ..PATIENT
    };
    let odd = Odd::new("", limits)?;
    odd.function.warm().await?;
    assert_eq!(odd.does("do-hang").await, Err(Error::TimedOut(SHORT)));
    odd.is_gone().await?;
    odd.does("answer").await?;
    assert_eq!(odd.starts()?.len(), 2);
    odd.function.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_program_that_breaks_the_protocol_is_replaced() -> Result<()> {
    let odd = Odd::new("", PATIENT)?;
    let lost = odd.does("do-ask-again").await;
    assert!(
        matches!(&lost, Err(Error::Lost(words)) if words.contains("another event")),
        "{lost:?}"
    );
    assert_eq!(odd.does("do-no-json").await, Err(Error::NoJson));
    let refused = odd.does("do-another-id").await?;
    assert_eq!(refused, json!({"status": 400}));
    assert_eq!(odd.starts()?.len(), 2);
    odd.function.stop().await;
    Ok(())
}

#[tokio::test]
async fn an_event_or_an_answer_above_lambdas_limit_is_refused() -> Result<()> {
    let odd = Odd::new("", PATIENT)?;
    assert_eq!(odd.does("do-much").await, Err(Error::TooLarge("answer")));
    let much = json!("x".repeat(MAX_PAYLOAD_BYTES));
    let refused = odd.function.invoke(&much).await;
    assert_eq!(refused, Err(Error::TooLarge("event")));
    let almost = json!("x".repeat(MAX_PAYLOAD_BYTES - 2));
    odd.function.invoke(&almost).await?;
    odd.function.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_program_that_does_not_begin_says_why_and_is_not_started_for_each_call() -> Result<()> {
    for (begin, why) in [
        ("crash", "has no wish to begin"),
        ("error", "it is not its day"),
    ] {
        let odd = Odd::new(begin, PATIENT)?;
        let began = Instant::now();
        let calls = 200;
        for _ in 0..calls {
            let refused = odd.does("answer").await;
            assert!(
                matches!(&refused, Err(Error::NotStarted(words)) if words.contains(why)),
                "{refused:?}"
            );
        }
        // The pauses are 100, 200, 400 ms, ...: so many fit into the time that it took.
        let starts = odd.starts()?.len();
        let fit = (began.elapsed().as_millis() / 100 + 2).ilog2() + 1;
        assert!(
            starts <= usize::try_from(fit)?,
            "{starts} in {:?}",
            began.elapsed()
        );
        odd.function.stop().await;
        odd.is_gone().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_program_that_takes_too_long_to_begin_is_killed() -> Result<()> {
    let limits = Limits {
        init: SHORT,
        ..PATIENT
    };
    let odd = Odd::new("hang", limits)?;
    let refused = odd.function.warm().await;
    assert!(
        matches!(&refused, Err(Error::NotStarted(words)) if words.contains("1 s")),
        "{refused:?}"
    );
    odd.is_gone().await
}

#[tokio::test]
async fn the_end_kills_what_runs_and_fails_what_waits() -> Result<()> {
    let limits = Limits {
        instances: 1,
        ..PATIENT
    };
    let (odd, gate) = (Odd::new("", limits)?, Gate::closed().await?);
    let event = gate.event();
    let calls = join_all((0..3).map(|_| odd.function.invoke(&event)));
    let end = async {
        gate.has(1).await?;
        odd.function.stop().await;
        Ok::<(), anyhow::Error>(())
    };
    let (answers, ended) = tokio::join!(calls, end);
    ended?;
    assert!(
        answers.iter().all(|answer| *answer == Err(Error::Stopped)),
        "{answers:?}"
    );
    assert_eq!(odd.does("answer").await, Err(Error::Stopped));
    odd.is_gone().await.context("after the end")
}
