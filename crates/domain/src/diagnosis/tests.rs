use super::*;

/// A stream at 25 fps and 2,500 kbit/s with a keyframe each two seconds, a look a second.
struct Stream {
    diagnosis: Diagnosis,
    look: Look,
    told: Vec<Tell>,
}

impl Stream {
    fn new() -> Self {
        let look = Look {
            rates: Rates {
                bitrate_kbps: 2_500,
                fps: Some(25.0),
            },
            keyframes: 1,
            keyframe_interval_ms: Some(2_000),
            announced_fps: Some(25.0),
            ..Look::default()
        };
        let mut stream = Self {
            diagnosis: Diagnosis::default(),
            look,
            told: Vec::new(),
        };
        stream.seconds(15, |_| {});
        assert_eq!(stream.told, [Tell::Nothing; 15]);
        stream.told.clear();
        stream
    }

    /// So many seconds go by, each changed from an ordinary one.
    fn seconds(&mut self, number: u32, mut change: impl FnMut(&mut Look)) {
        for _ in 0..number {
            let before = self.look;
            let look = &mut self.look;
            look.reading.at_millis += 1_000;
            look.reading.video_frames += 25;
            look.reading.last_video_timestamp += 1_000;
            look.audio_frames += 47;
            if look.reading.at_millis.is_multiple_of(2_000) {
                look.keyframes += 1;
            }
            change(look);
            // What a change takes back did not come.
            look.keyframes = look.keyframes.max(before.keyframes);
            let now = Timestamp::from_millis(1_900_000_000_000 + look.reading.at_millis);
            self.told.push(self.diagnosis.take(self.look, now));
        }
    }

    fn open(&self) -> Vec<Code> {
        let findings = self.diagnosis.findings();
        findings.iter().map(|finding| finding.code).collect()
    }

    fn words(&self) -> String {
        let findings = self.diagnosis.findings();
        findings
            .iter()
            .map(|finding| finding.detail.clone())
            .collect()
    }

    fn changes(&self) -> usize {
        let changed = self.told.iter().filter(|tell| **tell == Tell::Changed);
        changed.count()
    }
}

fn seconds_of(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap()
}

/// Every code, by what makes it and nothing else.
fn spoil(code: Code) -> fn(&mut Look) {
    match code {
        Code::KeyframeIntervalLong => |look| look.keyframe_interval_ms = Some(8_300),
        Code::KeyframesMissing => |look| {
            look.keyframes = 0;
            look.keyframe_interval_ms = None;
        },
        Code::FrameRateLow => |look| look.rates.fps = Some(19.0),
        Code::BitrateDropped => |look| look.rates.bitrate_kbps = 900,
        Code::VideoMissing => |look| {
            look.reading.video_frames -= 25;
            look.reading.last_video_timestamp -= 1_000;
        },
        Code::AudioMissing => |look| look.audio_frames -= 47,
        Code::AudioVideoDrift => |look| look.audio_ahead_ms = -1_840,
        Code::TimestampsJump => |look| look.timestamp_jumps += 1,
    }
}

fn mend(look: &mut Look) {
    look.keyframe_interval_ms = Some(2_000);
    look.rates = Rates {
        bitrate_kbps: 2_500,
        fps: Some(25.0),
    };
    look.audio_ahead_ms = 0;
}

/// All but the one that needs a stream that never had a keyframe.
fn codes() -> impl Iterator<Item = Code> {
    let all = Code::ALL.into_iter();
    all.filter(|code| *code != Code::KeyframesMissing)
}

#[test]
fn a_finding_is_raised_after_it_held_and_cleared_after_as_many_good_seconds() {
    for code in codes() {
        let mut stream = Stream::new();
        let holds = seconds_of(code.raised_after());
        stream.seconds(holds, spoil(code));
        assert_eq!(stream.open(), [], "{code:?} too soon");
        stream.seconds(1, spoil(code));
        assert_eq!(stream.open(), [code]);
        assert_eq!(stream.told.last(), Some(&Tell::Changed));

        let good = seconds_of(code.cleared_after());
        stream.seconds(good, mend);
        assert_eq!(stream.open(), [code], "cleared too soon");
        stream.seconds(1, mend);
        assert_eq!(stream.open(), [], "{code:?} is not cleared");
        assert_eq!(stream.told.last(), Some(&Tell::Changed));
        assert_eq!(stream.changes(), 2);
    }
}

#[test]
fn what_comes_and_goes_is_raised_once_and_never_where_it_never_held() {
    for code in codes().filter(|code| code.raised_after() > Duration::from_secs(1)) {
        let mut stream = Stream::new();
        for _ in 0..20 {
            stream.seconds(1, spoil(code));
            stream.seconds(1, mend);
        }
        assert_eq!(stream.changes(), 0, "{code:?} flaps");

        stream.seconds(seconds_of(code.raised_after()) + 1, spoil(code));
        for _ in 0..8 {
            stream.seconds(3, mend);
            stream.seconds(1, spoil(code));
        }
        assert_eq!(stream.open(), [code]);
        assert_eq!(stream.changes(), 1, "{code:?} flaps once it is raised");
    }
}

