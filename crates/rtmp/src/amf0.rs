//! Reads AMF0 (Action Message Format 0, Adobe 2007) values from a message, bounded.
//!
//! Reading is iterative: open objects and arrays lie on an explicit stack of at most
//! [`Limits::amf_depth`], and at most [`Limits::amf_values`] values are built, whatever counts the
//! input declares. Text and names are borrowed from the message.
//!
//! A value cut off by the end of the message is an error, except that the end of the message also
//! ends an object or ECMA array: some hardware encoders leave the end marker out.
//!
//! Ours rather than `rml_rtmp`'s, whose reader recurses as deep as the input nests, which aborts the
//! process, knows neither Date nor LongString, and builds as many values as the input declares.
//!
//! Absent on purpose: AMF3 values (marker 0x11), which no encoder sends to an ingest, the
//! resolution of references, and writing, which `reply` does with `rml_rtmp`.

use crate::Limits;
use std::borrow::Cow;

/// Why a message is not AMF0 this crate reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A value goes past the end of the message.
    #[error("value is cut off")]
    CutOff,
    /// A marker that is reserved or not defined.
    #[error("unknown marker {0:#04x}")]
    Marker(u8),
    /// Objects and arrays nest deeper than allowed.
    #[error("nested deeper than {0}")]
    Depth(usize),
    /// More values in one message than allowed.
    #[error("more than {0} values")]
    Values(usize),
}

/// One AMF0 value. Text is bytes as sent, most often UTF-8.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Number(f64),
    Boolean(bool),
    /// String, LongString and XmlDocument.
    Text(&'a [u8]),
    /// Object, TypedObject and EcmaArray.
    Object(Vec<(&'a [u8], Value<'a>)>),
    Array(Vec<Value<'a>>),
    /// Milliseconds since 1970; the time zone is reserved and dropped.
    Date(f64),
    /// Index of an earlier object; never followed.
    Reference(u16),
    /// Null, Undefined and Unsupported.
    Nothing,
}

impl<'a> Value<'a> {
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<Cow<'a, str>> {
        match self {
            Value::Text(bytes) => Some(String::from_utf8_lossy(bytes)),
            _ => None,
        }
    }

    /// The first property of that name of an object or ECMA array.
    pub(crate) fn property(&self, name: &str) -> Option<&Value<'a>> {
        let found = |(key, _): &&(&[u8], Value<'a>)| *key == name.as_bytes();
        self.properties().iter().find(found).map(|(_, value)| value)
    }

    pub(crate) fn properties(&self) -> &[(&'a [u8], Value<'a>)] {
        match self {
            Value::Object(properties) => properties,
            _ => &[],
        }
    }

    pub(crate) fn items(&self) -> &[Value<'a>] {
        match self {
            Value::Array(items) => items,
            _ => &[],
        }
    }
}

/// All values of a message, in order.
pub(crate) fn read_all<'a>(input: &'a [u8], limits: &Limits) -> Result<Vec<Value<'a>>, Error> {
    let mut reader = Reader {
        input,
        depth: limits.amf_depth,
        values_left: limits.amf_values,
        values: limits.amf_values,
        open: Vec::new(),
        done: Vec::new(),
    };
    while reader.step()? {}
    Ok(reader.done)
}

/// An object or array whose end has not been read.
enum Open<'a> {
    Object {
        properties: Vec<(&'a [u8], Value<'a>)>,
        /// Name of the property whose value comes next.
        name: Option<&'a [u8]>,
    },
    Array {
        items: Vec<Value<'a>>,
        missing: u32,
    },
}

struct Reader<'a> {
    input: &'a [u8],
    depth: usize,
    values: usize,
    values_left: usize,
    open: Vec<Open<'a>>,
    done: Vec<Value<'a>>,
}

const OBJECT_END: u8 = 0x09;

impl<'a> Reader<'a> {
    /// Reads one name, one value or one end. False when the message is read.
    fn step(&mut self) -> Result<bool, Error> {
        match self.open.last_mut() {
            None if self.input.is_empty() => return Ok(false),
            None => {}
            Some(Open::Array { missing: 0, .. }) => {
                self.close();
                return Ok(true);
            }
            Some(Open::Array { missing, .. }) => *missing = missing.saturating_sub(1),
            Some(Open::Object { name: Some(_), .. }) => {}
            Some(Open::Object { name: None, .. }) => {
                self.name_or_end()?;
                return Ok(true);
            }
        }
        self.value()?;
        Ok(true)
    }

    fn name_or_end(&mut self) -> Result<(), Error> {
        if self.input.is_empty() {
            self.close();
            return Ok(());
        }
        let length = u16::from_be_bytes(self.take()?);
        let text = self.bytes(usize::from(length))?;
        if text.is_empty() && self.input.first().is_none_or(|&next| next == OBJECT_END) {
            self.input = self.input.get(1..).unwrap_or_default();
            self.close();
        } else if let Some(Open::Object { name, .. }) = self.open.last_mut() {
            *name = Some(text);
        }
        Ok(())
    }

    fn value(&mut self) -> Result<(), Error> {
        self.values_left = self
            .values_left
            .checked_sub(1)
            .ok_or(Error::Values(self.values))?;
        let [marker] = self.take()?;
        let value = match marker {
            0x00 => Value::Number(f64::from_be_bytes(self.take()?)),
            0x01 => Value::Boolean(self.take::<1>()? != [0]),
            0x02 => Value::Text(self.short_text()?),
            0x03 => return self.open_object(),
            0x05 | 0x06 | 0x0D => Value::Nothing,
            0x07 => Value::Reference(u16::from_be_bytes(self.take()?)),
            0x08 => {
                // The count of an ECMA array is a hint that encoders leave at zero.
                self.take::<4>()?;
                return self.open_object();
            }
            0x0A => return self.open_array(),
            0x0B => {
                let date = f64::from_be_bytes(self.take()?);
                self.take::<2>()?;
                Value::Date(date)
            }
            0x0C | 0x0F => Value::Text(self.long_text()?),
            0x10 => {
                self.short_text()?;
                return self.open_object();
            }
            other => return Err(Error::Marker(other)),
        };
        self.put(value);
        Ok(())
    }

