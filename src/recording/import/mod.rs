//! Recordings made of logs that exist: slow logs, general logs, and our own messages.
//!
//! ```text
//!   chain, lines    files, plain or compressed, line by line; a table's dump row by row
//!   slow, general   their formats, each line an Entry        messages   our JSON, each message a Message
//!   sessions        entries in the order of the log -> records of sessions        source      all of it, from files to records
//! ```
//!
//! A log has less than a recording. What its source lacks is told ([`SourceKind::lacks`]), and what of it could not be used is counted
//! ([`Counts`]); nothing is made up: a statement whose outcome the log does not tell has no results.

mod chain;
mod counts;
mod entry;
mod general;
mod held;
mod lexes;
mod lines;
mod messages;
mod outcomes;
mod sessions;
mod slow;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod when;

pub use counts::{Counts, Skipped};
pub use messages::MessageImport;
pub use source::{Import, ImportError, ImportOptions, SourceKind};
pub use when::LogZone;
