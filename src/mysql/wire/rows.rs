//! Rows of result sets, in the text protocol and in the binary one.

use crate::mysql::wire::columns::{ColumnKind, ColumnSet};
use crate::mysql::wire::reader::{Malformed, Reader};
use crate::mysql::wire::value::{ColumnType, Value};

const ROW: &str = "row";

/// Which protocol rows are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// The answer to COM_QUERY: every value as text.
    Text,
    /// The answer to COM_STMT_EXECUTE and COM_STMT_FETCH: every value in the form of its type.
    Binary,
}

/// The values of a row in the text protocol, as they were sent; `None` is NULL. It needs no definitions.
///
/// ```
/// use mysql_interceptor::mysql::wire::TextRow;
/// let values: Result<Vec<_>, _> = TextRow::new(b"\x01a\xfb\x00").collect();
/// assert_eq!(values, Ok(vec![Some(&b"a"[..]), None, Some(&b""[..])]));
/// ```
#[derive(Debug, Clone)]
pub struct TextRow<'a>(Reader<'a>);

impl<'a> TextRow<'a> {
    /// The values of this packet.
    pub fn new(payload: &'a [u8]) -> Self {
        Self(Reader::new(payload, ROW))
    }
}

impl<'a> Iterator for TextRow<'a> {
    type Item = Result<Option<&'a [u8]>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        const NULL: u8 = 0xfb;
        match self.0.rest().first()? {
            &NULL => Some(self.0.u8().map(|_| None)),
            _ => {
                let value = self.0.lenenc_bytes().map(Some);
                if value.is_err() {
                    self.0 = Reader::new(&[], ROW);
                }
                Some(value)
            }
        }
    }
}

/// The values of a row in either protocol, one for each column. Ends with an error where the packet does not hold them.
#[derive(Debug, Clone)]
pub struct RowValues<'a> {
    columns: &'a ColumnSet,
    next: usize,
    values: Values<'a>,
}

#[derive(Debug, Clone)]
enum Values<'a> {
    Text(TextRow<'a>),
    Binary { null_bitmap: &'a [u8], reader: Reader<'a> },
    Malformed,
}

impl<'a> RowValues<'a> {
    /// The values of a row whose columns are these.
    pub fn new(payload: &'a [u8], format: RowFormat, columns: &'a ColumnSet) -> Self {
        let values = match format {
            RowFormat::Text => Values::Text(TextRow::new(payload)),
            RowFormat::Binary => Values::binary(payload, columns.len()).unwrap_or(Values::Malformed),
        };
        Self { columns, next: 0, values }
    }

    /// Appends the row as the text protocol would have it, but for what that adds by a column's definition: zeros in front of a ZEROFILL
    /// number and at the end of a fraction, and floats as this program writes them. What is the same value is the same text, whatever the
    /// width of its integer and the length of its date were.
    pub fn write_as_text(mut self, out: &mut Vec<u8>) -> Result<(), Malformed> {
        self.try_for_each(|value| value.map(|value| write_as_text(value, out)))
    }

    fn value(&mut self, kind: ColumnKind) -> Result<Value<'a>, Malformed> {
        match &mut self.values {
            Values::Text(row) => {
                let value = row.next().ok_or(Malformed(ROW))??;
                Ok(match value {
                    None => Value::Null,
                    Some(bytes) if kind.is_bytes => Value::Bytes(bytes),
                    Some(text) => Value::Text(text),
                })
            }
            Values::Binary { null_bitmap, reader } => {
                // The bitmap's first two bits stand for nothing.
                let bit = self.next + 2;
                let is_null = null_bitmap.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1);
                if is_null { Ok(Value::Null) } else { binary_value(reader, kind) }
            }
            Values::Malformed => Err(Malformed(ROW)),
        }
    }
}

