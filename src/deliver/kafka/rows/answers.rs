//! What librdkafka calls back with: what became of each message, errors, log lines.

use std::sync::Mutex;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::{ClientContext, Statistics};

use crate::deliver::counters::LossReason;
use crate::deliver::kafka::context::refusal;
use crate::deliver::kafka::hearing::Hearing;
use crate::deliver::queue::lock;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Delivered,
    /// Not now.
    Failed,
    /// Never, it or another message of the same request.
    Refused(LossReason),
}

/// Collects the answers. Callbacks run on the sink's own thread, except for log lines.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    answers: Mutex<Vec<(usize, Answer)>>,
    hearing: Hearing,
}

impl Answers {
    /// Whether there was a callback since the last call of this.
    pub(crate) fn was_called(&self) -> bool {
        self.hearing.was_called()
    }

    /// Exchanges the answers since the last call for an empty vector.
    pub(crate) fn take(&self, into: &mut Vec<(usize, Answer)>) {
        into.clear();
        std::mem::swap(&mut *lock(&self.answers), into);
    }

    /// What became of a message that librdkafka did not even take.
    pub(crate) fn judge(&self, error: &KafkaError) -> Answer {
        self.hearing.note_failure(error);
        error.rdkafka_error_code().and_then(refusal).map_or(Answer::Failed, Answer::Refused)
    }

    /// Why something failed lately.
    pub(crate) fn last_failure(&self) -> String {
        self.hearing.last_failure()
    }
}

impl ClientContext for Answers {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.hearing.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.hearing.error(&error, reason);
    }

    fn stats(&self, _statistics: Statistics) {}
}

impl ProducerContext for Answers {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        self.hearing.note_call();
        let answer = match result {
            Ok(_) => {
                self.hearing.note_delivery();
                Answer::Delivered
            }
            Err((error, _)) => self.judge(error),
        };
        lock(&self.answers).push((number, answer));
    }
}
