//! Columns' names through time: what a table was when a row was written, where the binlog does not say it itself.
//!
//! ```text
//!   history file ---+
//!   stream's DDL ---+--> tables as of the stream's position --> columns of a row
//!   catalogue now --+
//!        `-- carried back over the DDL between there and now (looked for ahead of the stream)
//! ```
//!
//! A name is given only where it is sure: the rest is called `@1`, `@2`.
//!
//! ```text
//!   ask, follow    questions about a table; the stream's statements       schemas   what is known
//!   file, trace    kept on the disk; what the stream has yet to bring
//!   apply, fill    what a statement makes of a table, forwards and backwards
//!   ddl            a text's statement: create, alter, parser, column_type, cursor, words
//!   definition     statements                                             source    where texts and answers come from
//! ```

mod alter;
pub(crate) mod apply;
mod ask;
mod column_type;
mod create;
mod cursor;
mod ddl;
mod definition;
mod file;
mod fill;
mod follow;
mod parser;
mod schemas;
mod sequence;
pub(crate) mod source;
mod subject;
#[cfg(test)]
mod tests;
mod trace;
mod words;

pub use apply::TableSchema;
pub use file::{HistoryError, HistorySync};
pub use schemas::SchemaHistory;
pub use source::{NoSource, OwnedStatement, SchemaSource, Snapshot, Statement};
pub(crate) use source::{statement_head, statement_text, without_secrets};
pub(crate) use subject::Subject;
