//! What an encoder presented as its stream key.
//!
//! It is the publish name, possibly with `?query` and blanks around it; where the name is empty it
//! is the last segment of the application, because some encoders have one field for the whole URL.

use std::fmt;

use domain::stream_key::Malformed;
use domain::{Fingerprint, FingerprintSecret, StreamKey};

/// A presented key: well-formed or not, shown only as a fingerprint.
#[derive(Clone)]
pub(crate) struct Presented {
    pub(crate) key: Result<StreamKey, Malformed>,
    pub(crate) fingerprint: Fingerprint,
}

impl Presented {
    pub(crate) fn new(app: &str, publish_name: &str, secret: &FingerprintSecret) -> Self {
        let name = without_query(publish_name);
        let text = if name.is_empty() {
            last_segment(app)
        } else {
            name
        };
        Self {
            key: StreamKey::parse(text),
            fingerprint: Fingerprint::of(text, secret),
        }
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Presented({})", self.fingerprint)
    }
}

fn without_query(text: &str) -> &str {
    text.split('?').next().unwrap_or_default().trim()
}

fn last_segment(app: &str) -> &str {
    without_query(app)
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> StreamKey {
        StreamKey::generate(|bytes| bytes.fill(7))
    }

    fn presented(app: &str, name: &str) -> Presented {
        Presented::new(app, name, &FingerprintSecret::new([1; 32]))
    }

    #[test]
    fn a_key_is_found_wherever_encoders_put_it() {
        let text = key().expose().to_owned();
        for (app, name) in [
            ("live", text.clone()),
            ("live", format!(" {text} ")),
            ("live", format!("{text}?query=1")),
            ("live/inst", text.clone()),
        ] {
            assert_eq!(presented(app, &name).key, Ok(key()), "{app}");
        }
        assert_eq!(presented(&format!("live/{text}"), "").key, Ok(key()));
        assert_eq!(presented(&format!("live/{text}/?a=b"), "").key, Ok(key()));
    }

    #[test]
    fn a_presented_key_is_shown_as_a_fingerprint_only() {
        let shown = presented("live", key().expose());
        assert_eq!(
            format!("{shown:?}"),
            format!("Presented({})", shown.fingerprint)
        );
        assert!(presented("live", "guess").key.is_err());
    }
}
