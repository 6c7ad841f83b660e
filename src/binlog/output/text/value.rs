//! Values for people: text in quotes, so that NULL and 'NULL' are two things, bytes in hexadecimal, long ones cut.

use std::borrow::Cow;
use std::fmt::Write;

use crate::binlog::event::compression::decompress_column;
use crate::binlog::output::json_value::{ValueOptions, write_value};
use crate::binlog::table::schema::{Column, Meaning};
use crate::binlog::value::Value;
use crate::binlog::value::column::Storage;
use crate::mysql::value::geometry;
use crate::mysql::wire::Malformed;
use crate::pretty::{Line, Style};

/// Shows values, each by way of the same memory.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    scratch: Vec<u8>,
}

impl Shown {
    /// Appends a value, of which at most this many characters. `before` is the same column in the before image, for changes to a JSON
    /// document; `style` is the value's own unless it is given.
    pub(crate) fn write(
        &mut self,
        line: &mut Line<'_>,
        column: &Column,
        value: &Value<'_>,
        before: Option<&Value<'_>>,
        style: Option<Style>,
        longest: usize,
    ) -> Result<(), Malformed> {
        let own = |own: Style| style.unwrap_or(own);
        match value {
            Value::Null | Value::Absent => line.text(Style::Dim, "NULL"),
            Value::Bytes(bytes) => self.bytes(line, column, bytes, style, longest)?,
            Value::Compressed(bytes) => {
                let mut content = Vec::new();
                decompress_column(bytes, &mut content).map_err(|_| Malformed("MariaDB's compressed column"))?;
                self.bytes(line, column, &content, style, longest)?;
            }
            Value::Enum(number) => match usize::from(*number).checked_sub(1).map(|index| column.members.get(index)) {
                None => quoted(line, own(Style::Literal), "", longest),
                Some(Some(name)) => quoted(line, own(Style::Literal), name, longest),
                Some(None) => line.text(own(Style::Number), itoa::Buffer::new().format(*number)),
            },
            Value::Set(bits) if !column.members.is_empty() => {
                let members = column.members.iter().take(64).enumerate();
                let names = members.filter(|(index, _)| bits >> index & 1 == 1).map(|(_, name)| name.as_str());
                quoted(line, own(Style::Literal), &names.collect::<Vec<_>>().join(","), longest);
            }
            Value::Geometry(stored) => {
                self.scratch.clear();
                match geometry::split(stored) {
                    Some((srid, _)) if geometry::write_wkt(stored, &mut self.scratch).is_ok() => {
                        if srid != 0 {
                            line.text(Style::Dim, &format!("SRID={srid};"));
                        }
                        plain(line, own(Style::Plain), &String::from_utf8_lossy(&self.scratch), longest);
                    }
                    _ => hexadecimal(line, own(Style::Number), stored, 0, longest),
                }
            }
            _ => self.json(line, column, value, before, own, longest)?,
        }
        Ok(())
    }

    /// What has a form in JSON that people read as well.
    fn json(
        &mut self,
        line: &mut Line<'_>,
        column: &Column,
        value: &Value<'_>,
        before: Option<&Value<'_>>,
        own: impl Fn(Style) -> Style,
        longest: usize,
    ) -> Result<(), Malformed> {
        self.scratch.clear();
        write_value(&mut self.scratch, column, value, before, ValueOptions::default())?;
        let text = String::from_utf8_lossy(&self.scratch);
        let (text, style) = match value {
            Value::Json(_) | Value::JsonDiff(_) => (text.as_ref(), Style::Plain),
            // Dates and decimals, whose quotes tell nothing here.
            _ => (text.trim_matches('"'), Style::Number),
        };
        plain(line, own(style), text, longest);
        Ok(())
    }

    fn bytes(
        &mut self,
        line: &mut Line<'_>,
        column: &Column,
        bytes: &[u8],
        style: Option<Style>,
        longest: usize,
    ) -> Result<(), Malformed> {
        match column.charset {
            Some(charset) => {
                let text = if charset.is_utf8() { String::from_utf8_lossy(bytes) } else { charset.to_utf8(bytes) };
                quoted(line, style.unwrap_or(Style::Literal), &text, longest);
            }
            None if column.meaning == Meaning::Bytes => {
                // BINARY loses its trailing zeros in the log.
                let length = if let Storage::Fixed { max_bytes } = column.storage { usize::from(max_bytes) } else { 0 };
                hexadecimal(line, style.unwrap_or(Style::Number), bytes, length, longest);
            }
            None => {
                let own = |own: Style| style.unwrap_or(own);
                self.json(line, column, &Value::Bytes(bytes), None, own, longest)?;
            }
        }
        Ok(())
    }
}

/// The first characters, this many, and how many bytes are left.
fn cut(text: &str, longest: usize) -> (&str, usize) {
    match text.char_indices().nth(longest) {
        Some((at, _)) => (text.get(..at).unwrap_or(text), text.len() - at),
        None => (text, 0),
    }
}

fn left_out(line: &mut Line<'_>, bytes: usize) {
    match bytes {
        0 => {}
        1 => line.text(Style::Dim, "… (1 byte more)"),
        _ => line.text(Style::Dim, &format!("… ({bytes} bytes more)")),
    }
}

fn plain(line: &mut Line<'_>, style: Style, text: &str, longest: usize) {
    let (text, rest) = cut(text, longest);
    line.text(style, text);
    left_out(line, rest);
}

/// Text in quotes; those in it are doubled.
fn quoted(line: &mut Line<'_>, style: Style, text: &str, longest: usize) {
    let (text, rest) = cut(text, longest);
    let text = if text.contains('\'') { Cow::Owned(text.replace('\'', "''")) } else { Cow::Borrowed(text) };
    line.text(style, &format!("'{text}'"));
    left_out(line, rest);
}

/// Bytes, with as many zeros after them as make up the length.
fn hexadecimal(line: &mut Line<'_>, style: Style, bytes: &[u8], length: usize, longest: usize) {
    let length = length.max(bytes.len());
    let shown = length.min(longest / 2);
    let mut text = String::from("0x");
    for byte in bytes.iter().chain(std::iter::repeat(&0)).take(shown) {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    line.text(style, &text);
    left_out(line, length - shown);
}
