//! What encoders are told: the dialogue from connect to the end of a publish.

mod harness;

use harness::publisher::Publisher;
use harness::wire::{self, Reply};
use harness::{Driver, Media};
use rml_rtmp::rml_amf0::{Amf0Value, serialize};
use rml_rtmp::sessions::{ClientSessionEvent, ClientSessionResult, StreamMetadata};
use rml_rtmp::time::RtmpTimestamp;
use rtmp::{Event, Limits, Phase, SERVER_RANDOM_BYTES, Session};

#[test]
fn another_implementation_goes_live_with_us() {
    let mut publisher = Publisher::new(Media::Wanted);
    assert_eq!(publisher.driver.session.phase(), Phase::Connecting);
    publisher.connect("live");
    assert_eq!(
        publisher.heard,
        [ClientSessionEvent::ConnectionRequestAccepted]
    );
    publisher.publish("key");
    assert_eq!(
        publisher.heard[1],
        ClientSessionEvent::PublishRequestAccepted
    );
    assert_eq!(publisher.driver.session.phase(), Phase::Publishing);
    let [Event::Connected(info), Event::PublishRequested(request)] = &publisher.driver.events[..]
    else {
        panic!("{:?}", publisher.driver.events);
    };
    assert_eq!(info.app.expose(), "live");
    assert_eq!(info.tc_url.expose(), "rtmp://localhost/live");
    assert_eq!(request.publish_name.expose(), "key");
    assert_eq!(request.stream_id, 1);

    let metadata = StreamMetadata::new();
    let sent = publisher.client.publish_metadata(&metadata).unwrap();
    publisher.exchange(vec![sent]).unwrap();
    let frame = vec![0x17, 1, 0, 0, 0, 9, 9];
    let time = RtmpTimestamp::new(40);
    let sent = publisher
        .client
        .publish_video_data(frame.into(), time, false)
        .unwrap();
    publisher.exchange(vec![sent]).unwrap();
    assert!(publisher.driver.events.contains(&Event::MediaStarted));
    assert_eq!(publisher.driver.session.counters().video_frames, 1);
    let sent = publisher.client.stop_publishing().unwrap();
    publisher.exchange(sent).unwrap();
    assert_eq!(publisher.driver.events.last(), Some(&Event::Unpublished));
}

/// What the session answers to each of the inputs, one read each, behind the handshake.
fn answers(inputs: &[Vec<u8>]) -> (Driver, Vec<Vec<Reply>>) {
    let mut driver = Driver::new(Media::Unwanted);
    driver.feed(&wire::greeting()).unwrap();
    driver.output.clear();
    let mut answers = Vec::new();
    for input in inputs {
        driver.feed(input).unwrap();
        answers.push(wire::replies(&driver.output));
        driver.output.clear();
    }
    (driver, answers)
}

fn publish(transaction: f64, name: Amf0Value) -> Vec<u8> {
    wire::stream_command(
        "publish",
        transaction,
        vec![Amf0Value::Null, name, wire::text("live")],
    )
}

#[test]
fn connect_is_answered_in_one_write_in_the_order_encoders_know() {
    let (_, answers) = answers(&[wire::connect()]);
    let [window, bandwidth, chunk_size, result] = &answers[0][..] else {
        panic!("{answers:?}");
    };
    assert_eq!(
        (window.kind, &window.body[..]),
        (5, &2_500_000u32.to_be_bytes()[..])
    );
    assert_eq!((bandwidth.kind, bandwidth.body[4]), (6, 2));
    assert_eq!(
        (chunk_size.kind, &chunk_size.body[..]),
        (1, &65_536u32.to_be_bytes()[..])
    );
    for control in [window, bandwidth, chunk_size] {
        assert_eq!((control.chunk_stream, control.stream_id), (2, 0));
    }
    assert_eq!(
        (result.chunk_stream, result.stream_id, result.kind),
        (3, 0, 20)
    );
    assert_eq!(result.call(), ("_result".to_owned(), 1.0));
    assert_eq!(result.information("code"), "NetConnection.Connect.Success");
    assert_eq!(result.information("level"), "status");
}

