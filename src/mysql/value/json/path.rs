//! JSON paths as the server writes them into diffs (`Json_path::to_string` in `sql-common/json_path.cc`).

use std::borrow::Cow;

use crate::mysql::value::json::document::MAX_DEPTH;
use crate::mysql::wire::Malformed;

const WHAT: &str = "JSON path";

/// One step of a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Leg<'a> {
    /// `.name` or `."any name"`
    Member(Cow<'a, [u8]>),
    /// `[3]`
    Cell(usize),
    /// `[last]` is 0, `[last-2]` is 2.
    CellFromEnd(usize),
}

impl Leg<'_> {
    /// The position of a cell in an array of this many elements; it may be past the end. `None` for what is in front
    /// of the first, and for a member.
    pub(crate) fn index(&self, length: usize) -> Option<usize> {
        match self {
            Self::Member(_) => None,
            Self::Cell(index) => Some(*index),
            Self::CellFromEnd(back) => length.checked_sub(1)?.checked_sub(*back),
        }
    }
}

/// The steps of a path. There are at most as many as a document may be deep.
pub(crate) fn parse(path: &[u8]) -> Result<Vec<Leg<'_>>, Malformed> {
    let mut rest = path.strip_prefix(b"$").ok_or(Malformed(WHAT))?;
    let mut legs = Vec::new();
    while let Some((&first, tail)) = rest.split_first() {
        let (leg, tail) = match first {
            b'.' => member(tail)?,
            b'[' => cell(tail)?,
            _ => return Err(Malformed(WHAT)),
        };
        if legs.len() == MAX_DEPTH {
            return Err(Malformed(WHAT));
        }
        legs.push(leg);
        rest = tail;
    }
    Ok(legs)
}

/// A name is quoted unless it is an ECMAScript identifier, so a plain one holds nothing that ends it.
fn member(rest: &[u8]) -> Result<(Leg<'_>, &[u8]), Malformed> {
    if rest.first() == Some(&b'"') {
        let length = quoted_length(rest).ok_or(Malformed(WHAT))?;
        let (quoted, tail) = rest.split_at_checked(length).ok_or(Malformed(WHAT))?;
        return Ok((Leg::Member(unquote(quoted)?), tail));
    }
    let length = rest.iter().position(|byte| matches!(byte, b'.' | b'[')).unwrap_or(rest.len());
    let (name, tail) = rest.split_at_checked(length).ok_or(Malformed(WHAT))?;
    if name.is_empty() || name == b"*" {
        return Err(Malformed(WHAT));
    }
    Ok((Leg::Member(Cow::Borrowed(name)), tail))
}

/// How long the quoted string at the front is, with both quotes.
fn quoted_length(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    for (index, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(index + 1),
            _ => {}
        }
    }
    None
}

fn unquote(quoted: &[u8]) -> Result<Cow<'_, [u8]>, Malformed> {
    match quoted.get(1..quoted.len().saturating_sub(1)) {
        Some(plain) if memchr::memchr(b'\\', plain).is_none() => Ok(Cow::Borrowed(plain)),
        _ => {
            let name: String = serde_json::from_slice(quoted).map_err(|_| Malformed(WHAT))?;
            Ok(Cow::Owned(name.into_bytes()))
        }
    }
}

fn cell(rest: &[u8]) -> Result<(Leg<'_>, &[u8]), Malformed> {
    let end = memchr::memchr(b']', rest).ok_or(Malformed(WHAT))?;
    let (index, tail) = rest.split_at_checked(end).ok_or(Malformed(WHAT))?;
    let leg = match index.strip_prefix(b"last") {
        Some(b"") => Leg::CellFromEnd(0),
        Some(back) => Leg::CellFromEnd(number(back.strip_prefix(b"-").ok_or(Malformed(WHAT))?)?),
        None => Leg::Cell(number(index)?),
    };
    Ok((leg, tail.get(1..).unwrap_or_default()))
}

fn number(digits: &[u8]) -> Result<usize, Malformed> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed(WHAT));
    }
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(Malformed(WHAT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Leg<'_> {
        Leg::Member(Cow::Borrowed(name.as_bytes()))
    }

    #[test]
    fn legs_of_every_kind() {
        assert_eq!(parse(b"$").unwrap(), []);
        assert_eq!(
            parse("$.a[3].\"k.\"[last].\"\\\"\\\\\\u0001[\"[last-12].é".as_bytes()).unwrap(),
            [
                name("a"),
                Leg::Cell(3),
                name("k."),
                Leg::CellFromEnd(0),
                name("\"\\\u{1}["),
                Leg::CellFromEnd(12),
                name("é")
            ]
        );
        assert_eq!(parse(b"$.\"\"").unwrap(), [name("")]);
    }

    #[test]
    fn what_is_no_path() {
        for path in ["", "a", "$a", "$.", "$.*", "$.a.", "$[", "$[]", "$[x]", "$[-1]", "$[+1]", "$[last+1]", "$[last-]"]
        {
            assert!(parse(path.as_bytes()).is_err(), "{path}");
        }
        for path in ["$.\"a", "$.\"a\\\"", "$.\"\\q\"", "$[99999999999999999999]", "$**.a", "$[1 to 2]"] {
            assert!(parse(path.as_bytes()).is_err(), "{path}");
        }
        assert!(parse(format!("${}", "[0]".repeat(100)).as_bytes()).is_ok());
        assert!(parse(format!("${}", "[0]".repeat(101)).as_bytes()).is_err());
    }

    #[test]
    fn places_in_an_array() {
        assert_eq!(Leg::Cell(7).index(3), Some(7));
        assert_eq!(Leg::CellFromEnd(0).index(3), Some(2));
        assert_eq!(Leg::CellFromEnd(2).index(3), Some(0));
        assert_eq!(Leg::CellFromEnd(3).index(3), None);
        assert_eq!(Leg::CellFromEnd(0).index(0), None);
    }
}
