//! The settings of sinks and their queues.

use std::path::PathBuf;
use std::time::Duration;

use super::fsync::Fsync;
use super::kafka::KafkaOption;
use super::parquet::StatementParquetConfig;
use crate::files::FileMode;
use crate::pretty::{ColorChoice, PrettyColumn};

/// A destination of messages.
#[derive(Debug, Clone)]
pub enum SinkConfig {
    /// Standard output.
    Stdout(StdoutConfig),
    /// A file of JSON lines.
    Ndjson(NdjsonConfig),
    /// A Kafka topic.
    Kafka(KafkaConfig),
    /// A folder of Parquet files.
    Parquet(StatementParquetConfig),
}

/// How messages look on standard output.
#[derive(Debug, Clone)]
pub struct StdoutConfig {
    /// For people rather than one JSON object per line.
    pub pretty: bool,
    /// When to colour the pretty form.
    pub color: ColorChoice,
    /// The columns of the pretty form; none: all of them.
    pub columns: Vec<PrettyColumn>,
    /// When a message counts as delivered where standard output leads to a file.
    pub fsync: Fsync,
}

/// A file of JSON lines and its rotation.
#[derive(Debug, Clone)]
pub struct NdjsonConfig {
    /// The file that is appended to.
    pub path: PathBuf,
    /// The file is rotated before it grows beyond this many bytes; 0: never.
    pub rotate_size: u64,
    /// The file is rotated at this age; zero: never.
    pub rotate_age: Duration,
    /// What happens to a rotated file.
    pub compress: Compression,
    /// How many rotated files are kept; 0: all.
    pub keep: usize,
    /// The rights of a new file.
    pub mode: FileMode,
    /// When a message counts as delivered.
    pub fsync: Fsync,
}

/// What happens to a rotated file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Compression {
    /// It stays as it is
    None,
    /// It is compressed to FILE.zst, in the background
    Zstd,
}

/// The Kafka producer.
#[derive(Debug, Clone)]
pub struct KafkaConfig {
    /// `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// The topic of all messages.
    pub topic: String,
    /// The record header `proxy`: which process sends, and since when it runs.
    pub proxy: String,
    /// What the brokers must have done before a message counts as delivered.
    pub acks: Acks,
    /// How many times the client library resends a message on its own.
    pub retries: u32,
    /// How long messages wait for others to share a request.
    pub linger: Duration,
    /// Bytes of one partition's batch.
    pub batch_size: u32,
    /// Bytes of messages that may wait for the brokers.
    pub buffer_memory: u64,
    /// Further properties of librdkafka; they override the above.
    pub options: Vec<KafkaOption>,
}

/// What the brokers must have done before a message counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Acks {
    /// All in-sync replicas have it
    #[strum(serialize = "all", serialize = "-1")]
    All,
    /// Nothing
    #[strum(serialize = "0")]
    None,
    /// The partition's leader has it
    #[strum(serialize = "1")]
    Leader,
}

/// The bounded queues in front of the sinks.
#[derive(Debug, Clone)]
pub struct QueueConfig {
    /// Messages in one sink's queue.
    pub max_messages: usize,
    /// Bytes in one sink's queue; one message above it is accepted when the queue is empty.
    pub max_bytes: usize,
    /// A worker's messages are passed on when there are this many.
    pub batch_size: usize,
    /// A worker's messages are passed on after this time at the latest.
    pub flush_interval: Duration,
    /// What happens when a queue is full.
    pub backpressure: Backpressure,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            max_messages: 10_000,
            max_bytes: 64 << 20,
            batch_size: 500,
            flush_interval: Duration::from_millis(500),
            backpressure: Backpressure::Block,
        }
    }
}

/// What happens when a sink's queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Backpressure {
    /// The clients wait; no message is lost
    Block,
    /// Messages are dropped and counted; no client waits
    Drop,
}
