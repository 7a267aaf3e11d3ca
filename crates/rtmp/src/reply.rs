//! Writes what the server says: protocol control messages and AMF0 commands.
//!
//! Message bodies and chunks are serialized by `rml_rtmp`. Two things are done around it. Its
//! chunk serializer picks the chunk stream by message type, while strict encoders want commands
//! on 3, control messages on 2 and stream replies on 5, so the id in the basic header is replaced.
//! And it may compress headers against earlier ones, so every reply is one full-header chunk: the
//! chunk size announced before the first command is larger than any of them.
//!
//! Objects are framed here, property by property, since `rml_rtmp` keeps them in a hash map and
//! would write them in another order each time; the same session always says the same bytes.
//!
//! Every text a caller passes in is cut, so a reply is always under two kilobytes.

use crate::message::COMMAND_AMF0;
use rml_rtmp::chunk_io::{ChunkSerializationError, ChunkSerializer};
use rml_rtmp::messages::{
    MessagePayload, MessageSerializationError, PeerBandwidthLimitType, RtmpMessage,
    UserControlEventType,
};
use rml_rtmp::rml_amf0::{self, Amf0SerializationError, Amf0Value};
use rml_rtmp::time::RtmpTimestamp;

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

impl From<Amf0SerializationError> for Error {
    fn from(_: Amf0SerializationError) -> Self {
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

impl Writer<'_> {
    /// What goes before any answer to `connect`: window, bandwidth, chunk size.
    fn greet(&mut self) -> Result<(), Error> {
        self.control(RtmpMessage::WindowAcknowledgement { size: WINDOW_BYTES })?;
        self.control(RtmpMessage::SetPeerBandwidth {
            size: WINDOW_BYTES,
            limit_type: PeerBandwidthLimitType::Dynamic,
        })?;
        self.control(RtmpMessage::SetChunkSize {
            size: OUTBOUND_CHUNK_BYTES,
        })
    }

    /// Accepts `connect`.
    pub(crate) fn connected(&mut self, transaction: f64, enhanced: bool) -> Result<(), Error> {
        self.greet()?;
        let server = Object::new()
            .text("fmsVer", "FMS/3,0,1,123")
            .number("capabilities", 31.0);
        let information = status("status", "NetConnection.Connect.Success", "Connected.")
            .number("objectEncoding", 0.0);
        let (server, information) = if enhanced {
            (with_abilities(server), with_abilities(information))
        } else {
            (server, information)
        };
        self.command(
            0,
            "_result",
            transaction,
            &[server.end()?, information.end()?],
        )
    }

    /// Refuses `connect`.
    pub(crate) fn refused(
        &mut self,
        transaction: f64,
        code: &str,
        description: &str,
    ) -> Result<(), Error> {
        self.greet()?;
        let information = status("error", code, description).end()?;
        self.command(0, "_error", transaction, &[null()?, information])
    }

    /// Answers a call that returns nothing.
    pub(crate) fn result(&mut self, transaction: f64) -> Result<(), Error> {
        let nothing = value(Amf0Value::Undefined)?;
        self.command(0, "_result", transaction, &[null()?, nothing])
    }

    /// Answers `createStream`.
    pub(crate) fn stream_created(&mut self, transaction: f64, id: u32) -> Result<(), Error> {
        let id = value(Amf0Value::Number(f64::from(id)))?;
        self.command(0, "_result", transaction, &[null()?, id])
    }

    /// The notice that goes with the answers to `FCPublish` and `FCUnpublish`.
    pub(crate) fn notice(&mut self, name: &str, code: &str) -> Result<(), Error> {
        let information = status("status", code, "").end()?;
        self.command(0, name, 0.0, &[null()?, information])
    }

    /// Tells the state of a message stream, or of the connection on stream 0.
    pub(crate) fn status(
        &mut self,
        stream_id: u32,
        level: &str,
        code: &str,
        description: &str,
    ) -> Result<(), Error> {
        let information = status(level, code, description).end()?;
        self.command(stream_id, "onStatus", 0.0, &[null()?, information])
    }

    /// Asks the peer to connect again, elsewhere if a URL is given (Enhanced RTMP v2).
    pub(crate) fn reconnect(&mut self, url: Option<&str>, description: &str) -> Result<(), Error> {
        let code = "NetConnection.Connect.ReconnectRequest";
        let mut information = status("status", code, description);
        if let Some(url) = url {
            information = information.text("tcUrl", url);
        }
        self.command(0, "onStatus", 0.0, &[null()?, information.end()?])
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
        transaction: f64,
        arguments: &[Vec<u8>],
    ) -> Result<(), Error> {
        let mut body = value(text(name))?;
        body.extend(value(Amf0Value::Number(transaction))?);
        body.extend(arguments.iter().flatten());
        let message = RtmpMessage::Unknown {
            type_id: COMMAND_AMF0,
            data: body.into(),
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

/// An AMF0 object in the making.
struct Object(Result<Vec<u8>, Error>);

impl Object {
    fn new() -> Self {
        const OBJECT: u8 = 0x03;
        Self(Ok(vec![OBJECT]))
    }

    fn property(self, name: &str, value: Result<Vec<u8>, Error>) -> Self {
        let append = |mut body: Vec<u8>| {
            let length = u16::try_from(name.len()).map_err(|_| Error)?;
            body.extend(length.to_be_bytes());
            body.extend(name.as_bytes());
            body.extend(value?);
            Ok(body)
        };
        Self(self.0.and_then(append))
    }

    fn text(self, name: &str, content: &str) -> Self {
        self.property(name, value(text(content)))
    }

    fn number(self, name: &str, number: f64) -> Self {
        self.property(name, value(Amf0Value::Number(number)))
    }

    fn end(self) -> Result<Vec<u8>, Error> {
        const OBJECT_END: [u8; 3] = [0, 0, 0x09];
        let mut body = self.0?;
        body.extend(OBJECT_END);
        Ok(body)
    }
}

fn value(value: Amf0Value) -> Result<Vec<u8>, Error> {
    Ok(rml_amf0::serialize(&vec![value])?)
}

fn null() -> Result<Vec<u8>, Error> {
    value(Amf0Value::Null)
}

fn text(text: &str) -> Amf0Value {
    Amf0Value::Utf8String(text.chars().take(TEXT_CHARACTERS).collect())
}

fn status(level: &str, code: &str, description: &str) -> Object {
    Object::new()
        .text("level", level)
        .text("code", code)
        .text("description", description)
}

fn with_abilities(object: Object) -> Object {
    let all = VIDEO_FOUR_CCS.iter().chain(&AUDIO_FOUR_CCS);
    let list = Amf0Value::StrictArray(all.copied().map(text).collect());
    object
        .number("capsEx", CAPABILITIES)
        .property("fourCcList", value(list))
        .property("videoFourCcInfoMap", forwards(&VIDEO_FOUR_CCS))
        .property("audioFourCcInfoMap", forwards(&AUDIO_FOUR_CCS))
}

fn forwards(four_ccs: &[&str]) -> Result<Vec<u8>, Error> {
    let flag = |map: Object, four_cc: &&str| map.number(four_cc, CAN_FORWARD);
    four_ccs.iter().fold(Object::new(), flag).end()
}
