//! Pages of a list, and the cursors between them.
//!
//! A cursor holds the sort key of the last entry that was given, and a check of it together with
//! its partition. The partition itself always comes from the caller's own right to read it, so that
//! a cursor, whoever made it, reaches nothing but another place of the same list.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::Error;
use crate::item::{Attributes, PK, Reader, SK, composite_key, numbered_key, text};
use crate::schema::Table;
use crate::{MAX_PAGE, Page, Store};

/// Longest cursor, in bytes: the longest sort key with its check, in base64.
pub const MAX_CURSOR_BYTES: usize = 512;
/// Bytes of the check: enough that no mistake passes. It is no secret and guards nothing.
const CHECK_BYTES: usize = 8;

/// A list of one partition.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) table: Table,
    pub(crate) partition: String,
    /// Only sort keys that begin so, where it is not empty.
    pub(crate) sort_prefix: &'static str,
    pub(crate) newest_first: bool,
}

impl List {
    /// The key of the entry with this sort key.
    fn key(&self, sort: String) -> Result<Attributes, Error> {
        if self.table.is_numbered() {
            let place = sort.parse().map_err(|_| Error::InvalidCursor)?;
            Ok(numbered_key(self.partition.as_str(), place))
        } else {
            Ok(composite_key(self.partition.as_str(), sort))
        }
    }
}

impl Store {
    /// One page of a list, strongly consistent. `limit` is held between 1 and [`MAX_PAGE`].
    pub(crate) async fn page(
        &self,
        list: &List,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Page<Attributes>, Error> {
        let limit = limit.clamp(1, MAX_PAGE) as usize;
        let start = cursor.map(|cursor| list.key(decode(&list.partition, cursor)?));
        let start = start.transpose()?;
        let mut items = self.entries(list, limit + 1, start).await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        let cursor = last
            .map(|item| Reader::new(list.table, item).sort_key())
            .transpose()?
            .map(|sort| encode(&list.partition, sort));
        Ok(Page { items, cursor })
    }

    /// Up to `wanted` entries of a list, strongly consistent.
    pub(crate) async fn entries(
        &self,
        list: &List,
        wanted: usize,
        mut start: Option<Attributes>,
    ) -> Result<Vec<Attributes>, Error> {
        let mut items = Vec::new();
        loop {
            let missing = wanted.saturating_sub(items.len());
            let mut request = self
                .client
                .query()
                .table_name(self.tables.name(list.table))
                .expression_attribute_names("#pk", PK)
                .expression_attribute_values(":pk", text(&list.partition))
                .consistent_read(true)
                .scan_index_forward(!list.newest_first)
                .limit(i32::try_from(missing).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start);
            request = if list.sort_prefix.is_empty() {
                request.key_condition_expression("#pk = :pk")
            } else {
                request
                    .key_condition_expression("#pk = :pk AND begins_with(#sk, :sk)")
                    .expression_attribute_names("#sk", SK)
                    .expression_attribute_values(":sk", text(list.sort_prefix))
            };
            let answer = request.send().await;
            let page = answer.map_err(|error| Error::of("Query", &error))?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() || items.len() >= wanted {
                return Ok(items);
            }
        }
    }
}

fn check(partition: &str, sort: &str) -> [u8; CHECK_BYTES] {
    let digest = Sha256::new()
        .chain_update(partition)
        .chain_update([0])
        .chain_update(sort)
        .finalize();
    std::array::from_fn(|place| digest[place])
}

fn encode(partition: &str, sort: &str) -> String {
    let mut bytes = check(partition, sort).to_vec();
    bytes.extend_from_slice(sort.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(partition: &str, cursor: &str) -> Result<String, Error> {
    if cursor.len() > MAX_CURSOR_BYTES {
        return Err(Error::InvalidCursor);
    }
    let bytes = URL_SAFE_NO_PAD
        .decode(cursor)
        .map_err(|_| Error::InvalidCursor)?;
    let (found, sort) = bytes
        .split_at_checked(CHECK_BYTES)
        .ok_or(Error::InvalidCursor)?;
    let sort = std::str::from_utf8(sort).map_err(|_| Error::InvalidCursor)?;
    if sort.is_empty() || check(partition, sort) != found {
        return Err(Error::InvalidCursor);
    }
    Ok(sort.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_sort_key_fits_into_a_cursor() {
        // An id has 128 bytes at most; an attempt's has a time, a code and an address beside.
        assert!(encode("CH#x", &"x".repeat(256)).len() <= MAX_CURSOR_BYTES);
    }

    proptest! {
        #[test]
        fn a_cursor_leads_back_to_its_place_in_its_own_list_only(sort in "[!-~]{1,200}") {
            let cursor = encode("CH#one", &sort);
            prop_assert_eq!(decode("CH#one", &cursor).ok(), Some(sort));
            prop_assert!(matches!(decode("CH#two", &cursor), Err(Error::InvalidCursor)));
        }

        #[test]
        fn a_changed_or_invented_cursor_is_refused(sort in "[!-~]{1,40}", place: usize, text in ".{0,600}") {
            let mut cursor = encode("CH#one", &sort).into_bytes();
            let place = place % cursor.len();
            cursor[place] = if cursor[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(cursor).expect("ascii");
            prop_assert!(matches!(decode("CH#one", &changed), Err(Error::InvalidCursor)));
            prop_assert!(matches!(decode("CH#one", &text), Err(Error::InvalidCursor)));
        }
    }
}
