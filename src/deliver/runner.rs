//! The thread of one sink.

use std::sync::Arc;
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::deliver::Sink;
use crate::deliver::batch::Batch;
use crate::deliver::counters::{LossReason, SinkCounter};
use crate::deliver::error::SinkError;
use crate::deliver::pool::Pool;
use crate::deliver::queue::{Popped, SinkQueue};

/// [`Sink::tick`] is called at least this often, except while the sink itself is blocked in a system call.
const TICK: Duration = Duration::from_millis(100);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// The shortest pause of a sink that is only busy.
const BUSY_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);
/// A sink that fails and recovers again and again is spoken of this often.
const OUTAGE_LOG_INTERVAL: Duration = Duration::from_secs(10);

pub(crate) struct Runner {
    sink: Box<dyn Sink>,
    queue: Arc<SinkQueue>,
    counter: Arc<SinkCounter>,
    pool: Arc<Pool>,
    dispatcher: Thread,
    last_tick: Instant,
    outages: Outages,
}

/// Ends the queue whatever way the thread ends, so that the dispatcher never waits for it.
struct EndQueue<'a> {
    runner: &'a mut Runner,
    reason: LossReason,
}

impl Drop for EndQueue<'_> {
    fn drop(&mut self) {
        let left = self.runner.queue.end(&self.runner.dispatcher);
        self.runner.counter.lose(self.reason, left as u64);
    }
}

impl Runner {
    pub(crate) fn new(
        sink: Box<dyn Sink>,
        queue: Arc<SinkQueue>,
        counter: Arc<SinkCounter>,
        pool: Arc<Pool>,
        dispatcher: Thread,
    ) -> Self {
        let outages = Outages::new(Arc::clone(&counter));
        Self { sink, queue, counter, pool, dispatcher, last_tick: Instant::now(), outages }
    }

    /// Works until the queue is closed and empty, its deadline is over, or the sink ends.
    pub(crate) fn run(mut self) {
        let mut end = EndQueue { runner: &mut self, reason: LossReason::SinkEnded };
        end.reason = end.runner.work();
    }

    fn work(&mut self) -> LossReason {
        loop {
            let until_tick = TICK.saturating_sub(self.last_tick.elapsed()).min(self.sink.until_tick());
            match self.queue.pop(until_tick) {
                Popped::Batch(batch) => {
                    if self.queue.closed().is_some_and(|deadline| deadline <= Instant::now()) {
                        self.flush(Instant::now());
                        return LossReason::Shutdown;
                    }
                    let delivered = self.deliver(&batch);
                    self.pool.give(batch);
                    if let Err(reason) = delivered {
                        self.flush(self.queue.closed().unwrap_or_else(Instant::now));
                        return reason;
                    }
                }
                Popped::Nothing => {}
                Popped::Closed(deadline) => {
                    self.flush(deadline);
                    return LossReason::Shutdown;
                }
            }
            if let Err(error) = self.tick_if_due()
                && error.ends_sink()
            {
                tracing::error!(sink = self.counter.name(), %error, "the sink ends");
                return LossReason::SinkEnded;
            }
        }
    }

    /// Offers the batch to the sink until it has all of it. An error says why the sink is at its end.
    fn deliver(&mut self, batch: &Batch) -> Result<(), LossReason> {
        let mut from = 0;
        let mut backoff = FIRST_BACKOFF;
        while from < batch.len() {
            match self.sink.write(batch, from) {
                Ok(taken) if taken > 0 => {
                    let taken = taken.min(batch.len() - from);
                    self.counter.take(taken);
                    if !self.sink.acknowledges_later() {
                        self.counter.acknowledge(taken);
                    }
                    let bytes = batch.lines(from..from + taken).len();
                    self.queue.release(taken, bytes, &self.dispatcher);
                    from += taken;
                    backoff = FIRST_BACKOFF;
                    self.outages.over();
                    continue;
                }
                Ok(_) => self.outages.failed(&SinkError::BufferFull),
                Err(SinkError::BufferFull) => {
                    // Not broken but busy: there is room as soon as the next answer comes.
                    self.outages.failed(&SinkError::BufferFull);
                    backoff = self.sink.until_tick().clamp(BUSY_PAUSE, FIRST_BACKOFF);
                }
                Err(error) => {
                    if error.ends_sink() {
                        self.counter.fail();
                        tracing::error!(sink = self.counter.name(), %error, "the sink ends");
                        return Err(LossReason::SinkEnded);
                    }
                    self.outages.failed(&error);
                }
            }
            if self.queue.closed().is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(LossReason::Shutdown);
            }
            self.pause(backoff)?;
            backoff = (backoff * 2).clamp(FIRST_BACKOFF, LONGEST_BACKOFF);
        }
        Ok(())
    }

    /// Waits before the next attempt, ticking meanwhile.
    fn pause(&mut self, backoff: Duration) -> Result<(), LossReason> {
        let end = Instant::now() + backoff;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.queue.back_off(left.min(TICK).min(self.sink.until_tick().max(BUSY_PAUSE)));
            if self.tick_if_due().is_err_and(|error| error.ends_sink()) {
                return Err(LossReason::SinkEnded);
            }
            if self.queue.closed().is_some() {
                return Ok(());
            }
        }
    }

    fn tick_if_due(&mut self) -> Result<(), SinkError> {
        if self.last_tick.elapsed() < TICK.min(self.sink.until_tick()) {
            return Ok(());
        }
        self.last_tick = Instant::now();
        let result = self.sink.tick();
        if let Err(error) = &result {
            self.outages.failed(error);
        }
        result
    }

    fn flush(&mut self, deadline: Instant) {
        if let Err(error) = self.sink.flush(deadline) {
            if let SinkError::Undelivered { messages, .. } = &error {
                self.counter.lose(LossReason::Shutdown, *messages);
            }
            tracing::error!(sink = self.counter.name(), %error, "the sink could not be flushed");
        }
    }
}

/// Says once that a sink fails, and once that it works again.
struct Outages {
    counter: Arc<SinkCounter>,
    current: Option<Outage>,
    last_logged: Option<Instant>,
}

struct Outage {
    since: Instant,
    failures: u64,
    lost_before: u64,
    logged: bool,
}

impl Outages {
    fn new(counter: Arc<SinkCounter>) -> Self {
        Self { counter, current: None, last_logged: None }
    }

    fn failed(&mut self, error: &SinkError) {
        self.counter.fail();
        let outage = self.current.get_or_insert_with(|| Outage {
            since: Instant::now(),
            failures: 0,
            lost_before: self.counter.lost_total(),
            logged: false,
        });
        outage.failures += 1;
        let quiet = self.last_logged.is_none_or(|last| last.elapsed() >= OUTAGE_LOG_INTERVAL);
        if !outage.logged && quiet {
            outage.logged = true;
            self.last_logged = Some(Instant::now());
            tracing::warn!(sink = self.counter.name(), %error, "the sink takes nothing now; trying again until it does");
        }
    }

    fn over(&mut self) {
        let Some(outage) = self.current.take() else {
            return;
        };
        if outage.logged {
            tracing::info!(
                sink = self.counter.name(),
                seconds = outage.since.elapsed().as_secs_f64(),
                attempts = outage.failures,
                lost_meanwhile = self.counter.lost_total().saturating_sub(outage.lost_before),
                "the sink takes messages again"
            );
        }
    }
}
