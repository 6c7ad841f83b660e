//! A value as JSON.

use crate::binlog::event::decoder::decompress_column;
use crate::binlog::table::schema::{Column, Meaning};
use crate::binlog::value::column::Storage;
use crate::binlog::value::{Integer, Value};
use crate::json::number;
use crate::json::{base64, escaped, quoted, utf8};
use crate::mysql::value::digits::integer;
use crate::mysql::value::geometry;
use crate::mysql::value::json;
use crate::mysql::wire::Malformed;

/// How values are shown where there is a choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ValueOptions {
    /// BIGINT as a string, for readers whose numbers end at 2^53.
    pub bigint_as_string: bool,
    /// How geometries are shown.
    pub geometry: Geometry,
}

/// How geometries are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Geometry {
    /// What the server stores, SRID (4 bytes, little-endian) and WKB, in base64.
    #[default]
    Wkb,
    /// GeoJSON (RFC 7946), with a `crs` where the SRID is not 0; bytes that are no geometry as with [`Self::Wkb`].
    GeoJson,
}

/// Appends the value as JSON. `before` is the same column in the before image, for changes to a JSON document.
#[inline]
pub fn write_value(
    out: &mut Vec<u8>,
    column: &Column,
    value: &Value<'_>,
    before: Option<&Value<'_>>,
    options: ValueOptions,
) -> Result<(), Malformed> {
    match value {
        Value::Absent | Value::Null => out.extend_from_slice(b"null"),
        Value::Redacted => out.extend_from_slice(column.redaction.as_deref().unwrap_or(b"null")),
        Value::Integer(value) => write_integer(out, column, *value, options),
        Value::Float(value) => number(out, *value),
        Value::Double(value) => number(out, *value),
        Value::Decimal(value) => quoted(out, |out| value.write(out)),
        Value::Year(value) => integer(out, *value),
        Value::Date(value) => quoted(out, |out| value.write(out)),
        Value::Time(value) => quoted(out, |out| value.write(out)),
        Value::DateTime(value) => quoted(out, |out| value.write(out)),
        Value::Timestamp(value) => quoted(out, |out| value.write(out)),
        Value::Bytes(bytes) => write_bytes(out, column, bytes),
        Value::Compressed(bytes) => {
            let mut content = Vec::new();
            decompress_column(bytes, &mut content).map_err(|_| Malformed("MariaDB's compressed column"))?;
            write_bytes(out, column, &content);
        }
        Value::Json(document) => json::write_json(document, out)?,
        Value::JsonDiff(diffs) => match before {
            Some(Value::Json(document)) => json::apply_diffs(document, diffs, out)?,
            // Without the document (an image of the key only) the changes are all there is.
            _ => {
                out.extend_from_slice(b"{\"$diff\":");
                json::write_diffs(diffs, out)?;
                out.push(b'}');
            }
        },
        Value::Geometry(bytes) => {
            if options.geometry == Geometry::Wkb || geometry::write_geo_json(bytes, out).is_err() {
                base64(out, bytes);
            }
        }
        Value::Vector(bytes) => vector(out, bytes),
        Value::Bit(value) => integer(out, *value),
        Value::Enum(number) => match usize::from(*number).checked_sub(1) {
            None => out.extend_from_slice(b"\"\""),
            Some(index) => match column.members.get(index) {
                Some(name) => escaped(out, name),
                None => integer(out, *number),
            },
        },
        Value::Set(bits) => set(out, column, *bits),
    }
    Ok(())
}

fn write_integer(out: &mut Vec<u8>, column: &Column, value: Integer, options: ValueOptions) {
    let as_string = options.bigint_as_string && matches!(column.storage, Storage::Integer { bytes: 8 });
    if as_string {
        out.push(b'"');
    }
    if column.unsigned {
        integer(out, value.unsigned());
    } else {
        integer(out, value.signed());
    }
    if as_string {
        out.push(b'"');
    }
}

/// Appends text as UTF-8, bytes in base64.
pub(crate) fn write_bytes(out: &mut Vec<u8>, column: &Column, bytes: &[u8]) {
    match (column.charset, column.storage) {
        (Some(charset), _) if charset.is_utf8() => utf8(out, bytes),
        (Some(charset), _) => escaped(out, &charset.to_utf8(bytes)),
        (None, Storage::Fixed { max_bytes }) => fixed_binary(out, column.meaning, bytes, usize::from(max_bytes)),
        (None, _) => base64(out, bytes),
    }
}

/// BINARY loses its trailing zeros in the log.
fn fixed_binary(out: &mut Vec<u8>, meaning: Meaning, bytes: &[u8], length: usize) {
    let mut padded = bytes.to_vec();
    padded.resize(length.max(bytes.len()), 0);
    match meaning {
        Meaning::Bytes => base64(out, &padded),
        Meaning::Uuid => quoted(out, |out| uuid(out, &padded)),
        Meaning::Inet4 => match <[u8; 4]>::try_from(padded.as_slice()) {
            Ok(address) => escaped(out, &std::net::Ipv4Addr::from(address).to_string()),
            Err(_) => base64(out, &padded),
        },
        Meaning::Inet6 => match <[u8; 16]>::try_from(padded.as_slice()) {
            Ok(address) => escaped(out, &inet6(address)),
            Err(_) => base64(out, &padded),
        },
    }
}