fn write_as_text(value: Value<'_>, out: &mut Vec<u8>) {
    const NULL: u8 = 0xfb;
    match value {
        Value::Null => out.push(NULL),
        Value::Text(bytes) | Value::Bytes(bytes) => write_string(bytes, out),
        Value::Int(value) => write_string(itoa::Buffer::new().format(value).as_bytes(), out),
        Value::UInt(value) => write_string(itoa::Buffer::new().format(value).as_bytes(), out),
        other => {
            let text = other.to_string();
            write_string(without_trailing_zeros(&other, &text).as_bytes(), out);
        }
    }
}

/// A time's text without the end of its fraction that says nothing.
fn without_trailing_zeros<'t>(value: &Value<'_>, text: &'t str) -> &'t str {
    match value {
        Value::DateTime { microsecond: Some(_), offset_minutes: None, .. }
        | Value::Time { microsecond: Some(_), .. } => text.trim_end_matches('0').trim_end_matches('.'),
        _ => text,
    }
}

fn write_string(bytes: &[u8], out: &mut Vec<u8>) {
    let length = bytes.len() as u64;
    let [b0, b1, b2, b3, b4, b5, b6, b7] = length.to_le_bytes();
    match length {
        0..=250 => out.push(b0),
        251..=0xffff => out.extend_from_slice(&[0xfc, b0, b1]),
        0x1_0000..=0xff_ffff => out.extend_from_slice(&[0xfd, b0, b1, b2]),
        _ => out.extend_from_slice(&[0xfe, b0, b1, b2, b3, b4, b5, b6, b7]),
    }
    out.extend_from_slice(bytes);
}

impl<'a> Values<'a> {
    fn binary(payload: &'a [u8], columns: usize) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload, ROW);
        if reader.u8()? != 0 {
            return Err(reader.malformed());
        }
        let null_bitmap = reader.bytes((columns + 2).div_ceil(8))?;
        Ok(Self::Binary { null_bitmap, reader })
    }
}

/// A value as servers send it, which has forms that clients' parameters do not have.
fn binary_value<'a>(reader: &mut Reader<'a>, kind: ColumnKind) -> Result<Value<'a>, Malformed> {
    let ColumnKind { column_type, unsigned, is_bytes } = kind;
    Ok(match column_type {
        // Three bytes in the table, four on the wire.
        ColumnType::Int24 => Value::read(reader, ColumnType::Long, unsigned)?,
        ColumnType::Year => Value::read(reader, ColumnType::Short, true)?,
        ColumnType::Date | ColumnType::DateTime | ColumnType::Timestamp | ColumnType::Time => {
            // Clients' values may end early.
            reader.clone().lenenc_bytes()?;
            Value::read(reader, column_type, unsigned)?
        }
        ColumnType::Null
        | ColumnType::Tiny
        | ColumnType::Short
        | ColumnType::Long
        | ColumnType::LongLong
        | ColumnType::Float
        | ColumnType::Double => Value::read(reader, column_type, unsigned)?,
        _ if is_bytes => Value::Bytes(reader.lenenc_bytes()?),
        _ => Value::Text(reader.lenenc_bytes()?),
    })
}

impl<'a> Iterator for RowValues<'a> {
    type Item = Result<Value<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let kind = self.columns.kind(self.next)?;
        let value = self.value(kind);
        self.next = if value.is_ok() { self.next + 1 } else { self.columns.len() };
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns of these types, collations and flags.
    fn columns(of: &[(u8, u16, u16)]) -> ColumnSet {
        let mut set = ColumnSet::default();
        for (column_type, collation, flags) in of {
            let collation = collation.to_le_bytes();
            let flags = flags.to_le_bytes();
            let fixed = [&[12][..], &collation, &[0; 4], &[*column_type], &flags, &[0, 0, 0]].concat();
            set.push(&[&b"\x03def\0\0\0\x01a\0"[..], &fixed].concat()).unwrap();
        }
        set
    }

    fn show(payload: &[u8], format: RowFormat, columns: &ColumnSet) -> Vec<String> {
        RowValues::new(payload, format, columns)
            .map(|value| value.map_or_else(|error| error.to_string(), |value| value.to_string()))
            .collect()
    }

