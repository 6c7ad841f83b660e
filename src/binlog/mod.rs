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

mod checkpoint;
pub mod event;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod gtid;
pub mod output;
mod row_stream;
mod run;
mod source;
pub mod table;
pub mod transaction;
mod value;

pub use crate::client::{ClientError, ConnectOptions, TlsMode, TlsOptions};
pub use crate::mysql::charset::Charset;
pub use crate::mysql::value::decimal::Decimal;
pub use crate::mysql::value::temporal::{Date, DateTime, Time, Timestamp};
pub use crate::rules::columns::{ColumnPattern, ColumnRules};
pub use crate::rules::names::Patterns;
pub use crate::segment::SegmentError;
pub use checkpoint::position::Position;
pub use checkpoint::tail::Tail;
pub use checkpoint::{Checkpoint, CheckpointError, CheckpointFile};
pub use event::decoder::{AllTables, DecodeError, Decoder, Emit, Event, TableFilter};
pub use event::header::{EventHeader, EventType, FormatDescription, IntVar, Query, Rotate};
pub use event::rows::{Row, RowKind, Rows, RowsEvent};
pub use event::table_map::{MappedColumn, TableMap};
pub use event::variables::{UserValue, UserVar};
pub use output::json_value::{Geometry, ValueOptions, write_value};
pub use output::kafka::{KafkaRows, RowsKafkaConfig, TopicTemplate};
pub use output::{
    BigintUnsigned, Connector, Debezium, DebeziumOptions, DecimalHandling, Definition, FormFactory, LoggedStatement,
    Maxwell, MaxwellOptions, Native, Routing, RowContext, RowForm, Text, TextOptions, TransactionEdge,
};
pub use row_stream::{ChangedRow, RowStream, StreamStart};
pub(crate) use run::{BinlogConfig, From, OnPurged, ProgressStyle, RunError, SourceConfig, Until, clear_bar, run};
pub use source::BinlogError;
pub(crate) use source::SourceOptions;
pub use table::filter::{TablePattern, TableRules};
pub use table::history::{
    HistoryError, HistorySync, NoSource, OwnedStatement, SchemaHistory, SchemaSource, Snapshot, Statement, TableSchema,
};
pub use table::schema::{CatalogColumn, Column, Meaning, Table, Writer};
pub use transaction::assembler::{Assembler, AssemblerOptions, BinlogCounters, HoldError, Progress};
pub use transaction::piece::{BrokenPiece, Piece};
pub use value::column::Storage;
pub use value::{Integer, Value};
