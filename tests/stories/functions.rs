//! The functions as Lambda runs them: the stack with `--functions`, over the programs of this build.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use contract::http::{ResetStreamKey, StatusWord};
use harness::functions::NAMES;
use harness::process::{is_there, signal};
use harness::{
    Ffmpeg, Functions, HANG, Options, Publisher, Redis, Stack, dashboard, programs, wait,
};
use rustix::process::Signal;

/// Start Streaming to LIVE, promised; guarded against three times as much.
const LIVE_WITHIN: Duration = Duration::from_secs(2);

fn options(functions: &Functions) -> Options {
    Options {
        more: functions.flag(),
        ..Options::default()
    }
}

#[tokio::test]
async fn a_stream_goes_live_and_its_key_is_reset_through_the_binaries() -> Result<()> {
    let (functions, redis) = (Functions::of_this_build()?, Redis::start().await?);
    let stack = Stack::start(Options {
        redis: Some(redis.url()),
        ..options(&functions)
    })
    .await?;
    for name in NAMES {
        assert_eq!(stack.function_processes(name)?.len(), 1, "{name}");
    }
    let mut dashboard = stack.dashboard().await?;
    let old = stack.key().await?;
    let ffmpeg = Ffmpeg::publish(stack.server(0), &old)?;
    let live = dashboard.expect_status(StatusWord::Live, 3 * LIVE_WITHIN);
    let (at, shown) = live.await?;
    println!("LIVE {:?} after ffmpeg's start", at - ffmpeg.started());
    dashboard.expect_metrics(HANG).await?;
    let status = stack.owner.status(stack.channel()).await?;
    assert_eq!(status.session_id, shown.session_id);
    wait::until("a sample through the API", HANG, async || {
        Ok(stack.owner.status(stack.channel()).await?.metrics)
    })
    .await?;

    let reset = ResetStreamKey {
        disconnect_live: true,
        ..ResetStreamKey::default()
    };
    let reset = stack.owner.reset_key(stack.channel(), reset).await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    ffmpeg.gives_up(HANG).await?;
    let refused = Publisher::publish(stack.server(0), &old).await?.refused()?;
    assert_eq!(refused, "NetStream.Publish.Denied");
    dashboard.expect_refused(HANG).await?;
    let accepted = Publisher::publish(stack.server(0), &reset.stream_key).await?;
    accepted.accepted()?.unpublish().await?;
    wait::until(
        "the session to be written down as ended",
        HANG,
        async || {
            let sessions = stack.owner.sessions(stack.channel()).await?;
            Ok(sessions
                .iter()
                .all(|session| session.ended_at.is_some())
                .then_some(()))
        },
    )
    .await?;

    let children = NAMES.map(|name| stack.function_processes(name));
    let children: Vec<u32> = children.into_iter().collect::<Result<Vec<_>>>()?.concat();
    stack.stop().await?;
    assert!(
        !children.into_iter().any(is_there),
        "a function outlives the stack"
    );
    redis.stop().await
}

#[tokio::test]
async fn without_a_shared_cache_nobody_is_refused_for_what_a_function_changed() -> Result<()> {
    let functions = Functions::of_this_build()?;
    let stack = Stack::start(options(&functions)).await?;
    let server = stack.server(0);
    let old = stack.key().await?;
    Publisher::publish(server, &old)
        .await?
        .accepted()?
        .unpublish()
        .await?;
    let reset = stack
        .owner
        .reset_key(stack.channel(), ResetStreamKey::default());
    let new = reset.await?.stream_key;
    let refused = Publisher::publish(server, &old).await?.refused()?;
    assert_eq!(refused, "NetStream.Publish.Denied");
    Publisher::publish(server, &new)
        .await?
        .accepted()?
        .unpublish()
        .await?;
    stack.stop().await
}

