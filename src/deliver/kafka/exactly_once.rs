//! Exactly-once delivery: rows and the checkpoint after them in one Kafka transaction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;
use rdkafka::producer::Producer as _;

use crate::backoff::Backoff;
use crate::deliver::Sink;
use crate::deliver::batch::Batch;
use crate::deliver::counters::SinkCounter;
use crate::deliver::error::SinkError;
use crate::deliver::kafka::chain::Chain;
use crate::deliver::kafka::producer::Producer;
use crate::deliver::kafka::settings::{ProducerConfig, RowsSinkConfig};
use crate::deliver::kafka::stall::{Remedy, Stall};
use crate::deliver::kafka::transaction::Transaction;
use crate::deliver::kafka::{ANSWER_POLL, FAILURE_LOG_INTERVAL, GIVE_BACK, backoff};
use crate::deliver::position::Outstanding;
use crate::deliver::rate_limit::RateLimit;

/// Up to this size a transaction is kept in memory, to be sent again if it is aborted. A larger one has to be read again from the source.
const KEEP_BYTES: usize = 32 << 20;
/// A transaction of the source, which is one of Kafka's, may take this long to come.
const LONG_TRANSACTION: Duration = Duration::from_secs(60);
/// How long a single call to the transaction coordinator may block.
const CALL: Duration = Duration::from_secs(1);
/// How long finding the brokers and aborting an older instance's transaction may take at the start.
const START: Duration = Duration::from_secs(60);

/// Produces messages in Kafka transactions, each of which ends with a checkpoint: a consumer that reads committed messages
/// (`isolation.level=read_committed`) sees every row once, whatever is killed and when, as long as reading continues at the last
/// committed checkpoint.
///
/// Checkpoints are the messages for the checkpoint topic. Only the last one before a commit is sent.
/// A transaction that fails is aborted and sent again from memory; one that is too large to keep ends the sink, and the next start
/// continues at the checkpoint before it. The sink also ends when another instance with the same
/// `transactional.id` starts.
pub struct ExactlyOnceSink {
    producer: Producer,
    transactional_id: String,
    checkpoint_topic: String,
    counter: Arc<SinkCounter>,
    positions: Outstanding,
    transaction: Transaction,
    phase: Phase,
    stall: Stall,
    backoff: Backoff,
    failures: RateLimit,
}

/// The state of Kafka's transaction. Its content is in [`Transaction`] and in the producer's window, which outlive an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// No transaction is open.
    Closed,
    /// Messages are being sent.
    Open,
    /// Everything was handed over: waiting for the answers, then for the commit.
    Committing,
    /// Waiting for librdkafka to return everything, then for the abort.
    Aborting { until: Instant },
    /// Waiting before the next attempt.
    Resting { until: Instant },
    /// Nothing more is accepted.
    Ended { reason: String },
}

impl ExactlyOnceSink {
    /// Makes the producer and waits until the brokers have fenced every older instance with the same `transactional.id` and aborted its
    /// transaction: only then is the last checkpoint certain.
    pub fn open(config: &RowsSinkConfig) -> Result<Self, SinkError> {
        Self::with(config, "")
    }

    /// The same, whose messages form hash chains, are entered into a ledger that awaits commits, and name the process in their headers.
    pub(super) fn open_chained(config: &RowsSinkConfig, proxy: &str, chain: Chain) -> Result<Self, SinkError> {
        let mut sink = Self::with(config, proxy)?;
        sink.producer.chain(chain);
        Ok(sink)
    }

    fn with(config: &RowsSinkConfig, proxy: &str) -> Result<Self, SinkError> {
        let Some(transactions) = &config.transactions else {
            return Err(SinkError::Client { reason: "exactly-once needs a transactional.id".to_owned() });
        };
        let config = ProducerConfig::rows(config).named(proxy).transactional(&transactions.transactional_id);
        let now = Instant::now();
        let sink = Self {
            stall: Stall::new(config.pacing.patience(), now),
            producer: Producer::open(config)?,
            transactional_id: transactions.transactional_id.clone(),
            checkpoint_topic: transactions.checkpoint_topic.clone(),
            counter: Arc::new(SinkCounter::new("kafka".to_owned())),
            positions: Outstanding::default(),
            transaction: Transaction::new(now),
            phase: Phase::Closed,
            backoff: backoff(),
            failures: RateLimit::new(FAILURE_LOG_INTERVAL),
        };
        sink.begin_session(now + START)?;
        Ok(sink)
    }

