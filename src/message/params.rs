//! `queryParams`: bound values as strings.

use serde::ser::{Error, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::mysql::wire::Value;
use crate::session::StatementParams;

/// Parameters that are known to be decodable.
#[derive(Debug)]
pub(super) struct QueryParams<'a> {
    params: &'a StatementParams<'a>,
    max_length: usize,
}

impl<'a> QueryParams<'a> {
    /// `None` if a value cannot be decoded. `max_length` is in characters.
    pub(super) fn new(params: &'a StatementParams<'a>, max_length: usize) -> Option<Self> {
        params.visit(|_, _| Ok::<(), std::convert::Infallible>(())).ok()?.ok()?;
        Some(Self { params, max_length })
    }
}

impl Serialize for QueryParams<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(None)?;
        let visited = self.params.visit(|value, full_length| match value {
            Value::Null => sequence.serialize_element(&()),
            value => sequence.serialize_element(&Param { value, full_length, max_length: self.max_length }),
        });
        visited.map_err(S::Error::custom)??;
        sequence.end()
    }
}

struct Param<'a> {
    value: Value<'a>,
    /// Of a value of which only the front is there.
    full_length: Option<u64>,
    max_length: usize,
}

impl Serialize for Param<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            // The usual text needs no formatting.
            Value::Text(bytes) if bytes.len() <= self.max_length && self.full_length.is_none() => {
                match std::str::from_utf8(bytes) {
                    Ok(text) => serializer.serialize_str(text),
                    Err(_) => serializer.collect_str(&self.value),
                }
            }
            Value::Text(bytes) => {
                let full_length = self.full_length.unwrap_or(bytes.len() as u64);
                let is_front = full_length > bytes.len() as u64;
                match valid_front(bytes, is_front) {
                    Some(text) => serializer.serialize_str(&shorten(text, self.max_length, is_front)),
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

/// The bytes as text; the front of a longer text may end inside a character.
fn valid_front(bytes: &[u8], is_front: bool) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if is_front && error.error_len().is_none() => {
            bytes.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok())
        }
        Err(_) => None,
    }
}

/// At most `max_length` characters, with `...` after them if there were more.
fn shorten(text: &str, max_length: usize, is_front: bool) -> String {
    let mut rest = text.char_indices().skip(max_length);
    match rest.next() {
        Some((end, _)) => format!("{}...", &text[..end]),
        None if is_front => format!("{text}..."),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(value: Value<'_>, full_length: Option<u64>) -> String {
        let json = serde_json::to_value(Param { value, full_length, max_length: 4 }).unwrap();
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
    }
}
