//! How messages of statements are delivered: queues, transactions, the producer.

use std::time::Duration;

use clap::Args;

use super::choices::choice;
use crate::deliver::{Acks, Backpressure, QueueConfig};
use crate::settings::{boolean, duration, instance, memory_size, positive, size, topic};

/// How statements are sent to Kafka.
#[derive(Debug, Args)]
#[command(next_help_heading = "Kafka")]
pub(in crate::cli) struct ProducerArgs {
    /// Topic of all messages
    #[arg(long, value_name = "TOPIC", default_value = "MYSQL_EVENTS", value_parser = topic)]
    pub(in crate::cli) kafka_topic: String,

    /// Name of this proxy in record headers [default: host name]
    ///
    /// The header `proxy` of each record is this name and the time of the start: web-1@2026-01-31T12:00:00.000Z. Proxies that write to one topic from the same host need a name each.
    #[arg(long, value_name = "NAME", value_parser = instance)]
    pub(in crate::cli) instance: Option<String>,

    /// Whose confirmation counts
    ///
    /// Who must have a message before it counts as delivered. With all (and retries above 0) the producer is idempotent.
    #[arg(long, value_name = "ACKS", default_value = "all", value_parser = choice::<Acks>(), allow_hyphen_values = true)]
    pub(in crate::cli) kafka_acks: Acks,

    /// How often librdkafka tries again
    ///
    /// After that the proxy sends the message again, without limit.
    #[arg(long, hide_short_help = true, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=2_147_483_647))]
    pub(in crate::cli) kafka_retries: u32,

    /// How long messages wait to share a request
    #[arg(long, hide_short_help = true, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=900_000))]
    pub(in crate::cli) kafka_linger_ms: u32,

    /// Send as soon as this many bytes wait
    #[arg(long, hide_short_help = true, value_name = "BYTES", default_value_t = 16_384)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=2_147_483_647))]
    pub(in crate::cli) kafka_batch_size: u32,

    /// Bytes that may wait for the brokers
    ///
    /// In addition to what waits in the sink's queue.
    #[arg(long, hide_short_help = true, value_name = "SIZE", default_value = "33554432", value_parser = size)]
    pub(in crate::cli) kafka_buffer_memory: u64,

    /// Accepted, without effect: every message has a key
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean, hide = true)]
    pub(in crate::cli) kafka_adaptive_partitioning_enabled: bool,
}

/// The queues in front of the sinks.
#[derive(Debug, Args)]
#[command(next_help_heading = "Queues")]
pub(in crate::cli) struct QueueArgs {
    /// When a queue is full
    ///
    /// Clients wait (block), or messages are dropped and counted (drop).
    #[arg(long, value_name = "WHAT", default_value = "block", value_parser = choice::<Backpressure>())]
    pub(in crate::cli) backpressure: Backpressure,

    /// Messages in one sink's queue
    #[arg(long, hide_short_help = true, value_name = "N", default_value = "10000", value_parser = positive)]
    pub(in crate::cli) publish_queue_maxsize: usize,

    /// Bytes in one sink's queue
    #[arg(long, hide_short_help = true, value_name = "SIZE", default_value = "64MiB", value_parser = memory_size)]
    pub(in crate::cli) publish_queue_bytes: usize,

    /// Messages that a worker gathers
    #[arg(long, hide_short_help = true, value_name = "N", default_value = "500", value_parser = positive)]
    pub(in crate::cli) publish_batch_size: usize,

    /// How long a worker gathers messages
    ///
    /// At most this long. They are handed on every 10 ms in any case, so only smaller values have an effect.
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = duration, hide_short_help = true)]
    pub(in crate::cli) publish_flush_interval_s: Duration,

    /// Accepted, without effect: the proxy always queues
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean, hide = true)]
    pub(in crate::cli) enable_queueing_publisher: bool,
}

impl QueueArgs {
    /// The queues.
    pub(in crate::cli) fn config(&self) -> QueueConfig {
        QueueConfig {
            max_messages: self.publish_queue_maxsize,
            max_bytes: self.publish_queue_bytes,
            batch_size: self.publish_batch_size,
            flush_interval: self.publish_flush_interval_s,
            backpressure: self.backpressure,
        }
    }
}

/// Messages that wait for their transaction's end.
#[derive(Debug, Args)]
#[command(next_help_heading = "Transactions")]
pub(in crate::cli) struct BufferArgs {
    /// Hold a transaction's messages until it commits
    ///
    /// They are dropped when it rolls back. With false each message is published when its statement ends.
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean)]
    pub(in crate::cli) buffer_until_commit: bool,

    /// Messages of all open transactions in memory
    ///
    /// A transaction that would exceed this, or --buffer-bytes, is kept in a file in --temp-dir.
    #[arg(long, hide_short_help = true, value_name = "N", default_value = "10000", value_parser = positive)]
    pub(in crate::cli) buffer_messages: usize,

    /// Bytes of them in memory
    #[arg(long, hide_short_help = true, value_name = "SIZE", default_value = "64MiB", value_parser = memory_size)]
    pub(in crate::cli) buffer_bytes: usize,
}
