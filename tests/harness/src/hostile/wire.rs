//! Bytes of the protocol (RTMP 1.0), built plainly enough that any of them can be wrong.

use std::net::{IpAddr, SocketAddr};

/// C1, S1, C2 and S2 each.
pub const PACKET_BYTES: usize = 1536;
/// S0, S1 and S2.
pub const SERVER_HANDSHAKE_BYTES: usize = 1 + 2 * PACKET_BYTES;
/// The chunk size both sides begin with.
const CHUNK_BYTES: usize = 128;

/// What the answer to [`ping`] has in it.
pub const PONG: &str = "\0\u{7}\0\0\0\0";

/// Message types.
pub mod kind {
    /// SetChunkSize.
    pub const SET_CHUNK_SIZE: u8 = 1;
    /// Acknowledgement.
    pub const ACKNOWLEDGEMENT: u8 = 3;
    /// User control: pings, among others.
    pub const USER_CONTROL: u8 = 4;
    /// Audio.
    pub const AUDIO: u8 = 8;
    /// Video.
    pub const VIDEO: u8 = 9;
    /// A command in AMF0.
    pub const COMMAND: u8 = 20;
}

/// A PROXY header of version 2 by which a load balancer speaks for `client`, with an extension as
/// AWS's have.
///
/// # Panics
/// When the two are of different families, which no header can say.
#[must_use]
pub fn proxy_header(client: SocketAddr, server: SocketAddr) -> Vec<u8> {
    let extension = [&[0xEA, 0, 23, 1][..], b"vpce-08d2bf15fac5001c9"].concat();
    let (family, addresses) = match (client.ip(), server.ip()) {
        (IpAddr::V4(client), IpAddr::V4(server)) => {
            (0x11, [client.octets(), server.octets()].concat())
        }
        (IpAddr::V6(client), IpAddr::V6(server)) => {
            (0x21, [client.octets(), server.octets()].concat())
        }
        _ => panic!("{client} cannot reach {server}"),
    };
    let ports = [client.port(), server.port()]
        .map(u16::to_be_bytes)
        .concat();
    proxy_header_of(0x21, family, &[addresses, ports, extension].concat())
}

/// A PROXY header of version 2 by which a load balancer looks whether the edge is there.
#[must_use]
pub fn proxy_health_check() -> Vec<u8> {
    proxy_header_of(0x20, 0, &[])
}

fn proxy_header_of(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap_or(u16::MAX).to_be_bytes();
    [
        b"\r\n\r\n\0\r\nQUIT\n",
        &[command, family][..],
        &length,
        rest,
    ]
    .concat()
}

/// C0 and C1.
#[must_use]
pub fn hello() -> Vec<u8> {
    let mut bytes = vec![3];
    bytes.resize(1 + PACKET_BYTES, 0);
    bytes
}

/// A chunk header of the longest kind, declaring a message of `length` bytes. Chunk streams from
/// 64 on take the long form.
#[must_use]
pub fn header(chunk_stream: u32, kind: u8, length: u32, stream: u32) -> Vec<u8> {
    let mut bytes = match chunk_stream {
        2..=63 => vec![u8::try_from(chunk_stream).unwrap_or_default()],
        _ => {
            let [_, _, high, low] = (chunk_stream - 64).to_be_bytes();
            vec![1, low, high]
        }
    };
    bytes.extend_from_slice(&[0, 0, 0]);
    bytes.extend_from_slice(&length.to_be_bytes()[1..]);
    bytes.push(kind);
    bytes.extend_from_slice(&stream.to_le_bytes());
    bytes
}

/// A whole message in chunks of the size that both sides begin with.
///
/// # Panics
/// When the payload has 16 MiB, which no header can say.
#[must_use]
pub fn message(chunk_stream: u8, kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    assert!(length < 1 << 24, "no header can declare {length} bytes");
    let mut bytes = header(u32::from(chunk_stream), kind, length, stream);
    for (number, piece) in payload.chunks(CHUNK_BYTES).enumerate() {
        if number > 0 {
            bytes.push(0xC0 | chunk_stream);
        }
        bytes.extend_from_slice(piece);
    }
    bytes
}

/// SetChunkSize.
#[must_use]
pub fn set_chunk_size(size: u32) -> Vec<u8> {
    message(2, kind::SET_CHUNK_SIZE, 0, &size.to_be_bytes())
}

/// A ping request, which wants an answer.
#[must_use]
pub fn ping() -> Vec<u8> {
    message(2, kind::USER_CONTROL, 0, &[0, 6, 0, 0, 0, 0])
}

/// An AMF0 string, of the long kind where it must be.
#[must_use]
pub fn text(text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes();
    let head = if text.len() <= usize::from(u16::MAX) {
        vec![0x02, length[2], length[3]]
    } else {
        [&[0x0C][..], &length].concat()
    };
    [&head, text].concat()
}

fn number(value: f64) -> Vec<u8> {
    [&[0x00][..], &value.to_be_bytes()].concat()
}

/// A command with this name, transaction 1, and whatever follows.
#[must_use]
pub fn command(name: &str, rest: &[u8]) -> Vec<u8> {
    let payload = [text(name.as_bytes()), number(1.0), rest.to_vec()].concat();
    message(3, kind::COMMAND, 0, &payload)
}

/// `connect` with these names.
#[must_use]
pub fn connect(app: &str, tc_url: &str) -> Vec<u8> {
    connect_as("FMLE/3.0", app, tc_url)
}

/// The same by an encoder that calls itself `encoder`.
#[must_use]
pub fn connect_as(encoder: &str, app: &str, tc_url: &str) -> Vec<u8> {
    let mut object = vec![0x03];
    for (name, value) in [
        (&b"\0\x03app"[..], app),
        (b"\0\x05tcUrl", tc_url),
        (b"\0\x08flashVer", encoder),
    ] {
        object.extend_from_slice(name);
        object.extend_from_slice(&text(value.as_bytes()));
    }
    object.extend_from_slice(&[0, 0, 9]);
    command("connect", &object)
}

/// `createStream`.
#[must_use]
pub fn create_stream() -> Vec<u8> {
    command("createStream", &[0x05])
}

/// `publish` of this name, which may be any bytes, on stream 1.
#[must_use]
pub fn publish(key: &[u8]) -> Vec<u8> {
    let payload = [
        text(b"publish"),
        number(1.0),
        vec![0x05],
        text(key),
        text(b"live"),
    ];
    message(3, kind::COMMAND, 1, &payload.concat())
}

/// A command whose argument is `depth` objects in one another.
#[must_use]
pub fn nested(depth: usize) -> Vec<u8> {
    command("connect", &b"\x03\0\x01a".repeat(depth))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_laid_out_as_the_specification_says() {
        let bytes = message(3, kind::VIDEO, 1, &[7; 130]);
        let head = [3, 0, 0, 0, 0, 0, 130, 9, 1, 0, 0, 0];
        let expected = [&head[..], &[7; 128], &[0xC3], &[7; 2]].concat();
        assert_eq!(bytes, expected);
    }

    #[test]
    fn high_chunk_streams_take_three_bytes() {
        assert_eq!(header(64 + 0x0102, 3, 0, 0)[..3], [1, 0x02, 0x01]);
    }
}
