//! What librdkafka calls back with: what became of each message, errors, log lines.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::{ClientContext, Statistics};

use crate::deliver::counters::LossReason;
use crate::deliver::kafka::client::ClientLog;
use crate::deliver::queue::lock;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Delivered,
    /// Not now.
    Failed,
    /// Never: this message, or another of the same request.
    Refused(LossReason),
}

impl Answer {
    /// Some answers would be the same at every attempt. All others may pass: a topic can be created, a right granted.
    fn of(error: &KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::MessageBatchTooLarge
                | RDKafkaErrorCode::InvalidMessageSize,
            ) => Self::Refused(LossReason::TooLarge),
            Some(
                RDKafkaErrorCode::InvalidRecord
                | RDKafkaErrorCode::InvalidTopic
                | RDKafkaErrorCode::PolicyViolation
                | RDKafkaErrorCode::UnsupportedForMessageFormat
                | RDKafkaErrorCode::InvalidTimestamp,
            ) => Self::Refused(LossReason::Rejected),
            _ => Self::Failed,
        }
    }
}

/// Collects what librdkafka reports. Its callbacks run on the sink's own thread, except for log lines.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    answers: Mutex<Vec<(usize, Answer)>>,
    called: AtomicBool,
    last_failure: Mutex<String>,
    /// Something failed since the last delivery, and was logged.
    is_out: AtomicBool,
    /// Errors of brokers and connections, and messages that came back.
    errors: AtomicU64,
    log: ClientLog,
}

impl Reports {
    /// Whether there was a callback since the last time this was called.
    pub(crate) fn was_called(&self) -> bool {
        self.called.swap(false, Ordering::Relaxed)
    }

    /// Takes the answers since the last call; what was in `into` is dropped.
    pub(crate) fn take(&self, into: &mut Vec<(usize, Answer)>) {
        into.clear();
        std::mem::swap(&mut *lock(&self.answers), into);
    }

    /// What became of a message that was not delivered.
    pub(crate) fn judge(&self, error: &KafkaError) -> Answer {
        // That we took it back ourselves is no reason.
        let purged = [Some(RDKafkaErrorCode::PurgeQueue), Some(RDKafkaErrorCode::PurgeInflight)];
        if !purged.contains(&error.rdkafka_error_code()) {
            self.errors.fetch_add(1, Ordering::Relaxed);
            *lock(&self.last_failure) = error.to_string();
        }
        Answer::of(error)
    }

    /// How many errors there were.
    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// The reason for the latest failure.
    pub(crate) fn last_failure(&self) -> String {
        let failure = lock(&self.last_failure);
        if failure.is_empty() { "no answer from the brokers".to_owned() } else { failure.clone() }
    }

    /// Whether an outage was logged, but not yet its end.
    pub(crate) fn is_out(&self) -> bool {
        self.is_out.load(Ordering::Relaxed)
    }

    /// An outage was logged.
    pub(crate) fn note_outage(&self) {
        self.is_out.store(true, Ordering::Relaxed);
    }

    fn note_delivery(&self) {
        if self.is_out() && self.is_out.swap(false, Ordering::Relaxed) {
            self.log.recovered();
            tracing::info!(sink = "kafka", "the sink takes messages again");
        }
    }

    fn note_call(&self) {
        self.called.store(true, Ordering::Relaxed);
    }

    /// Takes over what was logged about the previous producer.
    pub(crate) fn inherit(&self, other: &Self) {
        *lock(&self.last_failure) = std::mem::take(&mut *lock(&other.last_failure));
        self.is_out.store(other.is_out(), Ordering::Relaxed);
        self.errors.store(other.errors(), Ordering::Relaxed);
        self.log.inherit(&other.log);
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.note_call();
        self.log.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.note_call();
        // That all brokers are down follows from the error before, which says why.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            self.errors.fetch_add(1, Ordering::Relaxed);
            reason.clone_into(&mut lock(&self.last_failure));
        }
        if self.log.error(&error, reason) {
            self.note_outage();
        }
    }

    fn stats(&self, _statistics: Statistics) {}
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        self.note_call();
        let answer = match result {
            Ok(_) => {
                self.note_delivery();
                Answer::Delivered
            }
            Err((error, _)) => self.judge(error),
        };
        lock(&self.answers).push((number, answer));
    }
}
