//! The form: what the messages of an event have in common, and one for each row.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::binlog::output::debezium::message::{Frame, Message, Operation, Order, transaction_id, write_key};
use crate::binlog::output::debezium::options::{Connector, DebeziumOptions};
use crate::binlog::output::debezium::schema::{Schemas, TableSchemas};
use crate::binlog::output::debezium::value::Values;

use crate::binlog::event::rows::{Row, RowsEvent};
use crate::binlog::output::context::{Definition, RowContext, TableEvents, TransactionEdge};
use crate::binlog::output::debezium::schema_change;
use crate::binlog::output::form::{FormFactory, RowForm};
use crate::binlog::output::native::nullable;
use crate::binlog::table::schema::Table;
use crate::deliver::Batch;
use crate::json::escaped;
use crate::mysql::value::digits::integer;
use crate::mysql::wire::Malformed;

/// Debezium's form.
#[derive(Debug)]
pub struct Debezium {
    options: DebeziumOptions,
    values: Values,
    schemas: Schemas,
    /// The time since 1970; a test has its own.
    now: fn() -> Nanoseconds,
    /// What the messages of an event have in common: before the row's number, after it, and after `op`.
    source: Vec<u8>,
    middle: Vec<u8>,
    tail: Vec<u8>,
    /// When they were made.
    now_ms: u64,
    /// How many events the transaction had so far, and of which tables.
    events: u64,
    tables: Vec<TableEvents>,
}

/// Nanoseconds since 1970.
type Nanoseconds = u64;

fn now() -> Nanoseconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

impl Debezium {
    /// The form.
    pub fn new(options: DebeziumOptions) -> Self {
        let values = Values::new(options.decimal, options.bigint_unsigned);
        Self {
            options,
            values,
            schemas: Schemas::default(),
            now,
            source: Vec::new(),
            middle: Vec::new(),
            tail: Vec::new(),
            now_ms: 0,
            events: 0,
            tables: Vec::new(),
        }
    }

    /// Makes such forms.
    pub fn factory(options: DebeziumOptions) -> FormFactory {
        Arc::new(move || Box::new(Self::new(options.clone())))
    }

    /// Appends the key of a row's message, `{"id":7}`; nothing for a table without a primary key.
    pub fn write_key(&mut self, out: &mut Vec<u8>, table: &Table, row: Row<'_, '_>) -> Result<(), Malformed> {
        if self.options.with_schema {
            self.schemas.prepare(table, &self.options, Connector::MySql);
        }
        write_key(out, &mut self.values, self.schemas.of(table).map(TableSchemas::key), table, row)
    }

    fn connector(&self, context: &RowContext) -> Connector {
        match self.options.connector {
            // MySQL's GTIDs have a colon, MariaDB's have none.
            Connector::OfServer => match &context.gtid {
                Some(gtid) if !gtid.contains(':') => Connector::MariaDb,
                _ => Connector::MySql,
            },
            known => known,
        }
    }

