//! Cursors of lists.

/// Longest cursor, in bytes.
pub const MAX_CURSOR_BYTES: usize = 512;
