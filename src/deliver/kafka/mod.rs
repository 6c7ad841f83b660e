//! Messages in a Kafka topic, keyed by connection id.

mod bootstrap;
mod burst;
mod client;
mod context;
mod gathering;
mod hearing;
mod option;
mod options;
mod rows;
mod stall;

use std::ffi::CString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, PurgeConfig};

use burst::Burst;
use context::Deliveries;
use gathering::Gathering;
use stall::{Remedy, Stall};

use crate::deliver::KafkaConfig;
use crate::deliver::counters::{LossReason, SinkCounter};
use crate::deliver::position::Outstanding;
use crate::deliver::rate_limit::RateLimit;
use crate::deliver::{Batch, Sink, SinkError};
pub(crate) use client::{ClientLog, client_options, describe_client_error};
pub use option::KafkaOption;
pub use rows::{ExactlyOnceSink, OnRefused, RowsSink, RowsSinkConfig, TransactionSettings};

/// The pause before messages are sent again, doubled with each failure in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a producer may take to give its messages back.
const GIVE_BACK: Duration = Duration::from_secs(2);
/// How often the brokers' answer is looked for.
const ANSWER_POLL: Duration = Duration::from_millis(10);
/// During an outage.
const FAILURE_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Produces each message to one topic, in the order of its connection.
///
/// A message that was taken is delivered, or counted by the reason why the broker does not want it. Whatever else goes wrong
/// (broker away, leader moved, login refused, topic missing), it is sent again until it is delivered; the pause grows, the
/// queue in front of the sink fills, and backpressure decides.
///
/// Gathering (`linger`, `batch_size`, `buffer_memory`) is done here and not by librdkafka, which gets one burst at a time, at
/// most one request per partition. Its idempotent producer sends no second request to a partition before the first is
/// answered, and as long as messages that have lingered enough wait for that answer, its broker thread polls without a pause:
/// 0.9 CPUs while a broker hangs (librdkafka 2.12, `rd_kafka_toppar_producer_serve`).
/// A burst also keeps its messages until all are acknowledged, so that those that failed can be sent again in order.
///
/// A producer that gets nowhere is helped, and replaced in the end (see [`stall`]).
pub struct KafkaSink {
    topic: String,
    bootstrap_servers: CString,
    options: ClientConfig,
    producer: BaseProducer<Deliveries>,
    counter: Arc<SinkCounter>,
    gathering: Gathering,
    burst: Option<Burst>,
    positions: Outstanding,
    stall: Stall,
    pause: Duration,
    failures: RateLimit,
    key: itoa::Buffer,
}

impl KafkaSink {
    /// Makes the producer; fails only for a configuration that librdkafka refuses.
    pub fn open(config: &KafkaConfig) -> Result<Self, SinkError> {
        let options = options::producer_options(config);
        let producer = create(&options)?;
        Ok(Self {
            topic: config.topic.clone(),
            bootstrap_servers: bootstrap::servers(&options),
            options,
            producer,
            counter: Arc::new(SinkCounter::new("kafka".to_owned())),
            gathering: Gathering::new(config),
            burst: None,
            positions: Outstanding::default(),
            stall: Stall::new(Instant::now()),
            pause: FIRST_PAUSE,
            failures: RateLimit::new(FAILURE_LOG_INTERVAL),
            key: itoa::Buffer::new(),
        })
    }

    /// Does what can be done without waiting: hears librdkafka, closes a burst that was answered, starts the next.
    fn advance(&mut self, flushing: bool) -> Result<(), SinkError> {
        self.hear();
        if let Some((code, reason)) = self.producer.client().fatal_error() {
            tracing::error!(sink = "kafka", ?code, reason, "fatal producer error: making a new producer");
            self.replace_producer()?;
        }
        loop {
            let now = Instant::now();
            if self.burst.is_none() {
                self.burst = self.gathering.next_burst(now, flushing).map(|batch| Burst::new(batch, now));
                self.stall.progress(now);
            }
            let Some(mut burst) = self.burst.take() else {
                return Ok(());
            };
            let handed_over = if self.stall.is_retiring() { Ok(()) } else { self.hand_over(&mut burst, now) };
            let in_flight = self.producer.in_flight_count();
            let answered = in_flight <= 0 && (burst.is_handed_over() || self.stall.is_retiring());
            let resting = burst.until_resend(now).is_some();
            self.burst = Some(burst);
            handed_over?;
            if answered {
                self.settle(now);
                self.note_failures(now);
                if self.stall.is_retiring() {
                    self.replace_producer()?;
                }
                continue;
            }
            match if resting { Remedy::None } else { self.stall.remedy(in_flight, now) } {
                Remedy::Replace => self.retire_producer(now),
                Remedy::Nudge => {
                    bootstrap::add_servers(self.producer.client(), &self.bootstrap_servers);
                    return Ok(());
                }
                Remedy::None => return Ok(()),
            }
        }
    }

    /// Lets librdkafka call back.
    fn hear(&self) {
        self.producer.poll(Duration::ZERO);
        while self.producer.context().was_called() {
            self.producer.poll(Duration::ZERO);
        }
    }