    /// Prepares what the messages of an event have in common.
    fn prepare(&mut self, database: &str, table: Option<&str>, context: &RowContext) {
        let connector = self.connector(context);
        let out = &mut self.source;
        out.clear();
        out.extend_from_slice(concat!("\"source\":{\"version\":\"", env!("CARGO_PKG_VERSION"), "\",").as_bytes());
        out.extend_from_slice(b"\"connector\":\"");
        out.extend_from_slice(connector.name().as_bytes());
        out.extend_from_slice(b"\",\"name\":");
        escaped(out, &self.options.name);
        // MySQL's GTID events know microseconds, and then the connector's times are theirs.
        let microseconds = committed_us(context);
        out.extend_from_slice(b",\"ts_ms\":");
        integer(out, microseconds / 1000);
        out.extend_from_slice(b",\"snapshot\":\"false\",\"db\":");
        escaped(out, database);
        out.extend_from_slice(b",\"sequence\":null,\"ts_us\":");
        integer(out, microseconds);
        out.extend_from_slice(b",\"ts_ns\":");
        integer(out, microseconds.saturating_mul(1000));
        out.extend_from_slice(b",\"table\":");
        text(out, table);
        out.extend_from_slice(b",\"server_id\":");
        integer(out, context.server_id);
        out.extend_from_slice(b",\"gtid\":");
        text(out, context.gtid.as_deref());
        out.extend_from_slice(b",\"file\":");
        escaped(out, &context.file);
        out.extend_from_slice(b",\"pos\":");
        integer(out, context.offset);
        out.extend_from_slice(b",\"row\":");
        let out = &mut self.middle;
        out.clear();
        out.extend_from_slice(b",\"thread\":");
        nullable(out, context.thread_id);
        out.extend_from_slice(b",\"query\":");
        text(out, context.query.as_deref());
        out.push(b'}');
        let nanoseconds = (self.now)();
        self.now_ms = nanoseconds / 1_000_000;
        let out = &mut self.tail;
        out.clear();
        out.extend_from_slice(b",\"ts_ms\":");
        integer(out, nanoseconds / 1_000_000);
        out.extend_from_slice(b",\"ts_us\":");
        integer(out, nanoseconds / 1000);
        out.extend_from_slice(b",\"ts_ns\":");
        integer(out, nanoseconds);
    }
}

impl RowForm for Debezium {
    fn rows(
        &mut self,
        rows: &RowsEvent<'_>,
        table: &Table,
        context: &RowContext,
        out: &mut Batch,
    ) -> Result<u64, Malformed> {
        self.prepare(&table.map.database, Some(&table.map.table), context);
        if self.options.with_schema {
            self.schemas.prepare(table, &self.options, self.connector(context));
        }
        let topic = self.options.routing.topic(&table.map.database, &table.map.table);
        let schemas = self.schemas.of(table);
        let frame = Frame {
            source: &self.source,
            middle: &self.middle,
            tail: &self.tail,
            schema: schemas.map(TableSchemas::value),
            context,
            transactions: self.options.transactions,
        };
        let (values, routing) = (&mut self.values, &self.options.routing);
        let key_schema = schemas.map(TableSchemas::key);
        let has_tombstones = self.options.tombstones && routing.has_keys() && !table.primary_key.is_empty();
        let order = &mut Order { total: self.events, of_table: TableEvents::add(&mut self.tables, &table.map, 0) };
        let before = self.events;
        let mut push = |operation: Operation, row: Row<'_, '_>, number: u64| {
            order.total += 1;
            order.of_table += 1;
            let message = Message { operation, row, number, order: *order };
            let write_key =
                |key: &mut Vec<u8>, values: &mut Values| write_key(key, values, key_schema, table, message.keyed());
            routing.push(out, topic.as_ref(), context.thread_id, |out, key| {
                frame.write(out, values, table, message)?;
                key.map_or(Ok(()), |key| write_key(key, values))
            })?;
            if has_tombstones && operation == Operation::Delete {
                routing.push(out, topic.as_ref(), context.thread_id, |_, key| {
                    key.map_or(Ok(()), |key| write_key(key, values))
                })?;
            }
            Ok::<(), Malformed>(())
        };
        let mut number = 0;
        let mut rows = rows.rows();
        while let Some(row) = rows.next()? {
            match row {
                Row { before: None, .. } => push(Operation::Create, row, number)?,
                Row { after: None, .. } => push(Operation::Delete, row, number)?,
                // Who keeps the last event of each key must see the old one go.
                _ if row.changes_any(&table.primary_key) => {
                    push(Operation::Delete, row, number)?;
                    push(Operation::Create, row, number)?;
                }
                _ => push(Operation::Update, row, number)?,
            }
            number += 1;
        }
        self.events = order.total;
        TableEvents::add(&mut self.tables, &table.map, order.total - before);
        Ok(number)
    }

