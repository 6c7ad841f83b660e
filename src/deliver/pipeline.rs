//! The pipeline: a queue and a thread for each sink, one start, one shutdown, and two ways in.
//!
//! ```text
//!   worker --append--> Ingest --\
//!   worker --append--> Ingest ----> dispatcher: a round  --\     /--> queue --> sink
//!   worker --append--> Ingest --/   every few milliseconds  >---<
//!   one reader --push, which waits for room ---------------/     \--> queue --> sink
//! ```
//!
//! Messages get their positions where the two meet, in front of the queues. With a spool (`spool`) that is where the dispatcher, or a worker, appends
//! to it: what a queue has no room for comes from there later.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::audit::{Event, StreamPosition};
use crate::deliver::batch::Batch;
use crate::deliver::config::{Backpressure, QueueConfig};
use crate::deliver::counters::{LossReason, SinkCounters};
use crate::deliver::dispatcher::Dispatcher;
use crate::deliver::error::SinkError;
use crate::deliver::ingest::{Ingest, Shared, Slot};
use crate::deliver::ledger::{Ledger, Witness};
use crate::deliver::outlet::Outlet;
use crate::deliver::overview::Overview;
use crate::deliver::pool::Pool;
use crate::deliver::position::Positions;
use crate::deliver::queue::{Bounds, Offered, SinkQueue, lock};
use crate::deliver::report::{ShutdownReport, SinkReport};
use crate::deliver::runner::Runner;
use crate::deliver::sink::{Sink, Staged};
use crate::deliver::spool::{Spool, SpoolCounts, SpoolFull};

/// After the deadline a sink's thread has this long to notice it.
const GRACE: Duration = Duration::from_millis(500);
/// How often a reader that waits for room checks whether it should stop.
const LOOK: Duration = Duration::from_millis(100);
/// A reader's batches are of a megabyte or two, and keep their memory: faulting it in again costs more than filling it.
const READER_SPARE_BYTES: usize = 3 << 20;
const READER_SPARE_MESSAGES: usize = 32 * 1024;

/// The way from those who produce messages to the sinks.
///
/// Messages may come in several forms, which have positions of their own; each sink takes one form.
pub struct Pipeline {
    outlets: Vec<Outlet>,
    counters: Arc<SinkCounters>,
    staged: Vec<(usize, Arc<dyn Staged>)>,
    positions: Arc<Positions>,
    pool: Arc<Pool>,
    workers: Workers,
    spool: Option<Arc<Spool>>,
    /// Receives the index of each sink whose thread has ended.
    ended: Mutex<Receiver<usize>>,
}

/// The way in for the proxy's workers.
struct Workers {
    shared: Arc<Shared>,
    slots: Arc<Mutex<Vec<Arc<Slot>>>>,
    flush_interval: Duration,
    /// Started with the first worker. Ends at the deadline of the shutdown at the latest.
    dispatcher: Mutex<Option<thread::JoinHandle<()>>>,
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
    /// The reader was told to stop while it waited.
    #[error("stopped while a sink was full")]
    Stopped,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline")
            .field("counters", &self.counters)
            .field("positions", &self.positions)
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    /// Starts a thread for each sink. With each comes the form of messages that it takes, from 0 on.
    pub fn start(sinks: Vec<(usize, Box<dyn Sink>)>, config: &QueueConfig) -> Result<Self, SinkError> {
        Self::start_with(sinks, config, None)
    }

    /// As [`Self::start`] for sinks that all take form 0, with a spool that was opened for them in front of their queues: what workers append
    /// is in it until each sink has delivered it, be it after another start.
    pub fn start_spooled(sinks: Vec<Box<dyn Sink>>, config: &QueueConfig, spool: Spool) -> Result<Self, SinkError> {
        Self::start_with(sinks.into_iter().map(|sink| (0, sink)).collect(), config, Some(Arc::new(spool)))
    }

