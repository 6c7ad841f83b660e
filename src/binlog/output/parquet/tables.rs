//! Each table's rows in the columns of the table.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::binlog::checkpoint::Checkpoint;
use crate::binlog::event::rows::{Row, RowKind, RowsEvent};
use crate::binlog::output::context::{Definition, RowContext};
use crate::binlog::output::form::RowForm;
use crate::binlog::output::json_value::{ValueOptions, write_value};
use crate::binlog::output::native::image;
use crate::binlog::output::parquet::cells::Fit;
use crate::binlog::output::parquet::events::{NOT_OURS, kind_name};
use crate::binlog::output::parquet::kind::kind_of;
use crate::binlog::output::parquet::rows::PackedRows;
use crate::binlog::table::schema::Table;
use crate::binlog::value::Value;
use crate::deliver::Batch;
use crate::deliver::parquet::Kind;
use crate::deliver::parquet::Slots;
use crate::deliver::parquet::names::escape;
use crate::deliver::parquet::{ColumnSpec, Packing, Registry, Schema};
use crate::json::escaped;
use crate::mysql::wire::Malformed;

/// Our columns in front of the table's.
fn front() -> [ColumnSpec; 6] {
    [
        ColumnSpec::new("__op", Kind::Text, false, Packing::Usual),
        ColumnSpec::new("__timestamp_ms", Kind::I64, false, Packing::Usual),
        ColumnSpec::new("__gtid", Kind::Text, true, Packing::Usual),
        ColumnSpec::new("__file", Kind::Text, false, Packing::Usual),
        ColumnSpec::new("__offset", Kind::I64, false, Packing::Deltas),
        ColumnSpec::new("__row_index", Kind::I64, false, Packing::Deltas),
    ]
}

/// Our columns after the table's.
fn back() -> [ColumnSpec; 3] {
    [
        ColumnSpec::new("__before", Kind::Json, true, Packing::Plain),
        ColumnSpec::new("__absent", Kind::Json, true, Packing::Usual),
        ColumnSpec::new("__invalid", Kind::Json, true, Packing::Plain),
    ]
}

/// The columns of a table's files.
fn schema(table: &Table) -> Schema {
    let (front, back) = (front(), back());
    let is_ours = |name: &str| front.iter().chain(&back).any(|ours| ours.name.eq_ignore_ascii_case(name));
    let own = table.columns.iter().map(|column| {
        let kind = kind_of(column);
        let mut name = column.name.clone();
        while is_ours(&name) || (name != column.name && table.columns.iter().any(|other| other.name == name)) {
            name.push('_');
        }
        let packing = match kind {
            Kind::Json | Kind::Bytes | Kind::Vector => Packing::Plain,
            _ => Packing::Usual,
        };
        ColumnSpec { name, kind, nullable: true, packing }
    });
    let columns = front.iter().cloned().chain(own).chain(back.iter().cloned()).collect();
    let mut folder = PathBuf::from(escape(&table.map.database));
    folder.push(escape(&table.map.table));
    let key: Vec<&str> = table
        .primary_key
        .iter()
        .filter_map(|index| table.columns.get(*index))
        .map(|column| column.name.as_str())
        .collect();
    let notes = vec![
        ("mysql.database", table.map.database.clone()),
        ("mysql.table", table.map.table.clone()),
        ("mysql.primary_key", serde_json::json!(key).to_string()),
    ];
    Schema { folder, columns, notes }
}

/// A table whose schema is known, to be compared with the next event's.
struct Known {
    number: u32,
    schema: Arc<Schema>,
    database: String,
    table: String,
    columns: Vec<(String, Kind)>,
    primary_key: Vec<usize>,
}

impl Known {
    fn is(&self, table: &Table) -> bool {
        self.database == table.map.database
            && self.table == table.map.table
            && self.primary_key == table.primary_key
            && self.columns.len() == table.columns.len()
            && self
                .columns
                .iter()
                .zip(&table.columns)
                .all(|((name, kind), column)| *name == column.name && *kind == kind_of(column))
    }
}

/// Packs rows in the columns of their table.
pub(crate) struct TablesForm {
    registry: Arc<Registry>,
    values: ValueOptions,
    /// By the table's number in the binlog.
    known: HashMap<u64, Known>,
    invalid: Vec<u8>,
}

/// This many tables are known before all are forgotten: a definition that changes gives a table a new number.
const MOST_KNOWN: usize = 10_000;

impl TablesForm {
    pub(crate) fn new(registry: Arc<Registry>, values: ValueOptions) -> Self {
        Self { registry, values, known: HashMap::new(), invalid: Vec::new() }
    }