    /// Gives the burst's messages to librdkafka.
    fn hand_over(&mut self, burst: &mut Burst, now: Instant) -> Result<(), SinkError> {
        while let Some((index, key, payload)) = burst.next(now) {
            match self.send(index, key, payload) {
                Ok(()) => burst.advance(),
                Err(SinkError::BufferFull) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn send(&mut self, index: usize, key: u64, payload: &[u8]) -> Result<(), SinkError> {
        let record = BaseRecord::with_opaque_to(&self.topic, index).key(self.key.format(key)).payload(payload);
        let Err((error, _)) = self.producer.send(record) else {
            return Ok(());
        };
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => Err(SinkError::BufferFull),
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                self.producer.context().refuse(LossReason::TooLarge, &error, key, payload.len());
                Ok(())
            }
            // Unknown topic and the like, known from an earlier answer: the message shares the fate of those before it.
            _ => {
                self.producer.context().fail(index, &error);
                Ok(())
            }
        }
    }

    /// Every message of the burst is answered: those that failed stay, for another attempt after a pause.
    fn settle(&mut self, now: Instant) {
        let Some(mut burst) = self.burst.take() else {
            return;
        };
        self.stall.progress(now);
        let (failed, refused) = self.producer.context().take_results();
        let acknowledged = burst.handed_over().saturating_sub(failed.len()).saturating_sub(refused);
        if acknowledged > 0 {
            self.producer.context().note_delivery();
        }
        if failed.is_empty() && burst.is_handed_over() {
            self.pause = FIRST_PAUSE;
            self.stall.success();
            let batch = burst.into_batch();
            self.positions.done(batch.len() as u64);
            self.gathering.recycle(batch);
            return;
        }
        burst.again(failed, now + self.pause);
        self.burst = Some(burst);
    }

    /// Says that messages will be sent again, and makes the next pause longer.
    fn note_failures(&mut self, now: Instant) {
        let Some(burst) = &self.burst else { return };
        let messages = burst.outstanding() as u64;
        self.counter.resend(messages);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        if let Some(messages) = self.failures.add(messages, now) {
            let reason = self.producer.context().last_failure();
            tracing::warn!(sink = "kafka", messages, reason, "messages were not delivered; sending them again");
            self.producer.context().note_outage();
        }
    }

    /// Takes back what a producer that gets nowhere has not sent. What it has sent is waited for, so nothing is sent twice;
    /// then a new producer has its turn.
    fn retire_producer(&mut self, now: Instant) {
        // During an outage that was said this is no news.
        if self.stall.retire(now) && !self.producer.context().is_out() {
            self.producer.context().note_outage();
            tracing::warn!(
                sink = "kafka",
                messages = self.producer.in_flight_count(),
                reason = self.producer.context().last_failure(),
                "no answer for {:?}: making a new producer as soon as nothing is on its way to a broker",
                self.stall.limit()
            );
        }
        self.producer.purge(PurgeConfig::default().queue());
        self.hear();
    }

    /// Takes everything back from a producer that can send nothing any more, and makes a new one.
    fn replace_producer(&mut self) -> Result<(), SinkError> {
        let replacement = create(&self.options)?;
        self.take_everything_back(Instant::now() + GIVE_BACK);
        replacement.context().inherit(self.producer.context(), &self.counter);
        self.producer = replacement;
        self.stall.replaced(Instant::now());
        Ok(())
    }

    /// Pulls back every message that is not acknowledged, sent or not: each is a failed delivery then.
    fn take_everything_back(&self, deadline: Instant) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
        while self.producer.in_flight_count() > 0 && Instant::now() < deadline {
            self.producer.poll(Duration::from_millis(10));
        }
        self.hear();
    }

    fn outstanding(&self) -> usize {
        self.gathering.len() + self.burst.as_ref().map_or(0, Burst::outstanding)
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

    fn delivered_through(&self) -> u64 {
        self.positions.through()
    }

    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
        let mut taken = self.gathering.add(batch, from, Instant::now());
        self.positions.take(batch.position(from), taken);
        self.advance(false)?;
        if taken == 0 {
            // What was just sent may have made room.
            taken = self.gathering.add(batch, from, Instant::now());
            self.positions.take(batch.position(from), taken);
        }
        if taken > 0 { Ok(taken) } else { Err(SinkError::BufferFull) }
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        self.advance(false)
    }

    fn until_tick(&self) -> Duration {
        match &self.burst {
            Some(burst) => burst.until_resend(Instant::now()).unwrap_or(ANSWER_POLL),
            None => self.gathering.until_due(Instant::now()).unwrap_or(Duration::MAX),
        }
    }

    fn flush(&mut self, deadline: Instant) -> Result<(), SinkError> {
        while Instant::now() < deadline {
            // What is in the way is said at the end.
            let _ = self.advance(true);
            if self.outstanding() == 0 {
                return Ok(());
            }
            self.producer.poll(Duration::from_millis(2));
        }
        self.take_everything_back(Instant::now() + GIVE_BACK / 4);
        if self.burst.is_some() {
            self.settle(Instant::now());
        }
        match self.outstanding() {
            0 => Ok(()),
            messages => Err(SinkError::Undelivered {
                messages: messages as u64,
                reason: self.producer.context().last_failure(),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