    #[test]
    fn a_text_row() {
        let columns = columns(&[(3, 63, 0), (253, 45, 0), (252, 63, 0)]);
        assert_eq!(show(b"\x0212\xfb\x03abc", RowFormat::Text, &columns), ["12", "NULL", "<bytes:3>"]);
        assert_eq!(show(b"\x0212\x05ab", RowFormat::Text, &columns), ["12", "malformed row"]);
        assert_eq!(show(b"\x0212", RowFormat::Text, &columns), ["12", "malformed row"]);
    }

    fn as_text(payload: &[u8], of: &[(u8, u16, u16)]) -> Vec<u8> {
        let mut text = Vec::new();
        RowValues::new(payload, RowFormat::Binary, &columns(of)).write_as_text(&mut text).unwrap();
        text
    }

    #[test]
    fn one_value_is_one_text_whatever_its_form() {
        let five = b"\x015".to_vec();
        for (row, of) in [
            (&b"\0\0\x05"[..], (1, 63, 0)),
            (b"\0\0\x05\0", (2, 63, 32)),
            (b"\0\0\x05\0\0\0", (9, 63, 0)),
            (b"\0\0\x05\0\0\0\0\0\0\0", (8, 63, 32)),
            (b"\0\0\x015", (246, 63, 0)),
            (b"\0\0\x015", (253, 45, 0)),
            (b"\0\0\0\0\xa0\x40", (4, 63, 0)),
            (b"\0\0\0\0\0\0\0\0\x14\x40", (5, 63, 0)),
        ] {
            assert_eq!(as_text(row, &[of]), five, "{of:?}");
        }
        let noon = b"\x132026-01-31 12:00:00".to_vec();
        assert_eq!(as_text(&[0, 0, 7, 0xea, 7, 1, 31, 12, 0, 0], &[(12, 63, 0)]), noon);
        assert_eq!(as_text(&[0, 0, 11, 0xea, 7, 1, 31, 12, 0, 0, 0, 0, 0, 0], &[(7, 63, 0)]), noon);
        let part = as_text(&[0, 0, 11, 0xea, 7, 1, 31, 12, 0, 0, 0x20, 0xa1, 7, 0], &[(12, 63, 0)]);
        assert_eq!(part, b"\x152026-01-31 12:00:00.5");
        assert_eq!(as_text(&[0, 0, 0], &[(11, 63, 0)]), b"\x0800:00:00");
        assert_eq!(as_text(b"\0\x04", &[(3, 63, 0)]), b"\xfb");
        let long = [&[0, 0, 0xfc, 0x2c, 1][..], &[b'x'; 300]].concat();
        assert_eq!(as_text(&long, &[(252, 45, 0)]), long[2..]);
    }

    #[test]
    fn a_binary_row_of_every_type_that_servers_send() {
        let columns = columns(&[
            (1, 63, 0),
            (9, 63, 0),
            (13, 63, 32),
            (8, 63, 32),
            (253, 45, 0),
            (16, 63, 0),
            (255, 63, 0),
            (246, 63, 0),
            (12, 63, 0),
            (6, 63, 0),
        ]);
        let values = [
            &[0xff][..],
            &(-5_i32).to_le_bytes(),
            &2026_u16.to_le_bytes(),
            &u64::MAX.to_le_bytes(),
            b"\x02hi",
            b"\x01\x05",
            b"\x02gg",
            b"\x0412.5",
            &[4, 0xea, 0x07, 1, 31],
        ]
        .concat();
        let row = [&[0, 0, 0b1000][..], &values].concat();
        assert_eq!(
            show(&row, RowFormat::Binary, &columns),
            [
                "-1",
                "-5",
                "2026",
                "18446744073709551615",
                "hi",
                "<bytes:1>",
                "<bytes:2>",
                "12.5",
                "2026-01-31 00:00:00",
                "NULL"
            ]
        );
        for end in 0..row.len() {
            let shown = show(&row[..end], RowFormat::Binary, &columns);
            assert_eq!(shown.last().map(String::as_str), Some("malformed row"), "{end}");
        }
    }
}
