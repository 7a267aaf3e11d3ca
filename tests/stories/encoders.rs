//! Every kind of encoder that we could lay hands on is live with the right facts, ends as it means
//! to end, and understands why it is turned away.
//!
//! Pictures are small and presets fast: what counts is how each encoder speaks, not its work. Those
//! that only `tests/run` installs are in `slow`. OBS is looked at by hand: `tests/encoders/obs`.

use anyhow::{Context as _, Result};
use contract::http::{Metrics, StatusWord};
use harness::encoders::Build;
use harness::{Dashboard, Ffmpeg, HANG, Options, Publisher, Stack, wait};

/// A keyframe each second, 320x180 at 30 pictures a second: what most stories here publish.
const USUAL: Video = Video {
    codec: "h264",
    width: 320,
    height: 180,
    fps: 30.0,
    keyframe_interval_ms: 1_000,
};
/// Camera and microphone.
const INPUT: &str = "-re -f lavfi -i testsrc2=size=320x180:rate=30 \
     -re -f lavfi -i sine=frequency=440:sample_rate=48000";
/// The usual video but for its codec.
const RATE: &str = "-pix_fmt yuv420p -g 30 -b:v 300k";
/// The cheapest H.264 with such a rate.
const H264: &str = "-c:v libx264 -preset ultrafast -tune zerolatency";
/// How far a measured frame rate may be off.
const FPS_TOLERANCE: f64 = 1.0;
/// How far a measured keyframe interval may be off.
const KEYFRAME_TOLERANCE_MS: u32 = 100;
/// A key that fails its checksum.
const WRONG_KEY: &str = "livelivelivelivelivelivelivelivelivelive";

/// What is to be seen of a video.
#[derive(Clone, Copy, Debug)]
struct Video {
    codec: &'static str,
    width: u32,
    height: u32,
    fps: f64,
    keyframe_interval_ms: u32,
}

/// The same video by another codec.
const fn coded_as(codec: &'static str) -> Option<Video> {
    Some(Video { codec, ..USUAL })
}

/// What is to be seen of a stream.
#[derive(Clone, Copy, Debug)]
struct Facts {
    video: Option<Video>,
    audio: Option<&'static str>,
}

impl Facts {
    /// Whether a sample is late enough in the stream to tell everything.
    fn are_complete_in(&self, sample: &Metrics) -> bool {
        let rates = sample.fps.is_some() && sample.keyframe_interval_ms.is_some();
        sample.bitrate_kbps > 0 && (self.video.is_none() || rates)
    }

    fn check(&self, sample: &Metrics) {
        let video = self.video;
        let size = (sample.width, sample.height);
        assert_eq!(sample.video_codec.as_deref(), video.map(|it| it.codec));
        assert_eq!(sample.audio_codec.as_deref(), self.audio);
        assert_eq!(
            size,
            (video.map(|it| it.width), video.map(|it| it.height)),
            "{sample:?}"
        );
        assert_eq!(sample.fps.is_some(), video.is_some(), "{sample:?}");
        if let (Some(video), Some(fps)) = (video, sample.fps) {
            assert!((fps - video.fps).abs() <= FPS_TOLERANCE, "{sample:?}");
            let interval = sample.keyframe_interval_ms.unwrap_or_default();
            let off = interval.abs_diff(video.keyframe_interval_ms);
            assert!(off <= KEYFRAME_TOLERANCE_MS, "{sample:?}");
        }
    }
}

#[allow(
    clippy::print_stdout,
    reason = "the test runner shows it with the failed story"
)]
fn tell(seen: &impl std::fmt::Debug) {
    println!("{seen:?}");
}

/// Waits until the channel is LIVE, and for a sample that says everything; that must be `facts`.
async fn is_live_with(facts: Facts, stack: &Stack, dashboard: &mut Dashboard) -> Result<()> {
    dashboard.expect_status(StatusWord::Live, HANG).await?;
    let sample = wait::until("a complete sample", HANG, async || {
        let status = stack.owner.status(stack.channel()).await?;
        assert_eq!(status.status, StatusWord::Live);
        Ok(status
            .metrics
            .filter(|sample| facts.are_complete_in(sample)))
    });
    let sample = sample
        .await
        .with_context(|| format!("the last samples: {:#?}", dashboard.samples()))?;
    tell(&sample);
    facts.check(&sample);
    Ok(())
}

