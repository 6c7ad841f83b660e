//! What is wanted of a stream.

use std::path::PathBuf;

use crate::binlog::table::filter::TableRules;
use crate::rules::columns::ColumnRules;

/// Which events become messages, and how.
#[derive(Debug, Clone)]
pub struct AssemblerOptions {
    /// Rows that were inserted.
    pub inserts: bool,
    /// Rows that were changed.
    pub updates: bool,
    /// Rows that were deleted.
    pub deletes: bool,
    /// Statements that change definitions.
    pub ddl: bool,
    /// Statements that are logged as text.
    pub statements: bool,
    /// Which tables' definitions are wanted, and of which databases statements that are logged as text; of rows it is decided before
    /// they are decoded.
    pub tables: TableRules,
    /// Columns that are left out or not shown.
    pub columns: ColumnRules,
    /// Where transactions of more than 16 MiB are kept until their end, in a file without a name; the system's own folder if not given.
    pub temp_dir: Option<PathBuf>,
}

impl Default for AssemblerOptions {
    /// Everything, as it is.
    fn default() -> Self {
        Self {
            inserts: true,
            updates: true,
            deletes: true,
            ddl: true,
            statements: true,
            tables: TableRules::default(),
            columns: ColumnRules::default(),
            temp_dir: None,
        }
    }
}
