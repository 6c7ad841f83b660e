//! A value as JSON.

use crate::binlog::event::compression::decompress_column;
use crate::binlog::table::schema::{Column, Meaning};
use crate::binlog::value::column::Storage;
use crate::binlog::value::{Integer, Value};
use crate::json::number;
use crate::json::{base64, escaped, quoted, utf8};
use crate::mysql::value::address;
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
        Value::Pseudonym(pseudonym) => escaped(out, &pseudonym.to_string()),
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
        meaning => quoted(out, |out| write_meaning(out, meaning, &padded)),
    }
}

/// Appends the text of a UUID or an address, which has nothing to escape; base64 for anything else.
pub(crate) fn write_meaning(out: &mut Vec<u8>, meaning: Meaning, bytes: &[u8]) {
    match (meaning, bytes.len()) {
        (Meaning::Uuid, _) => address::write_uuid(out, bytes),
        (Meaning::Inet4, 4) => address::write_inet4(out, bytes),
        (Meaning::Inet6, 16) => address::write_inet6(out, bytes),
        _ => {
            let mut quoted = Vec::new();
            base64(&mut quoted, bytes);
            out.extend_from_slice(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default());
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