    fn start_with(
        sinks: Vec<(usize, Box<dyn Sink>)>,
        config: &QueueConfig,
        spool: Option<Arc<Spool>>,
    ) -> Result<Self, SinkError> {
        let bounds = Bounds { messages: config.max_messages, bytes: config.max_bytes };
        let names = sinks.iter().map(|(_, sink)| sink.name().to_owned());
        let counters = Arc::new(match &spool {
            None => SinkCounters::new(names),
            Some(spool) => SinkCounters::spooled(names, spool.delivered_at_start()),
        });
        let forms = sinks.iter().map(|(form, _)| form + 1).max().unwrap_or(1);
        let blocks = match &spool {
            None => config.backpressure == Backpressure::Block,
            Some(spool) => spool.policy() != SpoolFull::Drop,
        };
        let mut shared = Shared::new(Arc::clone(&counters), bounds, config.batch_size, blocks);
        // What is in the spool may go to other sinks after the next start.
        shared.reads_labels = spool.is_some() || sinks.iter().any(|(_, sink)| sink.reads_labels());
        shared.spool.clone_from(&spool);
        let pool = Arc::new(Pool::default());
        let (ended_sender, ended) = mpsc::channel();
        let (mut outlets, mut staged) = (Vec::new(), Vec::new());
        for (index, ((form, mut sink), counter)) in sinks.into_iter().zip(counters.sinks()).enumerate() {
            sink.attach(counter);
            staged.extend(sink.staged().map(|staged| (form, staged)));
            let queue = Arc::new(SinkQueue::new(bounds));
            let (holds_for, ledger) = (sink.holds_for(), sink.ledger());
            let outlet = Outlet { form, queue, counter: Arc::clone(counter), holds_for, ledger };
            let runner = Runner::new(sink, outlet.clone(), Arc::clone(&pool));
            outlets.push(outlet);
            let ended = ended_sender.clone();
            spawn(&format!("sink-{index}"), move || {
                runner.run();
                // Nobody may be waiting any more.
                let _ = ended.send(index);
            })?;
        }
        shared.witness = Arc::new(Witness::new(outlets.iter().filter_map(|outlet| outlet.ledger.clone()).collect()));
        let workers = Workers {
            shared: Arc::new(shared),
            slots: Arc::default(),
            flush_interval: config.flush_interval,
            dispatcher: Mutex::default(),
        };
        let positions = Arc::new(Positions::new(forms));
        Ok(Self { outlets, counters, staged, positions, pool, workers, spool, ended: Mutex::new(ended) })
    }

    /// A way in for one more worker thread, which appends without waiting. Its messages are of form 0.
    pub fn ingest(&self) -> Result<Ingest, SinkError> {
        let Workers { shared, slots, flush_interval, dispatcher } = &self.workers;
        let mut dispatcher = lock(dispatcher);
        if dispatcher.is_none() {
            let outlets = self.outlets.iter().filter(|outlet| outlet.form == 0).cloned();
            let run = Dispatcher::new(
                Arc::clone(shared),
                Arc::clone(slots),
                outlets.collect(),
                Arc::clone(&self.positions),
                Arc::clone(&self.pool),
                *flush_interval,
            );
            let thread = spawn("dispatcher", move || run.run())?;
            // Nobody else sets it.
            let _ = shared.dispatcher.set(thread.thread().clone());
            *dispatcher = Some(thread);
        }
        let slot = Arc::new(Slot::default());
        lock(slots).push(Arc::clone(&slot));
        Ok(Ingest::new(slot, Arc::clone(shared)))
    }

    /// The way in for one reader: gives a batch of form `form` to every sink that takes it. Nothing is dropped: a full queue holds the
    /// reader up, as long as `stop` is not cancelled.
    pub fn push(&self, form: usize, mut batch: Batch, stop: &CancellationToken) -> Result<(), PushError> {
        self.positions.assign(form, &mut batch);
        let batch = Arc::new(batch);
        let mut result = Ok(());
        for outlet in self.outlets.iter().filter(|outlet| outlet.form == form && !batch.is_empty()) {
            loop {
                match outlet.queue.offer_whole(&batch) {
                    Some(Offered::Accepted(messages)) => {
                        outlet.counter.queue(&batch, messages);
                        outlet.queue.announce();
                        break;
                    }
                    Some(Offered::Ended) => {
                        outlet.counter.lose(LossReason::SinkEnded, batch.len() as u64);
                        result = Err(PushError::Ended(outlet.counter.name().to_owned()));
                        break;
                    }
                    None if stop.is_cancelled() => return Err(PushError::Stopped),
                    None => {
                        outlet.queue.announce();
                        thread::park_timeout(LOOK);
                    }
                }
            }
        }
        self.pool.give(batch);
        result
    }

    /// Empty batches for a reader to fill and push.
    pub fn spare_batches(&self) -> SpareBatches {
        self.pool.keep(READER_SPARE_BYTES, READER_SPARE_MESSAGES);
        SpareBatches(Arc::clone(&self.pool))
    }

    /// The last position of each form.
    pub fn positions(&self) -> Vec<u64> {
        self.positions.last()
    }

    /// Whether every sink has delivered everything through the position of its form. What the destination will never take counts too;
    /// what was lost because a sink ended, or at the shutdown, does not: it must come again.
    pub fn has_delivered(&self, positions: &[u64]) -> bool {
        let wanted = |form: usize| positions.get(form).copied().unwrap_or(0);
        self.outlets.iter().all(|outlet| outlet.counter.delivered_through() >= wanted(outlet.form))
    }

    /// What a checkpoint after these positions, one for each form, must record about what sinks hold back until it is saved: the
    /// position that it covers, for each run.
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

