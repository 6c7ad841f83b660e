//! Bound parameters as they are sent: recordings have numbers and times as text.

use crate::mysql::wire::{ColumnType, write_lenenc_bytes};
use crate::player::error::Unplayable;
use crate::recording::{Param, ParamValue};

/// The type byte and the byte with the unsigned flag.
pub(super) fn write_type(out: &mut Vec<u8>, param: &Param) {
    let unsigned = if param.column_type & Param::UNSIGNED == 0 { 0 } else { 0x80 };
    out.extend_from_slice(&[param.column_type.to_le_bytes()[0], unsigned]);
}

fn column_type(param: &Param) -> ColumnType {
    // As the servers take what they do not know.
    ColumnType::from_byte(param.column_type.to_le_bytes()[0]).unwrap_or(ColumnType::String)
}

/// Whether the parameter's bit in the NULL bitmap is set.
pub(super) fn is_null(param: &Param) -> bool {
    // Of some types servers read no value, whatever a client sends.
    let never_has_value = || {
        matches!(
            column_type(param),
            ColumnType::Null | ColumnType::Int24 | ColumnType::Year | ColumnType::Bit | ColumnType::Geometry
        )
    };
    match param.value {
        ParamValue::Null | ParamValue::Default | ParamValue::Ignore => true,
        ParamValue::LongData => false,
        ParamValue::Given(_) => never_has_value(),
    }
}

/// Appends the value of a parameter that is not NULL.
pub(super) fn write_value(out: &mut Vec<u8>, param: &Param) -> Result<(), Unplayable> {
    let ParamValue::Given(value) = &param.value else { return Ok(()) };
    let written = match column_type(param) {
        ColumnType::Tiny => integer(value).map(|value| out.extend_from_slice(&value.to_le_bytes()[..1])),
        ColumnType::Short => integer(value).map(|value| out.extend_from_slice(&value.to_le_bytes()[..2])),
        ColumnType::Long => integer(value).map(|value| out.extend_from_slice(&value.to_le_bytes()[..4])),
        ColumnType::LongLong => integer(value).map(|value| out.extend_from_slice(&value.to_le_bytes()[..8])),
        ColumnType::Float => number::<f32>(value).map(|value| out.extend_from_slice(&value.to_le_bytes())),
        ColumnType::Double => number::<f64>(value).map(|value| out.extend_from_slice(&value.to_le_bytes())),
        ColumnType::Date | ColumnType::DateTime | ColumnType::Timestamp => write_date_time(out, value),
        ColumnType::Time => write_time(out, value),
        _ => {
            write_lenenc_bytes(out, value);
            Some(())
        }
    };
    written.ok_or(Unplayable::BadParam)
}

/// Wide enough for all signed and unsigned integers; a narrower one is its front, in two's complement.
fn integer(text: &[u8]) -> Option<i128> {
    number(text)
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Digits up to the next other byte.
fn digits<T: std::str::FromStr>(text: &mut &[u8]) -> Option<T> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    *text = rest;
    number(digits)
}

fn expect(text: &mut &[u8], byte: u8) -> Option<()> {
    *text = text.strip_prefix(&[byte])?;
    Some(())
}

/// `.123456`, if it is there. A client can send more than a second, which has more digits.
fn fraction(text: &mut &[u8]) -> Option<Option<u32>> {
    let Some(mut rest) = text.strip_prefix(b".") else { return Some(None) };
    let length = rest.len();
    let microsecond = digits(&mut rest)?;
    *text = rest;
    (length - rest.len() >= 6).then_some(Some(microsecond))
}

