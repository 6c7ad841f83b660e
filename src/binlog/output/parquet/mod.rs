//! Rows as Parquet files.
//!
//! ```text
//!   form   in each encoding thread   the rows of a piece in columns of their types, one set for each schema
//!    |                               (they go through delivery as they are: [`Packed`](crate::deliver::Packed))
//!   sink   in its own thread         gathers them in the columns of files, a megabyte at a time
//!    |
//!   lanes  two threads               encode and compress columns, a row group at a time
//!    |
//!   file   in the sink's thread      row groups, footer, fsync, and only then its name
//! ```
//!
//! # The files
//!
//! A file is written under the name `.NAME.parquet.part`; what an earlier run has left unfinished is removed at the start. Files are named
//! after their first row. One process at a time writes to a directory, which has a lock.
//!
//! With checkpoints a reader sees each row once, whatever is killed when: a row is in a file with its own name exactly if the checkpoint
//! covers it, or will be so at the next start.
//!
//! 1. A file that is whole waits under a hidden name, `.NAME.parquet.RUN-LAST.whole`: the number of the run, and that of its last row.
//! 2. When all files that were open together are whole, and end where reading could go on, their rows are acknowledged.
//! 3. The checkpoint is saved. It says how many rows of which run it covers.
//! 4. The files get their own names. If that is prevented, it is done at the next start; files that the checkpoint does not cover are
//!    removed then, for their rows come again.
//!
//! Files end at checkpoints when they have their size, else where a transaction ends with twice the size, or inside one with four times
//! the size. When whole files of eight times the size wait, all end.
//!
//! Without checkpoints a file has its name when it is whole, and ends with the first transaction that makes it large enough (or inside
//! one with twice the size). Rows that are read again go to files of the same names, which are replaced if they begin with the same rows.
//!
//! A disk that is full or a folder that cannot be written to costs no row: what was not written waits in memory (one row group of a
//! file), nothing more is taken, and it is tried again. Only where a file cannot go on (fsync fails, it was removed) does the sink end:
//! its rows are not acknowledged, and reading goes on from the checkpoint at the next start.
//!
//! # One table of events: [`Layout::Events`]
//!
//! | column            | type         | |
//! |-------------------|--------------|-|
//! | `timestamp`       | INT64        | when the statement began, in milliseconds since 1970 (the binlog has whole seconds) |
//! | `server_id`       | INT32        | the server that executed it; numbers from 2^31 on are negative |
//! | `log_pos`         | INT64        | where the row's event ends in the binlog file, modulo 2^32 as in the events; in a compressed transaction, whose events have no places of their own, where that begins |
//! | `event_row_index` | INT64        | the row's number in its event, from 0 on; in a compressed transaction, that in the transaction |
//! | `database`        | UTF8         | |
//! | `table_name`      | UTF8         | |
//! | `dml_type`        | UTF8         | `insert`, `update` or `delete` |
//! | `before_values`   | JSON or NULL | the row as it was |
//! | `after_values`    | JSON or NULL | the row as it is |
//!
//! # A series of files for each table: [`Layout::Tables`]
//!
//! In `DIR/database/table/`. First `__op` (`insert`, `update`, `delete`), `__timestamp_ms`, `__gtid`, `__file`, `__offset`, `__row_index`
//! (the row's number in its transaction: with file and offset it tells all rows apart). Then the table's columns: the row as it is, of a
//! deleted one as it was. A column that the after image does not have (`binlog_row_image=MINIMAL`) did not change and is taken from the
//! before image. Last, and mostly NULL:
//!
//! - `__before`: the row as it was before an update, as JSON
//! - `__absent`: the names of columns that no image has, as a JSON array; NULL stands in them
//! - `__invalid`: values that their column's type cannot hold, as a JSON object; NULL stands in their columns. These are dates that are in
//!   no calendar (`0000-00-00`, `2024-00-10`, `2023-02-30`) or in the year 0, and changes to a JSON document that is in no image.
//!
//! | MySQL | Parquet |
//! |-------|---------|
//! | integers | INT and UINT of 8 to 64 bits |
//! | FLOAT, DOUBLE | FLOAT, DOUBLE |
//! | DECIMAL(p,s) | DECIMAL(p,s), all digits |
//! | DATE | DATE |
//! | DATETIME | TIMESTAMP in microseconds, in no time zone |
//! | TIMESTAMP | TIMESTAMP in microseconds, UTC |
//! | TIME | INT64, microseconds: it goes to 838 hours and below zero |
//! | YEAR | UINT of 16 bits, 0 for the year 0000 |
//! | BIT | UINT of 64 bits |
//! | ENUM, SET, text, UUID, INET4, INET6 | STRING |
//! | JSON | JSON |
//! | binary, BLOB, geometry (SRID and WKB) | BYTE_ARRAY |
//! | VECTOR | LIST of FLOAT |
//!
//! When a table's columns change, its file is ended and the next has the new ones. A column with the name of one of ours gets a `_` after
//! its own.

mod cells;
pub(crate) mod config;
mod events;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod kind;
mod names;
mod rows;
mod sink;
mod tables;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use config::{Compression, Layout, ParquetConfig};

use crate::binlog::output::form::{FormFactory, RowForm};
use crate::binlog::output::json_value::ValueOptions;
use crate::deliver::parquet::Registry;
use crate::deliver::{Sink, SinkError};

/// The sink, and what makes its forms: only their messages are for it, and theirs are for no other sink.
///
/// Fails where the directory cannot be made or what is left unfinished in it cannot be removed.
pub fn open(config: ParquetConfig, values: ValueOptions) -> Result<(Box<dyn Sink>, FormFactory), SinkError> {
    let registry = Arc::new(Registry::default());
    let sink = sink::ParquetSink::open(config.clone(), Arc::clone(&registry))?;
    let factory: FormFactory = match config.layout {
        Layout::Events => {
            let (number, schema) = registry.number(events::schema());
            Arc::new(move || {
                Box::new(events::EventsForm::new((number, Arc::clone(&schema)), values)) as Box<dyn RowForm>
            })
        }
        Layout::Tables => {
            Arc::new(move || Box::new(tables::TablesForm::new(Arc::clone(&registry), values)) as Box<dyn RowForm>)
        }
    };
    Ok((Box::new(sink), factory))
}
