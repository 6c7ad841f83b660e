//! Values of the binary protocol, and their text as messages show it.

use std::fmt;

use crate::mysql::wire::{Malformed, Reader};

/// `enum_field_types` in MySQL's `include/field_types.h`, as far as it appears on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the protocol's own")]
pub enum ColumnType {
    Decimal,
    Tiny,
    Short,
    Long,
    Float,
    Double,
    Null,
    Timestamp,
    LongLong,
    Int24,
    Date,
    Time,
    DateTime,
    Year,
    VarChar,
    Bit,
    Vector,
    Json,
    NewDecimal,
    Enum,
    Set,
    TinyBlob,
    MediumBlob,
    LongBlob,
    Blob,
    VarString,
    String,
    Geometry,
}

impl ColumnType {
    /// The type that `byte` stands for, `None` if the protocol has no such type.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Decimal,
            1 => Self::Tiny,
            2 => Self::Short,
            3 => Self::Long,
            4 => Self::Float,
            5 => Self::Double,
            6 => Self::Null,
            7 | 17 => Self::Timestamp,
            8 => Self::LongLong,
            9 => Self::Int24,
            10 | 14 => Self::Date,
            11 | 19 => Self::Time,
            12 | 18 => Self::DateTime,
            13 => Self::Year,
            15 => Self::VarChar,
            16 => Self::Bit,
            242 => Self::Vector,
            245 => Self::Json,
            246 => Self::NewDecimal,
            247 => Self::Enum,
            248 => Self::Set,
            249 => Self::TinyBlob,
            250 => Self::MediumBlob,
            251 => Self::LongBlob,
            252 => Self::Blob,
            253 => Self::VarString,
            254 => Self::String,
            255 => Self::Geometry,
            _ => return None,
        })
    }

    /// The byte that stands for the type.
    pub fn byte(self) -> u8 {
        match self {
            Self::Decimal => 0,
            Self::Tiny => 1,
            Self::Short => 2,
            Self::Long => 3,
            Self::Float => 4,
            Self::Double => 5,
            Self::Null => 6,
            Self::Timestamp => 7,
            Self::LongLong => 8,
            Self::Int24 => 9,
            Self::Date => 10,
            Self::Time => 11,
            Self::DateTime => 12,
            Self::Year => 13,
            Self::VarChar => 15,
            Self::Bit => 16,
            Self::Vector => 242,
            Self::Json => 245,
            Self::NewDecimal => 246,
            Self::Enum => 247,
            Self::Set => 248,
            Self::TinyBlob => 249,
            Self::MediumBlob => 250,
            Self::LongBlob => 251,
            Self::Blob => 252,
            Self::VarString => 253,
            Self::String => 254,
            Self::Geometry => 255,
        }
    }

    /// Whether servers send a value of this type as a string with its length in front.
    pub fn is_string(self) -> bool {
        !matches!(
            self,
            Self::Tiny
                | Self::Short
                | Self::Long
                | Self::Int24
                | Self::LongLong
                | Self::Float
                | Self::Double
                | Self::Null
                | Self::Year
                | Self::Date
                | Self::Time
                | Self::DateTime
                | Self::Timestamp
        )
    }

    /// Whether a value of this type is bytes rather than text, whatever the bytes are.
    pub fn is_binary(self) -> bool {
        matches!(
            self,
            Self::TinyBlob | Self::MediumBlob | Self::LongBlob | Self::Blob | Self::Geometry | Self::Bit | Self::Vector
        )
    }
}

/// One value of the binary protocol. Its `Display` is the form that `queryParams` holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// SQL NULL.
    Null,
    /// Signed integers of every width.
    Int(i64),
    /// Unsigned integers of every width.
    UInt(u64),
    /// FLOAT.
    Float(f32),
    /// DOUBLE.
    Double(f64),
    /// DATE.
    Date {
        /// 0 to 9999
        year: u16,
        /// 0 to 12
        month: u8,
        /// 0 to 31
        day: u8,
    },
    /// DATETIME and TIMESTAMP.
    DateTime {
        /// 0 to 9999
        year: u16,
        /// 0 to 12
        month: u8,
        /// 0 to 31
        day: u8,
        /// 0 to 23
        hour: u8,
        /// 0 to 59
        minute: u8,
        /// 0 to 59
        second: u8,
        /// `None` if the value was sent without a fraction.
        microsecond: Option<u32>,
        /// Minutes east of UTC, if the value was sent with an offset (`MYSQL_TIMESTAMP_DATETIME_TZ`).
        offset_minutes: Option<i16>,
    },
    /// TIME.
    Time {
        /// Whether there is a minus sign.
        negative: bool,
        /// Days included.
        hours: u64,
        /// 0 to 59
        minute: u8,
        /// 0 to 59
        second: u8,
        /// `None` if the value was sent without a fraction.
        microsecond: Option<u32>,
    },
    /// Text, in the connection's character set.
    Text(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
    /// MariaDB's bulk indicator "use the column's default".
    Default,
    /// MariaDB's bulk indicator "leave the column as it is".
    Ignore,
}

