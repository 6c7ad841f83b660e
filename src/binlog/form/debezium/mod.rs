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

mod schema;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use schema::{Schemas, TableSchemas};
pub use value::{BigintUnsigned, DecimalHandling};
use value::{Presence, Values};

use super::native::nullable;
use super::{Definition, FormFactory, Routing, RowContext, RowForm, TransactionEdge};
use crate::binlog::digits::integer;
use crate::binlog::json_value::escaped;
use crate::binlog::rows::{Row, RowsEvent};
use crate::binlog::schema::Table;
use crate::binlog::value::Value;
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

/// The operations, as `op` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Create,
    Update,
    Delete,
}

impl Operation {
    fn letter(self) -> &'static [u8] {
        match self {
            Self::Create => b"c",
            Self::Update => b"u",
            Self::Delete => b"d",
        }
    }
}

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

/// One message of a row.
#[derive(Clone, Copy)]
struct Message<'r, 'a> {
    operation: Operation,
    row: Row<'r, 'a>,
    /// The row's number within its event.
    number: u64,
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
        let topic = self.options.routing.topic_of(&table.map);
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
        let routing = &self.options.routing;
        // Writing to memory does not fail.
        let _ = routing.push(out, None, context.thread_id, |out, key| {
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

impl<'r, 'a> Message<'r, 'a> {
    fn before(self) -> Option<&'r [Value<'a>]> {
        if self.operation == Operation::Create { None } else { self.row.before }
    }

    fn after(self) -> Option<&'r [Value<'a>]> {
        if self.operation == Operation::Delete { None } else { self.row.after }
    }

    /// The row as its key shows it.
    fn keyed(self) -> Row<'r, 'a> {
        Row { after: self.after(), ..self.row }
    }
}

/// What the messages of an event have in common.
#[derive(Clone, Copy)]
struct Frame<'f> {
    source: &'f [u8],
    middle: &'f [u8],
    tail: &'f [u8],
    schema: Option<&'f [u8]>,
    context: &'f RowContext,
    transactions: bool,
}

impl Frame<'_> {
    fn write(
        &self,
        out: &mut Vec<u8>,
        values: &mut Values,
        table: &Table,
        message: Message<'_, '_>,
    ) -> Result<(), Malformed> {
        if let Some(schema) = self.schema {
            out.extend_from_slice(b"{\"schema\":");
            out.extend_from_slice(schema);
            out.extend_from_slice(b",\"payload\":");
        }
        out.extend_from_slice(b"{\"before\":");
        image(out, values, table, message.before(), None)?;
        out.extend_from_slice(b",\"after\":");
        image(out, values, table, message.after(), message.row.before)?;
        out.push(b',');
        out.extend_from_slice(self.source);
        integer(out, message.number);
        out.extend_from_slice(self.middle);
        out.extend_from_slice(b",\"transaction\":");
        if self.transactions {
            out.extend_from_slice(b"{\"id\":");
            transaction_id(out, self.context);
            out.extend_from_slice(b",\"total_order\":");
            integer(out, self.context.first_row + message.number + 1);
            // The rows of one transaction may be made in several threads, none of which counts the rows of a table.
            out.extend_from_slice(b",\"data_collection_order\":null}");
        } else {
            out.extend_from_slice(b"null");
        }
        out.extend_from_slice(b",\"op\":\"");
        out.extend_from_slice(message.operation.letter());
        out.push(b'"');
        out.extend_from_slice(self.tail);
        out.push(b'}');
        if self.schema.is_some() {
            out.push(b'}');
        }
        Ok(())
    }
}

/// When the transaction was committed, or what is known of it, in microseconds since 1970.
fn committed_us(context: &RowContext) -> u64 {
    context.commit_timestamp_us.unwrap_or_else(|| context.timestamp_ms.saturating_mul(1000))
}

/// The GTID, or the place in the log (`BinlogOffsetContext.getTransactionId`).
fn transaction_id(out: &mut Vec<u8>, context: &RowContext) {
    match &context.gtid {
        Some(gtid) => escaped(out, gtid),
        None => escaped(out, &format!("file={},pos={}", context.file, context.offset)),
    }
}

fn text(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => escaped(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

/// Whether an update gives the row another key. The connector makes a delete and a create of it (mysql.adoc, "Primary key updates").
fn key_changes(table: &Table, row: Row<'_, '_>) -> bool {
    let (Some(before), Some(after)) = (row.before, row.after) else { return false };
    table.primary_key.iter().any(|index| match (before.get(*index), after.get(*index)) {
        (Some(Value::Absent), _) | (_, Some(Value::Absent)) => false,
        (before, after) => before != after,
    })
}

fn write_key(
    out: &mut Vec<u8>,
    values: &mut Values,
    schema: Option<&[u8]>,
    table: &Table,
    row: Row<'_, '_>,
) -> Result<(), Malformed> {
    if table.primary_key.is_empty() {
        return Ok(());
    }
    if let Some(schema) = schema {
        out.extend_from_slice(b"{\"schema\":");
        out.extend_from_slice(schema);
        out.extend_from_slice(b",\"payload\":");
    }
    out.push(b'{');
    for (place, index) in table.primary_key.iter().enumerate() {
        let (Some(column), Some(mapped)) = (table.columns.get(*index), table.map.columns.get(*index)) else { continue };
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&column.json_key);
        values.write(out, column, mapped, &row.latest(*index), None)?;
    }
    out.push(b'}');
    if schema.is_some() {
        out.push(b'}');
    }
    Ok(())
}

/// Appends an image, or null for one there is none of. `before` is the row as it was, for changes to JSON documents.
fn image(
    out: &mut Vec<u8>,
    values: &mut Values,
    table: &Table,
    image: Option<&[Value<'_>]>,
    before: Option<&[Value<'_>]>,
) -> Result<(), Malformed> {
    let Some(image) = image else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    out.push(b'{');
    let mut first = true;
    for (index, ((column, mapped), value)) in table.columns.iter().zip(&table.map.columns).zip(image).enumerate() {
        if Presence::of(column, value) == Presence::LeftOut {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        out.extend_from_slice(&column.json_key);
        let before = before.and_then(|values| values.get(index));
        values.write(out, column, mapped, value, before)?;
    }
    out.push(b'}');
    Ok(())
}
