//! Bytes that should be text, as valid UTF-8.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::mysql::wire::Escaped;

/// A statement's text. What is not UTF-8 is shown as `\xHH`, byte by byte, so that nothing is lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct SqlText<'a> {
    pub(super) bytes: &'a [u8],
    /// The text was longer: it ends in `...`.
    pub(super) truncated: bool,
}

impl Serialize for SqlText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_utf8())
    }
}

impl<'a> SqlText<'a> {
    pub(super) fn to_utf8(self) -> Cow<'a, str> {
        match std::str::from_utf8(self.bytes) {
            Ok(text) if !self.truncated => Cow::Borrowed(text),
            _ => Cow::Owned(self.escaped()),
        }
    }

    fn escaped(&self) -> String {
        let mut text = Escaped(self.bytes).to_string();
        if self.truncated {
            text.push_str("...");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_escaped() {
        let show = |bytes, truncated| serde_json::to_value(SqlText { bytes, truncated }).unwrap();
        assert_eq!(show(b"SELECT 'caf\xc3\xa9'", false), "SELECT 'café'");
        assert_eq!(show(b"INSERT _binary'\x00\xff\xfe'", false), "INSERT _binary'\0\\xFF\\xFE'");
        assert_eq!(show(b"SELECT", true), "SELECT...");
    }
}