/// The channel is OFFLINE without having been in GRACE, and its session says the same.
async fn has_ended(facts: Facts, stack: &Stack, dashboard: &mut Dashboard) -> Result<()> {
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    assert!(
        !dashboard.was_ever_sent(StatusWord::Grace),
        "it said goodbye, and was taken for dropped"
    );
    let sessions = stack.owner.sessions(stack.channel()).await?;
    let [session] = &sessions[..] else {
        panic!("one broadcast is one session: {sessions:?}")
    };
    let size = |video: Video| format!("{}x{}", video.width, video.height);
    assert_eq!(session.reason.as_deref(), Some("unpublished"));
    assert_eq!(session.resolution, facts.video.map(size));
    tell(&session.encoder);
    Ok(())
}

/// An ffmpeg with these options, published to `url`, is live with `facts` and ends well.
async fn ffmpeg_to(
    stack: Stack,
    build: Build,
    options: &str,
    url: &str,
    facts: Facts,
) -> Result<()> {
    let mut dashboard = stack.dashboard().await?;
    let options = options.split_whitespace();
    let ffmpeg = Ffmpeg::run_build(build.command()?, options, url)?;
    is_live_with(facts, &stack, &mut dashboard).await?;
    ffmpeg.stop_normally().await?;
    has_ended(facts, &stack, &mut dashboard).await?;
    stack.stop().await
}

/// An ffmpeg that encodes the usual picture and sound with these options shows `facts`.
async fn ffmpeg(build: Build, options: &str, facts: Facts) -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let url = format!("{}/{}", stack.server(0), stack.key().await?);
    let options = format!("{INPUT} {options} -f flv");
    ffmpeg_to(stack, build, &options, &url, facts).await
}

#[tokio::test]
async fn b_frames_are_no_hindrance() -> Result<()> {
    let options = format!("-c:v libx264 -preset ultrafast -bf 2 {RATE} -c:a aac");
    let facts = Facts {
        video: Some(USUAL),
        audio: Some("aac"),
    };
    ffmpeg(Build::Debian, &options, facts).await
}

#[tokio::test]
async fn sound_alone_is_a_stream() -> Result<()> {
    let facts = Facts {
        video: None,
        audio: Some("aac"),
    };
    ffmpeg(Build::Debian, "-map 1:a -c:a aac", facts).await
}

#[tokio::test]
async fn a_picture_alone_is_a_stream() -> Result<()> {
    let options = format!("-map 0:v {H264} {RATE}");
    let facts = Facts {
        video: Some(USUAL),
        audio: None,
    };
    ffmpeg(Build::Debian, &options, facts).await
}

#[tokio::test]
async fn mp3_sound_is_recognised() -> Result<()> {
    let options = format!("{H264} {RATE} -c:a libmp3lame -ar 44100");
    let facts = Facts {
        video: Some(USUAL),
        audio: Some("mp3"),
    };
    ffmpeg(Build::Debian, &options, facts).await
}

#[tokio::test]
async fn a_key_may_carry_a_query() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let url = format!(
        "{}/{}?bandwidthtest=false",
        stack.server(0),
        stack.key().await?
    );
    let options = format!("{INPUT} -map 0:v {H264} {RATE} -f flv");
    let facts = Facts {
        video: Some(USUAL),
        audio: None,
    };
    ffmpeg_to(stack, Build::Debian, &options, &url, facts).await
}

#[tokio::test]
async fn server_and_key_may_be_given_apart() -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let (server, key) = (stack.server(0).to_owned(), stack.key().await?);
    let options =
        format!("{INPUT} -map 0:v {H264} {RATE} -f flv -rtmp_app live -rtmp_playpath {key}");
    let facts = Facts {
        video: Some(USUAL),
        audio: None,
    };
    ffmpeg_to(stack, Build::Debian, &options, &server, facts).await
}

/// What an encoder printed when it was turned away.
struct Turned {
    by_the_first: String,
    for_its_key: String,
}

