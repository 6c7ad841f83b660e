//! A message, and what its record has besides.

use crate::mysql::sql::Digest;

/// A message as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// The JSON object.
    pub json: &'a [u8],
    /// Its number within its connection: the header `seq`.
    pub seq: Option<u64>,
    /// Which process sent it: the header `proxy`.
    pub proxy: Option<&'a str>,
    /// The digest of its statement: the header `digest`.
    pub digest: Option<Digest>,
    /// Whether there is a header `cut`: a value is not whole.
    pub is_cut: bool,
}

impl<'a> Message<'a> {
    /// A line of a file.
    pub fn line(json: &'a [u8]) -> Self {
        Self { json, seq: None, proxy: None, digest: None, is_cut: false }
    }
}
