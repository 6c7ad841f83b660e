//! One producer that waits for its sinks, in place of the hub's many workers.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::deliver::batch::Batch;
use crate::deliver::counters::{LossReason, SinkCounters};
use crate::deliver::error::SinkError;
use crate::deliver::hub::{ShutdownReport, SinkReport, spawn};
use crate::deliver::pool::Pool;
use crate::deliver::queue::{Bounds, Offered, SinkQueue, lock};
use crate::deliver::runner::Runner;
use crate::deliver::{Sink, Staged};

/// How often a producer that waits for room looks whether it should stop.
const LOOK: Duration = Duration::from_millis(100);
/// A batch of a megabyte or two keeps its memory: to fault it in anew costs more than to fill it.
const SPARE_BYTES: usize = 3 << 20;
const SPARE_MESSAGES: usize = 32 * 1024;
const GRACE: Duration = Duration::from_millis(500);

/// Sinks that one thread feeds. Nothing is dropped: a full queue holds the producer up.
///
/// Messages may come in several forms; each sink takes one of them.
pub struct Direct {
    queues: Vec<(usize, Arc<SinkQueue>)>,
    counters: Arc<SinkCounters>,
    pool: Arc<Pool>,
    ended: Mutex<Receiver<usize>>,
    /// The last position of each form.
    pushed: Vec<u64>,
    staged: Vec<(usize, Arc<dyn Staged>)>,
}

impl std::fmt::Debug for Direct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Direct").field("counters", &self.counters).field("pushed", &self.pushed).finish_non_exhaustive()
    }
}

/// Empty batches with memory from earlier ones.
#[derive(Debug, Clone)]
pub struct SpareBatches(Arc<Pool>);

impl SpareBatches {
    /// An empty batch.
    pub fn take(&self) -> Batch {
        Arc::try_unwrap(self.0.take()).unwrap_or_default()
    }
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
    /// Starts a thread per sink, with a queue of at most `max_bytes` in front of each. With each sink comes the number of the form it
    /// takes, from 0 on. To be fed by the calling thread.
    pub fn start(sinks: Vec<(usize, Box<dyn Sink>)>, max_bytes: usize) -> Result<Self, SinkError> {
        let bounds = Bounds { messages: usize::MAX, bytes: max_bytes };
        let counters = Arc::new(SinkCounters::new(sinks.iter().map(|(_, sink)| sink.name().to_owned())));
        let forms = sinks.iter().map(|(form, _)| form + 1).max().unwrap_or(0);
        let pool = Arc::new(Pool::keeping(SPARE_BYTES, SPARE_MESSAGES));
        let (ended_sender, ended) = mpsc::channel();
        let (mut queues, mut staged) = (Vec::new(), Vec::new());
        for (index, (form, mut sink)) in sinks.into_iter().enumerate() {
            let Some(counter) = counters.sinks().get(index) else { continue };
            sink.attach(counter);
            staged.extend(sink.staged().map(|staged| (form, staged)));
            let queue = Arc::new(SinkQueue::new(bounds));
            queues.push((form, Arc::clone(&queue)));
            let runner = Runner::new(sink, queue, Arc::clone(counter), Arc::clone(&pool), thread::current());
            let ended = ended_sender.clone();
            spawn(&format!("sink-{index}"), move || {
                runner.run();
                // Nobody may be waiting any more.
                let _ = ended.send(index);
            })?;
        }
        Ok(Self { queues, counters, pool, ended: Mutex::new(ended), pushed: vec![0; forms], staged })
    }

