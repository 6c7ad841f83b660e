//! Schemas of the messages that are not about rows: definitions, and begins and ends of transactions.
//!
//! Sources, in debezium/debezium: `.../schema/SchemaFactory.java`, `.../pipeline/txmetadata/AbstractTransactionStructMaker.java`.

use crate::binlog::output::debezium::options::Connector;
use crate::binlog::output::debezium::schema::{end, fields, plain, push, source};

/// Of a definition.
pub(crate) fn value(connector: Connector) -> Vec<u8> {
    let mut out = Vec::new();
    push(&mut out, "{\"type\":\"struct\",\"fields\":[");
    source(&mut out, connector);
    for (kind, is_optional, field) in [
        ("int64", false, "ts_ms"),
        ("string", true, "databaseName"),
        ("string", true, "schemaName"),
        ("string", true, "ddl"),
    ] {
        push(&mut out, ",");
        plain(&mut out, kind, is_optional, field);
    }
    push(&mut out, ",");
    push(&mut out, TABLE_CHANGES);
    push(&mut out, "]");
    end(&mut out, false, &format!("io.debezium.connector.{}.SchemaChangeValue", connector.name()), Some(1), None);
    out
}

/// Of a definition's key.
pub(crate) fn key(connector: Connector) -> Vec<u8> {
    let mut out = Vec::new();
    fields(&mut out, &[("string", false, "databaseName")]);
    end(&mut out, false, &format!("io.debezium.connector.{}.SchemaChangeKey", connector.name()), Some(1), None);
    out
}

/// Of a transaction's begin or end.
pub(crate) fn transaction() -> Vec<u8> {
    TRANSACTION.into()
}

/// Of its key.
pub(crate) fn transaction_key() -> Vec<u8> {
    let mut out = Vec::new();
    fields(&mut out, &[("string", false, "id")]);
    end(&mut out, false, "io.debezium.connector.common.TransactionMetadataKey", Some(1), None);
    out
}

const TRANSACTION: &str = concat!(
    r#"{"type":"struct","fields":[{"type":"string","optional":false,"field":"status"},{"type":"string","optional":false,"field":"id"},"#,
    r#"{"type":"int64","optional":true,"field":"event_count"},{"type":"array","items":{"type":"struct","fields":["#,
    r#"{"type":"string","optional":false,"field":"data_collection"},{"type":"int64","optional":false,"field":"event_count"}],"#,
    r#""optional":true,"name":"event.collection","version":1},"optional":true,"field":"data_collections"},"#,
    r#"{"type":"int64","optional":false,"field":"ts_ms"}],"optional":false,"#,
    r#""name":"io.debezium.connector.common.TransactionMetadataValue","version":1}"#
);

const TABLE_CHANGES: &str = concat!(
    r#"{"type":"array","items":{"type":"struct","fields":[{"type":"string","optional":false,"field":"type"},"#,
    r#"{"type":"string","optional":false,"field":"id"},{"type":"struct","fields":["#,
    r#"{"type":"string","optional":true,"field":"defaultCharsetName"},"#,
    r#"{"type":"array","items":{"type":"string","optional":false},"optional":true,"field":"primaryKeyColumnNames"},"#,
    r#"{"type":"array","items":{"type":"struct","fields":[{"type":"string","optional":false,"field":"name"},"#,
    r#"{"type":"int32","optional":false,"field":"jdbcType"},{"type":"int32","optional":true,"field":"nativeType"},"#,
    r#"{"type":"string","optional":false,"field":"typeName"},{"type":"string","optional":true,"field":"typeExpression"},"#,
    r#"{"type":"string","optional":true,"field":"charsetName"},{"type":"int32","optional":true,"field":"length"},"#,
    r#"{"type":"int32","optional":true,"field":"scale"},{"type":"int32","optional":false,"field":"position"},"#,
    r#"{"type":"boolean","optional":true,"field":"optional"},{"type":"boolean","optional":true,"field":"autoIncremented"},"#,
    r#"{"type":"boolean","optional":true,"field":"generated"},{"type":"string","optional":true,"field":"comment"},"#,
    r#"{"type":"string","optional":true,"field":"defaultValueExpression"},"#,
    r#"{"type":"array","items":{"type":"string","optional":false},"optional":true,"field":"enumValues"}],"#,
    r#""optional":false,"name":"io.debezium.connector.schema.Column","version":1},"optional":false,"field":"columns"},"#,
    r#"{"type":"string","optional":true,"field":"comment"}],"optional":true,"name":"io.debezium.connector.schema.Table","#,
    r#""version":1,"field":"table"}],"optional":false,"name":"io.debezium.connector.schema.Change","version":1},"#,
    r#""optional":false,"field":"tableChanges"}"#
);
