//! Opaque values: what SQL has and JSON has not.
//!
//! Source: `json_binary_to_dom_template` and `wrapper_to_string` in `sql-common/json_dom.cc`, `TIME_from_longlong_packed`
//! and its kin in `mysys/my_time.cc`.

use crate::mysql::value::decimal::Decimal;
use crate::mysql::value::json::document::WHAT;
use crate::mysql::value::json::text;
use crate::mysql::wire::{Malformed, Reader};

// `enum_field_types` in `include/field_types.h`.
const TIMESTAMP: u8 = 7;
const DATE: u8 = 10;
const TIME: u8 = 11;
const DATETIME: u8 = 12;
const NEWDECIMAL: u8 = 246;

/// Appends a value as the server prints it: a DECIMAL as a number, dates and times as strings with all six digits of the
/// fraction, all else as base64 after the number of its type.
pub(crate) fn write(field_type: u8, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes, WHAT);
    match field_type {
        NEWDECIMAL => {
            let (precision, scale) = (reader.u8()?, reader.u8()?);
            let decimal = Decimal::read(&mut reader, precision, scale)?;
            if precision == 0 || scale > precision || !reader.is_empty() {
                return Err(Malformed(WHAT));
            }
            decimal.write(out);
        }
        DATE | DATETIME | TIMESTAMP => {
            out.push(b'"');
            write_datetime(&mut reader, field_type == DATE, out)?;
            out.push(b'"');
        }
        TIME => {
            out.push(b'"');
            write_time(&mut reader, out)?;
            out.push(b'"');
        }
        _ => {
            out.extend_from_slice(b"\"base64:type");
            out.extend_from_slice(itoa::Buffer::new().format(field_type).as_bytes());
            out.push(b':');
            text::base64(bytes, out);
            out.push(b'"');
        }
    }
    Ok(())
}

/// From the high bits down: year times 13 and month, 5 bits of day, 5 of hour, 6 of minute, 6 of second, 24 of
/// microseconds.
fn write_datetime(reader: &mut Reader<'_>, date_only: bool, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let packed = reader.u64()?.cast_signed().unsigned_abs();
    let year_month = packed >> 46;
    digits(year_month / 13, 4, out);
    out.push(b'-');
    digits(year_month % 13, 2, out);
    out.push(b'-');
    digits(packed >> 41 & 0x1f, 2, out);
    if date_only {
        return Ok(());
    }
    out.push(b' ');
    write_clock(packed >> 36 & 0x1f, packed, out)
}

/// As the time of day in a DATETIME, but with 10 bits of hours, and below zero for a negative one.
fn write_time(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let packed = reader.u64()?.cast_signed();
    if packed < 0 {
        out.push(b'-');
    }
    let packed = packed.unsigned_abs();
    write_clock(packed >> 36 & 0x3ff, packed, out)
}

fn write_clock(hours: u64, packed: u64, out: &mut Vec<u8>) -> Result<(), Malformed> {
    digits(hours, 2, out);
    out.push(b':');
    digits(packed >> 30 & 0x3f, 2, out);
    out.push(b':');
    digits(packed >> 24 & 0x3f, 2, out);
    out.push(b'.');
    let microseconds = packed & 0xff_ffff;
    if microseconds > 999_999 {
        return Err(Malformed(WHAT));
    }
    digits(microseconds, 6, out);
    Ok(())
}

/// Appends `value` with leading zeros, at least `width` digits in all.
fn digits(value: u64, width: usize, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(value).as_bytes();
    for _ in text.len()..width {
        out.push(b'0');
    }
    out.extend_from_slice(text);
}
