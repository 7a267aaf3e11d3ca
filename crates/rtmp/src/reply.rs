//! Writes what the server says: protocol control messages and AMF0 commands.
//!
//! Message bodies and chunks are serialized by `rml_rtmp`. Two things are done around it. Its
//! chunk serializer picks the chunk stream by message type, while strict encoders want commands
//! on 3, control messages on 2 and stream replies on 5, so the id in the basic header is replaced.
//! And it may compress headers against earlier ones, so every reply is one full-header chunk: each
//! is far smaller than the chunk size in force when it is sent.
//!
//! Every text a caller passes in is cut, so a reply is always under two kilobytes.

use rml_rtmp::chunk_io::{ChunkSerializationError, ChunkSerializer};
use rml_rtmp::messages::{
    MessagePayload, MessageSerializationError, PeerBandwidthLimitType, RtmpMessage,
    UserControlEventType,
};
use rml_rtmp::rml_amf0::Amf0Value;
use rml_rtmp::time::RtmpTimestamp;
use std::collections::HashMap;

/// Chunk stream of protocol control messages (RTMP 1.0 §5.4).
const CONTROL: u8 = 2;
/// Chunk stream of replies to commands.
const COMMAND: u8 = 3;
/// Chunk stream of replies about a message stream.
const STREAM: u8 = 5;

/// Window announced to the peer, bytes: after so many it acknowledges, which nobody waits for.
const WINDOW_BYTES: u32 = 2_500_000;

/// Chunk size of what we send, bytes; never changed later, since encoders stop reading.
const OUTBOUND_CHUNK_BYTES: u32 = 65_536;

/// Longest code or description sent, characters.
const TEXT_CHARACTERS: usize = 512;

/// Enhanced RTMP abilities of this side: reconnect, multitrack, ModEx, nanosecond offsets.
const CAPABILITIES: f64 = 15.0;

/// Flags of a FourCC in an info map: streams are forwarded.
const CAN_FORWARD: f64 = 4.0;

const VIDEO_FOUR_CCS: [&str; 6] = ["avc1", "hvc1", "av01", "vp09", "vp08", "vvc1"];
const AUDIO_FOUR_CCS: [&str; 6] = ["mp4a", "Opus", "fLaC", "ac-3", "ec-3", ".mp3"];

/// A reply could not be encoded. Not reachable with texts this module cuts; kept an error since
/// nothing here may panic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not encodable")]
pub struct Error;

impl From<MessageSerializationError> for Error {
    fn from(_: MessageSerializationError) -> Self {
        Self
    }
}

impl From<ChunkSerializationError> for Error {
    fn from(_: ChunkSerializationError) -> Self {
        Self
    }
}

/// Appends replies to a session's output.
pub(crate) struct Writer<'a>(pub(crate) &'a mut Vec<u8>);

/// One property of a reply's object.
type Property<'a> = (&'a str, Amf0Value);

