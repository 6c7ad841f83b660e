//! What librdkafka calls back with: failed deliveries, errors, log lines.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::{ClientContext, Statistics};

use crate::deliver::counters::{LossReason, SinkCounter};
use crate::deliver::kafka::hearing::Hearing;
use crate::deliver::queue::lock;
use crate::deliver::rate_limit::RateLimit;

/// Collects failed deliveries. The callbacks run on the sink's own thread, except for log lines.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    /// The messages of the burst that failed for now, by index.
    failed: Mutex<Vec<usize>>,
    /// How many messages of the burst were refused for good.
    refused: AtomicUsize,
    hearing: Hearing,
    refusals: Mutex<Option<RateLimit>>,
    counter: OnceLock<Arc<SinkCounter>>,
}

impl Deliveries {
    pub(crate) fn attach(&self, counter: &Arc<SinkCounter>) {
        // A sink is attached once.
        let _ = self.counter.set(Arc::clone(counter));
    }

    /// Takes over from the callbacks of a replaced producer.
    pub(crate) fn inherit(&self, other: &Self, counter: &Arc<SinkCounter>) {
        self.attach(counter);
        let (failed, refused) = other.take_results();
        *lock(&self.failed) = failed;
        self.refused.store(refused, Ordering::Relaxed);
        self.hearing.inherit(&other.hearing);
    }

    /// Whether there was a callback since the last call of this.
    pub(crate) fn was_called(&self) -> bool {
        self.hearing.was_called()
    }

    /// The messages that failed for now and the number of those refused for good, since the last call.
    pub(crate) fn take_results(&self) -> (Vec<usize>, usize) {
        (std::mem::take(&mut *lock(&self.failed)), self.refused.swap(0, Ordering::Relaxed))
    }

    /// Notes that message `index` failed for now.
    pub(crate) fn fail(&self, index: usize, error: &KafkaError) {
        self.hearing.note_failure(error);
        lock(&self.failed).push(index);
    }

    /// Whether an outage was said whose end was not.
    pub(crate) fn is_out(&self) -> bool {
        self.hearing.is_out()
    }

    /// Messages were delivered. (librdkafka reports only those that were not.)
    pub(crate) fn note_delivery(&self) {
        self.hearing.note_delivery();
    }

    /// It was said that messages are not delivered.
    pub(crate) fn note_outage(&self) {
        self.hearing.note_outage();
    }

    /// Why deliveries failed lately.
    pub(crate) fn last_failure(&self) -> String {
        self.hearing.last_failure()
    }

    /// Counts a message that will never be delivered.
    pub(crate) fn refuse(&self, reason: LossReason, error: &KafkaError, connection_id: u64, bytes: usize) {
        self.refused.fetch_add(1, Ordering::Relaxed);
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
        self.hearing.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.hearing.error(&error, reason);
    }

    fn stats(&self, _statistics: Statistics) {}
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        self.hearing.note_call();
        let Err((error, message)) = result else {
            return;
        };
        match error.rdkafka_error_code().and_then(refusal) {
            Some(reason) => {
                let key = message.key().and_then(|key| std::str::from_utf8(key).ok()).and_then(|key| key.parse().ok());
                self.refuse(reason, error, key.unwrap_or_default(), message.payload_len());
            }
            None => self.fail(index, error),
        }
    }
}

/// The answers that would be the same at every further attempt. All others may pass: a topic can be created, a right granted.
pub(crate) fn refusal(code: RDKafkaErrorCode) -> Option<LossReason> {
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