    fn open_object(&mut self) -> Result<(), Error> {
        self.push(Open::Object {
            properties: Vec::new(),
            name: None,
        })
    }

    fn open_array(&mut self) -> Result<(), Error> {
        let missing = u32::from_be_bytes(self.take()?);
        self.push(Open::Array {
            items: Vec::new(),
            missing,
        })
    }

    fn push(&mut self, open: Open<'a>) -> Result<(), Error> {
        if self.open.len() >= self.depth {
            return Err(Error::Depth(self.depth));
        }
        self.open.push(open);
        Ok(())
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Open::Object { properties, .. }) => self.put(Value::Object(properties)),
            Some(Open::Array { items, .. }) => self.put(Value::Array(items)),
            None => {}
        }
    }

    /// Puts a finished value into the innermost open object or array.
    fn put(&mut self, value: Value<'a>) {
        match self.open.last_mut() {
            Some(Open::Object { properties, name }) => {
                properties.push((name.take().unwrap_or_default(), value));
            }
            Some(Open::Array { items, .. }) => items.push(value),
            None => self.done.push(value),
        }
    }

    fn short_text(&mut self) -> Result<&'a [u8], Error> {
        let length = u16::from_be_bytes(self.take()?);
        self.bytes(usize::from(length))
    }

    fn long_text(&mut self) -> Result<&'a [u8], Error> {
        let length = u32::from_be_bytes(self.take()?);
        self.bytes(usize::try_from(length).map_err(|_| Error::CutOff)?)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.input.split_first_chunk().ok_or(Error::CutOff)?;
        self.input = rest;
        Ok(*taken)
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.input.split_at_checked(length).ok_or(Error::CutOff)?;
        self.input = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Result<Vec<Value<'_>>, Error> {
        read_all(input, &Limits::default())
    }

    #[test]
    fn every_defined_marker_is_read() {
        let mut input =
            b"\x00\x3F\xF0\0\0\0\0\0\0\x01\x01\x02\0\x02hi\x05\x06\x0D\x07\0\x03".to_vec();
        input.extend_from_slice(b"\x0B\x3F\xF0\0\0\0\0\0\0\0\0\x0C\0\0\0\x03abc\x0F\0\0\0\x01x");
        input.extend_from_slice(b"\x10\0\x05Class\0\x01a\x05\0\0\x09");
        input.extend_from_slice(b"\x0A\0\0\0\x02\x05\x01\0");
        input.extend_from_slice(b"\x08\0\0\0\0\0\x01b\x03\0\0\x09\0\0\x09");
        let expected = vec![
            Value::Number(1.0),
            Value::Boolean(true),
            Value::Text(b"hi"),
            Value::Nothing,
            Value::Nothing,
            Value::Nothing,
            Value::Reference(3),
            Value::Date(1.0),
            Value::Text(b"abc"),
            Value::Text(b"x"),
            Value::Object(vec![(b"a", Value::Nothing)]),
            Value::Array(vec![Value::Nothing, Value::Boolean(false)]),
            Value::Object(vec![(b"b", Value::Object(vec![]))]),
        ];
        assert_eq!(read(&input).unwrap(), expected);
    }

    #[test]
    fn an_unknown_marker_is_a_clean_error() {
        for marker in [0x04, 0x09, 0x0E, 0x11, 0x12, 0xFF] {
            assert_eq!(read(&[marker, 0, 0]), Err(Error::Marker(marker)));
        }
    }

    #[test]
    fn a_message_cut_anywhere_gives_an_error_or_fewer_values() {
        let input = b"\x02\0\x07connect\x00\x3F\xF0\0\0\0\0\0\0\x0A\0\0\0\x01\x0C\0\0\0\x02hi";
        let whole = read(input).unwrap().len();
        for end in 0..input.len() {
            assert!(
                read(&input[..end]).is_ok_and(|values| values.len() < whole)
                    || read(&input[..end]).is_err()
            );
        }
    }

    #[test]
    fn an_object_may_end_with_the_message() {
        let values = read(b"\x08\0\0\0\x01\0\x01w\x05").unwrap();
        assert_eq!(values, [Value::Object(vec![(b"w", Value::Nothing)])]);
    }

    #[test]
    fn nesting_is_bounded() {
        let bomb = [0x0A, 0, 0, 0, 1].repeat(5000);
        assert_eq!(read(&bomb), Err(Error::Depth(16)));
        let bomb = [0x03, 0, 1, b'a'].repeat(5000);
        assert_eq!(read(&bomb), Err(Error::Depth(16)));
    }

    #[test]
    fn values_are_bounded_and_declared_counts_reserve_nothing() {
        assert_eq!(read(&[5; 513]), Err(Error::Values(512)));
        assert_eq!(read(&[5; 512]).unwrap().len(), 512);
        assert_eq!(read(b"\x0A\xFF\xFF\xFF\xFF"), Err(Error::CutOff));
        // Empty arrays inside an array cost values too.
        let nested = [
            b"\x0A\xFF\xFF\xFF\xFF".to_vec(),
            b"\x0A\0\0\0\0".repeat(600),
        ]
        .concat();
        assert_eq!(read(&nested), Err(Error::Values(512)));
    }
}
