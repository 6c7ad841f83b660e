//! Parquet: how files are written, whatever is in them, and the sink of statements.
//!
//! ```text
//!   sink                                  statements in their columns (statement), one file after the other
//!   file, lanes                           row groups, footer, fsync, and only then the file's name; the threads that encode
//!   columns, cells, schema, kind          values in columns, and their types
//!   folder, names, disk                   the directory: one process at a time, what readers see of it
//! ```
//!
//! The sink of rows (`binlog::output::parquet`) uses all but the first line.

mod broken;
mod cells;
mod columns;
mod config;
mod disk;
mod file;
mod folder;
mod kind;
mod lanes;
pub(crate) mod names;
mod schema;
mod sink;
mod statement;
#[cfg(test)]
mod tests;

pub(crate) use broken::Broken;
pub(crate) use columns::{Columns, NO_SLOT, Slots, Values};
pub(crate) use config::FileOptions;
pub use config::{ParquetCompression, StatementParquetConfig};
pub(crate) use disk::{ended, failed};
pub(crate) use file::PartFile;
pub(crate) use folder::Folder;
pub(crate) use kind::Kind;
pub(crate) use lanes::Lanes;
pub(crate) use schema::{ColumnSpec, Packing, Registry, Schema};
pub use sink::StatementParquetSink;
pub(crate) use statement::{AUDIT_COLUMNS, COLUMNS, SCHEMA_KEY, SCHEMA_VERSION};
