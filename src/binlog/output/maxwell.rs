//! A row as a message of Maxwell's.
//!
//! ```json
//! {"database":"shop","table":"orders","type":"update","ts":1795260000,"xid":77,"commit":true,"position":"binlog.000002:1234",
//!  "server_id":1,"thread_id":8,"data":{"id":7,"status":"paid"},"old":{"status":"new"}}
//! ```
//!
//! Sources, in zendesk/maxwell: `docs/docs/dataformat.md`, `docs/docs/config.md` (the options `output_...`), `docs/docs/kafka.md` (the
//! key), `src/main/java/com/zendesk/maxwell/row/RowMap.java` (the fields and their order), `.../row/RowIdentity.java` (the key),
//! `.../schema/columndef/` (the values).

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::binlog::event::rows::{Row, RowKind, RowsEvent};
use crate::binlog::output::context::{Definition, RowContext};
use crate::binlog::output::form::{FormFactory, RowForm};
use crate::binlog::output::json_value::{ValueOptions, write_value};
use crate::binlog::output::routing::Routing;
use crate::binlog::table::schema::{Column, Table};
use crate::binlog::value::Value;
use crate::deliver::Batch;
use crate::json::{base64, escaped};
use crate::mysql::value::digits::integer;
use crate::mysql::value::geometry;
use crate::mysql::wire::Malformed;

/// Which of the fields that Maxwell can leave out there are. `xid` and `commit` always are.
#[derive(Debug, Clone)]
pub struct MaxwellOptions {
    /// `position`: the file and the offset of the row's event (`output_binlog_position`).
    pub position: bool,
    /// `gtid`: the transaction's own, where Maxwell has the set of all up to it (`output_gtid_position`).
    pub gtid: bool,
    /// `xoffset`: the row's number within its transaction, but for the last (`output_xoffset`).
    pub xoffset: bool,
    /// `server_id` (`output_server_id`).
    pub server_id: bool,
    /// `thread_id` (`output_thread_id`).
    pub thread_id: bool,
    /// `primary_key`: an array of the key's values (`output_primary_keys`).
    pub primary_key: bool,
    /// `primary_key_columns`: an array of the key's names (`output_primary_key_columns`).
    pub primary_key_columns: bool,
    /// `query`: the statement, where it is in the log (`output_row_query`).
    pub query: bool,
    /// Statements that change definitions, as `{"type":"ddl",...,"sql":...}`. Maxwell's own messages hold the tables' definitions, which
    /// are not known here; its consumers may not know what to do with these (`output_ddl`).
    pub ddl: bool,
    /// Where messages go.
    pub routing: Routing,
}

impl Default for MaxwellOptions {
    /// The fields that the examples of Maxwell's documentation have, and `xoffset`. (Maxwell's own default is `xid` and `commit` alone.)
    fn default() -> Self {
        Self {
            position: true,
            gtid: false,
            xoffset: true,
            server_id: true,
            thread_id: true,
            primary_key: false,
            primary_key_columns: false,
            query: false,
            ddl: false,
            routing: Routing::default(),
        }
    }
}

/// Maxwell's form.
#[derive(Debug)]
pub struct Maxwell {
    options: MaxwellOptions,
    /// What stands before `xoffset` or `commit`, and between them and the primary key, in every message of an event.
    head: Vec<u8>,
    middle: Vec<u8>,
    /// The key's start, up to the primary key.
    key: Vec<u8>,
}

impl Maxwell {
    /// The form.
    pub fn new(options: MaxwellOptions) -> Self {
        Self { options, head: Vec::new(), middle: Vec::new(), key: Vec::new() }
    }

    /// Makes such forms.
    pub fn factory(options: MaxwellOptions) -> FormFactory {
        Arc::new(move || Box::new(Self::new(options.clone())))
    }

    /// Appends the key of a row's message, `{"database":"shop","table":"orders","pk.id":7}`. Without a primary key it names the table
    /// alone (Maxwell adds a random `_uuid`, which would be another one each time the log is read).
    pub fn write_key(&self, out: &mut Vec<u8>, table: &Table, row: Row<'_, '_>) -> Result<(), Malformed> {
        let mut start = Vec::new();
        key_start(&mut start, table);
        write_key(out, &start, table, row)
    }