    /// Whether a sink that takes this form has a marker stream.
    pub fn has_markers(&self, form: usize) -> bool {
        self.ledgers(Some(form)).next().is_some()
    }

    /// Something happened at this time, in milliseconds since 1970, that the marker streams of one form or of all are to tell.
    pub fn tell(&self, form: Option<usize>, time: u64, event: &Event) {
        self.ledgers(form).for_each(|(_, ledger)| ledger.tell(time, event.clone()));
    }

    /// So many rows have become messages since the start.
    pub fn tell_rows(&self, rows: u64) {
        self.ledgers(None).for_each(|(_, ledger)| ledger.rows(rows));
    }

    /// What was pushed so far is what comes before this position of a binlog. Such boundaries are numbered from 1 on.
    pub fn tell_boundary(&self, number: u64, position: StreamPosition) {
        let (positions, position) = (self.positions(), Arc::new(position));
        for (form, ledger) in self.ledgers(None) {
            ledger.boundary(number, positions.get(form).copied().unwrap_or(0), &position);
        }
    }

    /// The last of these boundaries that every marker stream has; `None`: there is no marker stream.
    pub fn covered(&self) -> Option<u64> {
        self.ledgers(None).map(|(_, ledger)| ledger.covered()).min()
    }

    fn ledgers(&self, form: Option<usize>) -> impl Iterator<Item = (usize, &Arc<Ledger>)> {
        let outlets = self.outlets.iter().filter(move |outlet| form.is_none_or(|form| form == outlet.form));
        outlets.filter_map(|outlet| Some((outlet.form, outlet.ledger.as_ref()?)))
    }

    /// An error if a sink has ended, even if nothing was pushed to it since.
    pub fn check(&self) -> Result<(), PushError> {
        let ended = self.outlets.iter().find(|outlet| outlet.queue.has_ended());
        ended.map_or(Ok(()), |outlet| Err(PushError::Ended(outlet.counter.name().to_owned())))
    }

    /// What happens when a queue is full.
    pub fn backpressure(&self) -> Backpressure {
        if self.workers.shared.blocks { Backpressure::Block } else { Backpressure::Drop }
    }

    /// What its queues and sinks are like, at any time.
    pub(crate) fn overview(&self) -> Overview {
        Overview::new(self.outlets.clone(), Arc::clone(&self.workers.shared))
    }

    /// How the spool is; `None`: there is none.
    pub fn spool(&self) -> Option<SpoolCounts> {
        self.spool.as_ref().map(|spool| spool.counts())
    }

    /// What became of the messages so far.
    pub fn counters(&self) -> Arc<SinkCounters> {
        Arc::clone(&self.counters)
    }

    /// Delivers what came in so far, until `deadline`; what is not delivered by then is counted as lost.
    ///
    /// A sink that is stuck in a system call (a full pipe nobody reads) is abandoned.
    pub fn shutdown(&mut self, deadline: Instant) -> ShutdownReport {
        self.close(deadline);
        if let Some(dispatcher) = lock(&self.workers.dispatcher).take() {
            // A panic there was reported already; the sinks are waited for in any case.
            let _ = dispatcher.join();
        }
        self.close_queues(deadline);
        let mut finished = vec![false; self.outlets.len()];
        let ended = lock(&self.ended);
        while finished.contains(&false) {
            let patience = (deadline + GRACE).saturating_duration_since(Instant::now());
            let Ok(index) = ended.recv_timeout(patience) else { break };
            if let Some(finished) = finished.get_mut(index) {
                *finished = true;
            }
        }
        if let Some(spool) = &self.spool {
            let delivered: Vec<_> = self.outlets.iter().map(|outlet| outlet.counter.delivered_through()).collect();
            spool.finish(&delivered);
            for (outlet, delivered) in self.outlets.iter().zip(delivered) {
                outlet.counter.hold_back(spool.last().saturating_sub(delivered));
            }
        }
        let sinks = self.outlets.iter().zip(finished);
        ShutdownReport { sinks: sinks.map(|(outlet, finished)| SinkReport::new(outlet, finished)).collect() }
    }

    /// The dispatcher makes its last round. Set at most once: a pipeline that was shut down keeps its deadline when it is dropped.
    fn close(&self, deadline: Instant) {
        let _ = self.workers.shared.closing.set(deadline);
        self.workers.shared.wake_dispatcher();
    }

    fn close_queues(&self, deadline: Instant) {
        for outlet in &self.outlets {
            outlet.queue.close(deadline);
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let now = Instant::now();
        self.close(now);
        // The dispatcher does it after its last round.
        if lock(&self.workers.dispatcher).is_none() {
            self.close_queues(now);
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<thread::JoinHandle<()>, SinkError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|source| SinkError::Thread { name: name.to_owned(), source })
}
