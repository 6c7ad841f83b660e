//! One column's value in a row image.

pub(crate) mod column;

use crate::binlog::value::column::Storage;
use crate::mysql::value::decimal::Decimal;
use crate::mysql::value::temporal::{Date, DateTime, Time, Timestamp};
use crate::mysql::wire::{Malformed, Reader};
use crate::rules::redaction::Pseudonym;

/// A value as it is stored, borrowed from its event. What the row does not say (signedness, names, character set) is the
/// column's to tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// The column is not in the image (`binlog_row_image=MINIMAL` or `NOBLOB`).
    Absent,
    /// NULL.
    Null,
    /// There is a value, but it is not to be shown.
    Redacted,
    /// There is a value that is not to be shown, and this stands for it.
    Pseudonym(Pseudonym),
    /// An integer whose sign is not known: this many bytes, zero-extended.
    Integer(Integer),
    /// FLOAT.
    Float(f32),
    /// DOUBLE.
    Double(f64),
    /// DECIMAL.
    Decimal(Decimal<'a>),
    /// YEAR, 0 for the year 0000.
    Year(u16),
    /// DATE.
    Date(Date),
    /// TIME.
    Time(Time),
    /// DATETIME.
    DateTime(DateTime),
    /// TIMESTAMP.
    Timestamp(Timestamp),
    /// CHAR, VARCHAR, BINARY, VARBINARY, BLOB or TEXT.
    Bytes(&'a [u8]),
    /// The same, after MariaDB's compression header.
    Compressed(&'a [u8]),
    /// MySQL's binary JSON; empty for a JSON `null` written where the server could not do better.
    Json(&'a [u8]),
    /// Changes to the JSON document in the before image (`binlog_row_value_options=PARTIAL_JSON`).
    JsonDiff(&'a [u8]),
    /// SRID and WKB.
    Geometry(&'a [u8]),
    /// 4-byte little-endian floats.
    Vector(&'a [u8]),
    /// BIT.
    Bit(u64),
    /// ENUM: the number of a name, 0 for the empty string of an invalid value.
    Enum(u16),
    /// SET: a bit per name.
    Set(u64),
}

/// An integer as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Integer {
    raw: u64,
    bytes: u8,
}

impl Integer {
    /// The value, taken for unsigned.
    pub fn unsigned(self) -> u64 {
        self.raw
    }

    /// The value, taken for signed (two's complement).
    pub fn signed(self) -> i64 {
        let unused = 64 - u32::from(self.bytes) * 8;
        ((self.raw << unused) as i64) >> unused
    }
}

impl<'a> Value<'a> {
    /// Reads a value that is present and not NULL.
    #[inline]
    pub(super) fn read(storage: Storage, reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(match storage {
            Storage::Integer { bytes } => Self::Integer(Integer { raw: little_endian(reader, bytes)?, bytes }),
            Storage::Float => Self::Float(f32::from_bits(reader.u32()?)),
            Storage::Double => Self::Double(f64::from_bits(reader.u64()?)),
            Storage::Decimal { precision, scale } => Self::Decimal(Decimal::read(reader, precision, scale)?),
            Storage::Year => Self::Year(match reader.u8()? {
                0 => 0,
                since_1900 => 1900 + u16::from(since_1900),
            }),
            Storage::Date => Self::Date(Date::read(reader)?),
            Storage::Time { fraction_digits } => Self::Time(Time::read(reader, fraction_digits)?),
            Storage::DateTime { fraction_digits } => Self::DateTime(DateTime::read(reader, fraction_digits)?),
            Storage::Timestamp { fraction_digits } => Self::Timestamp(Timestamp::read(reader, fraction_digits)?),
            Storage::TimeOld => Self::Time(Time::read_old(reader)?),
            Storage::DateTimeOld => Self::DateTime(DateTime::read_old(reader)?),
            Storage::TimestampOld => Self::Timestamp(Timestamp::read_old(reader)?),
            Storage::Fixed { max_bytes } => Self::Bytes(with_length(reader, if max_bytes > 255 { 2 } else { 1 })?),
            Storage::Variable { max_bytes, compressed } => {
                let bytes = with_length(reader, if max_bytes > 255 { 2 } else { 1 })?;
                if compressed { Self::Compressed(bytes) } else { Self::Bytes(bytes) }
            }
            Storage::Blob { length_bytes, compressed } => {
                let bytes = with_length(reader, length_bytes)?;
                if compressed { Self::Compressed(bytes) } else { Self::Bytes(bytes) }
            }
            Storage::Json { length_bytes } => Self::Json(with_length(reader, length_bytes)?),
            Storage::Geometry { length_bytes } => Self::Geometry(with_length(reader, length_bytes)?),
            Storage::Vector { length_bytes } => Self::Vector(with_length(reader, length_bytes)?),
            Storage::Bit { bits } => {
                let bytes = reader.bytes(usize::from(bits.div_ceil(8)))?;
                Self::Bit(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
            }
            Storage::Enum { bytes } => Self::Enum(little_endian(reader, bytes)? as u16),
            Storage::Set { bytes } => Self::Set(little_endian(reader, bytes)?),
            Storage::Null => Self::Null,
        })
    }
}

#[inline]
fn little_endian(reader: &mut Reader<'_>, bytes: u8) -> Result<u64, Malformed> {
    match bytes {
        1 => reader.u8().map(u64::from),
        2 => reader.u16().map(u64::from),
        4 => reader.u32().map(u64::from),
        8 => reader.u64(),
        other => {
            let bytes = reader.bytes(usize::from(other))?;
            Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
        }
    }
}

#[inline]
pub(super) fn with_length<'a>(reader: &mut Reader<'a>, length_bytes: u8) -> Result<&'a [u8], Malformed> {
    let length = little_endian(reader, length_bytes)?;
    reader.bytes(usize::try_from(length).map_err(|_| reader.malformed())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(storage: Storage, bytes: &[u8]) -> Value<'_> {
        let mut reader = Reader::new(bytes, "row");
        let value = Value::read(storage, &mut reader).unwrap();
        assert!(reader.is_empty());
        value
    }

    #[test]
    fn integers_get_their_sign_from_the_column() {
        for (bytes, signed, unsigned) in [
            (&[0xff][..], -1, 0xff),
            (&[0x00, 0x80], -32_768, 32_768),
            (&[0x00, 0x00, 0x80], -8_388_608, 8_388_608),
            (&[0xff, 0xff, 0x7f], 8_388_607, 8_388_607),
            (&[0xfe, 0xff, 0xff, 0xff], -2, 0xffff_fffe),
            (&[0xff; 8], -1, u64::MAX),
        ] {
            let storage = Storage::Integer { bytes: u8::try_from(bytes.len()).unwrap() };
            let Value::Integer(integer) = read(storage, bytes) else { panic!() };
            assert_eq!((integer.signed(), integer.unsigned()), (signed, unsigned), "{bytes:?}");
        }
    }

    #[test]
    fn bits_come_with_the_most_significant_byte_first() {
        assert_eq!(read(Storage::Bit { bits: 10 }, &[0x02, 0x01]), Value::Bit(513));
        assert_eq!(read(Storage::Bit { bits: 64 }, &[0xff; 8]), Value::Bit(u64::MAX));
    }

    #[test]
    fn lengths_beyond_the_row_are_refused() {
        for (storage, bytes) in [
            (Storage::Blob { length_bytes: 4, compressed: false }, &[0xff, 0xff, 0xff, 0xff, 1][..]),
            (Storage::Variable { max_bytes: 300, compressed: false }, &[2, 0, 1]),
            (Storage::Fixed { max_bytes: 255 }, &[2, 1]),
            (Storage::Integer { bytes: 3 }, &[1, 2]),
        ] {
            assert!(Value::read(storage, &mut Reader::new(bytes, "row")).is_err());
        }
    }
}