    fn definition(&mut self, definition: Definition<'_>, context: &RowContext, out: &mut Batch) {
        self.prepare(definition.database, definition.table, context);
        let topic = self.options.routing.definition_topic(definition.database);
        let (routing, connector) = (&self.options.routing, self.connector(context));
        let with_schema = self.options.with_schema;
        // Writing to memory does not fail.
        let _ = routing.push(out, topic.as_ref(), context.thread_id, |out, key| {
            let mut value = Vec::new();
            value.push(b'{');
            value.extend_from_slice(&self.source);
            value.push(b'0');
            value.extend_from_slice(&self.middle);
            value.extend_from_slice(b",\"ts_ms\":");
            integer(&mut value, self.now_ms);
            value.extend_from_slice(b",\"databaseName\":");
            escaped(&mut value, definition.database);
            value.extend_from_slice(b",\"schemaName\":null,\"ddl\":");
            escaped(&mut value, definition.sql);
            // The tables' new definitions would be here.
            value.extend_from_slice(b",\"tableChanges\":[]}");
            enclosed(out, with_schema, || schema_change::value(connector), &value);
            if let Some(key) = key {
                let mut name = b"{\"databaseName\":".to_vec();
                escaped(&mut name, definition.database);
                name.push(b'}');
                enclosed(key, with_schema, || schema_change::key(connector), &name);
            }
            Ok::<(), ()>(())
        });
    }

    fn transaction(&mut self, edge: TransactionEdge, context: &RowContext, out: &mut Batch) {
        if edge == TransactionEdge::Begin {
            self.events = 0;
            self.tables.clear();
        }
        if !self.options.transactions {
            return;
        }
        let (status, is_end): (&[u8], _) = match edge {
            TransactionEdge::Begin => (b"{\"status\":\"BEGIN\",\"id\":", false),
            TransactionEdge::End { .. } => (b"{\"status\":\"END\",\"id\":", true),
        };
        let with_schema = self.options.with_schema;
        let _ = self.options.routing.push(out, None, context.thread_id, |out, key| {
            let mut value = status.to_vec();
            transaction_id(&mut value, context);
            value.extend_from_slice(b",\"event_count\":");
            nullable(&mut value, is_end.then_some(self.events));
            value.extend_from_slice(b",\"data_collections\":");
            if is_end {
                collections(&mut value, &self.tables);
            } else {
                value.extend_from_slice(b"null");
            }
            value.extend_from_slice(b",\"ts_ms\":");
            integer(&mut value, committed_us(context) / 1000);
            value.push(b'}');
            enclosed(out, with_schema, schema_change::transaction, &value);
            if let Some(key) = key {
                let mut id = b"{\"id\":".to_vec();
                transaction_id(&mut id, context);
                id.push(b'}');
                enclosed(key, with_schema, schema_change::transaction_key, &id);
            }
            Ok::<(), ()>(())
        });
    }

    fn continues(&mut self, rows: u64, tables: &[TableEvents]) {
        self.tables = tables.to_vec();
        let known: u64 = tables.iter().map(|table| table.events).sum();
        // Of rows that another run has given out, the tables are not known.
        self.events = known.max(rows);
    }
}

/// What the transaction did to each table.
fn collections(out: &mut Vec<u8>, tables: &[TableEvents]) {
    out.push(b'[');
    for (index, table) in tables.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"{\"data_collection\":" } else { b",{\"data_collection\":" });
        escaped(out, &format!("{}.{}", table.database, table.table));
        out.extend_from_slice(b",\"event_count\":");
        integer(out, table.events);
        out.push(b'}');
    }
    out.push(b']');
}

/// Appends a payload, with its schema around it where schemas are wanted.
fn enclosed(out: &mut Vec<u8>, with_schema: bool, schema: impl FnOnce() -> Vec<u8>, payload: &[u8]) {
    if !with_schema {
        return out.extend_from_slice(payload);
    }
    out.extend_from_slice(b"{\"schema\":");
    out.extend_from_slice(&schema());
    out.extend_from_slice(b",\"payload\":");
    out.extend_from_slice(payload);
    out.push(b'}');
}

/// When the transaction was committed, or what is known of it, in microseconds since 1970.
fn committed_us(context: &RowContext) -> u64 {
    context.commit_timestamp_us.unwrap_or_else(|| context.timestamp_ms.saturating_mul(1000))
}

fn text(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => escaped(out, text),
        None => out.extend_from_slice(b"null"),
    }
}
