//! Bytes that should be text, as valid UTF-8.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::mysql::charset::Charset;

/// A statement's text, or what the server said. What is no text is shown as [`Charset::to_text`] does: nothing is lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct SqlText<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) charset: Charset,
    /// The text was longer: it ends in `...`.
    pub(super) truncated: bool,
}

/// A text of a message.
#[derive(Debug)]
pub(super) enum MessageText<'a> {
    /// As it was sent.
    Shown(SqlText<'a>),
    /// Without what is not shown.
    Redacted(String),
}

impl MessageText<'_> {
    pub(super) fn to_utf8(&self) -> Cow<'_, str> {
        match self {
            Self::Shown(text) => text.to_utf8(),
            Self::Redacted(text) => Cow::Borrowed(text),
        }
    }
}

impl Serialize for MessageText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_utf8())
    }
}

impl Serialize for SqlText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_utf8())
    }
}

impl<'a> SqlText<'a> {
    pub(super) fn to_utf8(self) -> Cow<'a, str> {
        let text = self.charset.to_text(self.bytes, self.truncated);
        if self.truncated { Cow::Owned(text.into_owned() + "...") } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_escaped() {
        let show = |charset, bytes, truncated| serde_json::to_value(SqlText { bytes, charset, truncated }).unwrap();
        assert_eq!(show(Charset::Utf8mb4, b"SELECT 'caf\xc3\xa9'", false), "SELECT 'café'");
        assert_eq!(show(Charset::Latin1, b"SELECT 'caf\xe9'", false), "SELECT 'café'");
        assert_eq!(show(Charset::Utf8mb4, b"INSERT _binary'\x00\xff\xfe'", false), "INSERT _binary'\0\\xFF\\xFE'");
        assert_eq!(show(Charset::Utf8mb4, b"SELECT", true), "SELECT...");
        assert_eq!(show(Charset::Utf8mb4, b"SELECT '\xc3", true), "SELECT '...");
    }
}
