//! What is wrong with a stream, told to the owner's dashboards while it flows.

use std::time::{Duration, Instant};

use anyhow::Result;
use contract::http::StatusWord;
use contract::websocket::{Finding, ServerMessage};
use domain::diagnosis::{Code, TELL_AGAIN_AFTER};
use harness::{Dashboard, Ffmpeg, HANG, Options, Stack};

/// At 25 fps: a keyframe at the beginning and one after ten seconds (`-g 250`), from the sixteenth on
/// one each two seconds. So long, because what was raised must have been told again before it is over.
const LATE_KEYFRAMES: &str = "-re -f lavfi -i testsrc2=size=320x180:rate=25 \
     -re -f lavfi -i sine=frequency=440:sample_rate=44100 \
     -c:v libx264 -preset veryfast -tune zerolatency -pix_fmt yuv420p \
     -g 250 -keyint_min 1 -sc_threshold 0 \
     -force_key_frames expr:gte(t,16)*not(mod(n,50)) \
     -b:v 500k -minrate 500k -maxrate 500k -bufsize 500k -x264-params nal-hrd=cbr \
     -c:a aac -b:a 96k -f flv";
/// Until the interval under way is too long and has been so for a while.
const RAISED_WITHIN: Duration = Duration::from_secs(8);
/// Until keyframes come as they should and have done so for a while.
const CLEARED_WITHIN: Duration = Duration::from_secs(26);

/// The next list of what is wrong.
async fn expect_findings(
    dashboard: &mut Dashboard,
    what: &str,
    deadline: Duration,
    is_wanted: impl Fn(&[Finding]) -> bool,
) -> Result<(Instant, Vec<Finding>)> {
    let findings = dashboard.expect(what, deadline, |message| match message {
        ServerMessage::Diagnosis(told) if is_wanted(&told.findings) => Some(told.findings.clone()),
        _ => None,
    });
    findings.await
}

#[tokio::test]
async fn what_is_wrong_with_a_stream_is_told_in_words_until_it_is_mended() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let mut dashboard = stack.dashboard().await?;
    let url = format!("{}/{}", stack.server(0), stack.key().await?);
    let ffmpeg = Ffmpeg::run(LATE_KEYFRAMES.split_whitespace(), &url)?;
    let (live, status) = dashboard.expect_status(StatusWord::Live, HANG).await?;

    let raised = expect_findings(&mut dashboard, "a finding", RAISED_WITHIN + HANG, |found| {
        !found.is_empty()
    });
    let (at, findings) = raised.await?;
    println!("told {:?} after LIVE: {findings:?}", at - live);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].code, Code::KeyframeIntervalLong.as_str());
    let detail = &findings[0].detail;
    assert!(
        detail.contains("at least") && detail.contains("Settings > Output"),
        "{detail}"
    );

    // A page that was opened meanwhile hears of it without anything having changed.
    let mut newcomer = stack.dashboard().await?;
    let told = TELL_AGAIN_AFTER + HANG;
    expect_findings(&mut newcomer, "the same finding", told, |found| {
        found.len() == 1
    })
    .await?;

    let mended = expect_findings(
        &mut dashboard,
        "no finding",
        CLEARED_WITHIN + HANG,
        |found| found.is_empty(),
    );
    let (at, _) = mended.await?;
    println!("mended {:?} after LIVE", at - live);
    ffmpeg.stop_normally().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;

    let mut numbers = Vec::new();
    for arrived in dashboard.messages() {
        if let Ok(ServerMessage::Diagnosis(told)) = arrived.message {
            assert_eq!(
                (told.generation, told.sequence),
                (status.generation, status.sequence)
            );
            assert!(
                told.findings.len() <= 1,
                "found more than there is: {told:?}"
            );
            numbers.push(told.n);
        }
    }
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    stack.stop().await
}
