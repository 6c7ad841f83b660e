//! A row as a change event of Debezium's connectors for MySQL and MariaDB, as their JSON converter writes it.
//!
//! ```json
//! {"before":{...},"after":{...},"source":{"version":"0.1.0","connector":"mysql","name":"shop","ts_ms":1795260000000,...},
//!  "transaction":null,"op":"u","ts_ms":1795260000123,"ts_us":1795260000123456,"ts_ns":1795260000123456789}
//! ```
//!
//! Sources, in debezium/debezium: `documentation/modules/ROOT/pages/connectors/mysql.adoc` (the events and the options),
//! `debezium-connector-binlog/.../BinlogSourceInfoStructMaker.java` (the fields of `source`), `.../jdbc/BinlogValueConverters.java`
//! and `.../event/RowDeserializers.java` (the values).

mod message;
mod schema;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use message::{Frame, Message, Operation, key_changes, transaction_id, write_key};
use schema::{Schemas, TableSchemas};
use value::Values;
pub use value::{BigintUnsigned, DecimalHandling};

use super::native::nullable;
use super::{Definition, FormFactory, Routing, RowContext, RowForm, TransactionEdge};
use crate::binlog::digits::integer;
use crate::binlog::json_value::escaped;
use crate::binlog::rows::{Row, RowsEvent};
use crate::binlog::schema::Table;
use crate::sink::Batch;
use crate::wire::Malformed;

/// The connector's options that there are here; the defaults are its own.
#[derive(Debug, Clone, Default)]
pub struct DebeziumOptions {
    /// `topic.prefix`: the name of the server in `source` and in the names of schemas.
    pub name: String,
    /// Which connector the events are like.
    pub connector: Connector,
    /// `decimal.handling.mode`.
    pub decimal: DecimalHandling,
    /// `bigint.unsigned.handling.mode`.
    pub bigint_unsigned: BigintUnsigned,
    /// The JSON converter's `schemas.enable`: `{"schema":...,"payload":...}`.
    pub with_schema: bool,
    /// `provide.transaction.metadata`: BEGIN and END messages, and the rows' place in their transaction.
    pub transactions: bool,
    /// Where messages go.
    pub routing: Routing,
}

/// Which connector the events are like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Connector {
    /// That of the server, which the form of its GTIDs tells; MySQL's where there are none.
    #[default]
    OfServer,
    /// MySQL's.
    MySql,
    /// MariaDB's.
    MariaDb,
}

/// Debezium's form.
#[derive(Debug)]
pub struct Debezium {
    options: DebeziumOptions,
    values: Values,
    schemas: Schemas,
    /// The time since 1970; a test has its own.
    now: fn() -> Nanoseconds,
    /// What the messages of an event have in common: before the row's number, behind it, and behind `op`.
    source: Vec<u8>,
    middle: Vec<u8>,
    tail: Vec<u8>,
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
        out.extend_from_slice(match connector {
            Connector::MariaDb => b"\"connector\":\"mariadb\",\"name\":",
            Connector::MySql | Connector::OfServer => b"\"connector\":\"mysql\",\"name\":",
        });
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
        let mut push = |message: Message<'_, '_>| {
            routing.push(out, topic.as_ref(), context.thread_id, |out, key| {
                frame.write(out, values, table, message)?;
                match key {
                    Some(key) => write_key(key, values, schemas.map(TableSchemas::key), table, message.keyed()),
                    None => Ok(()),
                }
            })
        };
        let mut number = 0;
        let mut rows = rows.rows();
        while let Some(row) = rows.next()? {
            match row {
                Row { before: None, .. } => push(Message { operation: Operation::Create, row, number })?,
                Row { after: None, .. } => push(Message { operation: Operation::Delete, row, number })?,
                // Who keeps the last event of each key must see the old one go.
                _ if key_changes(table, row) => {
                    push(Message { operation: Operation::Delete, row, number })?;
                    push(Message { operation: Operation::Create, row, number })?;
                }
                _ => push(Message { operation: Operation::Update, row, number })?,
            }
            number += 1;
        }
        Ok(number)
    }

    fn definition(&mut self, definition: Definition<'_>, context: &RowContext, out: &mut Batch) {
        self.prepare(definition.database, None, context);
        let topic = self.options.routing.definition_topic(definition.database);
        let routing = &self.options.routing;
        // Writing to memory does not fail.
        let _ = routing.push(out, topic.as_ref(), context.thread_id, |out, key| {
            out.push(b'{');
            out.extend_from_slice(&self.source);
            out.push(b'0');
            out.extend_from_slice(&self.middle);
            out.extend_from_slice(&self.tail);
            out.extend_from_slice(b",\"databaseName\":");
            escaped(out, definition.database);
            out.extend_from_slice(b",\"schemaName\":null,\"ddl\":");
            escaped(out, definition.sql);
            // The tables' new definitions would be here.
            out.extend_from_slice(b",\"tableChanges\":[]}");
            if let Some(key) = key {
                key.extend_from_slice(b"{\"databaseName\":");
                escaped(key, definition.database);
                key.push(b'}');
            }
            Ok::<(), ()>(())
        });
    }

    fn transaction(&mut self, edge: TransactionEdge, context: &RowContext, out: &mut Batch) {
        if !self.options.transactions {
            return;
        }
        let microseconds = committed_us(context);
        let _ = self.options.routing.push(out, None, context.thread_id, |out, key| {
            let (status, rows): (&[u8], _) = match edge {
                TransactionEdge::Begin => (b"{\"status\":\"BEGIN\",\"id\":", None),
                TransactionEdge::End { rows } => (b"{\"status\":\"END\",\"id\":", Some(rows)),
            };
            out.extend_from_slice(status);
            transaction_id(out, context);
            out.extend_from_slice(b",\"ts_ms\":");
            integer(out, microseconds / 1000);
            out.extend_from_slice(b",\"event_count\":");
            nullable(out, rows);
            out.extend_from_slice(b",\"data_collections\":null}");
            if let Some(key) = key {
                key.extend_from_slice(b"{\"id\":");
                transaction_id(key, context);
                key.push(b'}');
            }
            Ok::<(), ()>(())
        });
    }
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
