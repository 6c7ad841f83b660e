//! Types that only the table map knows.

use crate::binlog::event::table_map::{MappedColumn, TableMap};
use crate::binlog::table::catalog::BINARY_COLLATION;
use crate::binlog::table::history::apply::TableSchema;
use crate::binlog::value::column::Storage;

/// Gives columns whose type was changed since (see [`unalter`](crate::binlog::table::history::apply::unalter)), or that only the server knows, the type that the map
/// says. `None` where it does not say all, which takes signs and character sets: MariaDB has none of them by default. The names of an ENUM
/// are not known; its values are numbers then.
pub(crate) fn fill(mut schema: TableSchema, map: &TableMap) -> Option<TableSchema> {
    // The map may have hidden columns after them.
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
            Storage::Integer { bytes: 1 } => "tinyint",
            Storage::Integer { bytes: 2 } => "smallint",
            Storage::Integer { bytes: 3 } => "mediumint",
            Storage::Integer { bytes: 4 } => "int",
            Storage::Integer { .. } => "bigint",
            Storage::Fixed { .. } => {
                if is_binary(mapped)? {
                    "binary"
                } else {
                    "char"
                }
            }
            Storage::Variable { .. } => {
                if is_binary(mapped)? {
                    "varbinary"
                } else {
                    "varchar"
                }
            }
            Storage::Blob { .. } => {
                if is_binary(mapped)? {
                    "blob"
                } else {
                    "text"
                }
            }
            Storage::Enum { .. } => "enum",
            Storage::Set { .. } => "set",
            Storage::Null => return None,
        };
        column.data_type = data_type.into();
        if matches!(mapped.storage, Storage::Enum { .. } | Storage::Set { .. }) {
            column.members = Some(Vec::new());
        }
        column.column_type = match mapped.storage {
            Storage::Integer { .. } if mapped.unsigned? => format!("{data_type} unsigned"),
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

/// Whether a string is bytes; `None` where the map does not say it.
fn is_binary(mapped: &MappedColumn) -> Option<bool> {
    mapped.collation.map(|collation| collation == BINARY_COLLATION)
}
