//! `queryParams`: bound values as strings.

use std::borrow::Cow;

use serde::ser::{Error, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::mysql::charset::Charset;
use crate::mysql::sql::RedactedParams;
use crate::mysql::wire::Value;
use crate::rules::plain;
use crate::rules::redaction::{Pseudonym, Redactor};
use crate::session::StatementParams;

/// Parameters that are known to be decodable.
#[derive(Debug)]
pub(super) struct QueryParams<'a> {
    params: &'a StatementParams<'a>,
    /// Of text among them.
    charset: Charset,
    max_length: usize,
    redactor: &'a Redactor,
    hidden: &'a RedactedParams,
}

impl<'a> QueryParams<'a> {
    /// `None` if a value cannot be decoded. `max_length` is in characters; what stands for a value that is not shown is never cut.
    pub(super) fn new(
        params: &'a StatementParams<'a>,
        charset: Charset,
        max_length: usize,
        (redactor, hidden): (&'a Redactor, &'a RedactedParams),
    ) -> Option<Self> {
        params.visit(|_, _| Ok::<(), std::convert::Infallible>(())).ok()?.ok()?;
        Some(Self { params, charset, max_length, redactor, hidden })
    }

    /// Whether a value is not shown. Of literals that were taken from a text those count as well that name something secret themselves, as they
    /// do where they stand in it.
    fn hides(&self, index: usize, value: Value<'_>) -> bool {
        match value {
            // An indicator is no value.
            Value::Default | Value::Ignore => false,
            _ if self.hidden.contains(index) => true,
            Value::Text(text) if matches!(self.params, StatementParams::Split(_)) => {
                self.redactor.keys().match_name(text)
            }
            _ => false,
        }
    }

    /// What stands for a value that is not shown.
    fn pseudonym(&self, value: Value<'_>, full_length: Option<u64>) -> Option<Pseudonym> {
        if !self.redactor.has_pseudonyms() {
            return None;
        }
        let is_whole = |bytes: &[u8]| full_length.is_none_or(|length| length == bytes.len() as u64);
        let plain = match value {
            Value::Text(bytes) | Value::Bytes(bytes) if !is_whole(bytes) => return None,
            Value::Bytes(bytes) => plain::of_text(bytes),
            Value::Text(bytes) => match self.charset.to_valid_utf8(bytes, false) {
                Some(text) => Cow::Owned(plain::of_text(text.as_bytes()).into_owned()),
                None => plain::of_text(bytes),
            },
            Value::Float(value) => Cow::Owned(plain::of_float(value)),
            Value::Double(value) => Cow::Owned(plain::of_float(value)),
            value => Cow::Owned(plain::of_text(value.to_string().as_bytes()).into_owned()),
        };
        self.redactor.pseudonym(&plain)
    }
}

impl Serialize for QueryParams<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(None)?;
        let mut indexes = 0_usize..;
        let visited = self.params.visit(|value, full_length| match (value, indexes.next()) {
            (Value::Null, _) => sequence.serialize_element(&()),
            (value, Some(index)) if self.hides(index, value) => match self.pseudonym(value, full_length) {
                Some(pseudonym) => sequence.serialize_element(&pseudonym.to_string()),
                None => sequence.serialize_element(self.redactor.mask()),
            },
            (value, _) => {
                let Self { charset, max_length, .. } = *self;
                sequence.serialize_element(&Param { value, charset, full_length, max_length })
            }
        });
        visited.map_err(S::Error::custom)??;
        sequence.end()
    }
}

struct Param<'a> {
    value: Value<'a>,
    charset: Charset,
    /// Of a value of which only the front is there.
    full_length: Option<u64>,
    max_length: usize,
}

impl Serialize for Param<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Text(bytes) => {
                let full_length = self.full_length.unwrap_or(bytes.len() as u64);
                let is_front = full_length > bytes.len() as u64;
                match self.charset.to_valid_utf8(bytes, is_front) {
                    Some(text) => serializer.serialize_str(&shorten(&text, self.max_length, is_front)),
                    None => serializer.collect_str(&format_args!("<bytes:{full_length}>")),
                }
            }
            Value::Bytes(bytes) => {
                let full_length = self.full_length.unwrap_or(bytes.len() as u64);
                serializer.collect_str(&format_args!("<bytes:{full_length}>"))
            }
            value => serializer.collect_str(&value),
        }
    }
}

/// At most `max_length` characters, with `...` after them if there were more.
fn shorten(text: &str, max_length: usize, is_front: bool) -> Cow<'_, str> {
    // The usual text needs no counting.
    let end = if text.len() <= max_length { None } else { text.char_indices().nth(max_length) };
    match end {
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
        None if is_front => Cow::Owned(format!("{text}...")),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(value: Value<'_>, full_length: Option<u64>) -> String {
        show_in(Charset::Utf8mb4, value, full_length)
    }

    fn show_in(charset: Charset, value: Value<'_>, full_length: Option<u64>) -> String {
        let json = serde_json::to_value(Param { value, charset, full_length, max_length: 4 }).unwrap();
        json.as_str().unwrap().to_owned()
    }

    #[test]
    fn long_values_are_cut_at_characters() {
        assert_eq!(show(Value::Text(b"abcd"), None), "abcd");
        assert_eq!(show(Value::Text("éééé".as_bytes()), None), "éééé");
        assert_eq!(show(Value::Text("ééééé".as_bytes()), None), "éééé...");
        assert_eq!(show(Value::Text(b"abc"), Some(100)), "abc...");
        assert_eq!(show(Value::Text(b"ab\xc3"), Some(100)), "ab...");
        assert_eq!(show(Value::Text(b"a\xff\xfe\xfd\xfc"), None), "<bytes:5>");
        assert_eq!(show(Value::Bytes(b"abcdef"), Some(70_000)), "<bytes:70000>");
        assert_eq!(show(Value::Int(1_234_567), None), "1234567");
        assert_eq!(show_in(Charset::Latin1, Value::Text(b"\xe9\xe9\xe9\xe9\xe9"), None), "éééé...");
        assert_eq!(show_in(Charset::Sjis, Value::Text(b"\x93\xfa\x96"), Some(100)), "日...");
        assert_eq!(show_in(Charset::Sjis, Value::Text(b"\x93\xfa\x96"), None), "<bytes:3>");
        assert_eq!(show(Value::Text(b"\\xE9"), None), "\\xE9");
    }
}
