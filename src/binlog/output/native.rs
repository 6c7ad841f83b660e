//! A row as a JSON object of this program's own form.
//!
//! ```json
//! {"type":"update","database":"shop","table":"orders","before":{...},"after":{...},"primaryKey":{"id":7},"timestamp":1795260000000,
//!  "gtid":"...:42","position":{"file":"binlog.000002","offset":1234},"serverId":1,"threadId":8,"xid":77,"rowIndex":0,"query":"..."}
//! ```

use std::ops::Range;

use crate::binlog::event::rows::{Row, RowKind, RowsEvent};
use crate::binlog::output::context::{Definition, LoggedStatement, RowContext};
use crate::binlog::output::form::RowForm;
use crate::binlog::output::json_value::{ValueOptions, write_value};
use crate::binlog::output::routing::Routing;
use crate::binlog::table::schema::Table;
use crate::binlog::value::Value;
use crate::deliver::Batch;
use crate::json::escaped;
use crate::mysql::value::digits::{append_short, integer};
use crate::mysql::wire::Malformed;

/// Our own form.
#[derive(Debug, Default)]
pub struct Native {
    values: ValueOptions,
    /// Where messages go that have topics and keys.
    routing: Routing,
    /// What stands before and after the images in every message of an event.
    head: Vec<u8>,
    middle: Vec<u8>,
    tail: Vec<u8>,
}

impl Native {
    /// The form, with values as `values` says.
    pub fn new(values: ValueOptions) -> Self {
        Self { values, ..Self::default() }
    }

    /// The form, each message for a topic of its own and with the primary key as its key: `{"id":7}`; none without a primary key.
    pub fn routed(values: ValueOptions, routing: Routing) -> Self {
        Self { routing, ..Self::new(values) }
    }

    /// Appends a row's object; returns where in `out` its primary key stands.
    #[inline]
    fn write(&self, out: &mut Vec<u8>, table: &Table, row: Row<'_, '_>, index: u64) -> Result<Range<usize>, Malformed> {
        out.extend_from_slice(&self.head);
        image(out, table, row.before, None, self.values)?;
        out.extend_from_slice(b",\"after\":");
        image(out, table, row.after, row.before, self.values)?;
        out.extend_from_slice(b",\"primaryKey\":");
        let start = out.len();
        primary_key(out, table, row, self.values)?;
        let end = out.len();
        out.extend_from_slice(&self.middle);
        integer(out, index);
        out.extend_from_slice(&self.tail);
        Ok(start..end)
    }

    fn prepare(&mut self, kind: RowKind, table: &Table, context: &RowContext) {
        self.head.clear();
        self.head.extend_from_slice(match kind {
            RowKind::Insert => b"{\"type\":\"insert\",\"database\":",
            RowKind::Update => b"{\"type\":\"update\",\"database\":",
            RowKind::Delete => b"{\"type\":\"delete\",\"database\":",
        });
        escaped(&mut self.head, &table.map.database);
        self.head.extend_from_slice(b",\"table\":");
        escaped(&mut self.head, &table.map.table);
        self.head.extend_from_slice(b",\"before\":");
        self.middle.clear();
        origin(&mut self.middle, context);
        self.middle.extend_from_slice(b",\"xid\":");
        nullable(&mut self.middle, context.xid);
        self.middle.extend_from_slice(b",\"rowIndex\":");
        self.tail.clear();
        if let Some(query) = &context.query {
            self.tail.extend_from_slice(b",\"query\":");
            escaped(&mut self.tail, query);
        }
        self.tail.push(b'}');
    }
}

impl RowForm for Native {
    fn rows(
        &mut self,
        rows: &RowsEvent<'_>,
        table: &Table,
        context: &RowContext,
        out: &mut Batch,
    ) -> Result<u64, Malformed> {
        self.prepare(rows.kind, table, context);
        let topic = self.routing.topic(&table.map.database, &table.map.table);
        let has_key = !table.primary_key.is_empty();
        let mut index = context.first_row;
        let mut rows = rows.rows();
        while let Some(row) = rows.next()? {
            self.routing.push(out, topic.as_ref(), context.thread_id, |out, key| {
                let primary_key = self.write(out, table, row, index)?;
                // What is written already need not be written again.
                if let Some(key) = key.filter(|_| has_key) {
                    key.extend_from_slice(out.get(primary_key).unwrap_or_default());
                }
                Ok::<(), Malformed>(())
            })?;
            index += 1;
        }
        Ok(index - context.first_row)
    }