impl<'a> Value<'a> {
    /// Reads one value that a client sent and that is not NULL, as the servers read it.
    ///
    /// That is wider than "Binary Protocol Value" in the protocol documentation: lengths need not be minimal, dates may have any
    /// length, a text may end early. MariaDB takes the types that no client library binds for NULL, and reads nothing
    /// (`Type_handler::Item_param_set_param_func` in its `sql/sql_type.cc`); MySQL refuses to execute with them.
    pub fn read(reader: &mut Reader<'a>, column_type: ColumnType, unsigned: bool) -> Result<Self, Malformed> {
        Ok(match column_type {
            ColumnType::Null | ColumnType::Int24 | ColumnType::Year | ColumnType::Bit | ColumnType::Geometry => {
                Self::Null
            }
            ColumnType::Tiny if unsigned => Self::UInt(u64::from(reader.u8()?)),
            ColumnType::Tiny => Self::Int(i64::from(reader.u8()?.cast_signed())),
            ColumnType::Short if unsigned => Self::UInt(u64::from(reader.u16()?)),
            ColumnType::Short => Self::Int(i64::from(reader.u16()?.cast_signed())),
            ColumnType::Long if unsigned => Self::UInt(u64::from(reader.u32()?)),
            ColumnType::Long => Self::Int(i64::from(reader.u32()?.cast_signed())),
            ColumnType::LongLong if unsigned => Self::UInt(reader.u64()?),
            ColumnType::LongLong => Self::Int(reader.u64()?.cast_signed()),
            ColumnType::Float => Self::Float(f32::from_bits(reader.u32()?)),
            ColumnType::Double => Self::Double(f64::from_bits(reader.u64()?)),
            ColumnType::Date => match Self::read_datetime(reader.sent_bytes()?)? {
                Self::DateTime { year, month, day, .. } => Self::Date { year, month, day },
                other => other,
            },
            ColumnType::DateTime | ColumnType::Timestamp => Self::read_datetime(reader.sent_bytes()?)?,
            ColumnType::Time => Self::read_time(reader.sent_bytes()?)?,
            binary if binary.is_binary() => Self::Bytes(reader.sent_bytes()?),
            _ => Self::Text(reader.sent_bytes()?),
        })
    }

    fn read_datetime(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, "date");
        let (mut year, mut month, mut day, mut hour, mut minute, mut second, mut microsecond) =
            (0, 0, 0, 0, 0, 0, None);
        if bytes.len() >= 4 {
            (year, month, day) = (reader.u16()?, reader.u8()?, reader.u8()?);
        }
        if bytes.len() >= 7 {
            (hour, minute, second) = (reader.u8()?, reader.u8()?, reader.u8()?);
        }
        if bytes.len() >= 11 {
            microsecond = Some(reader.u32()?);
        }
        let mut offset_minutes = None;
        if bytes.len() == 13 {
            offset_minutes = Some(reader.u16()?.cast_signed());
        }
        Ok(Self::DateTime { year, month, day, hour, minute, second, microsecond, offset_minutes })
    }

    fn read_time(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, "time");
        let (mut negative, mut hours, mut minute, mut second, mut microsecond) = (false, 0, 0, 0, None);
        if bytes.len() >= 8 {
            negative = reader.u8()? != 0;
            let days = reader.u32()?;
            hours = u64::from(days) * 24 + u64::from(reader.u8()?);
            (minute, second) = (reader.u8()?, reader.u8()?);
        }
        if bytes.len() >= 12 {
            microsecond = Some(reader.u32()?);
        }
        Ok(Self::Time { negative, hours, minute, second, microsecond })
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Null => f.write_str("NULL"),
            Self::Int(value) => write!(f, "{value}"),
            Self::UInt(value) => write!(f, "{value}"),
            Self::Float(value) if plain_digits(f64::from(value)) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:e}"),
            Self::Double(value) if plain_digits(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value:e}"),
            Self::Date { year, month, day } => write!(f, "{year:04}-{month:02}-{day:02}"),
            Self::DateTime { year, month, day, hour, minute, second, microsecond, offset_minutes } => {
                write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")?;
                write_fraction(f, microsecond)?;
                if let Some(offset) = offset_minutes {
                    let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
                    write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)?;
                }
                Ok(())
            }
            Self::Time { negative, hours, minute, second, microsecond } => {
                let sign = if negative { "-" } else { "" };
                write!(f, "{sign}{hours:02}:{minute:02}:{second:02}")?;
                write_fraction(f, microsecond)
            }
            Self::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => f.write_str(text),
                Err(_) => write!(f, "<bytes:{}>", text.len()),
            },
            Self::Bytes(bytes) => write!(f, "<bytes:{}>", bytes.len()),
            Self::Default => f.write_str("DEFAULT"),
            Self::Ignore => f.write_str("IGNORE"),
        }
    }
}

