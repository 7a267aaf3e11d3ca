//! Reads requests as their JSON Schemas say, where serde would take more or less: a struct from an
//! object only (serde takes its fields from an array as well, in the order of their declaration), and
//! a whole number however it is spelled (`60.0` and `6e1` are 60, and serde refuses them).
//!
//! Every struct inside a request and every integer of one is read through this.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// What is written as an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// What is a whole number, however it is spelled.
struct Whole<T>(T);

const WHOLE: &str = "a whole number in its bounds";

impl<'de, T: TryFrom<u64>> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = deserializer.deserialize_u64(Number)?;
        let fits = T::try_from(number).map(Self);
        fits.map_err(|_| D::Error::invalid_value(Unexpected::Unsigned(number), &WHOLE))
    }
}

struct Number;

impl Visitor<'_> for Number {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(WHOLE)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<u64, E> {
        // Beyond it not every whole number has a place of its own.
        const LARGEST: f64 = (1_u64 << 53) as f64;
        if number.fract() == 0.0 && (0.0..=LARGEST).contains(&number) {
            Ok(number as u64)
        } else {
            Err(E::invalid_value(Unexpected::Float(number), &self))
        }
    }
}

/// A whole number.
pub(crate) fn whole<'de, T, D>(reader: D) -> Result<T, D::Error>
where
    T: TryFrom<u64>,
    D: Deserializer<'de>,
{
    Whole::deserialize(reader).map(|Whole(number)| number)
}

/// A whole number or null.
pub(crate) fn whole_or_null<'de, T, D>(reader: D) -> Result<Option<T>, D::Error>
where
    T: TryFrom<u64>,
    D: Deserializer<'de>,
{
    Option::<Whole<T>>::deserialize(reader).map(|read| read.map(|Whole(number)| number))
}

/// The same, where null is told from absent.
pub(crate) fn given_whole_or_null<'de, T, D>(reader: D) -> Result<Option<Option<T>>, D::Error>
where
    T: TryFrom<u64>,
    D: Deserializer<'de>,
{
    whole_or_null(reader).map(Some)
}

/// An object or null.
pub(crate) fn object_or_null<'de, T, D>(reader: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<Object<T>>::deserialize(reader).map(|read| read.map(|Object(object)| object))
}

/// The same, where null is told from absent.
pub(crate) fn given_object_or_null<'de, T, D>(reader: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    object_or_null(reader).map(Some)
}

/// Anything or null, where null is told from absent: only what is there is read by this.
pub(crate) fn given<'de, T, D>(reader: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(reader).map(Some)
}

#[cfg(test)]
mod tests {
    use super::Object;
    use crate::http::{CreateChannel, Disconnect, ResetStreamKey, UpdateChannel};

    #[test]
    fn a_whole_number_is_taken_however_it_is_spelled() {
        for spelled in ["60", "60.0", "6e1", "0.6E2"] {
            let body = format!(r#"{{"name":"a","graceSeconds":{spelled}}}"#);
            let taken = serde_json::from_str::<CreateChannel>(&body).unwrap();
            assert_eq!(taken.grace_seconds, Some(60), "{spelled}");
            let body = format!(r#"{{"overlapSeconds":{spelled}}}"#);
            let taken = serde_json::from_str::<ResetStreamKey>(&body).unwrap();
            assert_eq!(taken.overlap_seconds, 60, "{spelled}");
            let body = format!(r#"{{"holdSeconds":{spelled}}}"#);
            let taken = serde_json::from_str::<Disconnect>(&body).unwrap();
            assert_eq!(taken.hold_seconds, 60, "{spelled}");
            let body = format!(r#"{{"limits":{{"maximumBitrateKbps":{spelled}}}}}"#);
            let taken = serde_json::from_str::<UpdateChannel>(&body).unwrap();
            let limits = taken.limits.flatten().unwrap();
            assert_eq!(limits.maximum_bitrate_kbps, Some(Some(60)), "{spelled}");
        }
        let absent = serde_json::from_str::<CreateChannel>(r#"{"name":"a","graceSeconds":null}"#);
        assert_eq!(absent.unwrap().grace_seconds, None);
    }

    #[test]
    fn what_is_not_whole_or_out_of_reach_is_refused() {
        let huge = "99999999999999999999";
        for spelled in ["1.5", "-1", "-1.0", "1e300", huge, "\"1\"", "true"] {
            let body = format!(r#"{{"overlapSeconds":{spelled}}}"#);
            assert!(
                serde_json::from_str::<ResetStreamKey>(&body).is_err(),
                "{spelled}"
            );
        }
        let body = r#"{"name":"a","limits":{"maximumBitrateKbps":4294967296}}"#;
        assert!(serde_json::from_str::<CreateChannel>(body).is_err());
    }

    #[test]
    fn an_array_is_no_object_on_any_level() {
        assert!(serde_json::from_str::<Object<CreateChannel>>(r#"["a", 10, null]"#).is_err());
        assert!(serde_json::from_str::<Object<UpdateChannel>>("[]").is_err());
        for limits in [r#"[["192.0.2.1"], 6000, null]"#, "[]"] {
            let body = format!(r#"{{"name":"a","limits":{limits}}}"#);
            assert!(serde_json::from_str::<CreateChannel>(&body).is_err());
            assert!(serde_json::from_str::<UpdateChannel>(&body).is_err());
        }
    }
}
