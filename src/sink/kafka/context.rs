//! What librdkafka calls back with: failed deliveries, errors, log lines.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::{ClientContext, Statistics};

use super::client::ClientLog;
use crate::sink::counters::{LossReason, SinkCounter};
use crate::sink::queue::lock;
use crate::sink::rate_limit::RateLimit;

/// A message whose delivery failed for now.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) sequence: usize,
    pub(super) key: u64,
    pub(super) payload: Vec<u8>,
}

/// Collects failed deliveries. The callbacks run on the sink's own thread, except for log lines.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    returned: Mutex<Vec<Returned>>,
    called: AtomicBool,
    refused_after_sending: AtomicU64,
    last_failure: Mutex<String>,
    refusals: Mutex<Option<RateLimit>>,
    counter: OnceLock<Arc<SinkCounter>>,
    log: ClientLog,
}

impl Deliveries {
    pub(super) fn attach(&self, counter: &Arc<SinkCounter>) {
        // A sink is attached once.
        let _ = self.counter.set(Arc::clone(counter));
    }

    /// Takes over what a replaced producer's callbacks counted.
    pub(super) fn inherit(&self, other: &Self) {
        self.refused_after_sending.store(other.refused_after_sending(), Ordering::Relaxed);
        *lock(&self.last_failure) = other.last_failure();
    }

    /// Whether there was a callback since the last call of this.
    pub(super) fn was_called(&self) -> bool {
        self.called.swap(false, Ordering::Relaxed)
    }

    pub(super) fn take_returned(&self) -> Vec<Returned> {
        std::mem::take(&mut *lock(&self.returned))
    }

    /// Messages that a broker refused for good.
    pub(super) fn refused_after_sending(&self) -> u64 {
        self.refused_after_sending.load(Ordering::Relaxed)
    }

    /// Why deliveries failed lately.
    pub(super) fn last_failure(&self) -> String {
        let failure = lock(&self.last_failure);
        if failure.is_empty() { "no answer from the brokers".to_owned() } else { failure.clone() }
    }

    /// Counts a message that will never be delivered.
    pub(super) fn refuse(&self, reason: LossReason, error: &KafkaError, connection_id: u64, bytes: usize) {
        if let Some(counter) = self.counter.get() {
            counter.lose(reason, 1);
        }
        let mut refusals = lock(&self.refusals);
        let limit = refusals.get_or_insert_with(|| RateLimit::new(Duration::from_secs(10)));
        if let Some(messages) = limit.add(1, Instant::now()) {
            tracing::error!(
                sink = "kafka",
                messages,
                connection_id,
                bytes,
                %error,
                "message refused for good and counted as lost; this is the latest"
            );
        }
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.called.store(true, Ordering::Relaxed);
        self.log.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.called.store(true, Ordering::Relaxed);
        reason.clone_into(&mut lock(&self.last_failure));
        self.log.error(&error, reason);
    }

    fn stats(&self, _statistics: Statistics) {}
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, sequence: usize) {
        self.called.store(true, Ordering::Relaxed);
        let Err((error, message)) = result else {
            return;
        };
        let key = message.key().and_then(|key| std::str::from_utf8(key).ok()).and_then(|key| key.parse().ok());
        let key = key.unwrap_or_default();
        let payload = message.payload().unwrap_or_default();
        let code = error.rdkafka_error_code();
        if let Some(reason) = code.and_then(refusal) {
            self.refused_after_sending.fetch_add(1, Ordering::Relaxed);
            self.refuse(reason, error, key, payload.len());
            return;
        }
        if !matches!(code, Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)) {
            *lock(&self.last_failure) = error.to_string();
        }
        lock(&self.returned).push(Returned { sequence, key, payload: payload.to_vec() });
    }
}

/// The answers that would be the same at every further attempt. All others may pass: a topic can be created, a right granted.
fn refusal(code: RDKafkaErrorCode) -> Option<LossReason> {
    match code {
        RDKafkaErrorCode::MessageSizeTooLarge
        | RDKafkaErrorCode::MessageBatchTooLarge
        | RDKafkaErrorCode::InvalidMessageSize => Some(LossReason::TooLarge),
        RDKafkaErrorCode::InvalidRecord
        | RDKafkaErrorCode::InvalidTopic
        | RDKafkaErrorCode::PolicyViolation
        | RDKafkaErrorCode::UnsupportedForMessageFormat
        | RDKafkaErrorCode::InvalidTimestamp => Some(LossReason::Rejected),
        _ => None,
    }
}
