//! The publisher's side of the dialogue, from the first byte to `NetStream.Publish.Start`, and the
//! answers it owes afterwards. Bytes in, bytes out; it knows no socket.
//!
//! The order is that of OBS and ffmpeg: connect, then releaseStream, FCPublish and createStream at
//! once, then publish. The server's handshake is echoed and not verified.

use std::fmt;

use crate::amf0;
use crate::plan::{Header, Time, write_message};
use crate::replies::{Message, Reader};

/// Bytes of C1, S1, C2 and S2.
const HANDSHAKE_BYTES: usize = 1536;
/// S0, S1 and S2 together.
pub(crate) const SERVER_HANDSHAKE_BYTES: usize = 1 + 2 * HANDSHAKE_BYTES;
/// Chunk size of the commands: what the protocol begins with.
const COMMAND_CHUNK_BYTES: usize = 128;
const CONTROL_CHUNK_STREAM: u8 = 2;
const COMMAND_CHUNK_STREAM: u8 = 3;
const PUBLISH_CHUNK_STREAM: u8 = 8;
const SET_CHUNK_SIZE: u8 = 1;
const USER_CONTROL: u8 = 4;
const COMMAND: u8 = 20;
const PING_REQUEST: u16 = 6;
const PING_RESPONSE: u16 = 7;
const CONNECT: u32 = 1;
const CREATE_STREAM: u32 = 4;
const PUBLISH: u32 = 5;

/// A stream key, or any name that is published: never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Takes the key as it is sent.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// What the server decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Media may be sent on this message stream.
    Started { stream_id: u32 },
    /// Turned away, or ended later, with this status code.
    Refused { code: String },
}

/// A server that does not speak RTMP as a publisher needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server's answers cannot be understood")]
pub(crate) struct Error;

/// See the module.
#[derive(Debug)]
pub(crate) struct Dialogue {
    app: String,
    url: String,
    key: Key,
    chunk_size: usize,
    handshake: Option<Vec<u8>>,
    replies: Reader,
    stream_id: u32,
}

impl Dialogue {
    /// A dialogue for publishing `key` to `app` at `url` (the whole of `rtmp://host/app`).
    pub(crate) fn new(app: &str, url: &str, key: Key, chunk_size: usize) -> Self {
        Self {
            app: app.to_owned(),
            url: url.to_owned(),
            key,
            chunk_size,
            handshake: Some(Vec::new()),
            replies: Reader::new(),
            stream_id: 0,
        }
    }

    /// C0 and C1: what a client says first.
    pub(crate) fn opening() -> Vec<u8> {
        let mut bytes = vec![0; 1 + HANDSHAKE_BYTES];
        bytes[0] = 3;
        // Nobody checks that the filling is random; it must only not be all the same.
        for (place, byte) in bytes.iter_mut().enumerate().skip(9) {
            *byte = place.to_le_bytes()[0];
        }
        bytes
    }

    /// C2 for what the server sent: `None` until its handshake is whole.
    pub(crate) fn echo(server: &[u8]) -> Option<&[u8]> {
        server.get(..SERVER_HANDSHAKE_BYTES)?;
        server.get(1..=HANDSHAKE_BYTES)
    }

    /// Takes bytes of the server and appends what is to be answered.
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Outcome>, Error> {
        let Some(mut begun) = self.handshake.take() else {
            return self.read(bytes, out);
        };
        begun.extend_from_slice(bytes);
        let Some(echo) = Self::echo(&begun) else {
            self.handshake = Some(begun);
            return Ok(None);
        };
        out.extend_from_slice(echo);
        self.connect(out);
        self.read(&begun[SERVER_HANDSHAKE_BYTES..], out)
    }

