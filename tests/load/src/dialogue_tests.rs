//! The dialogue against the project's own server side.

use super::*;
use rtmp::{Event, Limits, Session};

const SECRET: &str = "sk_fake_key_of_a_test";

fn run(decide: impl Fn(&mut Session)) -> (Vec<Outcome>, Dialogue, Session) {
    let mut server = Session::new(Limits::default(), [7; rtmp::SERVER_RANDOM_BYTES]);
    let key = Key::new(SECRET.to_owned());
    let mut dialogue = Dialogue::new("live", "rtmp://127.0.0.1/live", key, 4096);
    let mut to_server = Dialogue::opening();
    let mut outcomes = Vec::new();
    while !to_server.is_empty() {
        server
            .receive(&to_server)
            .expect("the dialogue is understood");
        while let Some(event) = server.poll_event() {
            if let Event::PublishRequested(request) = event {
                assert_eq!(request.publish_name.expose(), SECRET);
                decide(&mut server);
            }
        }
        to_server.clear();
        // In odd pieces, as sockets may deliver it.
        for piece in server.take_output().chunks(1000) {
            outcomes.extend(
                dialogue
                    .receive(piece, &mut to_server)
                    .expect("answers are read"),
            );
        }
    }
    (outcomes, dialogue, server)
}

#[test]
fn a_publish_is_started_and_ended_on_purpose() {
    let (outcomes, dialogue, mut server) = run(Session::accept_publish);
    let [Outcome::Started { stream_id }] = outcomes[..] else {
        panic!("{outcomes:?}");
    };
    assert!(stream_id > 0);
    server
        .receive(&dialogue.farewell())
        .expect("the farewell is understood");
    assert!(matches!(server.poll_event(), Some(Event::Unpublished)));
}

#[test]
fn a_refusal_is_told_by_its_code() {
    let (outcomes, _, _) = run(|server| server.refuse_publish("NetStream.Publish.BadName", "no"));
    let code = "NetStream.Publish.BadName".to_owned();
    assert_eq!(outcomes, [Outcome::Refused { code }]);
}

#[test]
fn a_ping_is_answered() {
    let (_, mut dialogue, mut server) = run(Session::accept_publish);
    let mut ping = Vec::new();
    let payload = [&PING_REQUEST.to_be_bytes()[..], &[1, 2, 3, 4]].concat();
    write_message(&mut ping, header(2, USER_CONTROL, 0), &[&payload], 128);
    let mut out = Vec::new();
    dialogue.receive(&ping, &mut out).expect("a ping is RTMP");
    assert!(out.ends_with(&[0, 7, 1, 2, 3, 4]));
    server.receive(&out).expect("the answer is understood");
}

#[test]
fn a_key_is_not_shown() {
    let dialogue = run(Session::accept_publish).1;
    assert!(!format!("{dialogue:?}").contains(SECRET));
}
