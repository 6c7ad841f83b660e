//! Messages in Kafka: one producer for statements and rows, and two sinks on top of it.
//!
//! ```text
//!   KafkaSink                ExactlyOnceSink      the phases of an attempt, of a transaction
//!      \                        /
//!       producer: one client of librdkafka        hands over, hears, probes refused messages, is replaced
//!         |         |          |
//!       window    pacing    reports               what is not acknowledged; when it goes; what became of it
//! ```
//!
//! `AuditedKafkaSink` is two of the first, of statements and of their marker stream; `chain` has the hash chains.
//!
//! Beside them: `stall` notices a producer that makes no progress, `headers` makes statements' record
//! headers, `cut` and `oversize` make smaller what is too large, `settings` makes librdkafka's options, `client` is what all our
//! Kafka clients have in common.

mod at_least_once;
mod audited;
mod bootstrap;
mod chain;
mod client;
mod cut;
mod exactly_once;
mod headers;
mod option;
mod oversize;
mod pacing;
mod producer;
mod reports;
mod settings;
mod stall;
#[cfg(test)]
mod tests;
mod transaction;
mod window;

use std::time::Duration;

pub use at_least_once::KafkaSink;
pub use audited::AuditedKafkaSink;
pub(crate) use client::{ClientLog, client_options, describe_client_error, reader_options};
pub use exactly_once::ExactlyOnceSink;
pub use option::KafkaOption;
pub(crate) use settings::MARKERS;
pub use settings::{OnRefused, RowsSinkConfig, TransactionSettings};

use crate::backoff::Backoff;

/// How often to look for the brokers' answers while nothing is written.
const ANSWER_POLL: Duration = Duration::from_millis(10);
/// How long a producer may take to give its messages back.
const GIVE_BACK: Duration = Duration::from_secs(2);
/// How often to log failures during an outage.
const FAILURE_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The pauses before messages are sent again.
const fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(100), Duration::from_secs(5))
}