#[test]
fn an_open_finding_is_told_again_each_ten_seconds_and_nothing_else_is() {
    let mut stream = Stream::new();
    let mut long = spoil(Code::KeyframeIntervalLong);
    stream.seconds(3 + 31, &mut long);
    let told = stream.told.iter().filter(|tell| **tell == Tell::Again);
    assert_eq!((stream.changes(), told.count()), (1, 3));
    stream.seconds(6, mend);
    stream.told.clear();
    stream.seconds(60, mend);
    assert!(stream.told.iter().all(|tell| *tell == Tell::Nothing));
}

#[test]
fn the_words_say_what_is_seen_and_what_to_click() {
    for (code, seen, click) in [
        (
            Code::KeyframeIntervalLong,
            "Your keyframe interval is 8.3 s, set it to 2 s: Settings > Output",
            "Keyframe Interval",
        ),
        (
            Code::FrameRateLow,
            "19 fps, and your encoder announced 25",
            "Settings > Video",
        ),
        (
            Code::BitrateDropped,
            "fell to 900 kbit/s from about 2",
            "Settings > Output",
        ),
        (
            Code::VideoMissing,
            "Sound arrives, and no picture",
            "Video Encoder",
        ),
        (Code::AudioMissing, "no sound at all", "Audio Track"),
        (
            Code::AudioVideoDrift,
            "Your sound is 1.8 s behind the picture",
            "Sync Offset",
        ),
        (
            Code::TimestampsJump,
            "clock of the stream jumped",
            "restart the encoder",
        ),
    ] {
        let mut stream = Stream::new();
        stream.seconds(seconds_of(code.raised_after()) + 1, spoil(code));
        let words = stream.words();
        assert!(words.contains(seen) && words.contains(click), "{words}");
        assert!(words.ends_with('.'), "{words}");
    }
}

/// At 25 fps and a keyframe each 250 pictures the second one is ten seconds away.
#[test]
fn a_long_interval_is_found_before_it_has_ended() {
    let mut stream = Stream::new();
    let keyframes = stream.look.keyframes;
    let withheld = |look: &mut Look| look.keyframes = keyframes;
    stream.seconds(8, withheld);
    assert_eq!(stream.open(), [Code::KeyframeIntervalLong]);
    assert!(stream.words().contains("at least"), "{}", stream.words());
}

#[test]
fn a_stream_that_never_had_a_keyframe_is_told_of_as_that() {
    let mut diagnosis = Diagnosis::default();
    let mut look = Look::default();
    for _ in 0..8 {
        look.reading.at_millis += 1_000;
        look.reading.video_frames += 25;
        look.reading.last_video_timestamp += 1_000;
        look.audio_frames += 47;
        diagnosis.take(look, Timestamp::from_millis(look.reading.at_millis));
    }
    let findings = diagnosis.findings();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].code, Code::KeyframesMissing);
    assert!(
        findings[0]
            .detail
            .starts_with("No keyframe has arrived yet. Players")
    );
}

#[test]
fn what_was_never_sent_is_missing_only_where_it_was_announced() {
    for (is_announced, expected) in [(false, None), (true, Some(Code::AudioMissing))] {
        let mut diagnosis = Diagnosis::default();
        let mut look = Look {
            is_audio_announced: is_announced,
            ..Look::default()
        };
        for _ in 0..8 {
            look.reading.at_millis += 1_000;
            look.reading.video_frames += 25;
            look.reading.last_video_timestamp += 1_000;
            look.keyframes += 1;
            diagnosis.take(look, Timestamp::from_millis(look.reading.at_millis));
        }
        let found = diagnosis.findings();
        let found = found.iter().map(|finding| finding.code);
        assert!(found.eq(expected), "{is_announced}");
    }
}

#[test]
fn a_stream_that_stands_still_is_a_dropped_bitrate_and_nothing_else() {
    let mut stream = Stream::new();
    stream.seconds(12, |look| {
        look.reading.video_frames -= 25;
        look.reading.last_video_timestamp -= 1_000;
        look.audio_frames -= 47;
        look.keyframes = 0;
        look.rates = Rates::default();
    });
    assert_eq!(stream.open(), [Code::BitrateDropped]);
}

#[test]
fn a_bitrate_that_stays_low_is_the_level_in_some_minutes() {
    let mut stream = Stream::new();
    stream.seconds(60, spoil(Code::BitrateDropped));
    assert_eq!(stream.open(), [Code::BitrateDropped]);
    stream.seconds(240, spoil(Code::BitrateDropped));
    assert_eq!(stream.open(), []);
}

#[test]
fn what_no_camera_announces_is_not_believed() {
    let mut stream = Stream::new();
    stream.seconds(20, |look| look.announced_fps = Some(1_000.0));
    stream.seconds(20, |look| look.announced_fps = None);
    assert_eq!(stream.open(), []);
}

#[test]
fn codes_are_stable_and_each_is_listed_once() {
    let names = Code::ALL.map(Code::as_str);
    let expected = [
        "video-missing",
        "audio-missing",
        "keyframes-missing",
        "keyframe-interval-long",
        "frame-rate-low",
        "bitrate-dropped",
        "audio-video-drift",
        "timestamps-jump",
    ];
    assert_eq!(names, expected);
}
