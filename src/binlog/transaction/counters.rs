//! What was found in a stream.

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
    /// XA transactions that were committed, but prepared before what was read: their rows are missing.
    pub xa_unseen: u64,
    /// XA transactions that are prepared and have not ended: nothing of them is passed on yet.
    pub xa_waiting: u64,
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