    /// Gives a batch in form `form` to every sink that takes this form, waiting for room as long as `stop` is not cancelled.
    pub fn push(&mut self, form: usize, mut batch: Batch, stop: &CancellationToken) -> Result<(), PushError> {
        let first = self.pushed.get(form).map_or(1, |last| last + 1);
        batch.set_position(first);
        let full = Arc::new(batch);
        let mut result = Ok(());
        let takers = self.queues.iter().zip(self.counters.sinks()).filter(|((taken, _), _)| *taken == form);
        for ((_, queue), counter) in takers.filter(|_| !full.is_empty()) {
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
                    None if stop.is_cancelled() => return Err(PushError::Stopped),
                    None => {
                        queue.announce();
                        thread::park_timeout(LOOK);
                    }
                }
            }
        }
        if let Some(pushed) = self.pushed.get_mut(form) {
            *pushed += full.len() as u64;
        }
        self.pool.give(full);
        result
    }

    /// Empty batches to be filled and pushed.
    pub fn spare_batches(&self) -> SpareBatches {
        SpareBatches(Arc::clone(&self.pool))
    }

    /// The last position of each form.
    pub fn pushed(&self) -> &[u64] {
        &self.pushed
    }

    /// Whether every sink has delivered everything through the position of its form. What the destination will never take counts too;
    /// what was lost because a sink ended, or at the shutdown, does not: it is to come again.
    pub fn has_delivered(&self, positions: &[u64]) -> bool {
        self.queues
            .iter()
            .zip(self.counters.sinks())
            .all(|((form, _), counter)| counter.delivered_through() >= positions.get(*form).copied().unwrap_or(0))
    }

    /// What a checkpoint after these positions, one for each form, has to say of what sinks keep back until it is saved: the position
    /// that it covers, by the run.
    pub fn marks(&self, positions: &[u64]) -> BTreeMap<String, u64> {
        let mark = |(form, staged): &(usize, Arc<dyn Staged>)| {
            let through = positions.get(*form).copied().unwrap_or(0);
            staged.run().map(|run| (run.to_owned(), through))
        };
        self.staged.iter().filter_map(mark).collect()
    }

    /// That checkpoint is saved.
    pub fn publish(&self, positions: &[u64]) -> Result<(), SinkError> {
        for (form, staged) in &self.staged {
            staged.publish(positions.get(*form).copied().unwrap_or(0))?;
        }
        Ok(())
    }

    /// An error if a sink has ended. It need not be pushed to for that to be known.
    pub fn check(&self) -> Result<(), PushError> {
        let ended = self.queues.iter().zip(self.counters.sinks()).find(|((_, queue), _)| queue.has_ended());
        ended.map_or(Ok(()), |(_, counter)| Err(PushError::Ended(counter.name().to_owned())))
    }

    /// What became of the messages so far.
    pub fn counters(&self) -> Arc<SinkCounters> {
        Arc::clone(&self.counters)
    }

    /// Delivers what was pushed, until `deadline`; what is not delivered by then is counted as lost.
    pub fn shutdown(&mut self, deadline: Instant) -> ShutdownReport {
        for (_, queue) in &self.queues {
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
        let sinks = self.queues.iter().zip(self.counters.sinks()).zip(finished);
        let sinks = sinks.map(|(((_, queue), counter), finished)| SinkReport::new(queue, counter, finished));
        ShutdownReport { sinks: sinks.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::batch::batch_of;

    #[derive(Default)]
    struct Slow {
        taken: Arc<Mutex<Vec<u8>>>,
        delivered: u64,
    }

    impl Sink for Slow {
        fn name(&self) -> &str {
            "slow"
        }

        fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
            thread::sleep(Duration::from_millis(2));
            lock(&self.taken).extend_from_slice(batch.lines(from..from + 1));
            self.delivered = batch.position(from);
            Ok(1)
        }

        fn delivered_through(&self) -> u64 {
            self.delivered
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
        let mut direct = Direct::start(vec![(0, Box::new(sink))], 8).unwrap();
        let stop = CancellationToken::new();
        let mut expected = Vec::new();
        for number in 10..40 {
            let text = number.to_string();
            expected.extend_from_slice(format!("{text}\n").as_bytes());
            direct.push(0, batch_of(&[(1, &text)]), &stop).unwrap();
            assert!(direct.pushed()[0] <= 4 || direct.has_delivered(&[direct.pushed()[0] - 4]));
        }
        let report = direct.shutdown(Instant::now() + Duration::from_secs(60));
        assert_eq!((report.sinks[0].delivered, report.lost(), report.sinks[0].finished), (30, 0, true));
        assert_eq!(*lock(&taken), expected);
    }

    #[test]
    fn each_sink_takes_its_form() {
        let sinks = [Slow::default(), Slow::default(), Slow::default()];
        let taken = [0, 1, 2].map(|index: usize| Arc::clone(&sinks[index].taken));
        let forms = [0, 1, 0];
        let sinks = forms.into_iter().zip(sinks).map(|(form, sink)| (form, Box::new(sink) as Box<dyn Sink>));
        let mut direct = Direct::start(sinks.collect(), 1 << 20).unwrap();
        let stop = CancellationToken::new();
        direct.push(0, batch_of(&[(1, "a"), (1, "b")]), &stop).unwrap();
        direct.push(1, batch_of(&[(1, "c")]), &stop).unwrap();
        assert_eq!(direct.pushed(), [2, 1]);
        direct.shutdown(Instant::now() + Duration::from_secs(60));
        assert!(direct.has_delivered(&[2, 1]) && !direct.has_delivered(&[2, 2]));
        assert_eq!(taken.map(|taken| lock(&taken).clone()), [&b"a\nb\n"[..], b"c\n", b"a\nb\n"]);
    }

    /// A sink whose reader goes away behind the first message.
    struct Closing;

    impl Sink for Closing {
        fn name(&self) -> &str {
            "closing"
        }

        fn write(&mut self, _: &Batch, from: usize) -> Result<usize, SinkError> {
            if from == 0 { Ok(1) } else { Err(SinkError::Closed { target: "reader".into() }) }
        }

        fn delivered_through(&self) -> u64 {
            1
        }

        fn tick(&mut self) -> Result<(), SinkError> {
            Ok(())
        }

        fn flush(&mut self, _: Instant) -> Result<(), SinkError> {
            Ok(())
        }
    }

    #[test]
    fn what_a_sink_that_ended_did_not_take_is_not_delivered() {
        let mut direct = Direct::start(vec![(0, Box::new(Closing))], 1 << 20).unwrap();
        let stop = CancellationToken::new();
        let pushed = direct.push(0, batch_of(&[(1, "a"), (1, "b"), (1, "c")]), &stop);
        assert_eq!(pushed, Ok(()));
        let report = direct.shutdown(Instant::now() + Duration::from_secs(60));
        assert_eq!((report.sinks[0].delivered, report.lost()), (1, 2));
        assert!(direct.has_delivered(&[1]) && !direct.has_delivered(&[2]));
    }

    /// As a full pipe that nobody reads.
    struct Stuck {
        entered: mpsc::Sender<()>,
        release: Receiver<()>,
    }

    impl Sink for Stuck {
        fn name(&self) -> &str {
            "stuck"
        }

        fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
            let _ = self.entered.send(());
            // Until the test is over.
            let _ = self.release.recv();
            Ok(batch.len() - from)
        }

        fn delivered_through(&self) -> u64 {
            0
        }

        fn tick(&mut self) -> Result<(), SinkError> {
            Ok(())
        }

        fn flush(&mut self, _: Instant) -> Result<(), SinkError> {
            Ok(())
        }
    }

    #[test]
    fn what_a_sink_that_is_stuck_has_in_its_hands_is_lost() {
        let ((entered, is_stuck), (_over, release)) = (mpsc::channel(), mpsc::channel());
        let mut direct = Direct::start(vec![(0, Box::new(Stuck { entered, release }))], 1 << 20).unwrap();
        direct.push(0, batch_of(&[(1, "a"), (1, "b"), (1, "c")]), &CancellationToken::new()).unwrap();
        is_stuck.recv().unwrap();
        direct.push(0, batch_of(&[(1, "d")]), &CancellationToken::new()).unwrap();
        let report = direct.shutdown(Instant::now());
        assert_eq!((report.sinks[0].delivered, report.lost(), report.sinks[0].finished), (0, 4, false));
    }

    #[test]
    fn a_producer_that_is_told_to_stop_does_not_wait() {
        let sink = Slow::default();
        let taken = Arc::clone(&sink.taken);
        let mut direct = Direct::start(vec![(0, Box::new(sink))], 1).unwrap();
        let stop = CancellationToken::new();
        stop.cancel();
        // The sink cannot take anything.
        let _held = lock(&taken);
        let results = [(); 2].map(|()| direct.push(0, batch_of(&[(1, "a"), (1, "b")]), &stop));
        assert_eq!(results, [Ok(()), Err(PushError::Stopped)]);
    }
}
