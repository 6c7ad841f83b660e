//! What is wanted of a stream, and what was found in it.

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

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BinlogCounters {
    /// Events, those inside compressed transactions too.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows that became messages.
    pub rows: u64,
    /// Transactions that ended.
    pub transactions: u64,
    /// Those of them that were rolled back, and are in the binlog all the same.
    pub rolled_back: u64,
    /// Transactions whose end did not come: nothing of them is passed on.
    pub unfinished: u64,
    /// Statements that change definitions.
    pub ddl: u64,
    /// Row events of tables that are not wanted.
    pub filtered: u64,
    /// Events of types that are not known.
    pub unknown: u64,
    /// INCIDENT events: the server may have lost others.
    pub incidents: u64,
    /// Statements that are logged as text: there are no rows of them.
    pub statements_without_rows: u64,
    /// Row events whose columns have no names.
    pub nameless: u64,
}
