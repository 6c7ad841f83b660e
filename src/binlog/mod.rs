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
//! A program that wants rows takes a [`RowStream`], over files or over a server's stream:
//!
//! ```
//! use mysql_interceptor::binlog::RowStream;
//!
//! let mut stream = RowStream::open_files(["tests/data/binlog/shop.000001"])?;
//! let mut count = 0;
//! while let Some(row) = stream.next()? {
//!     let after: Vec<_> = row.after().collect();
//!     println!("{} {:?} {}.{}: {after:?}", row.position(), row.kind(), row.database(), row.table());
//!     count += 1;
//! }
//! assert_eq!(count, 4);
//! # Ok::<(), mysql_interceptor::binlog::BinlogError>(())
//! ```
//!
//! The decoder is sans-IO and of use by itself, where the events' bytes come from elsewhere:
//!
//! ```
//! use mysql_interceptor::binlog::{Decoder, Event, EventHeader, RowKind};
//!
//! let file = include_bytes!("../../tests/data/binlog/shop.000001");
//! let mut rest = &file[4..]; // behind the four bytes that all binlog files begin with
//! let mut decoder = Decoder::default();
//! let mut kinds = Vec::new();
//! while !rest.is_empty() {
//!     // Whole events, the FORMAT_DESCRIPTION first.
//!     let (event, behind) = rest.split_at(EventHeader::parse(rest)?.length as usize);
//!     rest = behind;
//!     decoder.decode(event, &mut |header, event| {
//!         if let Event::Rows(event) = event {
//!             println!("{} {}.{}", header.next_position, event.table.database, event.table.table);
//!             let mut rows = event.rows();
//!             while let Some(row) = rows.next()? {
//!                 println!("{:?} -> {:?}", row.before, row.after);
//!                 kinds.push(event.kind);
//!             }
//!         }
//!         Ok(())
//!     })?;
//! }
//! assert_eq!(kinds, [RowKind::Insert, RowKind::Insert, RowKind::Update, RowKind::Delete]);
//! # Ok::<(), mysql_interceptor::binlog::DecodeError>(())
//! ```

mod assembler;
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
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod geometry;
pub mod gtid;
mod hidden;
mod history;
mod json;
mod json_string;
mod json_value;
mod kafka;
mod names;
pub mod parquet;
mod piece;
mod piece_record;
mod position;
mod row_stream;
mod rows;
mod run;
mod schema;
mod source;
mod statement;
mod statement_variables;
mod table_map;
mod tail;
mod temporal;
mod value;

pub use crate::segment::SegmentError;
pub use assembler::{Assembler, AssemblerOptions, BinlogCounters, HoldError, Progress};
pub use charset::Charset;
pub use checkpoint::{Checkpoint, CheckpointError, CheckpointFile};
pub use client::{ClientError, ConnectOptions, TlsMode, TlsOptions};
pub use column::Storage;
pub use column_rules::{ColumnPattern, ColumnRules};
pub use decimal::Decimal;
pub use decoder::{AllTables, DecodeError, Decoder, Emit, Event, TableFilter};
pub use event::{EventHeader, EventType, FormatDescription, IntVar, Query, Rotate};
pub use filter::{TablePattern, TableRules};
pub use form::{
    BigintUnsigned, Connector, Debezium, DebeziumOptions, DecimalHandling, Definition, FormFactory, LoggedStatement,
    Maxwell, MaxwellOptions, Native, Routing, RowContext, RowForm, Text, TextOptions, TransactionEdge,
};
pub use history::{
    HistoryError, HistorySync, NoSource, OwnedStatement, SchemaHistory, SchemaSource, Snapshot, Statement, TableSchema,
};
pub use json_value::{Geometry, ValueOptions, write_value};
pub use kafka::{KafkaRows, RowsKafkaConfig, TopicTemplate};
pub use names::Patterns;
pub use piece::{BrokenPiece, Piece};
pub use position::Position;
pub use row_stream::{ChangedRow, RowStream, StreamStart};
pub use rows::{Row, RowKind, Rows, RowsEvent};
pub(crate) use run::{BinlogConfig, From, OnPurged, ProgressStyle, RunError, SourceConfig, Until, clear_bar, run};
pub use schema::{CatalogColumn, Column, Meaning, Table, Writer};
pub use source::BinlogError;
pub(crate) use source::SourceOptions;
pub use statement_variables::{UserValue, UserVar};
pub use table_map::{MappedColumn, TableMap};
pub use tail::Tail;
pub use temporal::{Date, DateTime, Time, Timestamp};
pub use value::{Integer, Value};
