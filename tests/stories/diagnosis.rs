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

/// The finding about keyframes in a list of what is wrong. A busy machine may give cause for others.
fn about_keyframes(findings: &[Finding]) -> Option<&Finding> {
    let code = Code::KeyframeIntervalLong.as_str();
    findings.iter().find(|finding| finding.code == code)
}

/// Waits until the dashboard is told of the keyframes, or (`is_told` false) of everything but them.
async fn expect_told(
    dashboard: &mut Dashboard,
    is_told: bool,
    deadline: Duration,
) -> Result<(Instant, Option<Finding>)> {
    let what = if is_told { "the finding" } else { "its end" };
    let findings = dashboard.expect(what, deadline, |message| match message {
        ServerMessage::Diagnosis(told) => {
            let found = about_keyframes(&told.findings).cloned();
            (found.is_some() == is_told).then_some(found)
        }
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

    let raised = expect_told(&mut dashboard, true, RAISED_WITHIN + HANG);
    let (at, finding) = raised.await?;
    println!("told {:?} after LIVE: {finding:?}", at - live);
    let detail = finding.map(|finding| finding.detail).unwrap_or_default();
    assert!(
        detail.contains("at least") && detail.contains("Settings > Output"),
        "{detail}"
    );

    // A page that was opened meanwhile hears of it without anything having changed.
    let mut newcomer = stack.dashboard().await?;
    expect_told(&mut newcomer, true, TELL_AGAIN_AFTER + HANG).await?;

    let mended = expect_told(&mut dashboard, false, CLEARED_WITHIN + HANG);
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
            numbers.push(told.n);
        }
    }
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    stack.stop().await
}
