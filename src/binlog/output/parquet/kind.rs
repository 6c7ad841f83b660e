//! Which Parquet type a MySQL column has.

use crate::binlog::table::schema::{Column, Meaning};
use crate::binlog::value::column::Storage;
use crate::deliver::parquet::Kind;

/// The type of a MySQL column.
///
/// TIME is a span of up to 838 hours with a sign, which Parquet's TIME (of a day) cannot hold: it is INT64, in microseconds.
pub(super) fn kind_of(column: &Column) -> Kind {
    let unsigned = column.unsigned;
    match column.storage {
        Storage::Integer { bytes: 1 } => {
            if unsigned {
                Kind::U8
            } else {
                Kind::I8
            }
        }
        Storage::Integer { bytes: 2 } => {
            if unsigned {
                Kind::U16
            } else {
                Kind::I16
            }
        }
        Storage::Integer { bytes: 3 | 4 } => {
            if unsigned {
                Kind::U32
            } else {
                Kind::I32
            }
        }
        Storage::Integer { .. } => {
            if unsigned {
                Kind::U64
            } else {
                Kind::I64
            }
        }
        Storage::Float => Kind::F32,
        Storage::Double => Kind::F64,
        Storage::Decimal { precision, scale } => {
            let (precision, scale) = (precision.max(1), i8::try_from(scale).unwrap_or(0));
            if precision <= 38 { Kind::Decimal128 { precision, scale } } else { Kind::Decimal256 { precision, scale } }
        }
        Storage::Year => Kind::U16,
        Storage::Date => Kind::Date,
        Storage::Time { .. } | Storage::TimeOld => Kind::I64,
        Storage::DateTime { .. } | Storage::DateTimeOld => Kind::DateTime,
        Storage::Timestamp { .. } | Storage::TimestampOld => Kind::Timestamp,
        Storage::Fixed { .. } | Storage::Variable { .. } | Storage::Blob { .. } => {
            if column.charset.is_some() || column.meaning != Meaning::Bytes { Kind::Text } else { Kind::Bytes }
        }
        Storage::Json { .. } => Kind::Json,
        Storage::Geometry { .. } => Kind::Bytes,
        Storage::Vector { .. } => Kind::Vector,
        Storage::Bit { .. } => Kind::U64,
        Storage::Enum { .. } | Storage::Set { .. } | Storage::Null => Kind::Text,
    }
}
