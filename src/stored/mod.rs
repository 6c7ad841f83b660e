//! Messages that were written somewhere, read again: files of JSON lines, Parquet, topics, a spool, standard input.
//!
//! ```text
//!   spec                      where they are, in words
//!   files, topic, parquet, spool
//!                             implement Source: whole messages, a block at a time
//!   block                     many messages, one after the other, and where each was
//!   message                   one message, and what came with it
//!   input                     a file's bytes, whatever it is compressed with
//! ```
//!
//! Nothing of a block is looked at here: who wants fields takes a line apart with [`Fields`], in whatever thread.

mod block;
mod files;
mod input;
mod message;
mod parquet;
mod source;
mod spec;
mod spool;
mod topic;

pub use crate::fields::{Fields, Text};
pub use block::{Block, Place};
pub use input::{Input, InputError};
pub use message::Message;
pub(crate) use parquet::{each_audited_row, files_of};
pub use source::{Progress, Source, SourceError, Step};
pub(crate) use spec::StoredAt;
pub(crate) use topic::{BROKER_PATIENCE, TopicSource, Topics, Watermarks, is_passing};