    fn schema(&mut self, table: &Table) -> (u32, Arc<Schema>) {
        if let Some(known) = self.known.get(&table.map.table_id).filter(|known| known.is(table)) {
            return (known.number, Arc::clone(&known.schema));
        }
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        let (number, schema) = self.registry.number(schema(table));
        let known = Known {
            number,
            schema: Arc::clone(&schema),
            database: table.map.database.clone(),
            table: table.map.table.clone(),
            columns: table.columns.iter().map(|column| (column.name.clone(), kind_of(column))).collect(),
            primary_key: table.primary_key.clone(),
        };
        self.known.insert(table.map.table_id, known);
        (number, schema)
    }

    /// The values of the table's columns, and of ours after them.
    fn values(
        &mut self,
        slots: &mut Slots<'_>,
        table: &Table,
        kind: RowKind,
        row: Row<'_, '_>,
    ) -> Result<(), Malformed> {
        let mut absent = false;
        self.invalid.clear();
        for (index, column) in table.columns.iter().enumerate() {
            let before = of(row.before, index);
            let after = of(row.after, index).filter(|value| *value != Value::Absent);
            let value = after.or(before).unwrap_or(Value::Absent);
            absent |= value == Value::Absent;
            if slots.value(column, &value, before.as_ref())? == Fit::Unfit {
                self.invalid.push(if self.invalid.is_empty() { b'{' } else { b',' });
                self.invalid.extend_from_slice(&column.json_key);
                write_value(&mut self.invalid, column, &value, before.as_ref(), self.values)?;
            }
        }
        match kind {
            RowKind::Update => slots.bytes_with(|out| image(out, table, row.before, None, self.values))?,
            RowKind::Insert | RowKind::Delete => slots.null()?,
        }
        match absent {
            true => slots.bytes_with(|out| absent_names(out, table, row))?,
            false => slots.null()?,
        }
        if self.invalid.is_empty() {
            slots.null()?;
        } else {
            self.invalid.push(b'}');
            say_once();
            slots.bytes(&self.invalid)?;
        }
        Ok(())
    }
}

/// Appends the names of the columns that no image has.
fn absent_names(out: &mut Vec<u8>, table: &Table, row: Row<'_, '_>) -> Result<(), Malformed> {
    let is_absent = |index: usize| {
        [row.after, row.before].into_iter().all(|image| of(image, index).is_none_or(|value| value == Value::Absent))
    };
    let columns = table.columns.iter().enumerate().filter(|(index, _)| is_absent(*index));
    for (place, (_, column)) in columns.enumerate() {
        out.push(if place == 0 { b'[' } else { b',' });
        escaped(out, &column.name);
    }
    out.push(b']');
    Ok(())
}

/// A column's value in an image.
fn of<'a>(image: Option<&[Value<'a>]>, index: usize) -> Option<Value<'a>> {
    image.and_then(|image| image.get(index).copied())
}

/// Says, once in the life of the process, where to look.
fn say_once() {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            "a value that its Parquet type cannot hold (such as 0000-00-00) is NULL in its column; it is in __invalid"
        );
    }
}

impl RowForm for TablesForm {
    fn rows(
        &mut self,
        rows: &RowsEvent<'_>,
        table: &Table,
        context: &RowContext,
        out: &mut Batch,
    ) -> Result<u64, Malformed> {
        let Some(packed) = out.packed_mut::<PackedRows>() else { return Err(NOT_OURS) };
        let (number, schema) = self.schema(table);
        let kind = rows.kind;
        packed.event((number, &schema), context, |event| {
            let mut rows = rows.rows();
            while let Some(row) = rows.next()? {
                let row_in_transaction = context.first_row + event.rows();
                event.push(|slots| {
                    slots.bytes(kind_name(kind))?;
                    slots.i64(context.timestamp_ms.cast_signed())?;
                    match &context.gtid {
                        Some(gtid) => slots.bytes(gtid.as_bytes())?,
                        None => slots.null()?,
                    }
                    slots.bytes(context.file.as_bytes())?;
                    slots.i64(context.offset.cast_signed())?;
                    slots.i64(row_in_transaction.cast_signed())?;
                    self.values(slots, table, kind, row)
                })?;
            }
            Ok(event.rows())
        })
    }

    /// A table's files show its definition by their columns.
    fn definition(&mut self, _: Definition<'_>, _: &RowContext, _: &mut Batch) {}

    fn checkpoint(&mut self, _: &Checkpoint, out: &mut Batch) {
        if let Some(packed) = out.packed_mut::<PackedRows>() {
            packed.boundary();
        }
    }
}
