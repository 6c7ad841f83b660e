//! A row as a JSON object of this program's own form.
//!
//! ```json
//! {"type":"update","database":"shop","table":"orders","before":{...},"after":{...},"primaryKey":{"id":7},"timestamp":1795260000000,
//!  "gtid":"...:42","position":{"file":"binlog.000002","offset":1234},"serverId":1,"threadId":8,"xid":77,"rowIndex":0,"query":"..."}
//! ```

use super::json_value::{ValueOptions, escaped, write_value};
use super::rows::{Row, RowKind};
use super::schema::Table;
use super::value::Value;
use crate::wire::Malformed;

/// What all rows of a transaction have in common, as far as it is known when they come.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    /// When the statement began, in milliseconds since 1970.
    pub(super) timestamp_ms: u64,
    pub(super) gtid: Option<String>,
    pub(super) file: String,
    pub(super) offset: u64,
    pub(super) server_id: u32,
    pub(super) thread_id: Option<u32>,
    pub(super) query: Option<String>,
}

/// Everything of a row's object but its transaction's number, which comes last: the two parts around it.
#[derive(Debug, Default)]
pub(super) struct Frame {
    head: Vec<u8>,
    middle: Vec<u8>,
    tail: Vec<u8>,
}

impl Frame {
    /// Prepares what the rows of one event have in common.
    pub(super) fn prepare(&mut self, kind: RowKind, table: &Table, origin: &Origin) {
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
        origin_fields(&mut self.middle, origin);
        self.middle.extend_from_slice(b",\"xid\":");
        self.tail.clear();
        if let Some(query) = &origin.query {
            self.tail.extend_from_slice(b",\"query\":");
            escaped(&mut self.tail, query);
        }
        self.tail.push(b'}');
    }

    /// Appends the object up to its transaction's number.
    pub(super) fn first_part(
        &self,
        out: &mut Vec<u8>,
        table: &Table,
        row: Row<'_, '_>,
        options: ValueOptions,
    ) -> Result<(), Malformed> {
        out.extend_from_slice(&self.head);
        image(out, table, row.before, None, options)?;
        out.extend_from_slice(b",\"after\":");
        image(out, table, row.after, row.before, options)?;
        out.extend_from_slice(b",\"primaryKey\":");
        primary_key(out, table, row, options)?;
        out.extend_from_slice(&self.middle);
        Ok(())
    }

    /// Appends the object from behind its transaction's number on.
    pub(super) fn second_part(&self, out: &mut Vec<u8>, row_index: u64) {
        out.extend_from_slice(b",\"rowIndex\":");
        integer(out, row_index);
        out.extend_from_slice(&self.tail);
    }
}

fn integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends `,"timestamp":...` to `,"threadId":...`.
fn origin_fields(out: &mut Vec<u8>, origin: &Origin) {
    out.extend_from_slice(b",\"timestamp\":");
    integer(out, origin.timestamp_ms);
    out.extend_from_slice(b",\"gtid\":");
    match &origin.gtid {
        Some(gtid) => escaped(out, gtid),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"position\":{\"file\":");
    escaped(out, &origin.file);
    out.extend_from_slice(b",\"offset\":");
    integer(out, origin.offset);
    out.extend_from_slice(b"},\"serverId\":");
    integer(out, origin.server_id);
    out.extend_from_slice(b",\"threadId\":");
    match origin.thread_id {
        Some(id) => integer(out, id),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends a statement that changes definitions as an object.
pub(super) fn write_ddl(out: &mut Vec<u8>, database: &str, sql: &str, origin: &Origin) {
    out.extend_from_slice(b"{\"type\":\"ddl\",\"database\":");
    if database.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        escaped(out, database);
    }
    out.extend_from_slice(b",\"sql\":");
    escaped(out, sql);
    origin_fields(out, origin);
    out.push(b'}');
}

/// Appends the columns that are present, or null for an image there is none of.
#[inline]
fn image(
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
        if *value == Value::Absent {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        out.extend_from_slice(&column.json_key);
        let before = before.and_then(|values| values.get(index));
        write_value(out, column, value, before, options)?;
    }
    out.push(b'}');
    Ok(())
}

/// Appends the primary key's columns: as they are now, where the after image has them, else as they were.
pub(super) fn primary_key(
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
        let present = |values: Option<&[Value<'_>]>| {
            values.and_then(|values| values.get(*index)).is_some_and(|value| *value != Value::Absent)
        };
        let values = if present(row.after) { row.after } else { row.before };
        out.extend_from_slice(&column.json_key);
        match values.and_then(|values| values.get(*index)) {
            Some(value) => write_value(out, column, value, None, options)?,
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
    Ok(())
}
