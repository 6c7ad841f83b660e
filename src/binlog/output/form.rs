//! What a form of messages has to do.

use std::sync::Arc;

use crate::binlog::checkpoint::Checkpoint;
use crate::binlog::event::rows::RowsEvent;
use crate::binlog::output::context::{Definition, LoggedStatement, RowContext, TableEvents, TransactionEdge};
use crate::binlog::table::schema::Table;
use crate::deliver::Batch;
use crate::mysql::wire::Malformed;

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