#[test]
fn only_who_announces_enhanced_rtmp_is_told_of_it() {
    let plain = answers(&[wire::connect()]).1[0][3].values();
    let announced = [
        (
            "fourCcList",
            Amf0Value::StrictArray(vec![wire::text("av01"), wire::text("*")]),
        ),
        (
            "videoFourCcInfoMap",
            wire::object(&[("hvc1", wire::number(2.0))]),
        ),
        (
            "audioFourCcInfoMap",
            wire::object(&[("Opus", wire::number(3.0))]),
        ),
        ("capsEx", wire::number(15.0)),
        ("app", wire::text("live")),
    ];
    let connect = wire::command("connect", 1.0, vec![wire::object(&announced)]);
    let (driver, answers) = answers(&[connect]);
    let has = |values: &[Amf0Value], name: &str| {
        let in_object = |value: &Amf0Value| match value {
            Amf0Value::Object(properties) => properties.contains_key(name),
            _ => false,
        };
        values.iter().any(in_object)
    };
    let enhanced = answers[0][3].values();
    for name in [
        "capsEx",
        "fourCcList",
        "videoFourCcInfoMap",
        "audioFourCcInfoMap",
    ] {
        assert!(has(&enhanced, name) && !has(&plain, name), "{name}");
    }
    let Some(Event::Connected(info)) = driver.events.first() else {
        panic!("{:?}", driver.events);
    };
    let capabilities = &info.capabilities;
    assert_eq!(capabilities.four_cc_list, ["av01", "*"]);
    assert_eq!(capabilities.video_four_cc_info, [("hvc1".to_owned(), 2)]);
    assert_eq!(capabilities.audio_four_cc_info, [("Opus".to_owned(), 3)]);
    assert_eq!(capabilities.caps_ex, 15);
    assert!(capabilities.reconnect());
}

#[test]
fn the_calls_before_a_publish_are_answered_and_nothing_else_is_said() {
    let null = || vec![Amf0Value::Null, wire::text("key")];
    let (_, answers) = answers(&[
        wire::connect(),
        wire::command("releaseStream", 2.0, null()),
        wire::command("FCPublish", 3.0, null()),
        wire::command("createStream", 4.0, vec![Amf0Value::Null]),
        wire::command("_checkbw", 5.0, vec![Amf0Value::Null]),
        wire::command("setPeerInfo", 6.0, null()),
    ]);
    let calls: Vec<(String, f64)> = answers[1..].iter().flatten().map(Reply::call).collect();
    let named = |name: &str, id| (name.to_owned(), id);
    let expected = [
        named("_result", 2.0),
        named("onFCPublish", 0.0),
        named("_result", 3.0),
        named("_result", 4.0),
        named("_result", 5.0),
    ];
    assert_eq!(calls, expected);
    assert!(
        answers[1..]
            .iter()
            .flatten()
            .all(|reply| reply.chunk_stream == 3)
    );
    assert_eq!(answers[3][0].values()[3], Amf0Value::Number(1.0));
}

#[test]
fn an_accepted_publish_is_told_on_its_stream() {
    let (driver, answers) = answers(&[wire::connect(), publish(5.0, wire::text("key"))]);
    let [start] = &answers[1][..] else {
        panic!("{answers:?}");
    };
    assert_eq!((start.chunk_stream, start.stream_id), (5, 1));
    assert_eq!(start.call(), ("onStatus".to_owned(), 0.0));
    assert_eq!(start.information("code"), "NetStream.Publish.Start");
    assert_eq!(driver.session.phase(), Phase::Publishing);
}