    fn begin_session(&self, deadline: Instant) -> Result<(), SinkError> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).min(CALL * 5);
            let Err(error) = self.producer.client().init_transactions(left) else { return Ok(()) };
            if !is_retriable(&error) || Instant::now() >= deadline {
                let reason =
                    format!("transactional.id {}: {error} ({})", self.transactional_id, self.producer.last_failure());
                return Err(SinkError::Client { reason });
            }
            self.producer.wait();
        }
    }

    /// Does what can be done without blocking for long.
    fn advance(&mut self, flushing: bool) -> Result<(), SinkError> {
        if let Phase::Ended { reason } = &self.phase {
            return Err(ended(reason));
        }
        let failed = self.producer.hear();
        if let Some(reason) = self.producer.fatal_error() {
            return self.end(reason);
        }
        let now = Instant::now();
        match self.phase {
            Phase::Closed => self.begin(now, flushing),
            // An open transaction would hold up readers until it times out.
            Phase::Open | Phase::Committing if failed || self.producer.refused().is_some() => self.abort(now),
            Phase::Open => self.send(now, flushing),
            Phase::Committing => self.commit(now),
            Phase::Aborting { until } => self.finish_abort(now, until),
            Phase::Resting { until } if now >= until => {
                self.producer.window.undo();
                self.phase = Phase::Closed;
                Ok(())
            }
            Phase::Resting { .. } | Phase::Ended { .. } => Ok(()),
        }
    }

    /// Begins a transaction if there is something to send.
    fn begin(&mut self, now: Instant, flushing: bool) -> Result<(), SinkError> {
        if self.producer.window.is_empty() && !self.is_due(flushing, now) {
            return Ok(());
        }
        if self.producer.wants_replacement() {
            self.producer.replace()?;
            if let Err(error) = self.begin_session(now + CALL * 10) {
                return self.end(error.to_string());
            }
        }
        match self.producer.client().begin_transaction() {
            Ok(()) => {
                self.phase = Phase::Open;
                self.stall.progress(now);
                self.advance(flushing)
            }
            Err(error) => self.end(error.to_string()),
        }
    }

    fn send(&mut self, now: Instant, flushing: bool) -> Result<(), SinkError> {
        if self.producer.hand_over(now, flushing) {
            return self.abort(now);
        }
        let window = &mut self.producer.window;
        if window.bytes() > KEEP_BYTES / 2 {
            self.transaction.forget(window, KEEP_BYTES);
        }
        if self.is_due(flushing, now) {
            self.transaction.complete(&mut self.producer.window, now);
            if self.producer.hand_over(now, flushing) {
                return self.abort(now);
            }
        }
        if self.transaction.is_complete() && self.producer.window.next().is_none() {
            self.phase = Phase::Committing;
            return self.commit(now);
        }
        self.watch(now)
    }

    fn is_due(&self, flushing: bool, now: Instant) -> bool {
        self.transaction.is_due(&self.producer.window, flushing, now)
    }

    fn commit(&mut self, now: Instant) -> Result<(), SinkError> {
        if self.producer.window.waiting() > 0 {
            return self.watch(now);
        }
        match self.producer.client().commit_transaction(CALL) {
            Ok(()) => {
                let mut settled = self.transaction.commit(&mut self.producer.window, Instant::now());
                self.producer.window.committed();
                self.positions.done(settled.report(&self.counter));
                self.backoff.reset();
                self.stall.success();
                self.phase = Phase::Closed;
                Ok(())
            }
            Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => self.abort(now),
            // Whether it is committed is not known yet: repeating the call tells.
            Err(error) if is_retriable(&error) => {
                self.counter.fail();
                Ok(())
            }
            Err(error) => self.end(error.to_string()),
        }
    }

    /// Helps a producer that makes no progress.
    fn watch(&mut self, now: Instant) -> Result<(), SinkError> {
        if self.producer.window.waiting() == 0 {
            self.stall.progress(now);
            return Ok(());
        }
        match self.stall.remedy(self.producer.in_flight(), now) {
            Remedy::None => {}
            // Unsent messages keep librdkafka busy (see `pacing`). The abort itself waits for the brokers.
            Remedy::GiveUp if self.transaction.is_kept() => return self.abort(now),
            Remedy::Nudge | Remedy::GiveUp => self.producer.nudge(),
        }
        Ok(())
    }

    fn abort(&mut self, now: Instant) -> Result<(), SinkError> {
        self.producer.take_back();
        if let Some(count) = self.failures.add(1, now) {
            let reason = self.producer.last_failure();
            tracing::warn!(sink = "kafka", transactions = count, reason, "a Kafka transaction failed: aborting it");
            self.producer.reports().note_outage();
        }
        self.phase = Phase::Aborting { until: now + GIVE_BACK };
        Ok(())
    }

    fn finish_abort(&mut self, now: Instant, until: Instant) -> Result<(), SinkError> {
        // librdkafka waits for its reports to be consumed, which only we can do.
        if self.producer.in_flight() > 0 && now < until {
            return Ok(());
        }
        match self.producer.client().abort_transaction(CALL) {
            Ok(()) => {}
            Err(error) if is_retriable(&error) => return Ok(()),
            Err(error) => return self.end(error.to_string()),
        }
        self.producer.hear();
        if let Some(reason) = self.producer.refused() {
            let reason = reason.to_owned();
            return self.finish(reason);
        }
        if !self.transaction.is_kept() {
            return self.end(
                "a Kafka transaction was aborted that is too large to be kept; start again: reading goes on from the last checkpoint"
                    .to_owned(),
            );
        }
        self.counter.resend(self.producer.window.len() as u64);
        self.stall.restart(now);
        self.phase = Phase::Resting { until: now + self.backoff.pause() };
        Ok(())
    }

    fn end(&mut self, reason: String) -> Result<(), SinkError> {
        self.finish(format!(
            "transactional.id {}: {reason}. If another instance was started with it: each needs one of its own. \
             Nothing is lost: reading goes on from the last committed checkpoint",
            self.transactional_id
        ))
    }

    fn finish(&mut self, reason: String) -> Result<(), SinkError> {
        let error = ended(&reason);
        self.phase = Phase::Ended { reason };
        Err(error)
    }

    /// Takes messages up to a checkpoint at which the transaction ends, or as many as there is room for.
    fn take(&mut self, batch: &Batch, from: usize) -> usize {
        // A complete transaction is committed first.
        if self.transaction.is_complete() || !matches!(self.phase, Phase::Closed | Phase::Open) {
            return 0;
        }
        // A transaction that is too large is not kept, so its size is no limit here.
        let end = from + self.producer.room(batch, from, Some(KEEP_BYTES * 2));
        let now = Instant::now();
        let mut next = from;
        while next < end {
            let stop = (next..end).find(|index| self.is_checkpoint(batch, *index)).unwrap_or(end);
            self.transaction.add(&mut self.producer.window, batch, next..stop, now);
            next = stop;
            if stop < end {
                self.transaction.set_checkpoint(&self.producer.window, batch, stop);
                next += 1;
                if self.is_due(false, now) {
                    break;
                }
            }
        }
        next - from
    }

    fn is_checkpoint(&self, batch: &Batch, index: usize) -> bool {
        let topic = batch.routed(index).and_then(|message| message.topic);
        topic.is_some_and(|topic| **topic == *self.checkpoint_topic)
    }

    /// Messages that are not committed.
    fn outstanding(&self) -> u64 {
        self.transaction.messages(&self.producer.window)
    }

    fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. })
    }

    /// At the end: drops what comes after the last checkpoint, a transaction of the source that is incomplete. Part of a Kafka transaction
    /// cannot be taken back: all of it is aborted, and what is complete is sent again.
    fn cut_off(&mut self, deadline: Instant) -> u64 {
        if self.has_ended() || !self.transaction.has_tail(&self.producer.window) {
            return 0;
        }
        if self.phase == Phase::Open {
            let _ = self.abort(Instant::now());
        }
        while matches!(self.phase, Phase::Aborting { .. }) && Instant::now() < deadline {
            self.producer.wait();
            let _ = self.advance(true);
        }
        let dropped = self.transaction.cut_off(&mut self.producer.window);
        self.producer.window.undo();
        dropped as u64
    }
}

