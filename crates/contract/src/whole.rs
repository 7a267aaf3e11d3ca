//! Whole numbers as JSON Schema has them: `60.0` and `6e1` are 60, which serde would refuse.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// A field that must be there, or has a default.
pub(crate) fn required<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: TryFrom<u64>,
    D: Deserializer<'de>,
{
    let number = Whole::deserialize(deserializer)?.0;
    T::try_from(number)
        .map_err(|_| D::Error::invalid_value(Unexpected::Unsigned(number), &EXPECTED))
}

/// A field that may be null.
pub(crate) fn optional<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: TryFrom<u64>,
    D: Deserializer<'de>,
{
    let number = Option::<Whole>::deserialize(deserializer)?;
    let number = number.map(|Whole(number)| {
        let unexpected = Unexpected::Unsigned(number);
        T::try_from(number).map_err(|_| D::Error::invalid_value(unexpected, &EXPECTED))
    });
    number.transpose()
}

const EXPECTED: &str = "a whole number in its bounds";

struct Whole(u64);

struct AnyNumber;

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(AnyNumber).map(Self)
    }
}

impl Visitor<'_> for AnyNumber {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
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

#[cfg(test)]
mod tests {
    use crate::http::{CreateChannel, ResetStreamKey};

    #[test]
    fn a_whole_number_is_taken_however_it_is_spelled() {
        for spelled in ["60", "60.0", "6e1", "0.6E2"] {
            let body = format!(r#"{{"name":"a","graceSeconds":{spelled}}}"#);
            let taken = serde_json::from_str::<CreateChannel>(&body).unwrap();
            assert_eq!(taken.grace_seconds, Some(60), "{spelled}");
            let body = format!(r#"{{"overlapSeconds":{spelled}}}"#);
            let taken = serde_json::from_str::<ResetStreamKey>(&body).unwrap();
            assert_eq!(taken.overlap_seconds, 60, "{spelled}");
        }
        let absent = serde_json::from_str::<CreateChannel>(r#"{"name":"a","graceSeconds":null}"#);
        assert_eq!(absent.unwrap().grace_seconds, None);
    }

    #[test]
    fn what_is_not_whole_or_out_of_reach_is_refused() {
        for spelled in [
            "1.5",
            "-1",
            "-1.0",
            "1e300",
            "99999999999999999999",
            "\"1\"",
            "true",
        ] {
            let body = format!(r#"{{"overlapSeconds":{spelled}}}"#);
            assert!(
                serde_json::from_str::<ResetStreamKey>(&body).is_err(),
                "{spelled}"
            );
        }
    }
}
