//! Binlog events of MySQL and MariaDB: bytes in, rows out.
//!
//! The rooms, from top to bottom. Each may use only what stands below it:
//!
//! ```text
//!   run, row_stream, relation
//!                  `mysql-interceptor binlog`: read, encode, deliver, checkpoint; rows for a program; what lies before what
//!   source         a server's stream, files, standard input: whole events, header to checksum
//!   transaction    events put together until the end is known: pieces of rows
//!   output         what becomes of a row: JSON, Debezium, Maxwell, a line for people, Parquet; topics in Kafka
//!   checkpoint     where reading goes on after a restart
//!   table          what columns are called and mean; schema history; which tables are wanted
//!   event          checksums, compression, table maps, row images: Event::Rows, Gtid, Query, ...
//!   value          one column's value in a row image
//!   gtid           GTIDs and sets of them
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
//! The decoder is sans-IO and can be used by itself, where the events' bytes come from elsewhere:
//!
//! ```
//! use mysql_interceptor::binlog::{Decoder, Event, EventHeader, RowKind};
//!
//! let file = include_bytes!("../../tests/data/binlog/shop.000001");
//! let mut rest = &file[4..]; // after the four bytes that all binlog files begin with
//! let mut decoder = Decoder::default();
//! let mut kinds = Vec::new();
//! while !rest.is_empty() {
//!     // Whole events, the FORMAT_DESCRIPTION first.
//!     let (event, after) = rest.split_at(EventHeader::parse(rest)?.length as usize);
//!     rest = after;
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
mod relation;
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
pub use checkpoint::tail::Tail;
pub use checkpoint::{Checkpoint, CheckpointError, CheckpointFile, PreparedXa};
pub use event::content::Event;
pub use event::control::Rotate;
pub use event::decoder::{AllTables, Decoder, Emit, TableFilter};
pub use event::error::{DecodeError, EventError};
pub use event::event_type::EventType;
pub use event::format::{FormatDescription, Writer};
pub use event::header::EventHeader;
pub use event::position::Position;
pub use event::query::Query;
pub use event::rows::{Row, RowKind, Rows, RowsEvent};
pub use event::table_map::{MappedColumn, TableMap};
pub use event::variables::{IntVar, UserValue, UserVar};
pub use output::context::{Definition, LoggedStatement, RowContext, TransactionEdge};
pub use output::debezium::form::Debezium;
pub use output::debezium::options::{BigintUnsigned, Connector, DebeziumOptions, DecimalHandling};
pub use output::form::{FormFactory, RowForm};
pub use output::json_value::{Geometry, ValueOptions, write_value};
pub use output::kafka::{KafkaRows, RowsKafkaConfig, TopicTemplate};
pub use output::maxwell::{Maxwell, MaxwellOptions};
pub use output::native::Native;
pub use output::routing::Routing;
pub use output::text::{Text, TextOptions};
pub(crate) use relation::relation;
pub use row_stream::row::ChangedRow;
pub use row_stream::{RowStream, StreamStart};
pub(crate) use run::config::{BinlogConfig, OnPurged, ProgressStyle, SourceConfig};
pub(crate) use run::error::RunError;
#[cfg(test)]
pub(crate) use run::metrics;
pub(crate) use run::place::{From, Until};
pub(crate) use run::run;
pub use source::BinlogError;
pub(crate) use source::SourceOptions;
pub use table::catalog::CatalogColumn;
pub use table::filter::{TablePattern, TableRules};
pub use table::history::{
    HistoryError, HistorySync, NoSource, OwnedStatement, SchemaHistory, SchemaSource, Snapshot, Statement, TableSchema,
};
pub use table::schema::{Column, Meaning, Table};
pub use transaction::assembler::{Assembler, AssemblerOptions};
pub use transaction::counters::BinlogCounters;
pub use transaction::hold_error::HoldError;
pub use transaction::piece::{BrokenPiece, Piece};
pub use transaction::progress::Progress;
pub use value::column::Storage;
pub use value::{Integer, Value};
