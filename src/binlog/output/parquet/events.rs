//! All tables' rows in nine columns.

use std::path::PathBuf;
use std::sync::Arc;

use crate::binlog::checkpoint::Checkpoint;
use crate::binlog::event::rows::{RowKind, RowsEvent};
use crate::binlog::output::context::{Definition, RowContext};
use crate::binlog::output::form::RowForm;
use crate::binlog::output::json_value::ValueOptions;
use crate::binlog::output::native::image;
use crate::binlog::output::parquet::rows::PackedRows;
use crate::binlog::table::schema::Table;
use crate::binlog::value::Value;
use crate::deliver::Batch;
use crate::deliver::parquet::Kind;
use crate::deliver::parquet::Slots;
use crate::deliver::parquet::{ColumnSpec, Packing, Schema};
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

/// A batch that has other messages than packed rows.
pub(crate) const NOT_OURS: Malformed = Malformed("a batch of another form (this is a bug)");

/// Packs rows in the nine columns.
#[derive(Debug)]
pub(crate) struct EventsForm {
    number: u32,
    schema: Arc<Schema>,
    values: ValueOptions,
}

impl EventsForm {
    /// `number` is that of [`schema`] in the sink's registry.
    pub(crate) fn new((number, schema): (u32, Arc<Schema>), values: ValueOptions) -> Self {
        Self { number, schema, values }
    }

    fn image(
        &self,
        slots: &mut Slots<'_>,
        table: &Table,
        image_of_row: Option<&[Value<'_>]>,
        before: Option<&[Value<'_>]>,
    ) -> Result<(), Malformed> {
        match image_of_row {
            Some(_) => slots.bytes_with(|out| image(out, table, image_of_row, before, self.values)),
            None => slots.null(),
        }
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
        let first_row = if is_compressed { context.first_row } else { 0 };
        let Some(packed) = out.packed_mut::<PackedRows>() else { return Err(NOT_OURS) };
        packed.event((self.number, &self.schema), context, |event| {
            let mut rows = rows.rows();
            while let Some(row) = rows.next()? {
                let row_index = first_row + event.rows();
                event.push(|slots| {
                    slots.i64(context.timestamp_ms.cast_signed())?;
                    slots.i32(context.server_id.cast_signed())?;
                    slots.i64(log_pos.cast_signed())?;
                    slots.i64(row_index.cast_signed())?;
                    slots.bytes(table.map.database.as_bytes())?;
                    slots.bytes(table.map.table.as_bytes())?;
                    slots.bytes(kind)?;
                    self.image(slots, table, row.before, None)?;
                    self.image(slots, table, row.after, row.before)
                })?;
            }
            Ok(event.rows())
        })
    }

    /// A file of rows has no place for statements.
    fn definition(&mut self, _: Definition<'_>, _: &RowContext, _: &mut Batch) {}

    fn checkpoint(&mut self, _: &Checkpoint, out: &mut Batch) {
        if let Some(packed) = out.packed_mut::<PackedRows>() {
            packed.boundary();
        }
    }
}
