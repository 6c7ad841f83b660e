//! A value of a row as a cell of its column's type.

use arrow_buffer::i256;

use crate::binlog::event::decoder::decompress_column;
use crate::binlog::output::json_value::{ValueOptions, write_value};
use crate::binlog::output::parquet::kind::Kind;
use crate::binlog::output::parquet::message::{bytes, bytes_with, fixed, null};
use crate::binlog::table::schema::{Column, Meaning};
use crate::binlog::value::column::Storage;
use crate::binlog::value::{Integer, Value};
use crate::mysql::value::decimal::Decimal;
use crate::mysql::value::temporal::Date;
use crate::mysql::wire::Malformed;

/// Whether a column's type can hold a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    Fits,
    /// It cannot; the cell is NULL.
    Unfit,
}

/// Appends the value as a cell. `before` is the same column in the before image, for changes to a JSON document.
pub(crate) fn write_cell(
    out: &mut Vec<u8>,
    column: &Column,
    kind: Kind,
    value: &Value<'_>,
    before: Option<&Value<'_>>,
) -> Result<Fit, Malformed> {
    match value {
        // A value that is not to be shown has no text that every type could hold.
        Value::Absent | Value::Null | Value::Redacted => null(out),
        Value::Integer(value) => integer(out, kind, *value),
        Value::Float(value) => fixed(out, value.to_le_bytes()),
        Value::Double(value) => fixed(out, value.to_le_bytes()),
        Value::Decimal(value) => decimal(out, kind, value)?,
        Value::Year(value) => fixed(out, value.to_le_bytes()),
        Value::Time(value) => fixed(out, value.total_microseconds().to_le_bytes()),
        Value::Date(value) => {
            let days = value.days_since_epoch().filter(|_| has_year(*value));
            return Ok(or_unfit(out, days.map(i32::to_le_bytes)));
        }
        Value::DateTime(value) => {
            let microseconds = value.microseconds_since_epoch().filter(|_| has_year(value.date));
            return Ok(or_unfit(out, microseconds.map(i64::to_le_bytes)));
        }
        Value::Timestamp(value) => {
            let microseconds = i64::from(value.seconds) * 1_000_000 + i64::from(value.microseconds);
            // 0 stands for 0000-00-00 00:00:00.
            return Ok(or_unfit(out, (microseconds != 0).then_some(microseconds.to_le_bytes())));
        }
        Value::Bytes(value) => text_or_bytes(out, column, value)?,
        Value::Compressed(value) => {
            let mut content = Vec::new();
            decompress_column(value, &mut content).map_err(|_| Malformed("MariaDB's compressed column"))?;
            text_or_bytes(out, column, &content)?;
        }
        Value::JsonDiff(_) if !matches!(before, Some(Value::Json(_))) => {
            null(out);
            return Ok(Fit::Unfit);
        }
        Value::Json(_) | Value::JsonDiff(_) => {
            bytes_with(out, |out| write_value(out, column, value, before, ValueOptions::default()))?;
        }
        Value::Geometry(value) => bytes(out, value),
        Value::Vector(value) => bytes(out, value),
        Value::Bit(value) => fixed(out, value.to_le_bytes()),
        Value::Enum(number) => match usize::from(*number).checked_sub(1) {
            None => bytes(out, b""),
            Some(index) => match column.members.get(index) {
                Some(name) => bytes(out, name.as_bytes()),
                None => bytes(out, itoa::Buffer::new().format(*number).as_bytes()),
            },
        },
        Value::Set(bits) => set(out, column, *bits),
    }
    Ok(Fit::Fits)
}

/// The year 0 is before the first of many a reader's calendar (Python's), which then fails for the whole column.
fn has_year(date: Date) -> bool {
    date.year > 0
}

fn or_unfit<const N: usize>(out: &mut Vec<u8>, value: Option<[u8; N]>) -> Fit {
    match value {
        Some(value) => {
            fixed(out, value);
            Fit::Fits
        }
        None => {
            null(out);
            Fit::Unfit
        }
    }
}

fn integer(out: &mut Vec<u8>, kind: Kind, value: Integer) {
    let (signed, unsigned) = (value.signed(), value.unsigned());
    match kind {
        Kind::I8 => fixed(out, (signed as i8).to_le_bytes()),
        Kind::I16 => fixed(out, (signed as i16).to_le_bytes()),
        Kind::I32 => fixed(out, (signed as i32).to_le_bytes()),
        Kind::U8 => fixed(out, (unsigned as u8).to_le_bytes()),
        Kind::U16 => fixed(out, (unsigned as u16).to_le_bytes()),
        Kind::U32 => fixed(out, (unsigned as u32).to_le_bytes()),
        Kind::U64 => fixed(out, unsigned.to_le_bytes()),
        _ => fixed(out, signed.to_le_bytes()),
    }
}

/// The digits without their point, which the column's type has.
fn decimal(out: &mut Vec<u8>, kind: Kind, value: &Decimal<'_>) -> Result<(), Malformed> {
    const WHAT: Malformed = Malformed("DECIMAL");
    let mut text = Vec::with_capacity(70);
    value.write(&mut text);
    text.retain(|byte| *byte != b'.');
    let text = std::str::from_utf8(&text).map_err(|_| WHAT)?;
    if matches!(kind, Kind::Decimal128 { .. }) {
        fixed(out, text.parse::<i128>().map_err(|_| WHAT)?.to_le_bytes());
    } else {
        fixed(out, i256::from_string(text).ok_or(WHAT)?.to_le_bytes());
    }
    Ok(())
}

fn text_or_bytes(out: &mut Vec<u8>, column: &Column, value: &[u8]) -> Result<(), Malformed> {
    match (column.charset, column.storage, column.meaning) {
        (Some(charset), ..) if charset.is_utf8() && std::str::from_utf8(value).is_ok() => bytes(out, value),
        (Some(charset), ..) => bytes(out, charset.to_utf8(value).as_bytes()),
        (None, Storage::Fixed { max_bytes }, Meaning::Bytes) => {
            // BINARY loses its trailing zeros in the log.
            let missing = usize::from(max_bytes).saturating_sub(value.len());
            return bytes_with(out, |out| {
                out.extend_from_slice(value);
                out.resize(out.len() + missing, 0);
                Ok(())
            });
        }
        (None, _, Meaning::Bytes) => bytes(out, value),
        (None, ..) => {
            // Addresses and UUIDs: their JSON has nothing to escape.
            let mut json = Vec::new();
            write_value(&mut json, column, &Value::Bytes(value), None, ValueOptions::default())?;
            bytes(out, json.get(1..json.len().saturating_sub(1)).unwrap_or_default());
        }
    }
    Ok(())
}

fn set(out: &mut Vec<u8>, column: &Column, bits: u64) {
    if column.members.is_empty() && bits != 0 {
        return bytes(out, itoa::Buffer::new().format(bits).as_bytes());
    }
    let mut text = String::new();
    for (index, name) in column.members.iter().take(64).enumerate() {
        if bits >> index & 1 == 1 {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(name);
        }
    }
    bytes(out, text.as_bytes());
}
