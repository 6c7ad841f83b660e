//! What a message says beyond a row's values, and what there is besides rows.

use std::sync::Arc;

use crate::binlog::event::table_map::TableMap;

/// What the rows of one event have in common, or what there is to say of a statement that changes definitions.
#[derive(Debug, Clone)]
pub struct RowContext {
    /// When the statement began, in milliseconds since 1970; the binlog has whole seconds.
    pub timestamp_ms: u64,
    /// When the transaction was committed at the server that reads it out to us, in microseconds since 1970; MySQL 8 and later.
    pub commit_timestamp_us: Option<u64>,
    /// The server that executed the statement.
    pub server_id: u32,
    /// The binlog file.
    pub file: Arc<str>,
    /// Where the event begins in it; inside a compressed transaction, where that begins.
    pub offset: u64,
    /// Where the next event begins, modulo 2^32 (`log_pos` of the event's header); 0 inside a compressed transaction.
    pub next_position: u32,
    /// The transaction's GTID.
    pub gtid: Option<Arc<str>>,
    /// The connection that executed the statement.
    pub thread_id: Option<u32>,
    /// The transaction's number; `None` where it has none, as with tables without transactions.
    pub xid: Option<u64>,
    /// The statement's text, cut where it is long.
    pub query: Option<Arc<str>>,
    /// The number of the event's first row within its transaction.
    pub first_row: u64,
    /// Whether the transaction's last row is this event's last.
    pub ends_transaction: bool,
}

/// A statement that changes definitions.
#[derive(Debug, Clone, Copy)]
pub struct Definition<'a> {
    /// The database of what it names first, else the current one; empty without one.
    pub database: &'a str,
    /// The table it is about, if it is about one.
    pub table: Option<&'a str>,
    /// The text.
    pub sql: &'a str,
}

/// A statement that is logged as text (`binlog_format=STATEMENT` or `MIXED`): there are no rows of it.
#[derive(Debug, Clone, Copy)]
pub struct LoggedStatement<'a> {
    /// The current database; empty without one.
    pub database: &'a str,
    /// The text.
    pub sql: &'a str,
    /// What its functions and variables stand for, as a JSON object.
    pub variables: &'a str,
    /// It was rolled back: what it changed in tables with transactions did not happen, what it changed in others (MyISAM) did. The
    /// binlog does not say which they are.
    pub is_rolled_back: bool,
}

/// Where a transaction begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionEdge {
    /// Before its first row.
    Begin,
    /// After its last row; how many there were.
    End {
        /// Rows of wanted tables and kinds.
        rows: u64,
    },
}

/// What happened to a table within a transaction so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableEvents {
    /// The table's database.
    pub database: String,
    /// The table.
    pub table: String,
    /// Its rows, and once more each that an update has given another primary key.
    pub events: u64,
}

impl TableEvents {
    /// Adds events of a table; returns how many it has then.
    pub(crate) fn add(tables: &mut Vec<Self>, map: &TableMap, events: u64) -> u64 {
        let known = tables.iter_mut().find(|it| it.table == map.table && it.database == map.database);
        if let Some(known) = known {
            known.events += events;
            return known.events;
        }
        tables.push(Self { database: map.database.clone(), table: map.table.clone(), events });
        events
    }
}