/// `2026-01-31`, with or without ` 12:34:56`, a fraction and an offset, in the shortest form that holds it, as client libraries send it.
fn write_date_time(out: &mut Vec<u8>, mut text: &[u8]) -> Option<()> {
    let text = &mut text;
    let year: u16 = digits(text)?;
    expect(text, b'-')?;
    let month: u8 = digits(text)?;
    expect(text, b'-')?;
    let day: u8 = digits(text)?;
    let mut time = [0u8; 3];
    let (mut microsecond, mut offset) = (None, None);
    if !text.is_empty() {
        expect(text, b' ')?;
        time = clock(text)?;
        microsecond = fraction(text)?;
        offset = zone(text)?;
    }
    if !text.is_empty() {
        return None;
    }
    let [low, high] = year.to_le_bytes();
    let date = [low, high, month, day];
    match (microsecond, offset) {
        (microsecond, Some(offset)) => {
            out.push(13);
            out.extend_from_slice(&date);
            out.extend_from_slice(&time);
            out.extend_from_slice(&microsecond.unwrap_or_default().to_le_bytes());
            out.extend_from_slice(&offset.to_le_bytes());
        }
        (Some(microsecond), None) => {
            out.push(11);
            out.extend_from_slice(&date);
            out.extend_from_slice(&time);
            out.extend_from_slice(&microsecond.to_le_bytes());
        }
        (None, None) if time != [0; 3] => {
            out.push(7);
            out.extend_from_slice(&date);
            out.extend_from_slice(&time);
        }
        (None, None) if date != [0; 4] => {
            out.push(4);
            out.extend_from_slice(&date);
        }
        (None, None) => out.push(0),
    }
    Some(())
}

/// `12:34:56`
fn clock(text: &mut &[u8]) -> Option<[u8; 3]> {
    let hour = digits(text)?;
    expect(text, b':')?;
    let minute = digits(text)?;
    expect(text, b':')?;
    Some([hour, minute, digits(text)?])
}

/// `+02:00` as minutes, if it is there.
fn zone(text: &mut &[u8]) -> Option<Option<i16>> {
    let sign = match text.first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Some(None),
    };
    *text = text.get(1..)?;
    let hours: i32 = digits(text)?;
    expect(text, b':')?;
    let minutes: i32 = digits(text)?;
    let offset = hours.checked_mul(60)?.checked_add(minutes)?.checked_mul(sign)?;
    i16::try_from(offset).ok().map(Some)
}

