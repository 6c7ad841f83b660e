//! All tables' rows in nine columns.

use std::path::PathBuf;

use crate::binlog::checkpoint::Checkpoint;
use crate::binlog::event::rows::{RowKind, RowsEvent};
use crate::binlog::output::context::{Definition, RowContext};
use crate::binlog::output::form::RowForm;
use crate::binlog::output::json_value::ValueOptions;
use crate::binlog::output::native::image;
use crate::binlog::output::parquet::kind::Kind;
use crate::binlog::output::parquet::message::{RowHead, boundary, bytes, bytes_with, fixed, null};
use crate::binlog::output::parquet::schema::{ColumnSpec, Packing, Schema};
use crate::binlog::table::schema::Table;
use crate::binlog::value::Value;
use crate::deliver::Batch;
use crate::mysql::wire::Malformed;

/// The nine columns; see [`super`].
pub(crate) fn schema() -> Schema {
    let columns = vec![
        ColumnSpec::new("timestamp", Kind::I64, false, Packing::Usual),
        ColumnSpec::new("server_id", Kind::I32, false, Packing::Usual),
        ColumnSpec::new("log_pos", Kind::I64, false, Packing::Deltas),
        ColumnSpec::new("event_row_index", Kind::I64, false, Packing::Deltas),
        ColumnSpec::new("database", Kind::Text, true, Packing::Usual),
        ColumnSpec::new("table_name", Kind::Text, true, Packing::Usual),
        ColumnSpec::new("dml_type", Kind::Text, false, Packing::Usual),
        ColumnSpec::new("before_values", Kind::Json, true, Packing::Plain),
        ColumnSpec::new("after_values", Kind::Json, true, Packing::Plain),
    ];
    Schema { folder: PathBuf::new(), columns, notes: Vec::new() }
}

/// What is said of a kind of row.
pub(crate) fn kind_name(kind: RowKind) -> &'static [u8] {
    match kind {
        RowKind::Insert => b"insert",
        RowKind::Update => b"update",
        RowKind::Delete => b"delete",
    }
}

/// Makes messages with a cell for each of the nine columns.
#[derive(Debug)]
pub(crate) struct EventsForm {
    schema: u32,
    values: ValueOptions,
}

impl EventsForm {
    /// `schema` is the number of [`schema`] in the sink's registry.
    pub(crate) fn new(schema: u32, values: ValueOptions) -> Self {
        Self { schema, values }
    }

    fn cells(
        &self,
        out: &mut Vec<u8>,
        table: &Table,
        image_of_row: Option<&[Value<'_>]>,
        before: Option<&[Value<'_>]>,
    ) -> Result<(), Malformed> {
        if image_of_row.is_none() {
            null(out);
            return Ok(());
        }
        bytes_with(out, |out| image(out, table, image_of_row, before, self.values))
    }
}

impl RowForm for EventsForm {
    fn rows(
        &mut self,
        rows: &RowsEvent<'_>,
        table: &Table,
        context: &RowContext,
        out: &mut Batch,
    ) -> Result<u64, Malformed> {
        let kind = kind_name(rows.kind);
        let is_compressed = context.next_position == 0;
        let log_pos = if is_compressed { context.offset } else { u64::from(context.next_position) };
        let mut index = 0_u32;
        let mut rows = rows.rows();
        while let Some(row) = rows.next()? {
            let row_index = if is_compressed { context.first_row } else { 0 } + u64::from(index);
            out.push_with(0, |out| {
                RowHead::of(self.schema, context, index).write(out);
                fixed(out, context.timestamp_ms.to_le_bytes());
                fixed(out, context.server_id.to_le_bytes());
                fixed(out, log_pos.to_le_bytes());
                fixed(out, row_index.to_le_bytes());
                bytes(out, table.map.database.as_bytes());
                bytes(out, table.map.table.as_bytes());
                bytes(out, kind);
                self.cells(out, table, row.before, None)?;
                self.cells(out, table, row.after, row.before)
            })?;
            index = index.saturating_add(1);
        }
        Ok(u64::from(index))
    }

    /// A file of rows has no place for statements.
    fn definition(&mut self, _: Definition<'_>, _: &RowContext, _: &mut Batch) {}

    fn checkpoint(&mut self, _: &Checkpoint, out: &mut Batch) {
        boundary(out);
    }
}