#[tokio::test]
async fn a_call_whose_function_is_killed_fails_at_once_and_others_are_answered() -> Result<()> {
    let functions = Functions::of_this_build()?.replaced("websocket", "odd-function")?;
    let stack = Stack::start(Options {
        expected_errors: ["function lost", "function call failed"]
            .map(str::to_owned)
            .into(),
        ..options(&functions)
    })
    .await?;
    let [hanging] = stack.function_processes("websocket")?[..] else {
        bail!("not one process at the beginning");
    };
    let (http, websocket) = (
        stack.endpoints.http.clone(),
        stack.endpoints.websocket.clone(),
    );
    let stuck = tokio::spawn({
        let (http, websocket) = (http.clone(), websocket.clone());
        async move { dashboard::open(&websocket, &http, "do-hang").await }
    });
    stack.logs("the odd function hangs", HANG).await?;
    // Another process is started for whoever else calls.
    drop(dashboard::open(&websocket, &http, "anything").await?);
    let processes = stack.function_processes("websocket")?;
    assert!(
        processes.len() == 2 && processes.contains(&hanging),
        "{processes:?}"
    );
    assert!(!stuck.is_finished(), "the first call was not stuck");

    signal(hanging, Signal::KILL)?;
    let killed = Instant::now();
    let refused = stuck.await?.unwrap_err();
    println!("the caller was told {:?} after the kill", killed.elapsed());
    assert!(format!("{refused:#}").contains("500"), "{refused:#}");
    drop(dashboard::open(&websocket, &http, "anything").await?);
    stack.stop().await
}

#[tokio::test]
async fn a_function_that_hangs_is_ended_and_only_its_caller_is_refused() -> Result<()> {
    let functions = Functions::of_this_build()?.replaced("websocket", "odd-function")?;
    let timeout = ["--function-timeout", "1"].map(str::to_owned);
    let stack = Stack::start(Options {
        more: [functions.flag(), timeout.into()].concat(),
        expected_errors: ["function lost", "function call failed"]
            .map(str::to_owned)
            .into(),
        ..Options::default()
    })
    .await?;
    let [hanging] = stack.function_processes("websocket")?[..] else {
        bail!("not one process at the beginning");
    };
    let (http, websocket) = (&stack.endpoints.http, &stack.endpoints.websocket);
    let refused = dashboard::open(websocket, http, "do-hang")
        .await
        .unwrap_err();
    assert!(format!("{refused:#}").contains("500"), "{refused:#}");
    wait::until("it to be killed", HANG, async || {
        Ok((!is_there(hanging)).then_some(()))
    })
    .await?;
    stack.owner.status(stack.channel()).await?;
    // The odd function's answer to `$connect` names no status, which is a yes.
    drop(dashboard::open(websocket, http, "anything").await?);
    stack.stop().await
}

#[tokio::test]
async fn no_function_outlives_a_stack_that_was_killed_not_even_one_that_hangs() -> Result<()> {
    let functions = Functions::of_this_build()?;
    let stack = Stack::start(options(&functions)).await?;
    let children = NAMES.map(|name| stack.function_processes(name));
    let children: Vec<u32> = children.into_iter().collect::<Result<Vec<_>>>()?.concat();
    assert_eq!(children.len(), 4);
    for id in &children {
        // So that it cannot notice that nobody is there any more.
        signal(*id, Signal::STOP)?;
    }
    stack.kill_9().await?;
    wait::until("every function to be gone", HANG, async || {
        let left = children.iter().any(|id| is_there(*id));
        Ok((!left).then_some(()))
    })
    .await
}

/// What the program says that is started with these functions, and its exit code.
async fn refused(functions: &Functions) -> Result<(Option<i32>, String)> {
    let mut command = programs::ours("stream-sync")?;
    command
        .args(["--http", "127.0.0.1:0", "--rtmp", "127.0.0.1:0"])
        .args(functions.flag());
    let output = programs::run(command, HANG).await?;
    let said = [output.stdout, output.stderr].concat();
    Ok((
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}

#[tokio::test]
async fn a_missing_binary_is_named_with_what_builds_it_and_ends_with_2() -> Result<()> {
    let functions = Functions::of_this_build()?.without("reaper")?;
    let (code, said) = refused(&functions).await?;
    assert_eq!(code, Some(2), "{said}");
    let place = functions.path().join("reaper/bootstrap");
    for words in [
        "`reaper`",
        &place.display().to_string(),
        "cargo lambda build",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    Ok(())
}

#[tokio::test]
async fn a_binary_that_does_not_start_is_named_with_what_it_wrote_and_ends_with_1() -> Result<()> {
    let functions = Functions::of_this_build()?;
    let functions = functions.scripted("status-fanout", "echo libfoo is missing >&2; exit 7")?;
    let (code, said) = refused(&functions).await?;
    assert_eq!(code, Some(1), "{said}");
    for words in ["`status-fanout`", "exit status: 7", "libfoo is missing"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    Ok(())
}