    fn prepare(&mut self, kind: RowKind, table: &Table, context: &RowContext) {
        let options = &self.options;
        let out = &mut self.head;
        out.clear();
        out.extend_from_slice(b"{\"database\":");
        escaped(out, &table.map.database);
        out.extend_from_slice(b",\"table\":");
        escaped(out, &table.map.table);
        if options.query
            && let Some(query) = &context.query
        {
            out.extend_from_slice(b",\"query\":");
            escaped(out, query);
        }
        out.extend_from_slice(match kind {
            RowKind::Insert => b",\"type\":\"insert\",\"ts\":",
            RowKind::Update => b",\"type\":\"update\",\"ts\":",
            RowKind::Delete => b",\"type\":\"delete\",\"ts\":",
        });
        integer(out, context.timestamp_ms / 1000);
        if let Some(xid) = context.xid {
            out.extend_from_slice(b",\"xid\":");
            integer(out, xid);
        }
        let out = &mut self.middle;
        out.clear();
        if options.position {
            out.extend_from_slice(b",\"position\":");
            position(out, context);
        }
        if options.gtid
            && let Some(gtid) = &context.gtid
        {
            out.extend_from_slice(b",\"gtid\":");
            escaped(out, gtid);
        }
        if options.server_id {
            out.extend_from_slice(b",\"server_id\":");
            integer(out, context.server_id);
        }
        if options.thread_id
            && let Some(thread_id) = context.thread_id
        {
            out.extend_from_slice(b",\"thread_id\":");
            integer(out, thread_id);
        }
        self.key.clear();
        key_start(&mut self.key, table);
    }

    fn write(
        &self,
        out: &mut Vec<u8>,
        table: &Table,
        context: &RowContext,
        row: Row<'_, '_>,
        number: u64,
    ) -> Result<(), Malformed> {
        let options = &self.options;
        out.extend_from_slice(&self.head);
        if context.ends_transaction && row.is_last {
            out.extend_from_slice(b",\"commit\":true");
        } else if options.xoffset {
            out.extend_from_slice(b",\"xoffset\":");
            integer(out, context.first_row + number);
        }
        out.extend_from_slice(&self.middle);
        if options.primary_key {
            out.extend_from_slice(b",\"primary_key\":[");
            for (place, (index, column)) in key_columns(table).enumerate() {
                separate(out, place);
                maxwell_value(out, column, &row.latest(index), None)?;
            }
            out.push(b']');
        }
        if options.primary_key_columns {
            out.extend_from_slice(b",\"primary_key_columns\":[");
            for (place, (_, column)) in key_columns(table).enumerate() {
                separate(out, place);
                escaped(out, &column.name);
            }
            out.push(b']');
        }
        out.extend_from_slice(b",\"data\":{");
        let mut place = 0;
        for (index, column) in table.columns.iter().enumerate() {
            // What only the before image has is as it was: it was not changed.
            let value = row.latest(index);
            if value == Value::Absent {
                continue;
            }
            separate(out, place);
            place += 1;
            out.extend_from_slice(&column.json_key);
            maxwell_value(out, column, &value, row.before.and_then(|before| before.get(index)))?;
        }
        out.push(b'}');
        if let (Some(before), Some(after)) = (row.before, row.after) {
            old(out, table, before, after)?;
        }
        out.push(b'}');
        Ok(())
    }
}

impl RowForm for Maxwell {
    fn rows(
        &mut self,
        rows: &RowsEvent<'_>,
        table: &Table,
        context: &RowContext,
        out: &mut Batch,
    ) -> Result<u64, Malformed> {
        self.prepare(rows.kind, table, context);
        let topic = self.options.routing.topic(&table.map.database, &table.map.table);
        let routing = &self.options.routing;
        let mut number = 0;
        let mut rows = rows.rows();
        while let Some(row) = rows.next()? {
            routing.push(out, topic.as_ref(), context.thread_id, |out, key| {
                self.write(out, table, context, row, number)?;
                match key {
                    Some(key) => write_key(key, &self.key, table, row),
                    None => Ok(()),
                }
            })?;
            number += 1;
        }
        Ok(number)
    }

