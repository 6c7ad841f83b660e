//! Rows in Kafka: each message with a topic and a key of its own, many under way at a time.

mod answers;
mod at_least_once;
mod exactly_once;
mod outlet;
mod settings;
#[cfg(test)]
mod tests;
mod window;

use std::time::Duration;

pub use at_least_once::RowsSink;
pub use exactly_once::ExactlyOnceSink;
pub use settings::{OnRefused, RowsSinkConfig, TransactionSettings};

/// The pause before messages are sent again, doubled with each failure in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a producer may take to give its messages back.
const GIVE_BACK: Duration = Duration::from_secs(2);
/// How often the brokers' answers are looked for while nothing is written.
const ANSWER_POLL: Duration = Duration::from_millis(5);
/// How long a write waits for room: that the brokers are the slowest part is no fault to speak of.
const PATIENCE: Duration = Duration::from_millis(500);
const FAILURE_LOG_INTERVAL: Duration = Duration::from_secs(10);
