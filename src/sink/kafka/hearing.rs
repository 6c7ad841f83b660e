//! What both producers hear of librdkafka besides what became of each message.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::client::ClientLog;
use crate::sink::queue::lock;

/// Whether librdkafka called back, why something failed lately, and its log.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    called: AtomicBool,
    last_failure: Mutex<String>,
    /// Something failed since the last delivery, and was said.
    is_out: AtomicBool,
    log: ClientLog,
}

impl Hearing {
    /// There was a callback.
    pub(super) fn note_call(&self) {
        self.called.store(true, Ordering::Relaxed);
    }

    /// Whether there was a callback since the last call of this.
    pub(super) fn was_called(&self) -> bool {
        self.called.swap(false, Ordering::Relaxed)
    }

    /// A message was delivered.
    pub(super) fn note_delivery(&self) {
        if self.is_out() && self.is_out.swap(false, Ordering::Relaxed) {
            self.log.recovered();
            tracing::info!(sink = "kafka", "the sink takes messages again");
        }
    }

    /// Whether an outage was said whose end was not.
    pub(super) fn is_out(&self) -> bool {
        self.is_out.load(Ordering::Relaxed)
    }

    /// It was said that messages are not delivered.
    pub(super) fn note_outage(&self) {
        self.is_out.store(true, Ordering::Relaxed);
    }

    /// A message was not delivered. What we took back ourselves is no reason.
    pub(super) fn note_failure(&self, error: &KafkaError) {
        let purged = [Some(RDKafkaErrorCode::PurgeQueue), Some(RDKafkaErrorCode::PurgeInflight)];
        if !purged.contains(&error.rdkafka_error_code()) {
            *lock(&self.last_failure) = error.to_string();
        }
    }

    /// Why something failed lately.
    pub(super) fn last_failure(&self) -> String {
        let failure = lock(&self.last_failure);
        if failure.is_empty() { "no answer from the brokers".to_owned() } else { failure.clone() }
    }

    /// Takes over from the producer before.
    pub(super) fn inherit(&self, other: &Self) {
        *lock(&self.last_failure) = other.last_failure();
        self.is_out.store(other.is_out(), Ordering::Relaxed);
        self.log.inherit(&other.log);
    }

    /// A log line of librdkafka.
    pub(super) fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.note_call();
        self.log.log(level, facility, message);
    }

    /// An error of the client, of no message.
    pub(super) fn error(&self, error: &KafkaError, reason: &str) {
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