#[test]
fn gstreamers_way_is_understood() {
    // Transaction id 0 on publish, and deleteStream with the stream's name.
    let delete = wire::command(
        "deleteStream",
        0.0,
        vec![Amf0Value::Null, wire::text("key")],
    );
    let (driver, answers) = answers(&[wire::connect(), publish(0.0, wire::text("key")), delete]);
    assert_eq!(answers[1][0].information("code"), "NetStream.Publish.Start");
    assert!(answers[2].is_empty());
    assert_eq!(driver.events.last(), Some(&Event::Unpublished));
}

#[test]
fn the_name_is_handed_on_as_it_came() {
    for (name, expected) in [
        (wire::text(" key?user=me "), " key?user=me "),
        (wire::text(""), ""),
        (Amf0Value::Null, ""),
    ] {
        let (driver, _) = answers(&[wire::connect(), publish(5.0, name)]);
        let Some(Event::PublishRequested(request)) = driver.events.get(1) else {
            panic!("{:?}", driver.events);
        };
        assert_eq!(request.publish_name.expose(), expected);
    }
}

#[test]
fn a_stream_ends_once_however_it_is_said() {
    let null = || vec![Amf0Value::Null];
    let id = |id| vec![Amf0Value::Null, wire::number(id)];
    let endings = [
        wire::command("FCUnpublish", 6.0, vec![Amf0Value::Null, wire::text("key")]),
        wire::command("deleteStream", 7.0, id(1.0)),
        wire::command("deleteStream", 7.0, null()),
        wire::stream_command("closeStream", 0.0, null()),
    ];
    for first in &endings {
        let start = [
            wire::connect(),
            publish(5.0, wire::text("key")),
            first.clone(),
        ];
        let (driver, _) = answers(&[&start[..], &endings].concat());
        let ends = driver
            .events
            .iter()
            .filter(|event| **event == Event::Unpublished);
        assert_eq!(ends.count(), 1);
        assert_eq!(driver.session.phase(), Phase::Connected);
    }
    let other = wire::command("deleteStream", 7.0, id(2.0));
    let (driver, _) = answers(&[wire::connect(), publish(5.0, wire::text("key")), other]);
    assert_eq!(driver.session.phase(), Phase::Publishing);
}

#[test]
fn media_trailing_behind_the_end_is_passed_over_and_a_new_publish_begins_from_zero() {
    let end = wire::command("FCUnpublish", 0.0, vec![Amf0Value::Null]);
    let frame = wire::message(6, 40, wire::VIDEO, &[0x17, 1, 0, 0, 0, 1]);
    let again = || publish(5.0, wire::text("key"));
    let inputs = [
        wire::connect(),
        again(),
        frame.clone(),
        end,
        frame.clone(),
        again(),
    ];
    let (driver, _) = answers(&inputs);
    assert_eq!(driver.session.phase(), Phase::Publishing);
    assert_eq!(driver.session.counters().video_frames, 0);
    assert_eq!(driver.session.facts().video, None);
    assert_eq!(
        driver
            .events
            .iter()
            .filter(|event| **event == Event::MediaStarted)
            .count(),
        1
    );
}

#[test]
fn a_refused_publish_is_told_on_its_stream_and_nothing_is_read_any_more() {
    let mut publisher = Publisher::new(Media::Unwanted);
    publisher.connect("live");
    publisher.driver.accepts = false;
    publisher.publish("key");
    publisher.driver.output.clear();
    let code = "NetStream.Publish.BadName";
    publisher
        .driver
        .session
        .refuse_publish(code, "Already publishing");
    let output = publisher.driver.session.take_output();
    let [refusal] = &wire::replies(&output)[..] else {
        panic!("{output:?}");
    };
    assert_eq!((refusal.chunk_stream, refusal.stream_id), (5, 1));
    assert_eq!(refusal.information("level"), "error");
    assert_eq!(refusal.information("code"), code);
    assert_eq!(refusal.information("description"), "Already publishing");
    let heard = publisher.client.handle_input(&output).unwrap();
    let [
        ClientSessionResult::RaisedEvent(ClientSessionEvent::UnhandleableOnStatusCode {
            code: told,
        }),
    ] = &heard[..]
    else {
        panic!("the client understood something else");
    };
    assert_eq!(told, code);
    assert_eq!(publisher.driver.session.phase(), Phase::Closed);
    assert_eq!(publisher.driver.session.receive(b"more"), Ok(()));
    assert!(publisher.driver.session.take_output().is_empty());
}