fn write_fraction(f: &mut fmt::Formatter<'_>, microsecond: Option<u32>) -> fmt::Result {
    match microsecond {
        Some(microsecond) => write!(f, ".{microsecond:06}"),
        None => Ok(()),
    }
}

/// Whether a float is shown without an exponent, by the bounds that MySQL uses for DOUBLE.
fn plain_digits(value: f64) -> bool {
    let magnitude = value.abs();
    magnitude == 0.0 || !magnitude.is_finite() || (1e-15..1e15).contains(&magnitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(bytes: &[u8], column_type: ColumnType, unsigned: bool) -> String {
        let mut reader = Reader::new(bytes, "test");
        let value = Value::read(&mut reader, column_type, unsigned).unwrap();
        assert!(reader.is_empty(), "{column_type:?} left bytes");
        value.to_string()
    }

    #[test]
    fn every_type_has_its_byte() {
        for column_type in (0..=255).filter_map(ColumnType::from_byte) {
            assert_eq!(ColumnType::from_byte(column_type.byte()), Some(column_type));
        }
    }

    #[test]
    fn integers_of_every_width_and_sign() {
        use ColumnType::*;
        for (bytes, column_type, signed, unsigned) in [
            (&[0xff][..], Tiny, "-1", "255"),
            (&[0x00, 0x80], Short, "-32768", "32768"),
            (&[0xff, 0xff, 0xff, 0xff], Long, "-1", "4294967295"),
            (&[0xff; 8], LongLong, "-1", "18446744073709551615"),
            (&[0, 0, 0, 0, 0, 0, 0, 0x80], LongLong, "-9223372036854775808", "9223372036854775808"),
        ] {
            assert_eq!(show(bytes, column_type, false), signed);
            assert_eq!(show(bytes, column_type, true), unsigned);
        }
    }

    #[test]
    fn floats_in_shortest_form() {
        for (value, text) in [(0.1, "0.1"), (1.0, "1"), (-2.5, "-2.5"), (1e300, "1e300"), (1e-20, "1e-20"), (0.0, "0")]
        {
            assert_eq!(show(&f64::to_bits(value).to_le_bytes(), ColumnType::Double, false), text);
        }
        assert_eq!(show(&0.1f32.to_bits().to_le_bytes(), ColumnType::Float, false), "0.1");
        assert_eq!(show(&3.4e38f32.to_bits().to_le_bytes(), ColumnType::Float, false), "3.4e38");
    }

    #[test]
    fn dates_and_times_of_every_length() {
        use ColumnType::*;
        for (bytes, column_type, text) in [
            (&[0][..], Date, "0000-00-00"),
            (&[4, 0xea, 0x07, 1, 31], Date, "2026-01-31"),
            (&[0], DateTime, "0000-00-00 00:00:00"),
            (&[4, 0xea, 0x07, 1, 31], DateTime, "2026-01-31 00:00:00"),
            (&[7, 0xea, 0x07, 1, 31, 12, 0, 9], DateTime, "2026-01-31 12:00:09"),
            (&[11, 0xea, 0x07, 1, 31, 12, 0, 0, 0x40, 0xe2, 0x01, 0], Timestamp, "2026-01-31 12:00:00.123456"),
            (&[13, 0xea, 0x07, 1, 31, 12, 0, 0, 0, 0, 0, 0, 0xb6, 0xff], DateTime, "2026-01-31 12:00:00.000000-01:14"),
            (&[0], Time, "00:00:00"),
            (&[8, 1, 34, 0, 0, 0, 22, 59, 59], Time, "-838:59:59"),
            (&[12, 0, 0, 0, 0, 0, 1, 2, 3, 7, 0, 0, 0], Time, "01:02:03.000007"),
        ] {
            assert_eq!(show(bytes, column_type, false), text);
        }
        // Lengths that no client library writes: MariaDB takes what is there.
        assert_eq!(show(&[5, 0xea, 0x07, 1, 31, 9], DateTime, false), "2026-01-31 00:00:00");
        assert_eq!(show(&[0xfc, 4, 0, 0xea, 0x07, 1, 31], Date, false), "2026-01-31");
        assert_eq!(show(&[9, 1, 0, 0, 0, 0, 1, 2, 3, 9], Time, false), "-01:02:03");
    }

    #[test]
    fn text_and_bytes() {
        assert_eq!(show(b"\x05caf\xc3\xa9", ColumnType::VarString, false), "café");
        assert_eq!(show(b"\x02\x00\xff", ColumnType::VarString, false), "<bytes:2>");
        assert_eq!(show(b"\x03abc", ColumnType::Blob, false), "<bytes:3>");
        assert_eq!(show(b"\x0512.50", ColumnType::NewDecimal, false), "12.50");
        // As mysql2 for Node.js writes a long one, and one that is cut.
        assert_eq!(show(b"\xfe\x02\0\0\0\x07\0\0\0hi", ColumnType::VarString, false), "hi");
        assert_eq!(show(b"\x7fhi", ColumnType::VarString, false), "hi");
        assert_eq!(show(b"", ColumnType::Year, false), "NULL");
    }
}
