//! Rows that are delivered, some perhaps more than once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deliver::counters::SinkCounter;
use crate::deliver::kafka::rows::outlet::Outlet;
#[cfg(doc)]
use crate::deliver::kafka::rows::settings::OnRefused;
use crate::deliver::kafka::rows::settings::RowsSinkConfig;
use crate::deliver::kafka::rows::window::Settled;
use crate::deliver::kafka::rows::{ANSWER_POLL, FAILURE_LOG_INTERVAL, FIRST_PAUSE, GIVE_BACK, LONGEST_PAUSE, PATIENCE};
use crate::deliver::kafka::stall::{Remedy, Stall};
use crate::deliver::position::Outstanding;
use crate::deliver::rate_limit::RateLimit;
use crate::deliver::{Batch, Sink, SinkError};

/// Produces each message to its own topic with its own key; the messages of a key stay in order.
///
/// Many messages are under way at a time, in requests to several partitions (librdkafka's idempotent producer has one under way per
/// partition, whatever `max.in.flight` says). They are counted as acknowledged from the first on without a gap, so that the number
/// says how far everything is delivered.
///
/// librdkafka sends again what a passing fault has hit, without duplicates and in order. After a fault that it finds final (a right
/// that was taken away, a topic that is not there) it is given no more, what it has is taken back, and a new producer sends
/// everything from the first message on that is not acknowledged, after a pause, for ever. Then, and where the program is started
/// anew, a message may be there twice. A message that a broker refuses for good by itself ends the sink, or is given up and counted as
/// lost ([`OnRefused`]).
pub struct RowsSink {
    outlet: Outlet,
    counter: Arc<SinkCounter>,
    settled: Settled,
    positions: Outstanding,
    phase: Phase,
    stall: Stall,
    pause: Duration,
    failures: RateLimit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Working,
    /// Waiting for the answers to what was sent, so that it is not sent twice.
    Draining {
        until: Instant,
    },
    /// Waiting before the next attempt.
    Resting {
        until: Instant,
    },
}

impl RowsSink {
    /// Makes the producer; fails only for options that librdkafka refuses. Brokers that cannot be reached are no error.
    pub fn open(config: &RowsSinkConfig) -> Result<Self, SinkError> {
        let config = RowsSinkConfig { transactions: None, ..config.clone() };
        Ok(Self {
            outlet: Outlet::open(&config)?,
            counter: Arc::new(SinkCounter::new("kafka".to_owned())),
            settled: Settled::default(),
            positions: Outstanding::default(),
            phase: Phase::Working,
            stall: Stall::new(Instant::now()),
            pause: FIRST_PAUSE,
            failures: RateLimit::new(FAILURE_LOG_INTERVAL),
        })
    }

    /// Does what can be done without waiting.
    fn advance(&mut self) -> Result<(), SinkError> {
        let mut failed = self.outlet.hear();
        self.settle();
        if let Some(reason) = self.outlet.refused() {
            return Err(SinkError::Ended { target: "kafka".to_owned(), reason: reason.to_owned() });
        }
        let now = Instant::now();
        match self.phase {
            Phase::Working => {
                if !failed && self.outlet.fatal_error().is_none() {
                    if self.outlet.wants_other_batching() {
                        self.outlet.replace()?;
                        self.outlet.window.again(false);
                    }
                    failed = self.outlet.hand_over();
                    self.settle();
                } else {
                    failed = true;
                }
                if failed {
                    self.drain(now);
                    return Ok(());
                }
                match self.stall.remedy(self.outlet.in_flight(), now) {
                    // Nothing under way is no stall.
                    _ if self.outlet.window.waiting() == 0 => self.stall.progress(now),
                    Remedy::Replace => self.drain(now),
                    Remedy::Nudge => self.outlet.nudge(),
                    Remedy::None => {}
                }
            }
            Phase::Draining { until } => {
                if now >= until {
                    self.outlet.purge(true);
                }
                if self.outlet.in_flight() <= 0 || now >= until + GIVE_BACK {
                    self.outlet.replace()?;
                    self.stall.replaced(now);
                    self.phase = Phase::Resting { until: now + self.pause };
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                }
            }
            Phase::Resting { until } => {
                if now >= until {
                    self.outlet.window.again(false);
                    self.phase = Phase::Working;
                }
            }
        }
        Ok(())
    }

    /// Takes back what was not sent.
    fn drain(&mut self, now: Instant) {
        self.outlet.purge(false);
        let messages = self.outlet.window.waiting() as u64;
        self.counter.resend(messages);
        if let Some(messages) = self.failures.add(messages, now) {
            let reason = self.outlet.fatal_error().unwrap_or_else(|| self.outlet.last_failure());
            tracing::warn!(sink = "kafka", messages, reason, "messages were not delivered; sending them again");
        }
        self.phase = Phase::Draining { until: now + GIVE_BACK };
    }

    /// Counts what is done from the first message on.
    fn settle(&mut self) {
        self.outlet.window.settle(&mut self.settled);
        if self.settled.messages() > 0 {
            self.positions.done(self.settled.report(&self.counter));
            if self.phase == Phase::Working {
                self.pause = FIRST_PAUSE;
                self.stall.success();
            }
        }
    }
}

impl Sink for RowsSink {
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
            self.advance()?;
            let taken = self.outlet.room(batch, from, None);
            if taken > 0 {
                self.outlet.window.add(batch, from..from + taken);
                self.positions.take(batch.position(from), taken);
                self.advance()?;
                return Ok(taken);
            }
            if Instant::now() >= end {
                return Err(SinkError::BufferFull);
            }
            self.outlet.wait();
        }
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        self.advance()
    }

    fn until_tick(&self) -> Duration {
        match self.phase {
            Phase::Resting { until } => until.saturating_duration_since(Instant::now()),
            _ if self.outlet.window.is_empty() => Duration::MAX,
            _ => ANSWER_POLL,
        }
    }

    fn flush(&mut self, deadline: Instant) -> Result<(), SinkError> {
        loop {
            // What is in the way is said at the end.
            let _ = self.advance();
            if self.outlet.window.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                break;
            }
            self.outlet.wait();
        }
        self.outlet.purge(true);
        let end = Instant::now() + GIVE_BACK / 4;
        while self.outlet.in_flight() > 0 && Instant::now() < end {
            self.outlet.wait();
        }
        self.outlet.hear();
        self.settle();
        match self.outlet.window.len() {
            0 => Ok(()),
            messages => Err(SinkError::Undelivered { messages: messages as u64, reason: self.outlet.last_failure() }),
        }
    }
}
