//! Types that only the table map knows.

use super::apply::TableSchema;
use crate::binlog::column::Storage;
use crate::binlog::table_map::TableMap;

/// Gives columns whose type was changed since (see [`unalter`](super::apply::unalter)) the type that the map says. `None` where the map
/// does not say all: signs, character sets, names of an ENUM.
pub(super) fn fill(mut schema: TableSchema, map: &TableMap) -> Option<TableSchema> {
    // The map may have hidden columns behind them.
    if schema.columns.len() > map.columns.len() {
        return None;
    }
    for (column, mapped) in schema.columns.iter_mut().zip(&map.columns) {
        if !column.data_type.is_empty() {
            continue;
        }
        let data_type = match mapped.storage {
            // No sign is needed to show them.
            Storage::Float => "float",
            Storage::Double => "double",
            Storage::Decimal { .. } => "decimal",
            Storage::Year => "year",
            Storage::Date => "date",
            Storage::Time { .. } | Storage::TimeOld => "time",
            Storage::DateTime { .. } | Storage::DateTimeOld => "datetime",
            Storage::Timestamp { .. } | Storage::TimestampOld => "timestamp",
            Storage::Json { .. } => "json",
            Storage::Geometry { .. } => "geometry",
            Storage::Vector { .. } => "vector",
            Storage::Bit { .. } => "bit",
            Storage::Integer { .. }
            | Storage::Fixed { .. }
            | Storage::Variable { .. }
            | Storage::Blob { .. }
            | Storage::Enum { .. }
            | Storage::Set { .. }
            | Storage::Null => return None,
        };
        column.data_type = data_type.into();
        column.column_type = match mapped.storage {
            Storage::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
            Storage::Bit { bits } => format!("bit({bits})"),
            Storage::Time { fraction_digits }
            | Storage::DateTime { fraction_digits }
            | Storage::Timestamp { fraction_digits }
                if fraction_digits > 0 =>
            {
                format!("{data_type}({fraction_digits})")
            }
            _ => data_type.to_owned(),
        };
    }
    Some(schema)
}
