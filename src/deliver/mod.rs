//! From whoever makes messages to their destinations: bounded queues, then stdout, files and Kafka.
//!
//! ```text
//!   ingest      a worker's own batch                 one mutex, no wake-ups
//!     |
//!   dispatcher  every few milliseconds               fans a batch out to all sinks      or: one reader that pushes, and waits
//!     |
//!   queue       one per sink, bounded                drop or block, counted
//!     |
//!   runner      one thread per sink                  retries, backs off, ticks
//!     |
//!   stdout, ndjson, kafka, parquet                   implement Sink
//! ```
//!
//! [`Pipeline`] starts and stops all of it. Every message has a position (`position.rs`), and each sink says how far it is.

mod backlog;
mod batch;
mod block;
mod config;
mod counters;
mod dispatcher;
mod error;
mod feed;
mod fsync;
mod held;
mod ingest;
mod kafka;
mod label;
mod lane;
#[cfg(test)]
mod lane_tests;
mod ledger;
mod line;
mod ndjson;
mod open;
mod outages;
mod outlet;
mod overview;
pub(crate) mod parquet;
mod pipeline;
mod pool;
mod position;
mod queue;
mod rate_limit;
mod report;
mod runner;
mod seq;
mod sequences;
mod sidecar;
mod sink;
mod spool;
mod stdout;
#[cfg(test)]
mod tests;
mod timeline;

pub use batch::{Batch, Numbered, Packed, Routed};
pub use config::{Acks, Backpressure, Compression, KafkaConfig, NdjsonConfig, QueueConfig, SinkConfig, StdoutConfig};
pub use counters::{LossReason, SinkCounter, SinkCounters};
pub use error::SinkError;
pub use fsync::Fsync;
pub use held::{DiskError, Held, HeldCounts, HoldError, Holding, Rewrite, Unreadable};
pub use ingest::Ingest;
pub(crate) use kafka::MARKERS;
pub use kafka::{
    AuditedKafkaSink, ExactlyOnceSink, KafkaOption, KafkaSink, OnRefused, RowsSinkConfig, TransactionSettings,
};
pub(crate) use kafka::{ClientLog, client_options, describe_client_error, reader_options};
pub use label::{Label, MessageKind};
pub use ledger::{AuditConfig, Ledger, Witness};
pub use line::{Gate, Line, Settling, SharedLine};
pub use ndjson::NdjsonSink;
pub(crate) use ndjson::RotatedName;
pub use open::{open_all, open_all_audited};
#[cfg(test)]
pub(crate) use overview::metrics;
pub use parquet::{ParquetCompression, StatementParquetConfig, StatementParquetSink};
pub use pipeline::{Pipeline, PushError, SpareBatches};
pub(crate) use rate_limit::RateLimit;
pub use report::{ShutdownReport, SinkReport};
pub use seq::Seq;
pub use sequences::Sequences;
pub use sink::{Sink, Staged};
pub use spool::{
    Found, Spool, SpoolConfig, SpoolCounts, SpoolError, SpoolFull, SpoolMode, SpoolReader, SpooledMessage,
};
pub(crate) use spool::{Part, each_part};
pub use stdout::StdoutSink;
