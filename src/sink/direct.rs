//! One producer that waits for its sinks, in place of the hub's many workers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::Sink;
use super::batch::Batch;
use super::counters::{LossReason, SinkCounters};
use super::error::SinkError;
use super::hub::{ShutdownReport, SinkReport, spawn};
use super::pool::Pool;
use super::queue::{Bounds, Offered, SinkQueue, lock};
use super::runner::Runner;

/// How often a producer that waits for room looks whether it should stop.
const LOOK: Duration = Duration::from_millis(100);
/// A batch of a megabyte or two keeps its memory: to fault it in anew costs more than to fill it.
const SPARE_BYTES: usize = 3 << 20;
const SPARE_MESSAGES: usize = 32 * 1024;
const GRACE: Duration = Duration::from_millis(500);

/// Sinks that one thread feeds. Nothing is dropped: a full queue holds the producer up.
#[derive(Debug)]
pub struct Direct {
    queues: Vec<Arc<SinkQueue>>,
    counters: Arc<SinkCounters>,
    pool: Arc<Pool>,
    ended: Mutex<Receiver<usize>>,
    pushed: u64,
}

/// Why a batch was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// A sink takes nothing any more.
    #[error("sink {0} has ended")]
    Ended(String),
    /// The producer was told to stop while it waited.
    #[error("stopped while a sink was full")]
    Stopped,
}

impl Direct {
    /// Starts a thread per sink, with a queue of at most `max_bytes` in front of each. To be fed by the calling thread.
    pub fn start(sinks: Vec<Box<dyn Sink>>, max_bytes: usize) -> Result<Self, SinkError> {
        let bounds = Bounds { messages: usize::MAX, bytes: max_bytes };
        let counters = Arc::new(SinkCounters::new(sinks.iter().map(|sink| sink.name().to_owned())));
        let pool = Arc::new(Pool::keeping(SPARE_BYTES, SPARE_MESSAGES));
        let (ended_sender, ended) = mpsc::channel();
        let mut queues = Vec::new();
        for (index, mut sink) in sinks.into_iter().enumerate() {
            let Some(counter) = counters.sinks().get(index) else { continue };
            sink.attach(counter);
            let queue = Arc::new(SinkQueue::new(bounds));
            queues.push(Arc::clone(&queue));
            let runner = Runner::new(sink, queue, Arc::clone(counter), Arc::clone(&pool), thread::current());
            let ended = ended_sender.clone();
            spawn(&format!("sink-{index}"), move || {
                runner.run();
                // Nobody may be waiting any more.
                let _ = ended.send(index);
            })?;
        }
        Ok(Self { queues, counters, pool, ended: Mutex::new(ended), pushed: 0 })
    }

    /// Gives the batch to every sink, waiting for room as long as `stop` is not set; leaves an empty batch to be filled again.
    pub fn push(&mut self, batch: &mut Batch, stop: &AtomicBool) -> Result<(), PushError> {
        if batch.is_empty() {
            return Ok(());
        }
        let full = Arc::new(std::mem::take(batch));
        let mut result = Ok(());
        for (queue, counter) in self.queues.iter().zip(self.counters.sinks()) {
            loop {
                match queue.offer_whole(&full) {
                    Some(Offered::Accepted(messages)) => {
                        counter.queue(messages);
                        queue.announce();
                        break;
                    }
                    Some(Offered::Ended) => {
                        counter.lose(LossReason::SinkEnded, full.len() as u64);
                        result = Err(PushError::Ended(counter.name().to_owned()));
                        break;
                    }
                    None if stop.load(Ordering::Relaxed) => return Err(PushError::Stopped),
                    None => {
                        queue.announce();
                        thread::park_timeout(LOOK);
                    }
                }
            }
        }
        self.pushed += full.len() as u64;
        self.pool.give(full);
        let mut spare = self.pool.take();
        if let Some(spare) = Arc::get_mut(&mut spare) {
            *batch = std::mem::take(spare);
        }
        result
    }

    /// How many messages were pushed.
    pub fn pushed(&self) -> u64 {
        self.pushed
    }

    /// How many of the messages, from the first on, every sink has delivered (or refused for good, which it has counted).
    pub fn acknowledged(&self) -> u64 {
        let done = self.counters.sinks().iter().map(|counter| counter.acknowledged() + counter.lost_total());
        done.min().unwrap_or(self.pushed)
    }

    /// What became of the messages so far.
    pub fn counters(&self) -> Arc<SinkCounters> {
        Arc::clone(&self.counters)
    }

    /// Delivers what was pushed, until `deadline`; what is not delivered by then is counted as lost.
    pub fn shutdown(&mut self, deadline: Instant) -> ShutdownReport {
        for queue in &self.queues {
            queue.close(deadline);
        }
        let mut finished = vec![false; self.queues.len()];
        let ended = lock(&self.ended);
        while finished.contains(&false) {
            let patience = (deadline + GRACE).saturating_duration_since(Instant::now());
            let Ok(index) = ended.recv_timeout(patience) else { break };
            if let Some(finished) = finished.get_mut(index) {
                *finished = true;
            }
        }
        let sinks = self.counters.sinks().iter().zip(finished).map(|(counter, finished)| SinkReport {
            name: counter.name().to_owned(),
            delivered: counter.acknowledged(),
            lost: counter.lost_total(),
            finished,
        });
        ShutdownReport { sinks: sinks.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::batch::batch_of;

    #[derive(Default)]
    struct Slow {
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Sink for Slow {
        fn name(&self) -> &str {
            "slow"
        }

        fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
            thread::sleep(Duration::from_millis(2));
            lock(&self.taken).extend_from_slice(batch.lines(from..from + 1));
            Ok(1)
        }

        fn tick(&mut self) -> Result<(), SinkError> {
            Ok(())
        }

        fn flush(&mut self, _: Instant) -> Result<(), SinkError> {
            Ok(())
        }
    }

    #[test]
    fn a_slow_sink_holds_the_producer_up_and_gets_everything_in_order() {
        let sink = Slow::default();
        let taken = Arc::clone(&sink.taken);
        let mut direct = Direct::start(vec![Box::new(sink)], 8).unwrap();
        let stop = AtomicBool::new(false);
        let mut expected = Vec::new();
        for number in 10..40 {
            let text = number.to_string();
            expected.extend_from_slice(format!("{text}\n").as_bytes());
            direct.push(&mut batch_of(&[(1, &text)]), &stop).unwrap();
            assert!(direct.pushed() - direct.acknowledged() <= 4);
        }
        let report = direct.shutdown(Instant::now() + Duration::from_secs(10));
        assert_eq!((report.sinks[0].delivered, report.lost(), report.sinks[0].finished), (30, 0, true));
        assert_eq!(*lock(&taken), expected);
    }

    #[test]
    fn a_producer_that_is_told_to_stop_does_not_wait() {
        let mut direct = Direct::start(vec![Box::new(Slow::default())], 1).unwrap();
        let stop = AtomicBool::new(true);
        let results = [(); 20].map(|()| direct.push(&mut batch_of(&[(1, "a"), (1, "b")]), &stop));
        assert!(results.contains(&Err(PushError::Stopped)));
    }
}
