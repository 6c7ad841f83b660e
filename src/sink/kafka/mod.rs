//! Messages in a Kafka topic, keyed by connection id.

mod client;
mod context;
mod options;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, PurgeConfig};

use context::{Deliveries, Returned};

use super::counters::{LossReason, SinkCounter};
use super::{Batch, Sink, SinkError};
use crate::config::KafkaConfig;
pub(crate) use client::{ClientLog, client_options, describe_client_error};

/// The pause before messages are sent again, doubled with each failure in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a producer that is to be replaced may take to give its messages back.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// Produces each message to one topic, in the order of its connection.
///
/// A message that was taken is delivered, or counted by the reason why the broker does not want it. Whatever else goes wrong
/// (broker away, leader moved, login refused, topic missing), it is sent again until it is delivered; the pause grows, the
/// queue in front of the sink fills, and backpressure decides.
pub struct KafkaSink {
    topic: String,
    options: ClientConfig,
    producer: BaseProducer<Deliveries>,
    counter: Arc<SinkCounter>,
    /// Numbers the messages in the order they were first sent.
    next_sequence: usize,
    /// Messages handed to the producer, those sent again counted each time.
    sent: u64,
    /// Messages the producer gave back or refused for good.
    unacknowledged: u64,
    recovery: Option<Recovery>,
    pause: Duration,
    key: itoa::Buffer,
}

/// After a failed delivery nothing new is taken until everything unsent has come back and was sent again, in order.
struct Recovery {
    returned: VecDeque<Returned>,
    /// All messages are back and in order.
    settled: bool,
    not_before: Instant,
}

impl KafkaSink {
    /// Makes the producer; fails only for a configuration that librdkafka refuses.
    pub fn open(config: &KafkaConfig) -> Result<Self, SinkError> {
        let options = options::producer_options(config);
        let producer = create(&options)?;
        Ok(Self {
            topic: config.topic.clone(),
            options,
            producer,
            counter: Arc::new(SinkCounter::new("kafka".to_owned())),
            next_sequence: 0,
            sent: 0,
            unacknowledged: 0,
            recovery: None,
            pause: FIRST_PAUSE,
            key: itoa::Buffer::new(),
        })
    }

