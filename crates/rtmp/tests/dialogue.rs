//! What encoders are told: the dialogue from connect to the end of a publish.

mod harness;

use harness::Media;
use harness::publisher::Publisher;
use rml_rtmp::sessions::{ClientSessionEvent, StreamMetadata};
use rml_rtmp::time::RtmpTimestamp;
use stream_sync_rtmp::{Event, Phase};

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