/// `-838:59:59`, with or without a fraction.
fn write_time(out: &mut Vec<u8>, mut text: &[u8]) -> Option<()> {
    let text = &mut text;
    let negative = expect(text, b'-').is_some();
    let hours: u64 = digits(text)?;
    expect(text, b':')?;
    let minute: u8 = digits(text)?;
    expect(text, b':')?;
    let second: u8 = digits(text)?;
    let microsecond = fraction(text)?;
    if !text.is_empty() {
        return None;
    }
    // The hour's byte may hold more than a day, where the days have no more room.
    let days = u32::try_from(hours / 24).unwrap_or(u32::MAX);
    let hour = u8::try_from(hours - u64::from(days) * 24).ok()?;
    if hours == 0 && minute == 0 && second == 0 && microsecond.is_none() {
        out.push(0);
        return Some(());
    }
    out.push(if microsecond.is_some() { 12 } else { 8 });
    out.push(u8::from(negative));
    out.extend_from_slice(&days.to_le_bytes());
    out.extend_from_slice(&[hour, minute, second]);
    if let Some(microsecond) = microsecond {
        out.extend_from_slice(&microsecond.to_le_bytes());
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::mysql::wire::{Reader, Value};

    /// What a recorder makes of a value that a client sent.
    fn recorded(bytes: &[u8], type_byte: u8, unsigned: bool) -> Option<Param> {
        let column_type = ColumnType::from_byte(type_byte)?;
        let mut reader = Reader::new(bytes, "test");
        let value = match Value::read(&mut reader, column_type, unsigned).ok()? {
            Value::Null => ParamValue::Null,
            Value::Text(bytes) | Value::Bytes(bytes) => ParamValue::Given(Bytes::copy_from_slice(bytes)),
            other => ParamValue::Given(other.to_string().into()),
        };
        let flag = if unsigned { Param::UNSIGNED } else { 0 };
        Some(Param { column_type: u16::from(type_byte) | flag, value })
    }

    fn sent_again(param: &Param) -> Vec<u8> {
        let mut out = Vec::new();
        if !is_null(param) {
            write_value(&mut out, param).unwrap();
        }
        out
    }

    #[test]
    fn what_client_libraries_send_is_sent_again_byte_for_byte() {
        for (bytes, type_byte) in [
            (&[0x80][..], 1),
            (&[0xff, 0x7f], 2),
            (&[0, 0, 0, 0x80], 3),
            (&[0xff; 8], 8),
            (&[0, 0, 0, 0, 0, 0, 0, 0x80], 8),
            (&0.1f32.to_le_bytes(), 4),
            (&f32::MIN_POSITIVE.to_le_bytes(), 4),
            (&f64::MAX.to_le_bytes(), 5),
            (&(-0.0f64).to_le_bytes(), 5),
            (&f64::NEG_INFINITY.to_le_bytes(), 5),
            (&f64::from_bits(1).to_le_bytes(), 5),
            (&[0], 10),
            (&[4, 0xea, 0x07, 0, 0], 10),
            (&[0], 12),
            (&[4, 0xea, 0x07, 1, 31], 12),
            (&[7, 0xea, 0x07, 1, 31, 23, 59, 59], 7),
            (&[11, 0x0f, 0x27, 12, 31, 0, 0, 0, 0x3f, 0x42, 0x0f, 0], 12),
            (&[13, 0xea, 0x07, 1, 31, 12, 0, 0, 1, 0, 0, 0, 0xb6, 0xff], 12),
            (&[13, 0xea, 0x07, 1, 31, 12, 0, 0, 0, 0, 0, 0, 0x48, 3], 7),
            (&[0], 11),
            (&[8, 1, 34, 0, 0, 0, 22, 59, 59], 11),
            (&[12, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0], 11),
            (b"\x03\xff\x00\xfe", 252),
            (b"\x0512.50", 246),
            (b"\x00", 254),
        ] {
            for unsigned in [false, true] {
                let param = recorded(bytes, type_byte, unsigned).unwrap();
                assert_eq!(sent_again(&param), bytes, "type {type_byte}, {param:?}");
                let mut types = Vec::new();
                write_type(&mut types, &param);
                assert_eq!(types, [type_byte, if unsigned { 0x80 } else { 0 }]);
            }
        }
    }

    #[test]
    fn types_of_which_servers_read_nothing_are_null() {
        for type_byte in [6, 9, 13, 16, 255] {
            let param = recorded(b"", type_byte, false).unwrap();
            assert!(is_null(&param) && sent_again(&param).is_empty());
            let value = ParamValue::Given(Bytes::from_static(b"1"));
            assert!(is_null(&Param { column_type: u16::from(type_byte), value }));
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for (type_byte, text) in [
            (1, ""),
            (8, "1x"),
            (8, "1.5"),
            (5, "one"),
            (10, "2026"),
            (12, "2026-01-31 "),
            (12, "2026-01-31 12:00"),
            (12, "70000-01-01"),
            (12, "2026-01-01 00:00:00.1"),
            (11, "1:2"),
            (11, "00:00:00 "),
            (11, "--1:00:00"),
            (11, "999999999999999999999:00:00"),
            (12, "2026-01-01 00:00:00.000000+99999999999:00"),
        ] {
            let value = ParamValue::Given(Bytes::from_static(text.as_bytes()));
            let result = write_value(&mut Vec::new(), &Param { column_type: type_byte, value });
            assert_eq!(result, Err(Unplayable::BadParam), "{text}");
        }
    }

    proptest! {
        /// Whatever a client sends and however oddly: what is sent again means the same to the server.
        #[test]
        fn what_is_sent_again_means_the_same(type_byte: u8, unsigned: bool, bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let lengths = bytes.first().map_or(0, |first| first % 16);
            let framed = [&[lengths][..], bytes.get(1..).unwrap_or_default()].concat();
            for bytes in [&bytes, &framed] {
                let Some(param) = recorded(bytes, type_byte, unsigned) else { continue };
                let again = sent_again(&param);
                let back = if is_null(&param) { param.clone() } else { recorded(&again, type_byte, unsigned).unwrap() };
                prop_assert_eq!(without_empty_fraction(&back), without_empty_fraction(&param));
            }
        }
    }

    /// An offset has room for a fraction only with it.
    fn without_empty_fraction(param: &Param) -> Param {
        let ParamValue::Given(value) = &param.value else { return param.clone() };
        let text = String::from_utf8_lossy(value).replace(".000000", "");
        let is_time = matches!(param.column_type & 0xff, 7 | 10 | 12 | 14 | 17 | 18 | 11 | 19);
        let negative_zero = text.trim_start_matches('-') == "00:00:00";
        match is_time {
            true if negative_zero => {
                Param { value: ParamValue::Given(Bytes::from_static(b"00:00:00")), ..param.clone() }
            }
            true => Param { value: ParamValue::Given(text.into()), ..param.clone() },
            false => param.clone(),
        }
    }
}
