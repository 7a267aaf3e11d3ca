//! The little of AMF0 that a publisher's dialogue needs: commands out, and of the answers the name,
//! the transaction, a number and the `code` of a status.

/// Deepest nesting followed in an answer.
const DEPTH: usize = 8;

/// Appends a command's name and transaction.
pub(crate) fn command(out: &mut Vec<u8>, name: &str, transaction: u32) {
    string(out, name);
    number(out, f64::from(transaction));
}

pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(0x02);
    bare_string(out, text);
}

pub(crate) fn number(out: &mut Vec<u8>, value: f64) {
    out.push(0x00);
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn null(out: &mut Vec<u8>) {
    out.push(0x05);
}

/// Appends an object of strings.
pub(crate) fn object(out: &mut Vec<u8>, properties: &[(&str, &str)]) {
    out.push(0x03);
    for (name, value) in properties {
        bare_string(out, name);
        string(out, value);
    }
    out.extend_from_slice(&[0, 0, 9]);
}

fn bare_string(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&text.as_bytes()[..usize::from(length)]);
}

/// What matters of a server's command.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) name: String,
    pub(crate) transaction: f64,
    /// The last number after the transaction: of `createStream` the stream.
    pub(crate) number: Option<f64>,
    /// The `code` of an information object.
    pub(crate) code: Option<String>,
}

/// Reads a command; None where it is not AMF0.
pub(crate) fn answer(payload: &[u8]) -> Option<Answer> {
    let mut reader = Reader { rest: payload };
    let mut answer = Answer::default();
    if reader.byte()? != 0x02 {
        return None;
    }
    answer.name = reader.text(2)?;
    if reader.byte()? != 0x00 {
        return None;
    }
    answer.transaction = reader.number()?;
    while !reader.rest.is_empty() {
        reader.value(&mut answer, "", DEPTH)?;
    }
    Some(answer)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<f64> {
        Some(f64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    /// Text behind a length of `length_bytes` bytes.
    fn text(&mut self, length_bytes: usize) -> Option<String> {
        let length = self.take(length_bytes)?;
        let length = length
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        Some(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn value(&mut self, answer: &mut Answer, name: &str, depth: usize) -> Option<()> {
        match self.byte()? {
            0x00 => {
                let number = self.number()?;
                if depth == DEPTH {
                    answer.number = Some(number);
                }
            }
            0x01 => drop(self.byte()?),
            0x02 => {
                let text = self.text(2)?;
                if name == "code" {
                    answer.code = Some(text);
                }
            }
            0x03 => self.properties(answer, depth)?,
            0x05 | 0x06 => {}
            0x08 => {
                self.take(4)?;
                self.properties(answer, depth)?;
            }
            0x0a => {
                let count = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
                for _ in 0..count {
                    self.value(answer, "", depth.checked_sub(1)?)?;
                }
            }
            0x0b => drop(self.take(10)?),
            0x0c => drop(self.text(4)?),
            _ => return None,
        }
        Some(())
    }

    fn properties(&mut self, answer: &mut Answer, depth: usize) -> Option<()> {
        loop {
            let name = self.text(2)?;
            if name.is_empty() && self.rest.first() == Some(&9) {
                self.byte()?;
                return Some(());
            }
            self.value(answer, &name, depth.checked_sub(1)?)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_and_the_code_are_found() {
        let mut bytes = Vec::new();
        command(&mut bytes, "_result", 4);
        null(&mut bytes);
        number(&mut bytes, 1.0);
        let stream = answer(&bytes).expect("a command");
        assert_eq!((stream.name.as_str(), stream.transaction), ("_result", 4.0));
        assert_eq!(stream.number, Some(1.0));

        let mut bytes = Vec::new();
        command(&mut bytes, "onStatus", 0);
        null(&mut bytes);
        object(
            &mut bytes,
            &[("level", "status"), ("code", "NetStream.Publish.Start")],
        );
        let status = answer(&bytes).expect("a command");
        assert_eq!(status.code.as_deref(), Some("NetStream.Publish.Start"));
        assert_eq!(status.number, None);
    }

    #[test]
    fn what_is_cut_off_or_nested_without_end_is_no_answer() {
        let mut bytes = Vec::new();
        command(&mut bytes, "onStatus", 0);
        object(&mut bytes, &[("code", "x")]);
        for length in 0..bytes.len() {
            // Cut between two values it is still a command; it must only not be read past its end.
            let _ = answer(&bytes[..length]);
        }
        assert_eq!(answer(&bytes[..bytes.len() - 1]), None);
        let mut nest = Vec::new();
        command(&mut nest, "x", 0);
        nest.extend([0x03, 0, 1, b'a'].repeat(5_000));
        assert_eq!(answer(&nest), None);
    }
}
