//! Rows that are there once: rows and the checkpoint behind them in one Kafka transaction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;
use rdkafka::producer::Producer;

use crate::deliver::counters::SinkCounter;
use crate::deliver::kafka::rows::outlet::Outlet;
use crate::deliver::kafka::rows::settings::RowsSinkConfig;
use crate::deliver::kafka::rows::window::Settled;
use crate::deliver::kafka::rows::{ANSWER_POLL, FAILURE_LOG_INTERVAL, FIRST_PAUSE, GIVE_BACK, LONGEST_PAUSE, PATIENCE};
use crate::deliver::kafka::stall::{Remedy, Stall};
use crate::deliver::position::Outstanding;
use crate::deliver::rate_limit::RateLimit;
use crate::deliver::{Batch, Sink, SinkError};

/// Transactions are at least so far apart: each costs the brokers a dozen writes of their own.
const COMMIT_INTERVAL: Duration = Duration::from_millis(200);
/// Where nothing but checkpoints came.
const IDLE_COMMIT_INTERVAL: Duration = Duration::from_secs(2);
/// A transaction with so many bytes is committed at the next checkpoint.
const COMMIT_BYTES: usize = 24 << 20;
/// So many bytes are kept to be sent again when a transaction is aborted. What is larger can be read again only from the source.
const KEEP_BYTES: usize = 32 << 20;
/// How long one call to the transaction's coordinator may take before we look around.
const CALL: Duration = Duration::from_secs(1);
/// How long an older instance's transaction may take to be aborted, and brokers to be found, at the start.
const START: Duration = Duration::from_secs(60);

/// Produces messages in Kafka transactions, each of which ends with a checkpoint: a consumer that reads committed messages
/// (`isolation.level=read_committed`) sees every row once, whatever was killed when, as long as reading goes on from the last
/// committed checkpoint.
///
/// Checkpoints are the messages for the checkpoint topic. Only the last one before a commit is sent.
/// A transaction that fails is aborted and sent again from a copy; one that is too large to be copied ends the sink, and the program
/// goes on at the next start from the checkpoint before it. The sink also ends when another instance with the same
/// `transactional.id` starts.
pub struct ExactlyOnceSink {
    outlet: Outlet,
    transactional_id: String,
    checkpoint_topic: String,
    counter: Arc<SinkCounter>,
    phase: Phase,
    /// The last checkpoint, not yet sent, alone in a batch.
    checkpoint: Batch,
    /// How many messages of the window were there when it came.
    rows_before: usize,
    /// The checkpoint is in the window, at its end.
    is_complete: bool,
    /// Messages that are done when the transaction is committed: checkpoints that others replace, and rows that are not kept.
    settled: Settled,
    positions: Outstanding,
    replaced_checkpoints: usize,
    /// Delivered messages of the transaction were dropped from the window.
    is_forgetful: bool,
    bytes: usize,
    since: Instant,
    stall: Stall,
    pause: Duration,
    failures: RateLimit,
    ended: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No transaction is open.
    Closed,
    /// Messages are sent.
    Open,
    /// All was handed over: waiting for the answers, then for the commit.
    Committing,
    /// Waiting for librdkafka to give everything back, then for the abort.
    Aborting { until: Instant },
    /// Waiting before the next attempt.
    Resting { until: Instant },
}

