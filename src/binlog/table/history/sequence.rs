//! MariaDB's sequences, which are tables of one row.

use crate::binlog::table::history::column_type::ColumnType;
use crate::binlog::table::history::definition::{Body, ColumnDefinition};

/// The columns (MariaDB's `sql/sql_sequence.cc`, sequence_structure); with `AS`, the first are of a type of their own, which the map says.
pub(crate) fn sequence(has_type: bool) -> Body {
    let own = if has_type { "" } else { "bigint" };
    let columns = [
        ("next_not_cached_value", own, false),
        ("minimum_value", own, false),
        ("maximum_value", own, false),
        ("start_value", own, false),
        ("increment", "bigint", false),
        ("cache_size", "bigint", true),
        ("cycle_option", "tinyint", true),
        ("cycle_count", "bigint", false),
    ];
    let columns = columns.map(|(name, data_type, unsigned)| ColumnDefinition {
        name: name.to_owned(),
        column_type: ColumnType { data_type: data_type.to_owned(), unsigned, ..ColumnType::default() },
        is_primary_key: false,
    });
    Body { columns: columns.into(), ..Body::default() }
}
