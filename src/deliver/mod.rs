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
//!   stdout, ndjson, kafka                            implement Sink
//! ```
//!
//! [`Pipeline`] starts and stops all of it. Every message has a position (`position.rs`), and each sink says how far it is.

mod batch;
mod config;
mod counters;
mod dispatcher;
mod error;
mod fsync;
mod held;
mod ingest;
mod kafka;
mod label;
mod lane;
#[cfg(test)]
mod lane_tests;
mod line;
mod ndjson;
mod open;
mod outages;
mod outlet;
mod pipeline;
mod pool;
mod position;
mod queue;
mod rate_limit;
mod report;
mod runner;
mod seq;
mod sink;
mod stdout;
#[cfg(test)]
mod tests;

pub use batch::{Batch, Numbered, Packed, Routed};
pub use config::{Acks, Backpressure, Compression, KafkaConfig, NdjsonConfig, QueueConfig, SinkConfig, StdoutConfig};
pub use counters::{LossReason, SinkCounter, SinkCounters};
pub use error::SinkError;
pub use fsync::Fsync;
pub use held::{DiskError, Held, HeldCounts, HoldError, Holding, Rewrite, Unreadable};
pub use ingest::Ingest;
pub(crate) use kafka::{ClientLog, client_options, describe_client_error, reader_options};
pub use kafka::{ExactlyOnceSink, KafkaOption, KafkaSink, OnRefused, RowsSinkConfig, TransactionSettings};
pub use label::{Label, MessageKind};
pub use line::{Gate, Line, SharedLine};
pub use ndjson::NdjsonSink;
pub use open::open_all;
pub use pipeline::{Pipeline, PushError, SpareBatches};
pub(crate) use rate_limit::RateLimit;
pub use report::{ShutdownReport, SinkReport};
pub use seq::Seq;
pub use sink::{Sink, Staged};
pub use stdout::StdoutSink;