    fn definition(&mut self, definition: Definition<'_>, context: &RowContext, out: &mut Batch) {
        self.text(b"{\"type\":\"ddl\",\"database\":", definition.database, definition.sql, b"", context, out);
    }

    fn statement(&mut self, statement: LoggedStatement<'_>, context: &RowContext, out: &mut Batch) {
        let LoggedStatement { database, sql, variables, is_rolled_back } = statement;
        let more = format!(",\"variables\":{variables},\"rolledBack\":{is_rolled_back}");
        self.text(b"{\"type\":\"statement\",\"database\":", database, sql, more.as_bytes(), context, out);
    }
}

impl Native {
    /// Appends the object of a statement; `more` goes to its end.
    fn text(&mut self, begin: &[u8], database: &str, sql: &str, more: &[u8], context: &RowContext, out: &mut Batch) {
        let topic = self.routing.definition_topic(database);
        // Writing to memory does not fail.
        let _ = self.routing.push(out, topic.as_ref(), context.thread_id, |out, _| {
            out.extend_from_slice(begin);
            if database.is_empty() {
                out.extend_from_slice(b"null");
            } else {
                escaped(out, database);
            }
            out.extend_from_slice(b",\"sql\":");
            escaped(out, sql);
            origin(out, context);
            out.extend_from_slice(more);
            out.push(b'}');
            Ok::<(), ()>(())
        });
    }
}

/// Appends a number or null.
pub(crate) fn nullable(out: &mut Vec<u8>, value: Option<impl itoa::Integer>) {
    match value {
        Some(value) => integer(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends `,"timestamp":...` to `,"threadId":...`.
fn origin(out: &mut Vec<u8>, context: &RowContext) {
    out.extend_from_slice(b",\"timestamp\":");
    integer(out, context.timestamp_ms);
    out.extend_from_slice(b",\"gtid\":");
    match &context.gtid {
        Some(gtid) => escaped(out, gtid),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"position\":{\"file\":");
    escaped(out, &context.file);
    out.extend_from_slice(b",\"offset\":");
    integer(out, context.offset);
    out.extend_from_slice(b"},\"serverId\":");
    integer(out, context.server_id);
    out.extend_from_slice(b",\"threadId\":");
    nullable(out, context.thread_id);
}

/// Appends the columns that are present, or null for an image there is none of. `before` is the row as it was, for changes to JSON
/// documents.
#[inline]
pub(crate) fn image(
    out: &mut Vec<u8>,
    table: &Table,
    values: Option<&[Value<'_>]>,
    before: Option<&[Value<'_>]>,
    options: ValueOptions,
) -> Result<(), Malformed> {
    let Some(values) = values else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    out.push(b'{');
    let mut first = true;
    for (index, (column, value)) in table.columns.iter().zip(values).enumerate() {
        if matches!(value, Value::Absent) {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        append_short(out, &column.json_key);
        let before = before.and_then(|values| values.get(index));
        write_value(out, column, value, before, options)?;
    }
    out.push(b'}');
    Ok(())
}

/// Appends the primary key's columns: as they are now, where the after image has them, else as they were.
pub(crate) fn primary_key(
    out: &mut Vec<u8>,
    table: &Table,
    row: Row<'_, '_>,
    options: ValueOptions,
) -> Result<(), Malformed> {
    if table.primary_key.is_empty() {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    out.push(b'{');
    for (place, index) in table.primary_key.iter().enumerate() {
        let Some(column) = table.columns.get(*index) else { continue };
        if place > 0 {
            out.push(b',');
        }
        append_short(out, &column.json_key);
        write_value(out, column, &row.latest(*index), None, options)?;
    }
    out.push(b'}');
    Ok(())
}
