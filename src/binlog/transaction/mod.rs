//! Transactions: events are put together until the end is known, and only then passed on.
//!
//! ```text
//!   assembler      events in, pieces of rows out
//!   prepared       XA transactions between XA PREPARE and their end
//!   piece          row events on their way to the forms                piece_record, spool   pieces on the disk
//!   statement      what a QUERY event means for the stream             variables      what a statement logged as text depends on
//! ```

pub(crate) mod assembler;
pub(crate) mod counters;
pub(crate) mod hold_error;
pub(crate) mod piece;
pub(crate) mod piece_record;
pub(crate) mod prepared;
pub(crate) mod progress;
pub(crate) mod spool;
pub(crate) mod statement;
pub(crate) mod variables;
