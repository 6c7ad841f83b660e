//! The types of columns.

use arrow_schema::{DataType, Field, TimeUnit};
use std::sync::Arc;

/// The type of a column in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
    /// Up to 38 digits.
    Decimal128 {
        precision: u8,
        scale: i8,
    },
    /// Up to 76 digits; MySQL's end at 65.
    Decimal256 {
        precision: u8,
        scale: i8,
    },
    /// Days since 1970.
    Date,
    /// Microseconds since 1970 in no time zone.
    DateTime,
    /// Microseconds since 1970 in UTC.
    Timestamp,
    Text,
    Json,
    Bytes,
    /// A list of 4-byte floats.
    Vector,
}

impl Kind {
    /// Arrow's type of the arrays that are encoded. Text is given as bytes: that it is UTF-8 was seen to where it was made, and need not
    /// be looked at again.
    pub(crate) fn encoded_type(self) -> DataType {
        match self {
            Self::Text | Self::Json => DataType::Binary,
            _ => self.arrow_type(),
        }
    }

    /// Arrow's type, from which the file's schema is made.
    pub(crate) fn arrow_type(self) -> DataType {
        match self {
            Self::I8 => DataType::Int8,
            Self::I16 => DataType::Int16,
            Self::I32 => DataType::Int32,
            Self::I64 => DataType::Int64,
            Self::U8 => DataType::UInt8,
            Self::U16 => DataType::UInt16,
            Self::U32 => DataType::UInt32,
            Self::U64 => DataType::UInt64,
            Self::F32 => DataType::Float32,
            Self::F64 => DataType::Float64,
            Self::Decimal128 { precision, scale } => DataType::Decimal128(precision, scale),
            Self::Decimal256 { precision, scale } => DataType::Decimal256(precision, scale),
            Self::Date => DataType::Date32,
            Self::DateTime => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            Self::Text | Self::Json => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Vector => DataType::List(Arc::new(Field::new("element", DataType::Float32, false))),
        }
    }
}

pub(crate) const UTC: &str = "UTC";