    fn definition(&mut self, definition: Definition<'_>, context: &RowContext, out: &mut Batch) {
        if !self.options.ddl {
            return;
        }
        let topic = self.options.routing.definition_topic(definition.database);
        // Writing to memory does not fail.
        let _ = self.options.routing.push(out, topic.as_ref(), context.thread_id, |out, key| {
            out.extend_from_slice(b"{\"type\":\"ddl\",\"database\":");
            escaped(out, definition.database);
            // Milliseconds, as Maxwell has them here.
            out.extend_from_slice(b",\"ts\":");
            integer(out, context.timestamp_ms);
            out.extend_from_slice(b",\"sql\":");
            escaped(out, definition.sql);
            out.extend_from_slice(b",\"position\":");
            position(out, context);
            out.push(b'}');
            if let Some(key) = key {
                key.extend_from_slice(b"{\"database\":");
                escaped(key, definition.database);
                key.push(b'}');
            }
            Ok::<(), ()>(())
        });
    }
}

fn separate(out: &mut Vec<u8>, place: usize) {
    if place > 0 {
        out.push(b',');
    }
}

/// `"binlog.000002:1234"`
fn position(out: &mut Vec<u8>, context: &RowContext) {
    escaped(out, &context.file);
    // Behind the name, before the quote.
    out.pop();
    out.push(b':');
    integer(out, context.offset);
    out.push(b'"');
}

fn key_columns(table: &Table) -> impl Iterator<Item = (usize, &Column)> {
    table.primary_key.iter().filter_map(|index| Some((*index, table.columns.get(*index)?)))
}

fn key_start(out: &mut Vec<u8>, table: &Table) {
    out.extend_from_slice(b"{\"database\":");
    escaped(out, &table.map.database);
    out.extend_from_slice(b",\"table\":");
    escaped(out, &table.map.table);
}

fn write_key(out: &mut Vec<u8>, start: &[u8], table: &Table, row: Row<'_, '_>) -> Result<(), Malformed> {
    out.extend_from_slice(start);
    for (index, column) in key_columns(table) {
        out.extend_from_slice(b",\"pk.");
        // The column's JSON key begins with a quote, which is here already. Maxwell's names are in lower case.
        let name = std::str::from_utf8(&column.json_key).unwrap_or_default().get(1..).unwrap_or_default();
        if name.is_ascii() {
            let at = out.len();
            out.extend_from_slice(name.as_bytes());
            out.get_mut(at..).unwrap_or_default().make_ascii_lowercase();
        } else {
            out.extend_from_slice(name.to_lowercase().as_bytes());
        }
        maxwell_value(out, column, &row.latest(index), None)?;
    }
    out.push(b'}');
    Ok(())
}

/// Appends `,"old":{...}` with what the columns that changed were; nothing if none did. Of a column that only the after image has
/// nobody knows what it was.
fn old(out: &mut Vec<u8>, table: &Table, before: &[Value<'_>], after: &[Value<'_>]) -> Result<(), Malformed> {
    let start = out.len();
    out.extend_from_slice(b",\"old\":{");
    let mut place = 0;
    for (column, (before, after)) in table.columns.iter().zip(before.iter().zip(after)) {
        if before == after || *before == Value::Absent || *after == Value::Absent {
            continue;
        }
        separate(out, place);
        place += 1;
        out.extend_from_slice(&column.json_key);
        maxwell_value(out, column, before, None)?;
    }
    if place == 0 {
        out.truncate(start);
    } else {
        out.push(b'}');
    }
    Ok(())
}

/// Appends a value as Maxwell shows it. `before` is the same column in the before image, for changes to a JSON document.
#[inline]
fn maxwell_value(
    out: &mut Vec<u8>,
    column: &Column,
    value: &Value<'_>,
    before: Option<&Value<'_>>,
) -> Result<(), Malformed> {
    match value {
        // All its digits, as a number.
        Value::Decimal(value) => value.write(out),
        Value::Set(bits) if !column.members.is_empty() => {
            out.push(b'[');
            let members = column.members.iter().take(64).enumerate();
            for (place, (_, name)) in members.filter(|(index, _)| bits >> index & 1 == 1).enumerate() {
                separate(out, place);
                escaped(out, name);
            }
            out.push(b']');
        }
        Value::Geometry(stored) => {
            out.push(b'"');
            if geometry::write_wkt(stored, out).is_ok() {
                out.push(b'"');
            } else {
                out.pop();
                base64(out, stored);
            }
        }
        _ => write_value(out, column, value, before, ValueOptions::default())?,
    }
    Ok(())
}
