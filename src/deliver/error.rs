//! What can go wrong between a queue and a destination.

use std::io;
use std::path::Path;

/// Why a sink did not take, or did not deliver, messages.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// A system call failed; trying again later may work.
    #[error("cannot {action} {target}: {source}")]
    Io {
        /// What was being done: `open`, `write to`, `rename`...
        action: &'static str,
        /// The file it was done to.
        target: String,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The reader is gone for good: the sink ends, the others continue.
    #[error("{target} was closed by its reader")]
    Closed {
        /// The destination.
        target: String,
    },
    /// The destination will not take anything from us any more: the sink ends, the others continue.
    #[error("{target}: {reason}")]
    Ended {
        /// The destination.
        target: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The client library's own buffer has no room now.
    #[error("the producer's buffer is full")]
    BufferFull,
    /// The Kafka client refused a configuration or could not be made.
    #[error("Kafka client: {reason}")]
    Client {
        /// librdkafka's words, without values that may be secret.
        reason: String,
    },
    /// Messages that had been taken were not delivered in time.
    #[error("{messages} messages were not delivered: {reason}")]
    Undelivered {
        /// How many.
        messages: u64,
        /// The obstacle, as far as known.
        reason: String,
    },
    /// A thread could not be started.
    #[error("cannot start thread {name}: {source}")]
    Thread {
        /// The thread's name.
        name: String,
        /// The operating system's reason.
        source: io::Error,
    },
}

impl SinkError {
    /// A system call failed on a file.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, target: path.display().to_string(), source }
    }

    /// Whether the sink can never take anything again.
    pub(crate) fn ends_sink(&self) -> bool {
        matches!(self, Self::Closed { .. } | Self::Ended { .. })
    }
}