    fn read(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<Outcome>, Error> {
        let mut messages = Vec::new();
        let read = self.replies.feed(bytes, |message| messages.push(message));
        read.map_err(|_| Error)?;
        let mut outcome = None;
        for message in messages {
            outcome = self.take(&message, out).or(outcome);
        }
        Ok(outcome)
    }

    fn take(&mut self, message: &Message, out: &mut Vec<u8>) -> Option<Outcome> {
        match message.message_type {
            USER_CONTROL => self.pong(&message.payload, out),
            COMMAND => return self.answered(&amf0::answer(&message.payload)?, out),
            _ => {}
        }
        None
    }

    fn answered(&mut self, answer: &amf0::Answer, out: &mut Vec<u8>) -> Option<Outcome> {
        let answers = |transaction: u32| answer.transaction == f64::from(transaction);
        match answer.name.as_str() {
            "_result" if answers(CONNECT) => self.create_stream(out),
            "_result" if answers(CREATE_STREAM) => {
                self.stream_id = stream_number(answer.number?)?;
                self.publish(out);
            }
            "_error" if answers(CONNECT) || answers(CREATE_STREAM) || answers(PUBLISH) => {
                let code = answer.code.clone().unwrap_or_else(|| "_error".to_owned());
                return Some(Outcome::Refused { code });
            }
            "onStatus" => return Some(self.status(answer.code.as_deref()?)),
            _ => {}
        }
        None
    }

    fn status(&self, code: &str) -> Outcome {
        if code == "NetStream.Publish.Start" {
            return Outcome::Started {
                stream_id: self.stream_id,
            };
        }
        Outcome::Refused {
            code: code.to_owned(),
        }
    }

    fn connect(&self, out: &mut Vec<u8>) {
        let size = u32::try_from(self.chunk_size)
            .unwrap_or(u32::MAX)
            .to_be_bytes();
        write_message(
            out,
            header(CONTROL_CHUNK_STREAM, SET_CHUNK_SIZE, 0),
            &[&size],
            self.chunk_size,
        );
        let mut connect = Vec::new();
        amf0::command(&mut connect, "connect", CONNECT);
        let properties = [
            ("app", self.app.as_str()),
            ("type", "nonprivate"),
            ("flashVer", "FMLE/3.0 (compatible; rtmp-load)"),
            ("tcUrl", self.url.as_str()),
        ];
        amf0::object(&mut connect, &properties);
        self.command(&connect, COMMAND_CHUNK_STREAM, 0, out);
    }

    fn create_stream(&self, out: &mut Vec<u8>) {
        for (transaction, name) in [(2, "releaseStream"), (3, "FCPublish")] {
            let mut command = Vec::new();
            amf0::command(&mut command, name, transaction);
            amf0::null(&mut command);
            amf0::string(&mut command, &self.key.0);
            self.command(&command, COMMAND_CHUNK_STREAM, 0, out);
        }
        let mut create = Vec::new();
        amf0::command(&mut create, "createStream", CREATE_STREAM);
        amf0::null(&mut create);
        self.command(&create, COMMAND_CHUNK_STREAM, 0, out);
    }

    fn publish(&self, out: &mut Vec<u8>) {
        let mut publish = Vec::new();
        amf0::command(&mut publish, "publish", PUBLISH);
        amf0::null(&mut publish);
        amf0::string(&mut publish, &self.key.0);
        amf0::string(&mut publish, "live");
        self.command(&publish, PUBLISH_CHUNK_STREAM, self.stream_id, out);
    }

    /// What a publisher says when it stops on purpose.
    pub(crate) fn farewell(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut unpublish = Vec::new();
        amf0::command(&mut unpublish, "FCUnpublish", 6);
        amf0::null(&mut unpublish);
        amf0::string(&mut unpublish, &self.key.0);
        self.command(&unpublish, COMMAND_CHUNK_STREAM, 0, &mut out);
        let mut delete = Vec::new();
        amf0::command(&mut delete, "deleteStream", 7);
        amf0::null(&mut delete);
        amf0::number(&mut delete, f64::from(self.stream_id));
        self.command(&delete, COMMAND_CHUNK_STREAM, 0, &mut out);
        out
    }

    /// nginx-rtmp closes publishers that leave its pings unanswered.
    fn pong(&self, payload: &[u8], out: &mut Vec<u8>) {
        let Some((kind, time)) = payload.split_first_chunk::<2>() else {
            return;
        };
        if u16::from_be_bytes(*kind) == PING_REQUEST {
            let kind = PING_RESPONSE.to_be_bytes();
            let header = header(CONTROL_CHUNK_STREAM, USER_CONTROL, 0);
            write_message(out, header, &[&kind, time], self.chunk_size);
        }
    }

    fn command(&self, payload: &[u8], chunk_stream: u8, stream_id: u32, out: &mut Vec<u8>) {
        write_message(
            out,
            header(chunk_stream, COMMAND, stream_id),
            &[payload],
            self.chunk_size,
        );
    }
}

/// The protocol's first chunk size, for those who did not announce another.
pub(crate) const SMALLEST_CHUNK_BYTES: usize = COMMAND_CHUNK_BYTES;

fn header(chunk_stream: u8, message_type: u8, stream_id: u32) -> Header {
    let time = Time::Absolute {
        timestamp: 0,
        stream_id,
    };
    Header {
        chunk_stream,
        message_type,
        time,
    }
}

/// A message stream's number, which AMF0 sends as a float.
fn stream_number(number: f64) -> Option<u32> {
    let bits = (0..=u32::from(u16::MAX)).find(|candidate| f64::from(*candidate) == number);
    bits.filter(|stream| *stream != 0)
}

#[cfg(test)]
#[path = "dialogue_tests.rs"]
mod tests;