#[test]
fn connect_may_be_refused_as_long_as_its_answer_has_not_left() {
    let mut session = Session::new(Limits::default(), [1; SERVER_RANDOM_BYTES]);
    session.receive(&wire::greeting()).unwrap();
    session.take_output();
    session.receive(&wire::connect()).unwrap();
    session.refuse_connect("NetConnection.Connect.Rejected", "No such application");
    let output = session.take_output();
    let [.., chunk_size, refusal] = &wire::replies(&output)[..] else {
        panic!("{output:?}");
    };
    assert_eq!(chunk_size.kind, 1);
    assert_eq!(refusal.call(), ("_error".to_owned(), 1.0));
    assert_eq!(refusal.information("description"), "No such application");
    assert_eq!(session.phase(), Phase::Closed);

    let mut publisher = Publisher::new(Media::Unwanted);
    publisher.connect("live");
    publisher
        .driver
        .session
        .refuse_connect("NetConnection.Connect.Rejected", "Late");
    let output = publisher.driver.session.take_output();
    assert_eq!(
        wire::replies(&output)[0].call(),
        ("onStatus".to_owned(), 0.0)
    );
}

#[test]
fn another_implementation_understands_a_refused_connect() {
    let mut publisher = Publisher::new(Media::Unwanted);
    let request = publisher
        .client
        .request_connection("live".to_owned())
        .unwrap();
    let ClientSessionResult::OutboundResponse(packet) = request else {
        panic!("no packet");
    };
    let session = &mut publisher.driver.session;
    session.receive(&packet.bytes).unwrap();
    // Longer than the chunks a client expects before it is told otherwise.
    let description = "No such application. ".repeat(20);
    session.refuse_connect("NetConnection.Connect.Rejected", &description);
    publisher.flush();
    let rejected = ClientSessionEvent::ConnectionRequestRejected { description };
    assert_eq!(publisher.heard, [rejected]);
}

#[test]
fn long_texts_are_cut_rather_than_failing() {
    let (mut driver, _) = answers(&[wire::connect()]);
    driver.accepts = false;
    driver.feed(&publish(5.0, wire::text("key"))).unwrap();
    driver
        .session
        .refuse_publish("NetStream.Failed", &"ü".repeat(100_000));
    let output = driver.session.take_output();
    let description = wire::replies(&output)[0].information("description");
    assert_eq!(description.chars().count(), 512);
}

#[test]
fn commands_in_amf3_framing_are_the_same_commands() {
    let mut body = vec![0];
    body.extend(wire::command_body(
        "createStream",
        4.0,
        vec![Amf0Value::Null],
    ));
    let framed = wire::message(3, 0, 17, &body);
    let unframed = wire::message(3, 0, 17, &body[1..]);
    let (_, answers) = answers(&[wire::connect(), framed, unframed]);
    assert_eq!(answers[1][0].call(), ("_result".to_owned(), 4.0));
    assert_eq!(answers[2][0].values()[3], Amf0Value::Number(2.0));
}

