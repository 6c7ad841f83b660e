//! The thread of one sink.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::deliver::batch::Batch;
use crate::deliver::counters::{LossReason, SinkCounter};
use crate::deliver::error::SinkError;
use crate::deliver::outages::Outages;
use crate::deliver::outlet::Outlet;
use crate::deliver::pool::Pool;
use crate::deliver::position::Outstanding;
use crate::deliver::queue::{Popped, SinkQueue};
use crate::deliver::sink::Sink;

/// [`Sink::tick`] is called at least this often, except while the sink itself is blocked in a system call.
const TICK: Duration = Duration::from_millis(100);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The shortest pause of a sink that is only busy.
const BUSY_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

pub(crate) struct Runner {
    sink: Box<dyn Sink>,
    queue: Arc<SinkQueue>,
    counter: Arc<SinkCounter>,
    pool: Arc<Pool>,
    /// What the sink took and has not delivered.
    outstanding: Outstanding,
    last_tick: Instant,
    outages: Outages,
}

/// How a sink's thread ends.
#[derive(Debug, Clone, Copy)]
struct End {
    /// Why what is still in the queue is lost, and what the sink took and has not delivered.
    reason: LossReason,
    /// The sink holds back what it took and has not delivered: it comes again and is not lost.
    holds_back: bool,
}

/// Ends the queue whatever way the thread ends, so that nobody ever waits for it.
struct EndQueue<'a> {
    runner: &'a mut Runner,
    end: End,
}

impl Drop for EndQueue<'_> {
    fn drop(&mut self) {
        let queued = self.runner.queue.end() as u64;
        let taken = self.runner.outstanding.len();
        let (lost, held_back) = if self.end.holds_back { (0, taken) } else { (taken, 0) };
        self.runner.counter.close(self.end.reason, queued + lost, held_back);
    }
}

impl Runner {
    pub(crate) fn new(sink: Box<dyn Sink>, outlet: Outlet, pool: Arc<Pool>) -> Self {
        let Outlet { queue, counter, .. } = outlet;
        let outages = Outages::new(Arc::clone(&counter));
        Self { sink, queue, counter, pool, outstanding: Outstanding::default(), last_tick: Instant::now(), outages }
    }

    /// Works until the queue is closed and empty, its deadline is over, or the sink ends.
    pub(crate) fn run(mut self) {
        let panicked = End { reason: LossReason::SinkEnded, holds_back: false };
        let mut end = EndQueue { runner: &mut self, end: panicked };
        end.end = end.runner.work();
    }

    fn work(&mut self) -> End {
        loop {
            let until_tick = TICK.saturating_sub(self.last_tick.elapsed()).min(self.sink.until_tick());
            match self.queue.pop(until_tick) {
                Popped::Batch(batch) => {
                    if self.queue.closed().is_some_and(|deadline| deadline <= Instant::now()) {
                        return self.flush(LossReason::Shutdown, Instant::now());
                    }
                    let delivered = self.deliver(&batch);
                    self.pool.give(batch);
                    if let Err(reason) = delivered {
                        return self.flush(reason, self.queue.closed().unwrap_or_else(Instant::now));
                    }
                }
                Popped::Nothing => {}
                Popped::Closed(deadline) => {
                    return self.flush(LossReason::Shutdown, deadline);
                }
            }
            if let Err(error) = self.tick_if_due()
                && error.ends_sink()
            {
                tracing::error!(sink = self.counter.name(), %error, "the sink ends");
                return End { reason: LossReason::SinkEnded, holds_back: false };
            }
        }
    }

    /// Offers the batch to the sink until it has all of it. An error says why the sink is at its end.
    fn deliver(&mut self, batch: &Batch) -> Result<(), LossReason> {
        let mut from = 0;
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        while from < batch.len() {
            let written = self.sink.write(batch, from);
            if let Ok(taken) = written {
                self.outstanding.take(batch.position(from), taken.min(batch.len() - from));
            }
            self.note_delivered();
            let pause = match written {
                Ok(taken) if taken > 0 => {
                    let taken = taken.min(batch.len() - from);
                    self.counter.take(taken);
                    let bytes = batch.bytes_of(from..from + taken);
                    self.queue.release(taken, bytes);
                    from += taken;
                    backoff.reset();
                    self.outages.over();
                    continue;
                }
                Ok(_) => {
                    self.outages.failed(&SinkError::BufferFull);
                    backoff.pause()
                }
                Err(SinkError::BufferFull) => {
                    // Not broken but busy: there is room as soon as the next answer comes.
                    self.outages.failed(&SinkError::BufferFull);
                    backoff.reset();
                    self.sink.until_tick().clamp(BUSY_PAUSE, FIRST_PAUSE)
                }
                Err(error) => {
                    if error.ends_sink() {
                        self.counter.fail();
                        tracing::error!(sink = self.counter.name(), %error, "the sink ends");
                        return Err(LossReason::SinkEnded);
                    }
                    self.outages.failed(&error);
                    backoff.pause()
                }
            };
            if self.queue.closed().is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(LossReason::Shutdown);
            }
            self.pause(pause)?;
        }
        Ok(())
    }

    /// Waits before the next attempt, ticking meanwhile.
    fn pause(&mut self, pause: Duration) -> Result<(), LossReason> {
        let end = Instant::now() + pause;
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
        self.note_delivered();
        if let Err(error) = &result {
            self.outages.failed(error);
        }
        result
    }

    /// Asks the sink how far it is.
    fn note_delivered(&mut self) {
        let through = self.sink.delivered_through();
        if through > self.outstanding.through() {
            let messages = self.outstanding.done_through(through);
            self.counter.done(through, messages);
        }
    }

    /// The end, for this reason: the sink delivers what it took.
    fn flush(&mut self, reason: LossReason, deadline: Instant) -> End {
        let result = self.sink.flush(deadline);
        self.note_delivered();
        if let Err(error) = &result {
            tracing::error!(sink = self.counter.name(), %error, "the sink could not be flushed");
        }
        End { reason, holds_back: result.is_ok() }
    }
}
