//! Kafka Connect's schemas of a table's events and keys, as its JSON converter writes them.
//!
//! Sources: debezium/debezium, `documentation/modules/ROOT/pages/connectors/mysql.adoc` (data type mappings, the events' schemas);
//! apache/kafka, `connect/json/.../JsonConverter.java` (the fields of a schema).

use std::collections::HashMap;

use crate::binlog::event::table_map::MappedColumn;
use crate::binlog::output::debezium::options::{BigintUnsigned, DecimalHandling};
use crate::binlog::output::debezium::options::{Connector, DebeziumOptions};
use crate::binlog::table::schema::{Column, Meaning, Table, TableNumber};
use crate::binlog::value::column::Storage;
use crate::json::escaped;
use crate::mysql::value::digits::integer;

/// The geometry type of a POINT column in a table map (`Field::geometry_type`).
pub(crate) const GEOMETRY_POINT: u64 = 1;

/// So many tables' schemas are kept.
const MOST_TABLES: usize = 1024;

/// The schemas of the tables seen.
#[derive(Debug, Default)]
pub(crate) struct Schemas {
    tables: HashMap<TableNumber, TableSchemas>,
}

/// A table's schemas as JSON.
#[derive(Debug)]
pub(crate) struct TableSchemas {
    value: Vec<u8>,
    key: Vec<u8>,
}

impl TableSchemas {
    /// Of an event.
    pub(crate) fn value(&self) -> &[u8] {
        &self.value
    }

    /// Of an event's key.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }
}

impl Schemas {
    /// Makes a table's schemas unless they are there.
    pub(crate) fn prepare(&mut self, table: &Table, options: &DebeziumOptions, connector: Connector) {
        if self.tables.contains_key(&table.number) {
            return;
        }
        if self.tables.len() >= MOST_TABLES {
            self.tables.clear();
        }
        let name = format!("{}.{}.{}", options.name, table.map.database, table.map.table);
        let schemas =
            TableSchemas { value: envelope(table, options, connector, &name), key: key(table, options, &name) };
        self.tables.insert(table.number, schemas);
    }

    /// A table's schemas, if they have been made.
    pub(crate) fn of(&self, table: &Table) -> Option<&TableSchemas> {
        self.tables.get(&table.number)
    }
}

/// A schema that has no field names of its own inside.
struct Simple {
    kind: &'static str,
    name: Option<&'static str>,
    parameters: Vec<(&'static str, String)>,
}

impl Simple {
    fn plain(kind: &'static str) -> Self {
        Self { kind, name: None, parameters: Vec::new() }
    }

    fn named(kind: &'static str, name: &'static str) -> Self {
        Self { name: Some(name), ..Self::plain(kind) }
    }

    fn decimal(precision: u8, scale: u8) -> Self {
        let parameters = vec![("scale", scale.to_string()), ("connect.decimal.precision", precision.to_string())];
        Self { parameters, ..Self::named("bytes", "org.apache.kafka.connect.data.Decimal") }
    }