#[test]
fn metadata_is_understood_bare_wrapped_and_framed_for_amf3() {
    let object = wire::object(&[
        ("encoder", wire::text("Encoder\u{7} 1")),
        ("width", wire::number(640.0)),
    ]);
    let bare = serialize(&vec![wire::text("onMetaData"), object.clone()]).unwrap();
    let wrapped = [
        wire::text("@setDataFrame"),
        wire::text("onMetaData"),
        object,
    ];
    let wrapped = serialize(&wrapped.to_vec()).unwrap();
    let framed = [vec![0], wrapped.clone()].concat();
    for (kind, body) in [(18, bare), (18, wrapped), (15, framed)] {
        let data = wire::message(4, 0, kind, &body);
        let (driver, _) = answers(&[wire::connect(), publish(5.0, wire::text("key")), data]);
        assert_eq!(driver.session.facts().encoder.as_deref(), Some("Encoder 1"));
        assert_eq!(driver.session.facts().claims.width, Some(640.0));
        assert_eq!(driver.session.facts().video, None);
        assert!(!driver.events.contains(&Event::MediaStarted));
    }
}

#[test]
fn an_encoders_name_is_cut_to_128_printable_characters() {
    let name = format!("\u{1b}\u{202E}\0[31m{}", "x".repeat(300));
    let object = wire::object(&[("flashVer", wire::text(&name))]);
    let (driver, _) = answers(&[wire::command("connect", 1.0, vec![object])]);
    let Some(Event::Connected(info)) = driver.events.first() else {
        panic!("{:?}", driver.events);
    };
    assert_eq!(info.encoder.chars().count(), 128);
    assert!(info.encoder.starts_with("[31mx"));
}

#[test]
fn pings_are_answered_with_their_own_time() {
    let ping = wire::control(4, &[0, 6, 1, 2, 3, 4]);
    let (_, answers) = answers(&[wire::connect(), ping]);
    assert_eq!((answers[1][0].chunk_stream, answers[1][0].kind), (2, 4));
    assert_eq!(answers[1][0].body, [0, 7, 1, 2, 3, 4]);
}

#[test]
fn bytes_are_acknowledged_once_a_window_and_never_for_tiny_windows() {
    let window = wire::control(5, &100_000u32.to_be_bytes());
    let start = [wire::connect(), publish(5.0, wire::text("key")), window];
    let frame = wire::message(6, 0, wire::VIDEO, &vec![0x27; 30_000]);
    let frames: Vec<Vec<u8>> = std::iter::repeat_n(frame, 8).collect();
    let (_, heard) = answers(&[&start[..], &frames].concat());
    let acknowledged: Vec<Vec<Reply>> = heard[3..].to_vec();
    assert_eq!(acknowledged.iter().flatten().count(), 2);
    assert!(acknowledged.iter().flatten().all(|reply| reply.kind == 3));

    let tiny = wire::control(5, &[0, 0, 0, 1]);
    let start = [wire::connect(), publish(5.0, wire::text("key")), tiny];
    let (_, heard) = answers(&[&start[..], &frames].concat());
    assert!(heard[3..].iter().flatten().count() <= 4);
}

#[test]
fn only_who_can_reconnect_is_asked_to() {
    let (mut driver, _) = answers(&[wire::connect()]);
    assert!(!driver.session.request_reconnect(None, "Going away"));
    assert!(driver.session.take_output().is_empty());
    let object = wire::object(&[("capsEx", wire::number(1.0))]);
    let (mut driver, _) = answers(&[wire::command("connect", 1.0, vec![object])]);
    assert!(
        driver
            .session
            .request_reconnect(Some("rtmp://other/live"), "Going away")
    );
    let output = driver.session.take_output();
    let request = &wire::replies(&output)[0];
    assert_eq!(
        request.information("code"),
        "NetConnection.Connect.ReconnectRequest"
    );
    assert_eq!(request.information("tcUrl"), "rtmp://other/live");
}

#[test]
fn the_same_input_is_answered_with_the_same_bytes() {
    let output = || {
        let mut driver = Driver::new(Media::Unwanted);
        driver.feed(&wire::published()).unwrap();
        driver.output
    };
    assert_eq!(output(), output());
}
