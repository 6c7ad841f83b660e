//! At-least-once delivery.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::deliver::KafkaConfig;
use crate::deliver::Sink;
use crate::deliver::batch::Batch;
use crate::deliver::counters::SinkCounter;
use crate::deliver::error::SinkError;
use crate::deliver::kafka::chain::Chain;
use crate::deliver::kafka::producer::Producer;
#[cfg(doc)]
use crate::deliver::kafka::settings::OnRefused;
use crate::deliver::kafka::settings::{Keys, ProducerConfig, RowsSinkConfig};
use crate::deliver::kafka::stall::{Remedy, Stall};
use crate::deliver::kafka::window::Settled;
use crate::deliver::kafka::{ANSWER_POLL, FAILURE_LOG_INTERVAL, GIVE_BACK, backoff};
use crate::deliver::position::Outstanding;
use crate::deliver::rate_limit::RateLimit;

/// Produces each message to its topic with its key; the messages of a key stay in order.
///
/// Messages count as delivered in order, without a gap. After a passing fault librdkafka retries by itself, in order and without
/// duplicates. After a fault that it considers final (a revoked right, a missing topic), and when it makes no progress (see `stall`),
/// it gets no more messages, what it has not sent is taken back, and what it has sent is waited for. Then a new producer sends
/// everything again that is not acknowledged, in order and after a pause, for as long as it takes. Only then, and when the program is
/// started again, can a message arrive twice: a broker may have stored what it did not acknowledge. A single message that a broker will
/// never accept ends the sink, or is counted as lost ([`OnRefused`]).
pub struct KafkaSink {
    producer: Producer,
    counter: Arc<SinkCounter>,
    settled: Settled,
    positions: Outstanding,
    phase: Phase,
    stall: Stall,
    backoff: Backoff,
    failures: RateLimit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Working,
    /// Waiting for the answers to what was sent, so that it is not sent twice.
    Draining,
    /// Waiting before the next attempt.
    Resting {
        until: Instant,
    },
}

impl KafkaSink {
    /// Opens a sink for statements, keyed by connection. A message that is refused for good is counted as lost.
    ///
    /// Fails only if librdkafka refuses an option; unreachable brokers are no error.
    pub fn open(config: &KafkaConfig) -> Result<Self, SinkError> {
        Self::with(ProducerConfig::statements(config))
    }

    /// Opens one whose messages form hash chains, and are entered into a ledger.
    pub(super) fn open_chained(config: &KafkaConfig, chain: Chain) -> Result<Self, SinkError> {
        let mut sink = Self::open(config)?;
        sink.producer.chain(chain);
        Ok(sink)
    }

    /// Opens one for a marker stream.
    pub(super) fn open_markers(config: &KafkaConfig) -> Result<Self, SinkError> {
        Self::with(ProducerConfig::markers(config))
    }

    /// Whether everything that was taken is delivered, or lost for good.
    pub(super) fn is_idle(&self) -> bool {
        self.producer.window.is_empty()
    }

    /// Opens a sink for rows, without transactions.
    pub fn open_rows(config: &RowsSinkConfig) -> Result<Self, SinkError> {
        Self::with(ProducerConfig::rows(config))
    }

    /// The same, whose messages form hash chains, are entered into a ledger, and name the process in their headers.
    pub(super) fn open_rows_chained(config: &RowsSinkConfig, proxy: &str, chain: Chain) -> Result<Self, SinkError> {
        let mut sink = Self::with(ProducerConfig::rows(config).named(proxy))?;
        sink.producer.chain(chain);
        Ok(sink)
    }

    /// Opens one for the marker stream of rows, in this topic.
    pub(super) fn open_row_markers(config: &RowsSinkConfig, topic: &str) -> Result<Self, SinkError> {
        Self::with(ProducerConfig::row_markers(config, topic))
    }

    fn with(config: ProducerConfig) -> Result<Self, SinkError> {
        let stall = Stall::new(config.pacing.patience(), Instant::now());
        Ok(Self {
            producer: Producer::open(config)?,
            counter: Arc::new(SinkCounter::new("kafka".to_owned())),
            settled: Settled::default(),
            positions: Outstanding::default(),
            phase: Phase::Working,
            stall,
            backoff: backoff(),
            failures: RateLimit::new(FAILURE_LOG_INTERVAL),
        })
    }

    /// Does what can be done without waiting.
    pub(super) fn advance(&mut self, flushing: bool) -> Result<(), SinkError> {
        let failed = self.producer.hear();
        self.settle();
        if let Some(reason) = self.producer.refused() {
            return Err(SinkError::Ended { target: "kafka".to_owned(), reason: reason.to_owned() });
        }
        let now = Instant::now();
        match self.phase {
            Phase::Working => self.work(failed, flushing, now),
            Phase::Draining => self.drain(now),
            Phase::Resting { until } if now >= until => {
                self.phase = Phase::Working;
                self.work(failed, flushing, now)
            }
            Phase::Resting { .. } => Ok(()),
        }
    }