impl Writer<'_> {
    /// Accepts `connect`: window, bandwidth, chunk size and `_result`, which belong together.
    pub(crate) fn connected(&mut self, transaction: f64, enhanced: bool) -> Result<(), Error> {
        self.control(RtmpMessage::WindowAcknowledgement { size: WINDOW_BYTES })?;
        self.control(RtmpMessage::SetPeerBandwidth {
            size: WINDOW_BYTES,
            limit_type: PeerBandwidthLimitType::Dynamic,
        })?;
        self.control(RtmpMessage::SetChunkSize {
            size: OUTBOUND_CHUNK_BYTES,
        })?;
        let mut server = vec![
            ("fmsVer", text("FMS/3,0,1,123")),
            ("capabilities", Amf0Value::Number(31.0)),
        ];
        let mut information = vec![
            ("level", text("status")),
            ("code", text("NetConnection.Connect.Success")),
            ("description", text("Connection succeeded.")),
            ("objectEncoding", Amf0Value::Number(0.0)),
        ];
        if enhanced {
            server.extend(abilities());
            information.extend(abilities());
        }
        let arguments = vec![object(information)];
        self.command(0, "_result", transaction, object(server), arguments)
    }

    /// Refuses a call, `connect` above all.
    pub(crate) fn error(
        &mut self,
        transaction: f64,
        code: &str,
        description: &str,
    ) -> Result<(), Error> {
        let arguments = vec![status("error", code, description)];
        self.command(0, "_error", transaction, Amf0Value::Null, arguments)
    }

    /// Answers a call that returns nothing.
    pub(crate) fn result(&mut self, transaction: f64) -> Result<(), Error> {
        let arguments = vec![Amf0Value::Undefined];
        self.command(0, "_result", transaction, Amf0Value::Null, arguments)
    }

    /// Answers `createStream`.
    pub(crate) fn stream_created(&mut self, transaction: f64, id: u32) -> Result<(), Error> {
        let arguments = vec![Amf0Value::Number(f64::from(id))];
        self.command(0, "_result", transaction, Amf0Value::Null, arguments)
    }

    /// The notice that goes with the answers to `FCPublish` and `FCUnpublish`.
    pub(crate) fn notice(&mut self, name: &str, code: &str) -> Result<(), Error> {
        let arguments = vec![status("status", code, "")];
        self.command(0, name, 0.0, Amf0Value::Null, arguments)
    }

    /// Tells the state of a message stream, or of the connection on stream 0.
    pub(crate) fn status(
        &mut self,
        stream_id: u32,
        level: &str,
        code: &str,
        description: &str,
    ) -> Result<(), Error> {
        let arguments = vec![status(level, code, description)];
        self.command(stream_id, "onStatus", 0.0, Amf0Value::Null, arguments)
    }

    /// Asks the peer to connect again, elsewhere if a URL is given (Enhanced RTMP v2).
    pub(crate) fn reconnect(&mut self, url: Option<&str>, description: &str) -> Result<(), Error> {
        let mut information = vec![
            ("level", text("status")),
            ("code", text("NetConnection.Connect.ReconnectRequest")),
            ("description", text(description)),
        ];
        information.extend(url.map(|url| ("tcUrl", text(url))));
        let arguments = vec![object(information)];
        self.command(0, "onStatus", 0.0, Amf0Value::Null, arguments)
    }

    /// Acknowledges bytes received (RTMP 1.0 §5.4.3); the number wraps.
    pub(crate) fn acknowledgement(&mut self, sequence_number: u32) -> Result<(), Error> {
        self.control(RtmpMessage::Acknowledgement { sequence_number })
    }

    /// Answers a ping with its own timestamp.
    pub(crate) fn pong(&mut self, timestamp: u32) -> Result<(), Error> {
        self.control(RtmpMessage::UserControl {
            event_type: UserControlEventType::PingResponse,
            stream_id: None,
            buffer_length: None,
            timestamp: Some(RtmpTimestamp::new(timestamp)),
        })
    }

    fn control(&mut self, message: RtmpMessage) -> Result<(), Error> {
        self.write(CONTROL, message, 0)
    }

    fn command(
        &mut self,
        stream_id: u32,
        name: &str,
        transaction_id: f64,
        command_object: Amf0Value,
        additional_arguments: Vec<Amf0Value>,
    ) -> Result<(), Error> {
        let message = RtmpMessage::Amf0Command {
            command_name: name.to_owned(),
            transaction_id,
            command_object,
            additional_arguments,
        };
        let chunk_stream = if stream_id == 0 { COMMAND } else { STREAM };
        self.write(chunk_stream, message, stream_id)
    }

    fn write(
        &mut self,
        chunk_stream: u8,
        message: RtmpMessage,
        stream_id: u32,
    ) -> Result<(), Error> {
        let message = message.into_message_payload(RtmpTimestamp::new(0), stream_id)?;
        let packet = serialize(&message)?;
        // Format 0 and the id share the first byte.
        self.0.push(chunk_stream);
        self.0
            .extend_from_slice(packet.get(1..).unwrap_or_default());
        Ok(())
    }
}

/// One chunk with a full header.
fn serialize(message: &MessagePayload) -> Result<Vec<u8>, Error> {
    let mut serializer = ChunkSerializer::new();
    // Returns the message that announces the size, which was sent with the answer to `connect`.
    serializer.set_max_chunk_size(OUTBOUND_CHUNK_BYTES, RtmpTimestamp::new(0))?;
    Ok(serializer.serialize(message, true, false)?.bytes)
}

fn text(text: &str) -> Amf0Value {
    Amf0Value::Utf8String(text.chars().take(TEXT_CHARACTERS).collect())
}

fn object(properties: Vec<Property<'_>>) -> Amf0Value {
    let owned = |(name, value): Property<'_>| (name.to_owned(), value);
    Amf0Value::Object(properties.into_iter().map(owned).collect::<HashMap<_, _>>())
}

fn status(level: &str, code: &str, description: &str) -> Amf0Value {
    object(vec![
        ("level", text(level)),
        ("code", text(code)),
        ("description", text(description)),
    ])
}

fn abilities() -> [Property<'static>; 4] {
    let all = VIDEO_FOUR_CCS.iter().chain(&AUDIO_FOUR_CCS);
    [
        ("capsEx", Amf0Value::Number(CAPABILITIES)),
        (
            "fourCcList",
            Amf0Value::StrictArray(all.copied().map(text).collect()),
        ),
        ("videoFourCcInfoMap", forwards(&VIDEO_FOUR_CCS)),
        ("audioFourCcInfoMap", forwards(&AUDIO_FOUR_CCS)),
    ]
}

fn forwards(four_ccs: &[&str]) -> Amf0Value {
    let flag = |four_cc: &&str| ((*four_cc).to_owned(), Amf0Value::Number(CAN_FORWARD));
    Amf0Value::Object(four_ccs.iter().map(flag).collect())
}