    /// Hands one message to the producer.
    fn send(&mut self, key: u64, payload: &[u8], sequence: usize) -> Result<(), SinkError> {
        let record = BaseRecord::with_opaque_to(&self.topic, sequence).key(self.key.format(key)).payload(payload);
        let Err((error, _)) = self.producer.send(record) else {
            self.sent += 1;
            return Ok(());
        };
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => Err(SinkError::BufferFull),
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                self.producer.context().refuse(LossReason::TooLarge, &error, key, payload.len());
                Ok(())
            }
            _ => Err(SinkError::Client { reason: error.to_string() }),
        }
    }

    /// Lets librdkafka call back, and recovers from what it says. Never waits.
    fn serve(&mut self) -> Result<(), SinkError> {
        self.producer.poll(Duration::ZERO);
        while self.producer.context().was_called() {
            self.producer.poll(Duration::ZERO);
        }
        if let Some((code, reason)) = self.producer.client().fatal_error() {
            tracing::error!(sink = "kafka", ?code, reason, "fatal producer error: making a new producer");
            self.replace_producer()?;
        }
        self.collect_returned();
        self.count_acknowledged();
        self.resend()
    }

    /// Takes over what deliveries failed meanwhile. The first failure pulls back everything that was not sent yet, because
    /// it has to stay behind the failed ones.
    fn collect_returned(&mut self) {
        let returned = self.producer.context().take_returned();
        if returned.is_empty() {
            return;
        }
        self.unacknowledged += returned.len() as u64;
        if let Some(recovery) = &mut self.recovery {
            recovery.returned.extend(returned);
            recovery.settled = false;
            return;
        }
        let not_before = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.recovery = Some(Recovery { returned: returned.into(), settled: false, not_before });
        self.producer.purge(PurgeConfig::default().queue());
    }

    fn count_acknowledged(&mut self) {
        let in_flight = u64::try_from(self.producer.in_flight_count()).unwrap_or(0);
        let refused = self.producer.context().refused_after_sending();
        let acknowledged = self.sent.saturating_sub(in_flight + self.unacknowledged + refused);
        // Events in librdkafka's queue count as in flight too, so the number could seem to go back.
        if acknowledged > self.counter.acknowledged() {
            self.counter.set_acknowledged(acknowledged);
            if self.recovery.is_none() {
                self.pause = FIRST_PAUSE;
            }
        }
    }

    /// Sends what came back, once all of it is here and the pause is over.
    fn resend(&mut self) -> Result<(), SinkError> {
        let Some(mut recovery) = self.recovery.take() else {
            return Ok(());
        };
        let waiting = recovery.returned.len();
        let reason = || SinkError::Client {
            reason: format!("{waiting} messages wait to be sent again: {}", self.producer.context().last_failure()),
        };
        if Instant::now() < recovery.not_before || (!recovery.settled && self.producer.in_flight_count() > 0) {
            let reason = reason();
            self.recovery = Some(recovery);
            return Err(reason);
        }
        if !recovery.settled {
            recovery.returned.make_contiguous().sort_unstable_by_key(|message| message.sequence);
            recovery.settled = true;
        }
        while let Some(message) = recovery.returned.pop_front() {
            if let Err(error) = self.send(message.key, &message.payload, message.sequence) {
                recovery.returned.push_front(message);
                self.recovery = Some(recovery);
                return Err(error);
            }
            self.counter.resend(1);
        }
        Ok(())
    }

    /// Takes everything back from a producer that can send nothing any more, and makes a new one.
    fn replace_producer(&mut self) -> Result<(), SinkError> {
        let replacement = create(&self.options)?;
        replacement.context().attach(&self.counter);
        self.take_everything_back(Instant::now() + GIVE_BACK);
        self.collect_returned();
        replacement.context().inherit(self.producer.context());
        self.producer = replacement;
        Ok(())
    }

    /// Pulls back every message that is not acknowledged, sent or not.
    fn take_everything_back(&self, deadline: Instant) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
        while self.producer.in_flight_count() > 0 && Instant::now() < deadline {
            self.producer.poll(Duration::from_millis(10));
        }
    }

    fn outstanding(&self) -> u64 {
        let returned = self.recovery.as_ref().map_or(0, |recovery| recovery.returned.len() as u64);
        returned + u64::try_from(self.producer.in_flight_count()).unwrap_or(0)
    }
}

fn create(options: &ClientConfig) -> Result<BaseProducer<Deliveries>, SinkError> {
    options
        .create_with_context(Deliveries::default())
        .map_err(|error: KafkaError| SinkError::Client { reason: describe_client_error(&error) })
}

impl Sink for KafkaSink {
    fn name(&self) -> &str {
        "kafka"
    }

    fn attach(&mut self, counter: &Arc<SinkCounter>) {
        self.counter = Arc::clone(counter);
        self.producer.context().attach(counter);
    }

    fn acknowledges_later(&self) -> bool {
        true
    }

    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
        self.serve()?;
        for index in from..batch.len() {
            let Some((key, payload)) = batch.get(index) else {
                break;
            };
            let sequence = self.next_sequence;
            match self.send(key, payload, sequence) {
                Ok(()) => self.next_sequence = sequence.wrapping_add(1),
                Err(_) if index > from => return Ok(index - from),
                Err(error) => return Err(error),
            }
        }
        Ok(batch.len().saturating_sub(from))
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        self.serve()
    }

    fn flush(&mut self, deadline: Instant) -> Result<(), SinkError> {
        loop {
            // What is in the way is said at the end.
            let _ = self.serve();
            if self.outstanding() == 0 {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            // Sends without lingering; a timeout is no error here.
            let _ = self.producer.flush(left.min(Duration::from_millis(100)));
        }
        self.take_everything_back(Instant::now() + GIVE_BACK / 4);
        self.collect_returned();
        self.count_acknowledged();
        match self.outstanding() {
            0 => Ok(()),
            messages => Err(SinkError::Undelivered { messages, reason: self.producer.context().last_failure() }),
        }
    }
}

#[cfg(test)]
mod tests;
