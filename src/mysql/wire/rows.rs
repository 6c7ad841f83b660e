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
