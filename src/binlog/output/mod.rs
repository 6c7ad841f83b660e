//! What becomes of rows: one message each, in one of several forms.

mod debezium;
#[cfg(test)]
pub(crate) mod fixture;
pub mod json_value;
pub mod kafka;
mod maxwell;
pub(crate) mod native;
pub mod parquet;
mod routing;
mod text;

use std::sync::Arc;

pub use debezium::{BigintUnsigned, Connector, Debezium, DebeziumOptions, DecimalHandling};
pub use maxwell::{Maxwell, MaxwellOptions};
pub use native::Native;
pub use routing::Routing;
pub use text::{Text, TextOptions};

use crate::binlog::checkpoint::Checkpoint;
use crate::binlog::event::rows::RowsEvent;
use crate::binlog::event::table_map::TableMap;
use crate::binlog::table::schema::Table;
use crate::deliver::Batch;
use crate::mysql::wire::Malformed;

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
    /// Behind its last row; how many there were.
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

/// Turns rows into messages. Several threads have one each, and their batches are put in order again.
pub trait RowForm: Send {
    /// Appends a message for each row of the event; returns how many rows there were.
    fn rows(
        &mut self,
        rows: &RowsEvent<'_>,
        table: &Table,
        context: &RowContext,
        out: &mut Batch,
    ) -> Result<u64, Malformed>;

    /// Appends what the form has to say of a statement that changes definitions.
    fn definition(&mut self, definition: Definition<'_>, context: &RowContext, out: &mut Batch);

    /// Appends what the form has to say of a statement without rows, if it says anything.
    fn statement(&mut self, _statement: LoggedStatement<'_>, _context: &RowContext, _out: &mut Batch) {}

    /// Appends what the form has to say of a transaction's begin or end, if it says anything.
    fn transaction(&mut self, _edge: TransactionEdge, _context: &RowContext, _out: &mut Batch) {}

    /// The next rows go on with a transaction that began elsewhere, of whose rows there were `rows` before; `tables` says of which tables,
    /// in the order in which they came, as far as that is known.
    fn continues(&mut self, _rows: u64, _tables: &[TableEvents]) {}

    /// Appends what the form has to say where reading could go on.
    fn checkpoint(&mut self, _checkpoint: &Checkpoint, _out: &mut Batch) {}
}

/// Makes a form for another thread.
pub type FormFactory = Arc<dyn Fn() -> Box<dyn RowForm> + Send + Sync>;
