//! The server's half of the RTMP handshake (RTMP 1.0 §5.2): C0 C1 in, S0 S1 S2 out, C2 in.
//!
//! The plain handshake only, written here rather than taken from `rml_rtmp`, because that one
//! draws its own random bytes, keeps whatever it is fed without bound, and computes two HMACs for
//! a digest that only Flash players ask for. Encoders accept the plain answer: S1 carries version
//! zero, which tells them that nothing is signed.
//!
//! Invariants: the version byte is judged before anything is kept; at most 1,536 bytes are kept;
//! one answer is sent, after C1 is whole. C2 is read over and never compared, since encoders
//! differ in what they echo.

use crate::Error;

/// Bytes of randomness a session is given; they seed the filling of S1.
///
/// S1 needs to differ between connections so that a peer can recognize its own echo. It protects
/// nothing, hence a seed rather than 1,528 bytes of good randomness for each connection.
pub const SERVER_RANDOM_BYTES: usize = 8;

const VERSION: u8 = 3;
const PACKET_BYTES: usize = 1536;
/// Time and version fields at the head of S1, both zero.
const PACKET_HEAD_BYTES: usize = 8;

#[derive(Debug)]
enum Stage {
    Version,
    ClientPacket(Vec<u8>),
    ClientEcho { missing: usize },
    Done,
}

#[derive(Debug)]
pub(crate) struct Handshake {
    seed: [u8; SERVER_RANDOM_BYTES],
    stage: Stage,
}

impl Handshake {
    pub(crate) fn new(seed: [u8; SERVER_RANDOM_BYTES]) -> Self {
        Self {
            seed,
            stage: Stage::Version,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// Takes what belongs to the handshake from `input`, writes the answer to `output` and returns
    /// what is left over, which is chunks.
    pub(crate) fn receive<'a>(
        &mut self,
        mut input: &'a [u8],
        output: &mut Vec<u8>,
    ) -> Result<&'a [u8], Error> {
        while !input.is_empty() && !self.is_done() {
            input = self.step(input, output)?;
        }
        Ok(input)
    }

    fn step<'a>(&mut self, input: &'a [u8], output: &mut Vec<u8>) -> Result<&'a [u8], Error> {
        match &mut self.stage {
            Stage::Version => match input.split_first() {
                Some((&VERSION, rest)) => {
                    self.stage = Stage::ClientPacket(Vec::with_capacity(PACKET_BYTES));
                    Ok(rest)
                }
                Some((&other, _)) => Err(Error::Version(other)),
                None => Ok(input),
            },
            Stage::ClientPacket(packet) => {
                let (taken, rest) = split(input, PACKET_BYTES.saturating_sub(packet.len()));
                packet.extend_from_slice(taken);
                if packet.len() == PACKET_BYTES {
                    answer(&self.seed, packet, output);
                    self.stage = Stage::ClientEcho {
                        missing: PACKET_BYTES,
                    };
                }
                Ok(rest)
            }
            Stage::ClientEcho { missing } => {
                let (taken, rest) = split(input, *missing);
                *missing = missing.saturating_sub(taken.len());
                if *missing == 0 {
                    self.stage = Stage::Done;
                }
                Ok(rest)
            }
            Stage::Done => Ok(input),
        }
    }
}

/// Splits at `at`, or at the end when there is less.
fn split(input: &[u8], at: usize) -> (&[u8], &[u8]) {
    input.split_at_checked(at).unwrap_or((input, &[]))
}

fn answer(seed: &[u8; SERVER_RANDOM_BYTES], client_packet: &[u8], output: &mut Vec<u8>) {
    output.reserve_exact(1 + 2 * PACKET_BYTES);
    output.push(VERSION);
    output.extend_from_slice(&[0; PACKET_HEAD_BYTES]);
    let mut state = u64::from_be_bytes(*seed);
    for _ in 0..(PACKET_BYTES - PACKET_HEAD_BYTES) / SERVER_RANDOM_BYTES {
        output.extend_from_slice(&scramble(&mut state).to_be_bytes());
    }
    output.extend_from_slice(client_packet);
}

/// One step of the SplitMix64 sequence.
fn scramble(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pieces: &[&[u8]]) -> (Handshake, Vec<u8>, Result<Vec<u8>, Error>) {
        let mut handshake = Handshake::new([7; SERVER_RANDOM_BYTES]);
        let mut output = Vec::new();
        let mut rest = Vec::new();
        for piece in pieces {
            match handshake.receive(piece, &mut output) {
                Ok(left) => rest.extend_from_slice(left),
                Err(error) => return (handshake, output, Err(error)),
            }
        }
        (handshake, output, Ok(rest))
    }

    #[test]
    fn a_whole_handshake_is_answered_once_and_leaves_the_chunks() {
        let mut input = vec![VERSION];
        input.extend_from_slice(&[9; PACKET_BYTES]);
        input.extend_from_slice(&[1; PACKET_BYTES]);
        input.extend_from_slice(b"chunks");
        let (handshake, output, rest) = run(&[&input]);
        assert!(handshake.is_done());
        assert_eq!(rest.unwrap(), b"chunks");
        assert_eq!(output.len(), 1 + 2 * PACKET_BYTES);
        assert_eq!(output[0], VERSION);
        assert_eq!(output[1..9], [0; 8]);
        assert_eq!(output[1 + PACKET_BYTES..], [9; PACKET_BYTES]);

        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        let (_, bytewise, rest) = run(&bytes);
        assert_eq!(bytewise, output);
        assert_eq!(rest.unwrap(), b"chunks");
    }

    #[test]
    fn another_protocol_is_refused_at_its_first_byte() {
        for first in [b"G".as_slice(), b"\x16\x03\x01", b"\x06", b"\x00"] {
            let (_, output, result) = run(&[first]);
            assert_eq!(result, Err(Error::Version(first[0])));
            assert!(output.is_empty());
        }
    }

    #[test]
    fn nothing_is_answered_before_the_clients_packet_is_whole() {
        let (_, output, _) = run(&[&[VERSION], &[0; PACKET_BYTES - 1]]);
        assert!(output.is_empty());
    }
}
