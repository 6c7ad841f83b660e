//! From the workers' messages to their destinations: bounded queues, then stdout, files and Kafka.
//!
//! ```text
//!   ingest      a worker's own batch                 one mutex, no wake-ups
//!     |
//!   dispatcher  every few milliseconds               fans a batch out to all sinks
//!     |
//!   queue       one per sink, bounded                drop or block, counted
//!     |
//!   runner      one thread per sink                  retries, backs off, ticks
//!     |
//!   stdout, ndjson, kafka                            implement Sink
//! ```

mod batch;
mod config;
mod counters;
mod direct;
mod dispatcher;
mod error;
mod hub;
mod ingest;
mod kafka;
mod ndjson;
mod open;
mod pool;
mod position;
mod queue;
mod rate_limit;
mod runner;
mod stdout;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use batch::{Batch, Packed, Routed};
pub use config::{Acks, Backpressure, Compression, KafkaConfig, NdjsonConfig, QueueConfig, SinkConfig, StdoutConfig};
pub use counters::{LossReason, SinkCounter, SinkCounters};
pub use direct::{Direct, PushError, SpareBatches};
pub use error::SinkError;
pub use hub::{Hub, ShutdownReport, SinkReport};
pub use ingest::Ingest;
pub(crate) use kafka::{ClientLog, client_options, describe_client_error, reader_options};
pub use kafka::{ExactlyOnceSink, KafkaOption, KafkaSink, OnRefused, RowsSinkConfig, TransactionSettings};
pub use ndjson::NdjsonSink;
pub use open::open_all;
pub use stdout::StdoutSink;

/// What a sink has written but shows only when a checkpoint covers it.
pub trait Staged: Send + Sync {
    /// Tells what this run has written from what others have; `None` where nothing waits for checkpoints.
    fn run(&self) -> Option<&str>;

    /// A checkpoint is saved that covers everything through this position. An error is to be told; what could not be shown is shown at
    /// the next start.
    fn publish(&self, through: u64) -> Result<(), SinkError>;
}

/// A destination of messages. Its methods are called from one thread of its own and may block it.
pub trait Sink: Send {
    /// The name for logs and counters, for example `ndjson:/var/log/sql.ndjson`.
    fn name(&self) -> &str;

    /// Gives the sink its counters before the first write: of what it loses for good, and of what it sends again.
    fn attach(&mut self, _counter: &Arc<SinkCounter>) {}

    /// What waits for checkpoints, if the sink makes something wait.
    fn staged(&self) -> Option<Arc<dyn Staged>> {
        None
    }

    /// Offers the messages of `batch` from index `from` on; returns how many were taken, in order.
    ///
    /// An error means that none of the rest can be taken now: they will be offered again after a pause.
    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError>;

    /// The position up to which every message that was taken is delivered, or counted as lost for good with the reason; 0 before the
    /// first. It never goes back. What "delivered" means is the sink's to say: acknowledged, written, or on the disk.
    fn delivered_through(&self) -> u64;

    /// Does what time asks for: rotation by age, serving the client library. Called about every 100 ms.
    fn tick(&mut self) -> Result<(), SinkError>;

    /// When the sink would like the next tick, if sooner than usual.
    fn until_tick(&self) -> Duration {
        Duration::MAX
    }

    /// Delivers everything that was taken, until `deadline`. An error means that what is beyond [`Self::delivered_through`] is lost.
    /// Without one it is held back, because no checkpoint can cover it: it comes again at the next start.
    fn flush(&mut self, deadline: Instant) -> Result<(), SinkError>;
}
