//! Rows on their way from the thread that reads the stream to those that write messages.

use std::ops::Range;
use std::sync::Arc;

use super::checkpoint::Checkpoint;
use super::decoder::DecodeError;
use super::form::{Definition, LoggedStatement, RowContext, RowForm, TransactionEdge};
use super::rows::StoredRows;
use super::schema::Table;
use super::source::BinlogError;
use super::{BinlogCounters, Position};
use crate::sink::Batch;

/// A part of the stream: whole row events of one or more transactions, in order.
#[derive(Debug, Default)]
pub struct Piece {
    /// The rows of all events, one behind the other.
    pub(super) bytes: Vec<u8>,
    pub(super) items: Vec<Item>,
    /// The number of the first row within its transaction, where that began in an earlier piece.
    pub(super) first_row: u64,
    /// Set where the piece ends between two transactions: reading may go on there.
    pub(super) boundary: Option<Checkpoint>,
    /// What happened up to the piece's end.
    pub(super) counters: BinlogCounters,
    /// The time of the latest event, in seconds since 1970.
    pub(super) timestamp: u32,
    /// Where the stream stands behind the piece.
    pub(super) position: Position,
}

#[derive(Debug)]
pub(super) enum Item {
    Begin(Box<RowContext>),
    Rows { rows: StoredRows, table: Arc<Table>, context: Box<RowContext> },
    Definition { database: String, sql: String, context: Box<RowContext> },
    Statement { database: String, sql: String, variables: String, context: Box<RowContext> },
    End(Box<RowContext>),
}

impl Piece {
    /// Whether there is nothing to be written.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Where reading may go on behind the piece; `None` where it ends in the middle of a transaction.
    pub fn boundary(&self) -> Option<&Checkpoint> {
        self.boundary.as_ref()
    }

    /// Writes the messages of the piece in one form; returns how many rows there were.
    pub fn write(&self, form: &mut dyn RowForm, out: &mut Batch) -> Result<u64, BinlogError> {
        let mut row = self.first_row;
        let mut rows_written = 0;
        for item in &self.items {
            match item {
                Item::Begin(context) => {
                    row = 0;
                    form.transaction(TransactionEdge::Begin, context, out);
                }
                Item::End(context) => form.transaction(TransactionEdge::End { rows: row }, context, out),
                Item::Definition { database, sql, context } => {
                    form.definition(Definition { database, sql }, context, out);
                }
                Item::Statement { database, sql, variables, context } => {
                    form.statement(LoggedStatement { database, sql, variables }, context, out);
                }
                Item::Rows { rows, table, context } => {
                    let context = &RowContext { first_row: row, ..RowContext::clone(context) };
                    let event = rows.event(table, &self.bytes);
                    let count = form.rows(&event, table, context, out).map_err(|what| broken(context, what.into()))?;
                    row += count;
                    rows_written += count;
                }
            }
        }
        if let Some(boundary) = &self.boundary {
            form.checkpoint(boundary, out);
        }
        Ok(rows_written)
    }

    /// The number of the row behind the piece's last within its transaction.
    pub(super) fn row_behind(&self) -> Result<u64, BinlogError> {
        let mut row = self.first_row;
        for item in &self.items {
            match item {
                Item::Begin(_) => row = 0,
                Item::Rows { rows, table, context } => {
                    let event = rows.event(table, &self.bytes);
                    row += event.count().map_err(|what| broken(context, what.into()))?;
                }
                Item::Definition { .. } | Item::Statement { .. } | Item::End(_) => {}
            }
        }
        Ok(row)
    }

    /// Forgets the items from `item` on.
    pub(super) fn truncate(&mut self, item: usize) {
        let forgotten = self.items.drain(item.min(self.items.len())..);
        let start = forgotten.filter_map(|item| match item {
            Item::Rows { rows, .. } => Some(rows.start()),
            _ => None,
        });
        if let Some(start) = start.min() {
            self.bytes.truncate(start);
        }
    }

    /// To be filled again.
    pub(super) fn clear(&mut self) {
        let (mut bytes, mut items) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.items));
        bytes.clear();
        items.clear();
        *self = Self { bytes, items, ..Self::default() };
    }

    /// The row events' contexts from item `from` on.
    pub(super) fn contexts_from(&mut self, from: usize) -> impl DoubleEndedIterator<Item = (bool, &mut RowContext)> {
        self.items.get_mut(from..).unwrap_or_default().iter_mut().map(|item| match item {
            Item::Rows { context, .. } => (true, &mut **context),
            Item::Begin(context)
            | Item::End(context)
            | Item::Definition { context, .. }
            | Item::Statement { context, .. } => (false, &mut **context),
        })
    }
}

/// An error in the rows of an event.
pub(super) fn broken(context: &RowContext, source: DecodeError) -> BinlogError {
    BinlogError::Event { position: Position { file: context.file.to_string(), offset: context.offset }, source }
}

/// A place in [`Piece::bytes`].
pub(super) fn part<'a>(bytes: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    bytes.get(range.clone()).unwrap_or_default()
}