/// Has somebody live on the channel while `attempt` publishes with a good key and with a wrong one.
async fn turned_away(mut attempt: impl AsyncFnMut(&str, &str) -> Result<String>) -> Result<Turned> {
    let stack = Stack::start(Options::default()).await?;
    let mut dashboard = stack.dashboard().await?;
    let key = stack.key().await?;
    let first = Publisher::publish(stack.server(0), &key).await?;
    let mut first = first.accepted()?;
    first.send_keyframe(0).await?;
    let (_, before) = dashboard.expect_status(StatusWord::Live, HANG).await?;

    let by_the_first = attempt(stack.server(0), &key).await?;
    let (_, refused) = dashboard.expect_refused(HANG).await?;
    assert_eq!(refused.reason, "already_live");
    first.send_keyframe(1_000).await?;
    let for_its_key = attempt(stack.server(0), WRONG_KEY).await?;
    first.send_keyframe(2_000).await?;

    let after = stack.owner.status(stack.channel()).await?;
    assert_eq!(
        (after.status, after.session_id),
        (StatusWord::Live, before.session_id)
    );
    first.unpublish().await?;
    dashboard.expect_status(StatusWord::Offline, HANG).await?;
    stack.stop().await?;
    Ok(Turned {
        by_the_first,
        for_its_key,
    })
}

async fn ffmpeg_is_turned_away(build: Build) -> Result<()> {
    let options = format!("{INPUT} -map 0:v {H264} {RATE} -f flv");
    let turned = turned_away(async |server, key| {
        let options = options.split_whitespace();
        let url = format!("{server}/{key}");
        let ffmpeg = Ffmpeg::run_build(build.command()?, options, &url)?;
        Ok(ffmpeg.gives_up(HANG).await?.1)
    });
    let turned = turned.await?;
    assert!(turned.by_the_first.contains("Already live"));
    assert!(turned.for_its_key.contains("Unauthorized"));
    Ok(())
}

#[tokio::test]
async fn ffmpeg_says_why_it_is_turned_away_and_quits() -> Result<()> {
    ffmpeg_is_turned_away(Build::Debian).await
}

mod slow {
    use super::*;
    use harness::encoders::{GStreamer, Sink};

    /// A build of ffmpeg shows this video codec beside AAC.
    async fn video(build: Build, options: &str, codec: &'static str) -> Result<()> {
        let options = format!("{options} {RATE} -c:a aac");
        let facts = Facts {
            video: coded_as(codec),
            audio: Some("aac"),
        };
        ffmpeg(build, &options, facts).await
    }

    /// ffmpeg 9 shows this audio codec beside H.264.
    async fn audio(options: &str, codec: &'static str) -> Result<()> {
        let options = format!("{H264} {RATE} {options}");
        let facts = Facts {
            video: Some(USUAL),
            audio: Some(codec),
        };
        ffmpeg(Build::Nine, &options, facts).await
    }

    const HEVC: &str = "-c:v libx265 -preset ultrafast -tune zerolatency -x265-params pools=1";
    const AV1: &str = "-c:v libaom-av1 -usage realtime -cpu-used 8";
    const VP9: &str = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8";

    #[tokio::test]
    async fn ffmpeg_7_is_live_with_h264() -> Result<()> {
        video(Build::Seven, H264, "h264").await
    }

    #[tokio::test]
    async fn ffmpeg_7_is_live_with_hevc() -> Result<()> {
        video(Build::Seven, HEVC, "hevc").await
    }

    #[tokio::test]
    async fn ffmpeg_7_is_live_with_av1() -> Result<()> {
        video(Build::Seven, AV1, "av1").await
    }

    #[tokio::test]
    async fn ffmpeg_7_is_live_with_vp9() -> Result<()> {
        video(Build::Seven, VP9, "vp9").await
    }

    #[tokio::test]
    async fn ffmpeg_9_is_live_with_hevc() -> Result<()> {
        video(Build::Nine, HEVC, "hevc").await
    }

    #[tokio::test]
    async fn ffmpeg_9_is_live_with_av1() -> Result<()> {
        video(Build::Nine, AV1, "av1").await
    }

    #[tokio::test]
    async fn ffmpeg_9_is_live_with_vp9() -> Result<()> {
        video(Build::Nine, VP9, "vp9").await
    }