impl ExactlyOnceSink {
    /// Makes the producer and waits until brokers have ended every older instance of the same `transactional.id` and aborted its
    /// transaction: only then is the last checkpoint certain.
    pub fn open(config: &RowsSinkConfig) -> Result<Self, SinkError> {
        let Some(transactions) = &config.transactions else {
            return Err(SinkError::Client { reason: "exactly-once needs a transactional.id".to_owned() });
        };
        let sink = Self {
            outlet: Outlet::open(config)?,
            transactional_id: transactions.transactional_id.clone(),
            checkpoint_topic: transactions.checkpoint_topic.clone(),
            counter: Arc::new(SinkCounter::new("kafka".to_owned())),
            phase: Phase::Closed,
            checkpoint: Batch::new(),
            rows_before: 0,
            is_complete: false,
            settled: Settled::default(),
            positions: Outstanding::default(),
            replaced_checkpoints: 0,
            is_forgetful: false,
            bytes: 0,
            since: Instant::now(),
            stall: Stall::new(Instant::now()),
            pause: FIRST_PAUSE,
            failures: RateLimit::new(FAILURE_LOG_INTERVAL),
            ended: None,
        };
        sink.begin_session(Instant::now() + START)?;
        Ok(sink)
    }

    fn begin_session(&self, deadline: Instant) -> Result<(), SinkError> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).min(CALL * 5);
            let Err(error) = self.outlet.producer.init_transactions(left) else { return Ok(()) };
            if !is_retriable(&error) || Instant::now() >= deadline {
                let reason =
                    format!("transactional.id {}: {error} ({})", self.transactional_id, self.outlet.last_failure());
                return Err(SinkError::Client { reason });
            }
            self.outlet.wait();
        }
    }

    /// Does what can be done without waiting for long.
    fn advance(&mut self, flushing: bool) -> Result<(), SinkError> {
        if let Some(reason) = &self.ended {
            return Err(SinkError::Ended { target: "kafka".to_owned(), reason: reason.clone() });
        }
        let failed = self.outlet.hear();
        if let Some(reason) = self.outlet.fatal_error() {
            return self.end(reason);
        }
        let now = Instant::now();
        match self.phase {
            // What is open would be in the way of readers until it times out.
            Phase::Open if self.outlet.refused().is_some() => self.abort(now),
            Phase::Closed => self.begin(now, flushing),
            Phase::Open | Phase::Committing if failed => self.abort(now),
            Phase::Open => {
                if self.outlet.hand_over() {
                    return self.abort(now);
                }
                self.forget();
                if self.is_due(flushing, now) {
                    self.complete();
                    if self.outlet.hand_over() {
                        return self.abort(now);
                    }
                }
                if self.is_complete && self.outlet.window.next().is_none() {
                    self.phase = Phase::Committing;
                    return self.commit(now);
                }
                self.watch(now)
            }
            Phase::Committing => self.commit(now),
            Phase::Aborting { until } => self.finish_abort(now, until),
            Phase::Resting { until } => {
                if now >= until {
                    self.outlet.window.again(true);
                    self.phase = Phase::Closed;
                }
                Ok(())
            }
        }
    }

    /// Begins a transaction if there is something to send.
    fn begin(&mut self, now: Instant, flushing: bool) -> Result<(), SinkError> {
        if self.outlet.window.is_empty() && !self.is_due(flushing, now) {
            return Ok(());
        }
        if self.outlet.wants_other_batching() {
            self.outlet.replace()?;
            if let Err(error) = self.begin_session(now + CALL * 10) {
                return self.end(error.to_string());
            }
        }
        match self.outlet.producer.begin_transaction() {
            Ok(()) => {
                self.phase = Phase::Open;
                self.stall.progress(now);
                self.advance(flushing)
            }
            Err(error) => self.end(error.to_string()),
        }
    }

    /// Whether the transaction should and can be committed now.
    fn is_due(&self, flushing: bool, now: Instant) -> bool {
        if self.is_complete || self.checkpoint.is_empty() || self.rows_before != self.rows() {
            return false;
        }
        let interval = if self.rows() == 0 { IDLE_COMMIT_INTERVAL } else { COMMIT_INTERVAL };
        flushing || self.bytes >= COMMIT_BYTES || now.saturating_duration_since(self.since) >= interval
    }

    /// Messages of the transaction, without checkpoints.
    fn rows(&self) -> usize {
        self.outlet.window.len() + usize::try_from(self.settled.messages()).unwrap_or(usize::MAX)
    }

    /// The checkpoint joins the messages before it.
    fn complete(&mut self) {
        self.outlet.window.add(&self.checkpoint, 0..self.checkpoint.len());
        self.checkpoint.clear();
        self.is_complete = true;
    }

    /// A transaction that outgrows our memory is not kept.
    fn forget(&mut self) {
        if self.outlet.window.bytes() > KEEP_BYTES / 2 && self.bytes > KEEP_BYTES {
            let before = self.settled.messages();
            self.outlet.window.settle(&mut self.settled);
            self.is_forgetful |= self.settled.messages() > before;
        }
    }

    fn commit(&mut self, now: Instant) -> Result<(), SinkError> {
        if self.outlet.window.waiting() > 0 {
            return self.watch(now);
        }
        match self.outlet.producer.commit_transaction(CALL) {
            Ok(()) => {
                self.outlet.window.settle(&mut self.settled);
                self.settled.add_delivered(std::mem::take(&mut self.replaced_checkpoints));
                self.positions.done(self.settled.report(&self.counter));
                self.is_complete = false;
                self.is_forgetful = false;
                self.rows_before = 0;
                self.bytes = 0;
                self.since = Instant::now();
                self.pause = FIRST_PAUSE;
                self.phase = Phase::Closed;
                Ok(())
            }
            Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => self.abort(now),
            // Whether it is committed is not known yet: the same call again says it.
            Err(error) if is_retriable(&error) => {
                self.counter.fail();
                Ok(())
            }
            Err(error) => self.end(error.to_string()),
        }
    }

    /// Helps a producer that gets nowhere.
    fn watch(&mut self, now: Instant) -> Result<(), SinkError> {
        match self.stall.remedy(self.outlet.in_flight(), now) {
            _ if self.outlet.window.waiting() == 0 => self.stall.progress(now),
            Remedy::None => {}
            // An abort would need the same brokers.
            Remedy::Nudge | Remedy::Replace => self.outlet.nudge(),
        }
        Ok(())
    }

    fn abort(&mut self, now: Instant) -> Result<(), SinkError> {
        self.outlet.purge(true);
        if let Some(count) = self.failures.add(1, now) {
            let reason = self.outlet.last_failure();
            tracing::warn!(sink = "kafka", transactions = count, reason, "a Kafka transaction failed: aborting it");
        }
        self.phase = Phase::Aborting { until: now + GIVE_BACK };
        Ok(())
    }

    fn finish_abort(&mut self, now: Instant, until: Instant) -> Result<(), SinkError> {
        // librdkafka waits for the answers to be heard, which only we can do.
        if self.outlet.in_flight() > 0 && now < until {
            return Ok(());
        }
        match self.outlet.producer.abort_transaction(CALL) {
            Ok(()) => {}
            Err(error) if is_retriable(&error) => return Ok(()),
            Err(error) => return self.end(error.to_string()),
        }
        self.outlet.hear();
        if let Some(reason) = self.outlet.refused() {
            self.ended = Some(reason.to_owned());
            return Err(SinkError::Ended { target: "kafka".to_owned(), reason: reason.to_owned() });
        }
        if self.is_forgetful {
            return self.end(
                "a Kafka transaction was aborted that is too large to be kept; start again: reading goes on from the last checkpoint"
                    .to_owned(),
            );
        }
        self.counter.resend(self.outlet.window.len() as u64);
        self.phase = Phase::Resting { until: now + self.pause };
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }

    fn end(&mut self, reason: String) -> Result<(), SinkError> {
        let reason = format!(
            "transactional.id {}: {reason}. If another instance was started with it: each needs one of its own. \
             Nothing is lost: reading goes on from the last committed checkpoint",
            self.transactional_id
        );
        self.ended = Some(reason.clone());
        Err(SinkError::Ended { target: "kafka".to_owned(), reason })
    }

    /// Takes messages up to a checkpoint at which the transaction ends, or to the end of the room there is.
    fn take(&mut self, batch: &Batch, from: usize) -> usize {
        // The transaction that is complete goes first.
        if self.is_complete || !matches!(self.phase, Phase::Closed | Phase::Open) {
            return 0;
        }
        // A transaction that is too large is not kept: then its size is no bound.
        let end = from + self.outlet.room(batch, from, Some(KEEP_BYTES * 2));
        if self.rows() == 0 && self.checkpoint.is_empty() {
            self.since = Instant::now();
        }
        let mut next = from;
        while next < end {
            let is_checkpoint = |index| self.is_checkpoint(batch, index);
            let stop = (next..end).find(|index| is_checkpoint(*index)).unwrap_or(end);
            self.bytes += batch.lines(next..stop).len();
            self.outlet.window.add(batch, next..stop);
            next = stop;
            if stop < end {
                next += 1;
                self.replaced_checkpoints += self.checkpoint.len();
                self.checkpoint.clear();
                self.checkpoint.extend_from(batch, stop..next);
                self.rows_before = self.rows();
                if self.is_due(false, Instant::now()) {
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
        self.rows() as u64 + (self.checkpoint.len() + self.replaced_checkpoints) as u64
    }

    /// At the end: leaves out what is behind the last checkpoint, which belongs to a transaction of the source that is not complete.
    fn cut_off(&mut self) -> u64 {
        if self.is_complete || self.is_forgetful || self.rows_before == self.rows() {
            return 0;
        }
        let dropped = self.outlet.window.truncate(self.rows_before);
        dropped as u64
    }
}

fn is_retriable(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.is_retriable(),
        // The flush before a commit timed out.
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

    fn delivered_through(&self) -> u64 {
        self.positions.through()
    }

    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
        let end = Instant::now() + PATIENCE;
        loop {
            self.advance(false)?;
            let taken = self.take(batch, from);
            if taken > 0 {
                self.positions.take(batch.position(from), taken);
                self.advance(false)?;
                return Ok(taken);
            }
            if Instant::now() >= end {
                return Err(SinkError::BufferFull);
            }
            self.outlet.wait();
        }
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        self.advance(false)
    }

    fn until_tick(&self) -> Duration {
        let now = Instant::now();
        match self.phase {
            Phase::Resting { until } => until.saturating_duration_since(now),
            Phase::Committing | Phase::Aborting { .. } => ANSWER_POLL,
            _ if self.outlet.window.waiting() > 0 => ANSWER_POLL,
            _ if self.checkpoint.is_empty() => Duration::MAX,
            _ => (self.since + COMMIT_INTERVAL).saturating_duration_since(now).max(ANSWER_POLL),
        }
    }

    fn flush(&mut self, deadline: Instant) -> Result<(), SinkError> {
        let mut cut_off = 0;
        if self.ended.is_none() && !self.is_complete && self.rows_before != self.rows() {
            // A part of the transaction cannot be taken back: all of it is aborted, and what is complete is sent again.
            if matches!(self.phase, Phase::Open) {
                let _ = self.abort(Instant::now());
            }
            while matches!(self.phase, Phase::Aborting { .. }) && self.ended.is_none() && Instant::now() < deadline {
                self.outlet.wait();
                let _ = self.advance(true);
            }
            cut_off = self.cut_off();
            self.outlet.window.again(true);
        }
        let mut result = Ok(());
        while result.is_ok() && self.outstanding() > 0 && Instant::now() < deadline {
            result = self.advance(true);
            self.outlet.wait();
        }
        match self.outstanding() + cut_off {
            0 => Ok(()),
            messages => {
                let reason = match (&self.ended, self.outstanding()) {
                    (Some(reason), _) => reason.clone(),
                    (None, 0) => {
                        "their transaction has no end yet; it is read again from the last checkpoint".to_owned()
                    }
                    (None, _) => self.outlet.last_failure(),
                };
                Err(SinkError::Undelivered { messages, reason })
            }
        }
    }
}
