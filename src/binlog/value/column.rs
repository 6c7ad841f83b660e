//! How one column's values are stored in a row image.
//!
//! Source: MySQL's `libs/mysql/binlog/event/rows_event.h` (Table_map_event) and `sql/log_event.cc` (log_event_print_value).

use serde::{Deserialize, Serialize};

use crate::mysql::wire::{Malformed, Reader};

/// What a table map says of a column's storage. Character set, names and signedness come from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Storage {
    /// 1, 2, 3, 4 or 8 bytes, little-endian; the row does not say whether signed.
    Integer {
        /// The number of bytes.
        bytes: u8,
    },
    /// 4 bytes.
    Float,
    /// 8 bytes.
    Double,
    /// Packed decimal digits.
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    /// One byte: years since 1900, 0 for the year 0000.
    Year,
    /// 3 bytes.
    Date,
    /// 3 bytes, as of servers before 5.6.
    TimeOld,
    /// 8 bytes, as of servers before 5.6.
    DateTimeOld,
    /// 4 bytes, as of servers before 5.6.
    TimestampOld,
    /// 3 bytes and a fraction.
    Time {
        /// Digits of the fraction.
        fraction_digits: u8,
    },
    /// 5 bytes and a fraction.
    DateTime {
        /// Digits of the fraction.
        fraction_digits: u8,
    },
    /// 4 bytes and a fraction.
    Timestamp {
        /// Digits of the fraction.
        fraction_digits: u8,
    },
    /// CHAR or BINARY, at most this many bytes long; trailing spaces or zeros are not stored.
    Fixed {
        /// The longest value in bytes.
        max_bytes: u16,
    },
    /// VARCHAR or VARBINARY.
    Variable {
        /// The longest value in bytes.
        max_bytes: u16,
        /// MariaDB's `COMPRESSED`.
        compressed: bool,
    },
    /// A BLOB or TEXT of any size.
    Blob {
        /// The number of bytes of the length in front of the value.
        length_bytes: u8,
        /// MariaDB's `COMPRESSED`.
        compressed: bool,
    },
    /// MySQL's binary JSON.
    Json {
        /// The number of bytes of the length in front of the value.
        length_bytes: u8,
    },
    /// SRID and WKB.
    Geometry {
        /// The number of bytes of the length in front of the value.
        length_bytes: u8,
    },
    /// 4-byte floats.
    Vector {
        /// The number of bytes of the length in front of the value.
        length_bytes: u8,
    },
    /// Most significant byte first.
    Bit {
        /// The number of bits.
        bits: u8,
    },
    /// The number of a name, from 1 on.
    Enum {
        /// 1 or 2.
        bytes: u8,
    },
    /// A bit per name.
    Set {
        /// 1 to 8.
        bytes: u8,
    },
    /// Nothing.
    Null,
}

impl Storage {
    /// The storage of a column of this type code, whose metadata are read from `metadata`.
    pub(crate) fn parse(code: u8, metadata: &mut Reader<'_>) -> Result<Self, Malformed> {
        let integer = |bytes| Ok(Self::Integer { bytes });
        let mut one = || metadata.u8();
        match code {
            1 => integer(1),
            2 => integer(2),
            9 => integer(3),
            3 => integer(4),
            8 => integer(8),
            4 => one().map(|_| Self::Float),
            5 => one().map(|_| Self::Double),
            6 => Ok(Self::Null),
            7 => Ok(Self::TimestampOld),
            10 | 14 => Ok(Self::Date),
            11 => Ok(Self::TimeOld),
            12 => Ok(Self::DateTimeOld),
            13 => Ok(Self::Year),
            15 | 253 => Ok(Self::Variable { max_bytes: metadata.u16()?, compressed: false }),
            141 => Ok(Self::Variable { max_bytes: metadata.u16()?, compressed: true }),
            16 => {
                let (bits, bytes) = (metadata.u8()?, metadata.u8()?);
                let bits = u16::from(bytes) * 8 + u16::from(bits);
                u8::try_from(bits)
                    .ok()
                    .filter(|bits| (1..=64).contains(bits))
                    .map(|bits| Self::Bit { bits })
                    .ok_or(WRONG)
            }
            17 => fraction(one()?).map(|fraction_digits| Self::Timestamp { fraction_digits }),
            18 => fraction(one()?).map(|fraction_digits| Self::DateTime { fraction_digits }),
            19 => fraction(one()?).map(|fraction_digits| Self::Time { fraction_digits }),
            242 => length(one()?).map(|length_bytes| Self::Vector { length_bytes }),
            245 => length(one()?).map(|length_bytes| Self::Json { length_bytes }),
            255 => length(one()?).map(|length_bytes| Self::Geometry { length_bytes }),
            140 => length(one()?).map(|length_bytes| Self::Blob { length_bytes, compressed: true }),
            249..=252 => length(one()?).map(|length_bytes| Self::Blob { length_bytes, compressed: false }),
            246 => {
                let (precision, scale) = (metadata.u8()?, metadata.u8()?);
                if precision > 65 || scale > 30 || scale > precision {
                    Err(WRONG)
                } else {
                    Ok(Self::Decimal { precision, scale })
                }
            }
            247 | 248 | 254 => {
                let (first, second) = (metadata.u8()?, metadata.u8()?);
                string(first, second)
            }
            _ => Err(Malformed("table map: a column type that is not known")),
        }
    }