fn ended(reason: &str) -> SinkError {
    SinkError::Ended { target: "kafka".to_owned(), reason: reason.to_owned() }
}

fn is_retriable(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.is_retriable(),
        // The flush before the commit timed out.
        KafkaError::Flush(_) => true,
        _ => false,
    }
}

impl Sink for ExactlyOnceSink {
    fn name(&self) -> &str {
        "kafka"
    }

    fn attach(&mut self, counter: &Arc<SinkCounter>) {
        self.counter = Arc::clone(counter);
    }

    fn holds_for(&self) -> Duration {
        LONG_TRANSACTION
    }

    fn delivered_through(&self) -> u64 {
        self.positions.through()
    }

    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
        let end = Instant::now() + self.producer.config().room_patience;
        loop {
            self.advance(false)?;
            let taken = self.take(batch, from);
            if taken > 0 {
                self.positions.take(batch.position(from), taken);
                // The messages have been taken: an error is for the next call.
                let _ = self.advance(false);
                return Ok(taken);
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
            Phase::Committing | Phase::Aborting { .. } => ANSWER_POLL,
            _ if self.producer.window.is_waiting() => ANSWER_POLL,
            _ => self.transaction.until_due(now).map_or(Duration::MAX, |left| left.max(ANSWER_POLL)),
        }
    }

    fn flush(&mut self, deadline: Instant) -> Result<(), SinkError> {
        let cut_off = self.cut_off(deadline);
        let mut result = Ok(());
        while result.is_ok() && self.outstanding() > 0 && Instant::now() < deadline {
            result = self.advance(true);
            self.producer.wait();
        }
        let outstanding = self.outstanding();
        let reason = match &self.phase {
            _ if outstanding + cut_off == 0 => return Ok(()),
            Phase::Ended { reason } => reason.clone(),
            _ if outstanding == 0 => {
                "their transaction has no end yet; it is read again from the last checkpoint".to_owned()
            }
            _ => self.producer.last_failure(),
        };
        Err(SinkError::Undelivered { messages: outstanding + cut_off, reason })
    }
}
