//! What both producers hear of librdkafka besides what became of each message.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::deliver::kafka::client::ClientLog;
use crate::deliver::queue::lock;

/// Whether librdkafka called back, why something failed lately, and its log.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    called: AtomicBool,
    last_failure: Mutex<String>,
    /// Something failed since the last delivery, and was said.
    is_out: AtomicBool,
    log: ClientLog,
}

impl Hearing {
    /// There was a callback.
    pub(crate) fn note_call(&self) {
        self.called.store(true, Ordering::Relaxed);
    }

    /// Whether there was a callback since the last call of this.
    pub(crate) fn was_called(&self) -> bool {
        self.called.swap(false, Ordering::Relaxed)
    }

    /// A message was delivered.
    pub(crate) fn note_delivery(&self) {
        if self.is_out() && self.is_out.swap(false, Ordering::Relaxed) {
            self.log.recovered();
            tracing::info!(sink = "kafka", "the sink takes messages again");
        }
    }

    /// Whether an outage was said whose end was not.
    pub(crate) fn is_out(&self) -> bool {
        self.is_out.load(Ordering::Relaxed)
    }

    /// It was said that messages are not delivered.
    pub(crate) fn note_outage(&self) {
        self.is_out.store(true, Ordering::Relaxed);
    }

    /// A message was not delivered. What we took back ourselves is no reason.
    pub(crate) fn note_failure(&self, error: &KafkaError) {
        let purged = [Some(RDKafkaErrorCode::PurgeQueue), Some(RDKafkaErrorCode::PurgeInflight)];
        if !purged.contains(&error.rdkafka_error_code()) {
            *lock(&self.last_failure) = error.to_string();
        }
    }

    /// Why something failed lately.
    pub(crate) fn last_failure(&self) -> String {
        let failure = lock(&self.last_failure);
        if failure.is_empty() { "no answer from the brokers".to_owned() } else { failure.clone() }
    }

    /// Takes over from the producer before.
    pub(crate) fn inherit(&self, other: &Self) {
        *lock(&self.last_failure) = other.last_failure();
        self.is_out.store(other.is_out(), Ordering::Relaxed);
        self.log.inherit(&other.log);
    }

    /// A log line of librdkafka.
    pub(crate) fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.note_call();
        self.log.log(level, facility, message);
    }

    /// An error of the client, of no message.
    pub(crate) fn error(&self, error: &KafkaError, reason: &str) {
        self.note_call();
        // That all brokers are down follows from the error before, which says why.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            reason.clone_into(&mut lock(&self.last_failure));
        }
        if self.log.error(error, reason) {
            self.note_outage();
        }
    }
}
