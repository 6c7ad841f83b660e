//! A batch's rows on their way from a form to the sink: in columns, one set for each schema, and in which order they came.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::binlog::output::context::RowContext;
use crate::deliver::Packed;
use crate::deliver::parquet::Schema;
use crate::deliver::parquet::{Columns, Slots};

/// The rows that a form has made of a piece of the stream.
#[derive(Debug, Default)]
pub(crate) struct PackedRows {
    /// By the number of the schema in the registry.
    columns: HashMap<u32, Columns>,
    runs: Vec<Run>,
    messages: usize,
    bytes: usize,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Run {
    /// The rows of one event.
    Rows(EventRows),
    /// Reading could go on here. It counts as a message.
    Boundary,
}

/// The rows of one event, which are of one table.
#[derive(Debug)]
pub(crate) struct EventRows {
    pub(crate) schema: u32,
    /// Which rows of the schema's columns they are.
    pub(crate) rows: Range<usize>,
    pub(crate) origin: Origin,
    /// The event is the last of its transaction.
    pub(crate) ends_transaction: bool,
}

/// Where a row stands.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) file: Arc<str>,
    /// Where its event begins in the file.
    pub(crate) offset: u64,
    pub(crate) row_in_transaction: u64,
}

impl Run {
    pub(crate) fn messages(&self) -> usize {
        match self {
            Self::Rows(event) => event.rows.len(),
            Self::Boundary => 1,
        }
    }
}

/// Appends the rows of one event.
pub(crate) struct EventWriter<'a> {
    columns: &'a mut Columns,
    first: usize,
}

impl EventWriter<'_> {
    /// Appends a row; see [`Columns::push`].
    #[inline]
    pub(crate) fn push<E>(&mut self, write: impl FnOnce(&mut Slots<'_>) -> Result<(), E>) -> Result<(), E> {
        self.columns.push(write)
    }

    /// How many rows the event has so far.
    pub(crate) fn rows(&self) -> u64 {
        (self.columns.rows() - self.first) as u64
    }
}

impl PackedRows {
    /// Adds an event, whose rows `write` appends. If it fails, those it has appended stay.
    pub(crate) fn event<T>(
        &mut self,
        (number, schema): (u32, &Schema),
        context: &RowContext,
        write: impl FnOnce(&mut EventWriter<'_>) -> T,
    ) -> T {
        let bytes = &mut self.bytes;
        let columns = self.columns.entry(number).or_insert_with(|| {
            let columns = Columns::new(schema);
            *bytes += columns.byte_len();
            columns
        });
        let first = columns.rows();
        let result = write(&mut EventWriter { columns, first });
        let rows = first..columns.rows();
        if !rows.is_empty() {
            self.messages += rows.len();
            self.bytes += size_of::<Run>() + columns.bytes_of(rows.clone());
            let origin = Origin {
                file: Arc::clone(&context.file),
                offset: context.offset,
                row_in_transaction: context.first_row,
            };
            let ends_transaction = context.ends_transaction;
            self.runs.push(Run::Rows(EventRows { schema: number, rows, origin, ends_transaction }));
        }
        result
    }

    /// Reading could go on here.
    pub(crate) fn boundary(&mut self) {
        self.messages += 1;
        self.bytes += size_of::<Run>();
        self.runs.push(Run::Boundary);
    }

    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs
    }

    pub(crate) fn columns(&self, schema: u32) -> Option<&Columns> {
        self.columns.get(&schema)
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn all_columns(&mut self) -> impl Iterator<Item = (&u32, &mut Columns)> {
        self.columns.iter_mut()
    }
}

impl Packed for PackedRows {
    fn messages(&self) -> usize {
        self.messages
    }

    fn byte_len(&self) -> usize {
        self.bytes
    }
}