    fn work(&mut self, failed: bool, flushing: bool, now: Instant) -> Result<(), SinkError> {
        if failed || self.producer.fatal_error().is_some() {
            self.retire();
            return Ok(());
        }
        if self.producer.wants_replacement() {
            self.producer.replace()?;
        }
        let failed = self.producer.hand_over(now, flushing);
        self.settle();
        if failed {
            self.retire();
            return Ok(());
        }
        if !self.producer.window.is_under_way() {
            // With nothing in flight there is no stall.
            self.stall.progress(now);
            return Ok(());
        }
        match self.stall.remedy(self.producer.in_flight(), now) {
            Remedy::None => {}
            Remedy::Nudge => self.producer.nudge(),
            Remedy::GiveUp => {
                // An outage that was logged already is not logged again.
                if !self.producer.reports().is_out() {
                    self.producer.reports().note_outage();
                    tracing::warn!(
                        sink = "kafka",
                        messages = self.producer.in_flight(),
                        reason = self.producer.last_failure(),
                        "no answer for {:?}: making a new producer as soon as nothing is on its way to a broker",
                        self.stall.limit()
                    );
                }
                self.retire();
            }
        }
        Ok(())
    }

    /// The producer gets no more messages.
    fn retire(&mut self) {
        self.producer.take_back_unsent();
        self.phase = Phase::Draining;
    }

    /// Replaces the producer as soon as nothing is in flight.
    fn drain(&mut self, now: Instant) -> Result<(), SinkError> {
        let in_flight = self.producer.in_flight();
        if in_flight > 0 {
            match self.stall.remedy(in_flight, now) {
                Remedy::None => {}
                Remedy::Nudge => self.producer.nudge(),
                // Requests that timed out have gone back to librdkafka's queue.
                Remedy::GiveUp => self.producer.take_back_unsent(),
            }
            return Ok(());
        }
        let fatal = self.producer.fatal_error();
        self.producer.replace()?;
        self.producer.window.again();
        self.stall.restart(now);
        self.phase = Phase::Resting { until: now + self.backoff.pause() };
        let messages = self.producer.window.waiting() as u64;
        self.counter.resend(messages);
        if let Some(messages) = self.failures.add(messages, now) {
            let reason = fatal.unwrap_or_else(|| self.producer.last_failure());
            tracing::warn!(sink = "kafka", messages, reason, "messages were not delivered; sending them again");
            self.producer.reports().note_outage();
        }
        Ok(())
    }

    /// Counts the messages that are done, up to the first that is not.
    fn settle(&mut self) {
        self.producer.window.settle(&mut self.settled);
        if self.settled.messages() > 0 {
            self.positions.done(self.settled.report(&self.counter));
            if self.phase == Phase::Working {
                self.backoff.reset();
                self.stall.success();
            }
        }
    }
}

impl Sink for KafkaSink {
    fn name(&self) -> &str {
        "kafka"
    }

    fn identity(&self) -> String {
        format!("kafka:{}", self.producer.config().topic)
    }

    fn attach(&mut self, counter: &Arc<SinkCounter>) {
        self.counter = Arc::clone(counter);
    }

    fn reads_labels(&self) -> bool {
        self.producer.config().keys == Keys::Connections
    }

    fn holds_for(&self) -> Duration {
        self.producer.config().pacing.linger()
    }

    fn delivered_through(&self) -> u64 {
        self.positions.through()
    }

    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
        let now = Instant::now();
        let end = now + self.producer.config().room_patience;
        loop {
            let mut room = self.producer.room(batch, from, None);
            if room < batch.len() - from {
                // Answers make room.
                self.advance(false)?;
                room = self.producer.room(batch, from, None);
            }
            if room > 0 {
                self.producer.window.add(batch, from..from + room, now);
                self.positions.take(batch.position(from), room);
                // The messages have been taken: an error is for the next call.
                let _ = self.advance(false);
                return Ok(room);
            }
            if Instant::now() >= end {
                return Err(SinkError::BufferFull);
            }
            self.producer.wait();
        }
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        self.producer.report(self.counter.producer());
        self.advance(false)
    }

    fn until_tick(&self) -> Duration {
        let now = Instant::now();
        match self.phase {
            Phase::Resting { until } => until.saturating_duration_since(now),
            Phase::Draining => ANSWER_POLL,
            Phase::Working if self.producer.window.is_under_way() => ANSWER_POLL,
            Phase::Working => self.producer.until_due(now).unwrap_or(Duration::MAX),
        }
    }

    fn flush(&mut self, deadline: Instant) -> Result<(), SinkError> {
        loop {
            // Errors are reported at the deadline.
            let _ = self.advance(true);
            if self.producer.window.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                break;
            }
            self.producer.wait();
        }
        self.producer.take_back();
        let end = Instant::now() + GIVE_BACK / 4;
        while self.producer.in_flight() > 0 && Instant::now() < end {
            self.producer.wait();
        }
        self.producer.hear();
        self.settle();
        match self.producer.window.len() {
            0 => Ok(()),
            messages => Err(SinkError::Undelivered { messages: messages as u64, reason: self.producer.last_failure() }),
        }
    }
}

#[cfg(test)]
impl KafkaSink {
    /// How many messages are not known to be delivered.
    pub(crate) fn outstanding(&self) -> usize {
        self.producer.window.len()
    }

    pub(crate) fn in_flight(&self) -> i32 {
        self.producer.in_flight()
    }

    pub(crate) fn set_patience(&mut self, limit: Duration) {
        self.stall.set_limit(limit);
    }
}
