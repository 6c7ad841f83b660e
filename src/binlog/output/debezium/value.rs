//! Values as the connector's default options have them.
//!
//! Sources, in debezium/debezium: `debezium-connector-binlog/.../jdbc/BinlogValueConverters.java`,
//! `.../event/RowDeserializers.java` (dates that are none), `.../util/RowImageUtils.java` (columns that are not in an image),
//! `.../BinlogGeometry.java`, `debezium-core/.../jdbc/JdbcValueConverters.java`, `.../time/ZonedTimestamp.java`.

use crate::binlog::event::table_map::MappedColumn;
use crate::binlog::output::debezium::options::{BigintUnsigned, DecimalHandling};
use crate::binlog::output::debezium::schema::{GEOMETRY_POINT, is_masked};
use crate::binlog::output::json_value::{ValueOptions, write_value};
use crate::binlog::table::schema::Column;
use crate::binlog::value::Value;
use crate::binlog::value::column::Storage;
use crate::json::number;
use crate::json::{base64, escaped, quoted};
use crate::mysql::value::digits::integer;
use crate::mysql::value::geometry;
use crate::mysql::value::temporal::{Date, Timestamp};
use crate::mysql::wire::Malformed;

/// What stands for a BLOB or TEXT that is not in an image (`unavailable.value.placeholder`).
const UNAVAILABLE: &str = "__debezium_unavailable_value";

/// Whether a column is shown in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Shown,
    /// Not in the image, and there is nothing that stands for it.
    LeftOut,
}

impl Presence {
    pub(crate) fn of(column: &Column, value: &Value<'_>) -> Self {
        // The connector asks for binlog_row_image=FULL or NOBLOB and has an answer for what NOBLOB leaves out only.
        if *value == Value::Absent && !matches!(column.storage, Storage::Blob { .. }) {
            Self::LeftOut
        } else {
            Self::Shown
        }
    }
}

/// Writes values.
#[derive(Debug)]
pub(crate) struct Values {
    decimal: DecimalHandling,
    bigint_unsigned: BigintUnsigned,
    /// What is made of a value on the way.
    scratch: Vec<u8>,
}

impl Values {
    pub(crate) fn new(decimal: DecimalHandling, bigint_unsigned: BigintUnsigned) -> Self {
        Self { decimal, bigint_unsigned, scratch: Vec::new() }
    }

    #[inline]
    pub(crate) fn write(
        &mut self,
        out: &mut Vec<u8>,
        column: &Column,
        mapped: &MappedColumn,
        value: &Value<'_>,
        before: Option<&Value<'_>>,
    ) -> Result<(), Malformed> {
        match value {
            Value::Absent => match column.charset {
                Some(_) => escaped(out, UNAVAILABLE),
                None => base64(out, UNAVAILABLE.as_bytes()),
            },
            Value::Integer(value) if column.unsigned && matches!(column.storage, Storage::Integer { bytes: 8 }) => {
                match self.bigint_unsigned {
                    BigintUnsigned::Long => integer(out, value.signed()),
                    BigintUnsigned::Precise => {
                        let mut number = [0; 32];
                        if let Some(low) = number.first_chunk_mut() {
                            *low = value.unsigned().to_le_bytes();
                        }
                        unscaled(out, number);
                    }
                }
            }
            Value::Decimal(value) => match self.decimal {
                DecimalHandling::String => quoted(out, |out| value.write(out)),
                DecimalHandling::Double => {
                    self.scratch.clear();
                    value.write(&mut self.scratch);
                    match std::str::from_utf8(&self.scratch).map(str::parse::<f64>) {
                        Ok(Ok(value)) => number(out, value),
                        _ => out.extend_from_slice(b"null"),
                    }
                }
                DecimalHandling::Precise => unscaled(out, value.unscaled_bytes().ok_or(Malformed("DECIMAL"))?),
            },
            Value::Date(value) => or_zero(out, mapped, real(*value).and_then(|date| date.days_since_epoch())),
            Value::DateTime(value) => {
                let microseconds = real(value.date).and_then(|_| value.microseconds_since_epoch());
                // Milliseconds where they hold every digit; dates before 1970 are rounded as Java's are, downwards.
                let unit = if value.fraction_digits <= 3 { 1000 } else { 1 };
                or_zero(out, mapped, microseconds.map(|microseconds| microseconds.div_euclid(unit)));
            }
            Value::Time(value) => integer(out, value.total_microseconds()),
            // The zero timestamp is no time.
            Value::Timestamp(value) if value.seconds == 0 => {
                out.extend_from_slice(if mapped.nullable { b"null" } else { b"\"1970-01-01T00:00:00Z\"" });
            }
            Value::Timestamp(value) => zoned(out, *value),
            Value::Redacted | Value::Pseudonym(_) if !is_masked(column) => out.extend_from_slice(b"null"),
            Value::Json([]) => {
                out.extend_from_slice(if mapped.nullable { b"null" } else { b"\"{}\"" });
            }
            Value::JsonDiff(_) if !matches!(before, Some(Value::Json(_))) => escaped(out, UNAVAILABLE),
            Value::Json(_) | Value::JsonDiff(_) => {
                self.scratch.clear();
                write_value(&mut self.scratch, column, value, before, ValueOptions::default())?;
                match std::str::from_utf8(&self.scratch) {
                    Ok(text) => escaped(out, text),
                    Err(_) => return Err(Malformed("JSON that is not UTF-8")),
                }
            }
            Value::Geometry(stored) => geometry(out, mapped, stored),
            Value::Bit(value) => match column.storage {
                Storage::Bit { bits: 1 } => out.extend_from_slice(if *value == 0 { b"false" } else { b"true" }),
                Storage::Bit { bits } => {
                    let bytes = value.to_le_bytes();
                    base64(out, bytes.get(..usize::from(bits.div_ceil(8))).unwrap_or(&bytes));
                }
                _ => integer(out, *value),
            },
            _ => write_value(out, column, value, before, ValueOptions::default())?,
        }
        Ok(())
    }
}

