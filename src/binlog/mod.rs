//! Binlog events of MySQL and MariaDB: bytes in, rows out.
//!
//! ```text
//!   source      a server's stream, files, standard input          whole events, header to checksum
//!     |
//!   decoder     checksums, compression, table maps, filter        Event: Rows, Gtid, Query, ...
//!     |
//!   assembler   transactions, names, DDL                          messages, and where reading may go on
//!     |
//!   sink        one queue each, bounded in bytes                  acknowledged: the checkpoint moves
//! ```
//!
//! The decoder is sans-IO and of use by itself:
//!
//! ```no_run
//! use mysql_interceptor::binlog::{Decoder, Event};
//!
//! let mut decoder = Decoder::default();
//! let events: Vec<Vec<u8>> = Vec::new(); // whole events, the FORMAT_DESCRIPTION first
//! for event in &events {
//!     decoder.decode(event, &mut |header, event| {
//!         if let Event::Rows(rows) = event {
//!             println!("{} {}.{}", header.next_position, rows.table.database, rows.table.table);
//!             let mut rows = rows.rows();
//!             while let Some(row) = rows.next()? {
//!                 println!("{:?} -> {:?}", row.before, row.after);
//!             }
//!         }
//!         Ok(())
//!     })?;
//! }
//! # Ok::<(), mysql_interceptor::binlog::DecodeError>(())
//! ```

mod assembler;
#[cfg(test)]
mod assembler_tests;
mod charset;
mod checkpoint;
mod client;
mod column;
mod column_rules;
mod decimal;
mod decoder;
mod digits;
mod event;
mod filter;
mod form;
mod geometry;
pub mod gtid;
mod history;
mod json;
mod json_string;
mod json_value;
mod kafka;
pub mod parquet;
mod piece;
mod rows;
mod run;
mod schema;
mod secrets;
mod source;
mod statement;
mod table_map;
mod temporal;
mod value;

pub use assembler::{Assembler, AssemblerOptions, BinlogCounters, Position, Progress};
pub use charset::Charset;
pub use checkpoint::{Checkpoint, CheckpointError, CheckpointFile};
pub use client::ClientError;
pub(crate) use client::{ConnectOptions, TlsMode, TlsOptions};
pub use column::Storage;
pub use column_rules::{ColumnPattern, ColumnRules};
pub use decimal::Decimal;
pub use decoder::{AllTables, DecodeError, Decoder, Emit, Event, TableFilter};
pub use event::{EventHeader, EventType, FormatDescription, IntVar, Query, Rotate};
pub use filter::{TablePattern, TableRules};
pub use form::{
    BigintUnsigned, Connector, Debezium, DebeziumOptions, DecimalHandling, Definition, FormFactory, Maxwell,
    MaxwellOptions, Native, Routing, RowContext, RowForm, Text, TextOptions, TransactionEdge,
};
pub use history::{
    HistoryError, HistorySync, NoSource, OwnedStatement, SchemaHistory, SchemaSource, Snapshot, Statement, TableSchema,
};
pub use json_value::{Geometry, ValueOptions, write_value};
pub use kafka::{KafkaRows, RowsKafkaConfig, TopicTemplate};
pub use piece::Piece;
pub use rows::{Row, RowKind, Rows, RowsEvent};
pub(crate) use run::{BinlogConfig, From, OnPurged, ProgressStyle, RunError, SourceConfig, Until, clear_bar, run};
pub use schema::{CatalogColumn, Column, Meaning, Table};
pub use source::BinlogError;
pub(crate) use source::SourceOptions;
pub use table_map::{MappedColumn, TableMap};
pub use temporal::{Date, DateTime, Time, Timestamp};
pub use value::{Integer, Value};