    /// Whether the table map's signedness bits speak of such columns.
    pub(crate) fn is_numeric(self) -> bool {
        matches!(self, Self::Integer { .. } | Self::Float | Self::Double | Self::Decimal { .. } | Self::Year)
    }

    /// Whether the table map's character sets speak of such columns: those that are text or bytes, and what a server has made a
    /// kind of BLOB. In MySQL that is VECTOR (`sql/log_event.cc`, is_character_type), in MariaDB geometries (its
    /// `sql/log_event_server.cc`, is_character_field: everything with a character set, be it `binary`).
    pub(crate) fn is_character(self, is_mariadb: bool) -> bool {
        match self {
            Self::Fixed { .. } | Self::Variable { .. } | Self::Blob { .. } => true,
            Self::Vector { .. } => !is_mariadb,
            Self::Geometry { .. } => is_mariadb,
            _ => false,
        }
    }
}

const WRONG: Malformed = Malformed("table map: column metadata");

fn fraction(digits: u8) -> Result<u8, Malformed> {
    if digits <= 6 { Ok(digits) } else { Err(WRONG) }
}

fn length(bytes: u8) -> Result<u8, Malformed> {
    if (1..=4).contains(&bytes) { Ok(bytes) } else { Err(WRONG) }
}

/// The type STRING hides ENUM and SET in its first byte, and the upper bits of a length above 255 in two bits of it.
fn string(first: u8, second: u8) -> Result<Storage, Malformed> {
    let hidden = u16::from((first & 0x30) ^ 0x30) << 4;
    match (first | 0x30, first & 0x30) {
        (247, 0x30) if second == 1 || second == 2 => Ok(Storage::Enum { bytes: second }),
        (248, 0x30) if (1..=8).contains(&second) => Ok(Storage::Set { bytes: second }),
        (254, _) => Ok(Storage::Fixed { max_bytes: hidden | u16::from(second) }),
        _ => Err(WRONG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_above_255_hide_in_the_type() {
        // CHAR(255) utf8mb4: 1,020 bytes.
        let (length, real) = (1020_u16, 254_u8);
        let first = real ^ u8::try_from((length & 0x300) >> 4).unwrap();
        let second = length as u8;
        assert_eq!(string(first, second), Ok(Storage::Fixed { max_bytes: 1020 }));
        assert_eq!(string(254, 40), Ok(Storage::Fixed { max_bytes: 40 }));
        assert_eq!(string(247, 2), Ok(Storage::Enum { bytes: 2 }));
        assert_eq!(string(248, 8), Ok(Storage::Set { bytes: 8 }));
        assert_eq!(string(248, 9), Err(WRONG));
    }

    #[test]
    fn bits_are_counted_from_bytes_and_rest() {
        let parse = |bytes: &[u8]| Storage::parse(16, &mut Reader::new(bytes, "metadata"));
        assert_eq!(parse(&[1, 0]), Ok(Storage::Bit { bits: 1 }));
        assert_eq!(parse(&[0, 8]), Ok(Storage::Bit { bits: 64 }));
        assert!(parse(&[0, 0]).is_err() && parse(&[1, 8]).is_err());
    }
}