    fn members(name: &'static str, column: &Column) -> Self {
        Self { parameters: vec![("allowed", column.members.join(","))], ..Self::named("string", name) }
    }
}

fn simple(column: &Column, options: &DebeziumOptions) -> Simple {
    let text_or_bytes = || {
        let is_text = column.charset.is_some() || column.meaning != Meaning::Bytes;
        Simple::plain(if is_text { "string" } else { "bytes" })
    };
    match column.storage {
        Storage::Integer { bytes } => match (bytes, column.unsigned) {
            (1, _) | (2, false) => Simple::plain("int16"),
            (2, true) | (3, _) | (4, false) => Simple::plain("int32"),
            (8, true) if options.bigint_unsigned == BigintUnsigned::Precise => Simple::decimal(20, 0),
            _ => Simple::plain("int64"),
        },
        Storage::Float => Simple::plain("float"),
        Storage::Double => Simple::plain("double"),
        Storage::Decimal { precision, scale } => match options.decimal {
            DecimalHandling::Precise => Simple::decimal(precision, scale),
            DecimalHandling::String => Simple::plain("string"),
            DecimalHandling::Double => Simple::plain("double"),
        },
        Storage::Year => Simple::named("int32", "io.debezium.time.Year"),
        Storage::Date => Simple::named("int32", "io.debezium.time.Date"),
        Storage::Time { .. } | Storage::TimeOld => Simple::named("int64", "io.debezium.time.MicroTime"),
        Storage::DateTime { fraction_digits: 4.. } => Simple::named("int64", "io.debezium.time.MicroTimestamp"),
        Storage::DateTime { .. } | Storage::DateTimeOld => Simple::named("int64", "io.debezium.time.Timestamp"),
        Storage::Timestamp { .. } | Storage::TimestampOld => Simple::named("string", "io.debezium.time.ZonedTimestamp"),
        Storage::Fixed { .. } if column.meaning == Meaning::Uuid => Simple::named("string", "io.debezium.data.Uuid"),
        Storage::Fixed { .. } | Storage::Variable { .. } | Storage::Blob { .. } => text_or_bytes(),
        Storage::Json { .. } => Simple::named("string", "io.debezium.data.Json"),
        Storage::Bit { bits: 1 } => Simple::plain("boolean"),
        Storage::Bit { bits } => {
            Simple { parameters: vec![("length", bits.to_string())], ..Simple::named("bytes", "io.debezium.data.Bits") }
        }
        // Without their names they are numbers.
        Storage::Enum { .. } if column.members.is_empty() => Simple::plain("int32"),
        Storage::Set { .. } if column.members.is_empty() => Simple::plain("int64"),
        Storage::Enum { .. } => Simple::members("io.debezium.data.Enum", column),
        Storage::Set { .. } => Simple::members("io.debezium.data.EnumSet", column),
        Storage::Geometry { .. } => Simple::named("struct", "io.debezium.data.geometry.Geometry"),
        Storage::Vector { .. } => Simple::named("array", "io.debezium.data.FloatVector"),
        Storage::Null => Simple::plain("string"),
    }
}

/// Whether the column's values are redacted to null: only text can be anything.
pub(crate) fn is_hidden(column: &Column) -> bool {
    column.redaction.is_some() && !is_masked(column)
}

/// Whether a redacted value is a text, as `column.mask.with.length.chars` makes it of characters only (`MaskStrings`).
pub(crate) fn is_masked(column: &Column) -> bool {
    match column.storage {
        Storage::Fixed { .. } | Storage::Variable { .. } | Storage::Blob { .. } => column.charset.is_some(),
        Storage::Enum { .. } | Storage::Set { .. } => !column.members.is_empty(),
        _ => false,
    }
}

/// Appends a column's schema.
fn column(out: &mut Vec<u8>, column: &Column, mapped: &MappedColumn, options: &DebeziumOptions) {
    const SRID: &str = r#"{"type":"int32","optional":true,"field":"srid"}]"#;
    let simple = simple(column, options);
    let (mut name, mut doc) = (simple.name, None);
    push(out, "{\"type\":\"");
    push(out, simple.kind);
    push(out, "\"");
    match column.storage {
        Storage::Geometry { .. } => {
            push(out, ",\"fields\":[");
            doc = Some("Geometry");
            if mapped.geometry_type == Some(GEOMETRY_POINT) {
                (name, doc) = (Some("io.debezium.data.geometry.Point"), Some("Geometry (POINT)"));
                push(out, r#"{"type":"double","optional":false,"field":"x"},"#);
                push(out, r#"{"type":"double","optional":false,"field":"y"},"#);
                push(out, r#"{"type":"bytes","optional":true,"field":"wkb"},"#);
            } else {
                push(out, r#"{"type":"bytes","optional":false,"field":"wkb"},"#);
            }
            push(out, SRID);
        }
        Storage::Vector { .. } => push(out, r#","items":{"type":"float","optional":false}"#),
        _ => {}
    }
    // The connector's geometries are optional in any column (`Geometry.builder().optional()`).
    optional(out, mapped.nullable || is_hidden(column) || doc.is_some());
    if let Some(name) = name {
        push(out, ",\"name\":\"");
        push(out, name);
        push(out, "\",\"version\":1");
    }
    if let Some(doc) = doc {
        push(out, ",\"doc\":");
        escaped(out, doc);
    }
    for (index, (name, value)) in simple.parameters.iter().enumerate() {
        push(out, if index == 0 { ",\"parameters\":{\"" } else { ",\"" });
        push(out, name);
        push(out, "\":");
        escaped(out, value);
    }
    if !simple.parameters.is_empty() {
        push(out, "}");
    }
    push(out, ",\"field\":");
    escaped(out, &column.name);
    push(out, "}");
}

fn columns(out: &mut Vec<u8>, table: &Table, options: &DebeziumOptions, indexes: impl Iterator<Item = usize>) {
    push(out, "{\"type\":\"struct\",\"fields\":[");
    let both = indexes.filter_map(|index| Some((table.columns.get(index)?, table.map.columns.get(index)?)));
    for (place, (one, mapped)) in both.enumerate() {
        if place > 0 {
            push(out, ",");
        }
        column(out, one, mapped, options);
    }
    push(out, "]");
}

/// Appends the end of a struct's schema.
pub(crate) fn end(out: &mut Vec<u8>, is_optional: bool, name: &str, version: Option<u32>, field: Option<&str>) {
    optional(out, is_optional);
    push(out, ",\"name\":");
    escaped(out, name);
    if let Some(version) = version {
        push(out, ",\"version\":");
        integer(out, version);
    }
    if let Some(field) = field {
        push(out, ",\"field\":");
        escaped(out, field);
    }
    push(out, "}");
}

/// The schema of `source`, as a field.
pub(crate) fn source(out: &mut Vec<u8>, connector: Connector) {
    // Type, whether it may be null, name.
    push(out, "{\"type\":\"struct\",\"fields\":[");
    let fields = [
        ("string", false, "version"),
        ("string", false, "connector"),
        ("string", false, "name"),
        ("int64", false, "ts_ms"),
        ("", true, "snapshot"),
        ("string", false, "db"),
        ("string", true, "sequence"),
        ("int64", true, "ts_us"),
        ("int64", true, "ts_ns"),
        ("string", true, "table"),
        ("int64", false, "server_id"),
        ("string", true, "gtid"),
        ("string", false, "file"),
        ("int64", false, "pos"),
        ("int32", false, "row"),
        ("int64", true, "thread"),
        ("string", true, "query"),
    ];
    for (index, (kind, is_optional, field)) in fields.into_iter().enumerate() {
        if index > 0 {
            push(out, ",");
        }
        match field {
            "snapshot" => push(out, SNAPSHOT),
            _ => plain(out, kind, is_optional, field),
        }
    }
    push(out, "]");
    end(out, false, &format!("io.debezium.connector.{}.Source", connector.name()), Some(1), Some("source"));
}

/// `AbstractSourceInfo.SNAPSHOT_KEY`
const SNAPSHOT: &str = concat!(
    r#"{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"#,
    r#""true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},"default":"false","field":"snapshot"}"#
);

fn key(table: &Table, options: &DebeziumOptions, name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    columns(&mut out, table, options, table.primary_key.iter().copied());
    end(&mut out, false, &format!("{name}.Key"), None, None);
    out
}

fn envelope(table: &Table, options: &DebeziumOptions, connector: Connector, name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    push(&mut out, "{\"type\":\"struct\",\"fields\":[");
    for image in ["before", "after"] {
        columns(&mut out, table, options, 0..table.columns.len());
        end(&mut out, true, &format!("{name}.Value"), None, Some(image));
        push(&mut out, ",");
    }
    source(&mut out, connector);
    push(&mut out, ",");
    fields(
        &mut out,
        &[("string", false, "id"), ("int64", false, "total_order"), ("int64", false, "data_collection_order")],
    );
    end(&mut out, true, "event.block", Some(1), Some("transaction"));
    for (kind, is_optional, field) in
        [("string", false, "op"), ("int64", true, "ts_ms"), ("int64", true, "ts_us"), ("int64", true, "ts_ns")]
    {
        push(&mut out, ",");
        plain(&mut out, kind, is_optional, field);
    }
    push(&mut out, "]");
    end(&mut out, false, &format!("{name}.Envelope"), Some(2), None);
    out
}

pub(crate) fn fields(out: &mut Vec<u8>, fields: &[(&str, bool, &str)]) {
    push(out, "{\"type\":\"struct\",\"fields\":[");
    for (index, (kind, is_optional, field)) in fields.iter().enumerate() {
        if index > 0 {
            push(out, ",");
        }
        plain(out, kind, *is_optional, field);
    }
    push(out, "]");
}

pub(crate) fn plain(out: &mut Vec<u8>, kind: &str, is_optional: bool, field: &str) {
    push(out, "{\"type\":\"");
    push(out, kind);
    push(out, "\"");
    optional(out, is_optional);
    push(out, ",\"field\":");
    escaped(out, field);
    push(out, "}");
}

pub(crate) fn optional(out: &mut Vec<u8>, is_optional: bool) {
    push(out, if is_optional { ",\"optional\":true" } else { ",\"optional\":false" });
}

pub(crate) fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}