    /// The one encoder of VVC is slow: a smaller and calmer picture.
    #[tokio::test]
    async fn ffmpeg_9_is_live_with_vvc() -> Result<()> {
        let options = "-map 0:v -c:v libvvenc -preset faster -pix_fmt yuv420p10 \
             -s 160x96 -r 16 -g 16 -b:v 100k";
        let facts = Facts {
            video: Some(Video {
                codec: "vvc",
                width: 160,
                height: 96,
                fps: 16.0,
                keyframe_interval_ms: 1_000,
            }),
            audio: None,
        };
        ffmpeg(Build::Nine, options, facts).await
    }

    #[tokio::test]
    async fn ffmpeg_9_is_live_with_opus() -> Result<()> {
        audio("-c:a libopus", "opus").await
    }

    #[tokio::test]
    async fn ffmpeg_9_is_live_with_flac() -> Result<()> {
        audio("-c:a flac", "flac").await
    }

    #[tokio::test]
    async fn ffmpeg_9_is_live_with_ac3() -> Result<()> {
        audio("-c:a ac3", "ac3").await
    }

    #[tokio::test]
    async fn ffmpeg_9_is_live_with_eac3() -> Result<()> {
        audio("-c:a eac3", "eac3").await
    }

    #[tokio::test]
    async fn of_several_tracks_the_first_is_shown() -> Result<()> {
        let options = format!(
            "-map 0:v -map 0:v -map 1:a -map 1:a {H264} {RATE} -s:v:1 160x90 -g:v:1 60 \
             -c:a:0 libopus -c:a:1 aac"
        );
        let facts = Facts {
            video: Some(USUAL),
            audio: Some("opus"),
        };
        ffmpeg(Build::Nine, &options, facts).await
    }

    #[tokio::test]
    async fn ffmpeg_7_and_9_say_why_they_are_turned_away_and_quit() -> Result<()> {
        ffmpeg_is_turned_away(Build::Seven).await?;
        ffmpeg_is_turned_away(Build::Nine).await
    }

    const GSTREAMER: Facts = Facts {
        video: Some(USUAL),
        audio: Some("aac"),
    };

    async fn gstreamer(sink: Sink) -> Result<()> {
        let stack = Stack::start(Options::default()).await?;
        let mut dashboard = stack.dashboard().await?;
        let key = stack.key().await?;
        let first = GStreamer::publish(sink, stack.server(0), &key)?;
        is_live_with(GSTREAMER, &stack, &mut dashboard).await?;
        first.stop_normally().await?;
        has_ended(GSTREAMER, &stack, &mut dashboard).await?;

        let second = GStreamer::publish(sink, stack.server(0), &key)?;
        dashboard.expect_status(StatusWord::Live, HANG).await?;
        second.kill_9().await?;
        dashboard.expect_status(StatusWord::Grace, HANG).await?;
        dashboard.expect_status(StatusWord::Offline, HANG).await?;
        stack.stop().await
    }

    #[tokio::test]
    async fn gstreamer_is_live_with_its_own_sink() -> Result<()> {
        gstreamer(Sink::Rtmp2).await
    }

    #[tokio::test]
    async fn gstreamer_is_live_with_librtmp() -> Result<()> {
        gstreamer(Sink::Librtmp).await
    }

    #[tokio::test]
    async fn gstreamer_is_turned_away_by_either_sink_and_does_not_hang() -> Result<()> {
        for sink in [Sink::Rtmp2, Sink::Librtmp] {
            let turned = turned_away(async |server, key| {
                GStreamer::publish(sink, server, key)?.gives_up(HANG).await
            });
            let turned = turned.await?;
            match sink {
                Sink::Rtmp2 => {
                    assert!(turned.by_the_first.contains("stream already exists"));
                    assert!(turned.for_its_key.contains("Not authorized"));
                }
                // librtmp logs the reason where GStreamer does not look.
                Sink::Librtmp => {
                    assert!(turned.by_the_first.contains("Could not open resource"));
                    assert!(turned.for_its_key.contains("Could not open resource"));
                }
            }
        }
        Ok(())
    }
}