/// The date, unless a part of it is zero.
fn real(date: Date) -> Option<Date> {
    (date.year != 0 && date.month != 0 && date.day != 0).then_some(date)
}

/// A number, or for a date that is in no calendar null; 0, which is 1970, in a column that may not be null.
fn or_zero(out: &mut Vec<u8>, mapped: &MappedColumn, value: Option<impl itoa::Integer>) {
    match value {
        Some(value) => integer(out, value),
        None => out.extend_from_slice(if mapped.nullable { b"null" } else { b"0" }),
    }
}

/// `2018-06-20T13:37:03.123Z`, with as many digits of the fraction as the column has.
fn zoned(out: &mut Vec<u8>, value: Timestamp) {
    const BETWEEN: usize = "2018-06-20".len();
    let utc = value.to_utc();
    quoted(out, |out| {
        let start = out.len();
        utc.write(out);
        if let Some(between) = out.get_mut(start + BETWEEN) {
            *between = b'T';
        }
        out.push(b'Z');
    });
}

/// `{"wkb":"...","srid":4326}`, with the coordinates in front for a POINT column.
fn geometry(out: &mut Vec<u8>, mapped: &MappedColumn, stored: &[u8]) {
    let Some((srid, wkb)) = geometry::split(stored) else {
        return base64(out, stored);
    };
    out.push(b'{');
    if mapped.geometry_type == Some(GEOMETRY_POINT)
        && let [1, 1, 0, 0, 0, coordinates @ ..] = wkb
        && let ([x, y], []) = coordinates.as_chunks::<8>()
    {
        out.extend_from_slice(b"\"x\":");
        number(out, f64::from_le_bytes(*x));
        out.extend_from_slice(b",\"y\":");
        number(out, f64::from_le_bytes(*y));
        out.push(b',');
    }
    out.extend_from_slice(b"\"wkb\":");
    base64(out, wkb);
    out.extend_from_slice(b",\"srid\":");
    match srid {
        0 => out.extend_from_slice(b"null"),
        srid => integer(out, srid),
    }
    out.push(b'}');
}

/// Appends a number in two's complement, little-endian, as the shortest big-endian one, in base64
/// (`BigDecimal.unscaledValue().toByteArray()`).
fn unscaled(out: &mut Vec<u8>, mut number: [u8; 32]) {
    number.reverse();
    let mut shortest = number.as_slice();
    // A byte that only repeats the sign of the next one says nothing.
    while let [first, rest @ ..] = shortest
        && let [second, ..] = rest
        && *first == if second & 0x80 == 0 { 0 } else { 0xff }
    {
        shortest = rest;
    }
    base64(out, shortest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        use ::base64::Engine;
        let mut out = Vec::new();
        let unpointed = text.replace('.', "");
        unscaled(&mut out, arrow_buffer::i256::from_string(&unpointed).unwrap().to_le_bytes());
        let quoted: String = serde_json::from_slice(&out).unwrap();
        ::base64::engine::general_purpose::STANDARD.decode(quoted).unwrap()
    }

    #[test]
    fn decimals_are_java_s_big_integers() {
        // What java.math.BigInteger.toByteArray gives.
        assert_eq!(digits("0"), [0]);
        assert_eq!(digits("1.27"), [127]);
        assert_eq!(digits("1.28"), [0, 128]);
        assert_eq!(digits("-1.28"), [0x80]);
        assert_eq!(digits("-1.29"), [0xff, 0x7f]);
        assert_eq!(digits("-0.01"), [0xff]);
        assert_eq!(digits("123.45"), [0x30, 0x39]);
        assert_eq!(digits("18446744073709551615"), [0, 255, 255, 255, 255, 255, 255, 255, 255]);
        let largest = digits(&"9".repeat(65));
        assert_eq!(largest.len(), 28);
        assert_eq!(largest[..4], [0x00, 0xf3, 0x16, 0x27]);
        let smallest = digits(&format!("-{}", "9".repeat(65)));
        assert_eq!((smallest.len(), smallest[..4].to_vec()), (28, vec![0xff, 0x0c, 0xe9, 0xd8]));
    }

    #[test]
    fn any_number_of_128_bits() {
        for value in [i128::MAX, i128::MIN, 0x1234_5678_9abc_def0_1234, -255, -256, -257, 255, 256, 1 << 63, -(1 << 63)]
        {
            let bytes = digits(&value.to_string());
            let sign = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
            let mut whole = [sign; 16];
            whole[16 - bytes.len()..].copy_from_slice(&bytes);
            assert_eq!(i128::from_be_bytes(whole), value);
        }
    }
}