/// The text that MariaDB prints (its `plugin/type_inet/sql_type_inet.cc`, Inet6::to_string): the longest run of zeros is left out even
/// if it is a single one, and addresses that hold an IPv4 one end in its own form.
fn inet6(address: [u8; 16]) -> String {
    use std::fmt::Write;
    let groups = std::net::Ipv6Addr::from(address).segments();
    let [_, _, _, _, _, _, _, _, _, _, _, _, a, b, c, d] = address;
    let (mut best, mut best_length) = (0, 0);
    let mut start = 0;
    while start < groups.len() {
        let length = groups.iter().skip(start).take_while(|group| **group == 0).count();
        if length > best_length {
            (best, best_length) = (start, length);
        }
        start += length.max(1);
    }
    let mut text = String::new();
    let mut at = 0;
    while at < groups.len() {
        if best_length > 0 && at == best {
            text.push_str(if at == 0 { "::" } else { ":" });
            at += best_length;
            continue;
        }
        // Compatible with IPv4, or mapped from it.
        if at == 6 && best == 0 && (best_length == 6 || (best_length == 5 && groups.get(5) == Some(&0xffff))) {
            let _ = write!(text, "{a}.{b}.{c}.{d}");
            break;
        }
        let _ = write!(text, "{:x}", groups.get(at).copied().unwrap_or(0));
        at += 1;
        if at < groups.len() {
            text.push(':');
        }
    }
    text
}

/// MariaDB stores the parts of a UUID from the last to the first, except for those of a variant it does not know or of version 6
/// and later (its `sql/sql_type_uuid.h`, memory_to_record). The variant has the highest bit of its byte set; a version below 6 has not.
fn uuid(out: &mut Vec<u8>, stored: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    // (from, to) of each part in the record, in the order of the text.
    // In the order of the text the version is at 6 and the variant at 8; swapped it is the other way round.
    let high_bit = |at: usize| stored.get(at).is_some_and(|byte| byte & 0x80 != 0);
    let swapped = high_bit(6) && !high_bit(8);
    let parts: [std::ops::Range<usize>; 5] =
        if swapped { [12..16, 10..12, 8..10, 6..8, 0..6] } else { [0..4, 4..6, 6..8, 8..10, 10..16] };
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            out.push(b'-');
        }
        for byte in stored.get(part).unwrap_or_default() {
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

/// Appends an array of 4-byte floats.
pub(crate) fn vector(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'[');
    for (index, chunk) in bytes.as_chunks::<4>().0.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        number(out, f32::from_le_bytes(*chunk));
    }
    out.push(b']');
}

fn set(out: &mut Vec<u8>, column: &Column, bits: u64) {
    if column.members.is_empty() && bits != 0 {
        return integer(out, bits);
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
    escaped(out, &text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_of_version_6_and_later_are_stored_as_they_are_printed() {
        let shown = |stored: u128| {
            let mut out = Vec::new();
            uuid(&mut out, &stored.to_be_bytes());
            String::from_utf8(out).unwrap()
        };
        // Stored by a MariaDB 11.8.
        assert_eq!(shown(0x4266_1417_4000_a456_12d3_e89b_123e_4567), "123e4567-e89b-12d3-a456-426614174000");
        assert_eq!(shown(0x019a_8b2c_3d4e_7f50_8162_7384_95a6_b7c8), "019a8b2c-3d4e-7f50-8162-738495a6b7c8");
        assert_eq!(shown(0x320c_3d4d_cc00_875b_8ec9_32d5_f691_81c0), "320c3d4d-cc00-875b-8ec9-32d5f69181c0");
        assert_eq!(shown(0x123e_4567_e89b_72d3_2456_4266_1417_4000), "123e4567-e89b-72d3-2456-426614174000");
    }

    #[test]
    fn addresses_as_the_server_prints_them() {
        let mut compatible = [0; 16];
        compatible[12..].copy_from_slice(&[192, 0, 2, 1]);
        assert_eq!(inet6(compatible), "::192.0.2.1");
        assert_eq!(inet6([0; 16]), "::");
        let mut mapped = compatible;
        mapped[10..12].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(inet6(mapped), "::ffff:192.0.2.1");
        for text in ["::1:2:3:4:5:6:7", "1::", "1:2:3:4:5:6:7:8", "2001:db8::1", "1::2:0:3:0", "::1", "1:0:2:3:4:5:6::"]
        {
            let canonical: std::net::Ipv6Addr = text.parse().unwrap();
            let printed = inet6(canonical.octets());
            assert_eq!(printed.parse::<std::net::Ipv6Addr>().unwrap(), canonical, "{printed}");
        }
        assert_eq!(inet6("::1:2:3:4:5:6:7".parse::<std::net::Ipv6Addr>().unwrap().octets()), "::1:2:3:4:5:6:7");
    }
}
