//! Which tables and columns are meant by an option's patterns, and what is done with a column's values; names with wildcards.

pub mod columns;
pub mod names;
pub(crate) mod plain;
pub mod redaction;
pub mod wildcard;
