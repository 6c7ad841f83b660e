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

pub(crate) mod form;
mod message;
pub(crate) mod options;
mod schema;
mod schema_change;
mod value;
