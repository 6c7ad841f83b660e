//! A row that is given out.

use crate::binlog::event::position::Position;
use crate::binlog::event::rows::RowKind;
use crate::binlog::output::context::RowContext;
use crate::binlog::table::schema::{Column, Table};
use crate::binlog::value::Value;

/// A row that was inserted, changed or deleted. Borrows from its [`RowStream`](super::RowStream), until the next one is asked for.
#[derive(Debug, Clone)]
pub struct ChangedRow<'a> {
    pub(super) table: &'a Table,
    pub(super) context: &'a RowContext,
    pub(super) kind: RowKind,
    pub(super) before: Option<Vec<Value<'a>>>,
    pub(super) after: Option<Vec<Value<'a>>>,
    pub(super) row_in_transaction: u64,
}

impl<'a> ChangedRow<'a> {
    /// The database's name.
    pub fn database(&self) -> &'a str {
        &self.table.map.database
    }

    /// The table's name.
    pub fn table(&self) -> &'a str {
        &self.table.map.table
    }

    /// What happened to the row.
    pub fn kind(&self) -> RowKind {
        self.kind
    }

    /// The row as it was, as columns' names and values; nothing for an insert. Columns that are not in the image
    /// (`binlog_row_image=MINIMAL`) are left out.
    pub fn before(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        self.image(self.before.as_deref())
    }

    /// The row as it is now, as columns' names and values; nothing for a delete.
    pub fn after(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        self.image(self.after.as_deref())
    }

    fn image<'r>(&self, values: Option<&'r [Value<'a>]>) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a, 'r> {
        let columns: &'a [Column] = &self.table.columns;
        let pairs = columns.iter().zip(values.unwrap_or_default().iter().copied());
        pairs.filter(|(_, value)| *value != Value::Absent).map(|(column, value)| (column.name.as_str(), value))
    }

    /// The table's columns in the order of the images, with what a value alone does not say: signs, character sets, the names of an
    /// ENUM. [`write_value`](crate::binlog::write_value) needs it to show a value as JSON.
    pub fn columns(&self) -> &'a [Column] {
        &self.table.columns
    }

    /// Where the row's event begins; inside a compressed transaction, where that begins.
    pub fn position(&self) -> Position {
        Position { file: self.context.file.to_string(), offset: self.context.offset }
    }

    /// The transaction's GTID, where it has one.
    pub fn gtid(&self) -> Option<&'a str> {
        self.context.gtid.as_deref()
    }

    /// The row's number within its transaction, from 0 on: with the GTID it tells the row from all others.
    pub fn row_in_transaction(&self) -> u64 {
        self.row_in_transaction
    }

    /// What else is known: time, server, connection, statement.
    pub fn context(&self) -> &'a RowContext {
        self.context
    }
}
