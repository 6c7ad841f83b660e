//! Starts and stops the threads between the workers and the sinks.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::deliver::Sink;
use crate::deliver::counters::{LossReason, SinkCounter, SinkCounters};
use crate::deliver::dispatcher::{Dispatcher, Outlet};
use crate::deliver::error::SinkError;
use crate::deliver::ingest::{Ingest, Shared, Slot};
use crate::deliver::pool::Pool;
use crate::deliver::queue::{Bounds, SinkQueue, lock};
use crate::deliver::runner::Runner;
use crate::deliver::{Backpressure, QueueConfig};

/// After the deadline a sink's thread has this long to notice it.
const GRACE: Duration = Duration::from_millis(500);

/// The way from the proxy's workers to the sinks: a dispatcher thread and a thread per sink.
///
/// ```text
///   worker --append--> Ingest --\                        /--> queue --> sink
///   worker --append--> Ingest ----> dispatcher: a round -
///   worker --append--> Ingest --/   every few ms         \--> queue --> sink
/// ```
#[derive(Debug)]
pub struct Hub {
    shared: Arc<Shared>,
    slots: Arc<Mutex<Vec<Arc<Slot>>>>,
    queues: Vec<Arc<SinkQueue>>,
    /// Ends by itself at the deadline of the shutdown at the latest.
    dispatcher: Option<thread::JoinHandle<()>>,
    /// Receives the index of each sink whose thread has ended.
    ended: Mutex<Receiver<usize>>,
}

/// What became of everything that was accepted.
#[derive(Debug)]
pub struct ShutdownReport {
    /// One report per sink, in the order the sinks were given.
    pub sinks: Vec<SinkReport>,
}

/// What became of the messages of one sink.
#[derive(Debug)]
pub struct SinkReport {
    /// The sink's name.
    pub name: String,
    /// Messages the destination has.
    pub delivered: u64,
    /// Messages it never got, for whatever reason, since the start.
    pub lost: u64,
    /// Whether the sink came to its end in time.
    pub finished: bool,
}

impl SinkReport {
    /// The report of a sink whose thread has `finished`, or is left behind: then what it has not acknowledged is lost, whether it is in
    /// the queue or in the hands of a system call that does not return.
    pub(crate) fn new(queue: &SinkQueue, counter: &SinkCounter, finished: bool) -> Self {
        if !finished {
            queue.end(&thread::current());
            counter.close(LossReason::Shutdown, counter.outstanding());
        }
        Self { name: counter.name().to_owned(), delivered: counter.delivered(), lost: counter.lost_total(), finished }
    }
}

impl ShutdownReport {
    /// Messages lost by all sinks.
    pub fn lost(&self) -> u64 {
        self.sinks.iter().map(|sink| sink.lost).sum()
    }
}

impl Hub {
    /// Starts the threads. The sinks get every message that is appended from now on.
    pub fn start(sinks: Vec<Box<dyn Sink>>, config: QueueConfig) -> Result<Self, SinkError> {
        let bounds = Bounds { messages: config.max_messages, bytes: config.max_bytes };
        let counters = Arc::new(SinkCounters::new(sinks.iter().map(|sink| sink.name().to_owned())));
        let blocks = config.backpressure == Backpressure::Block;
        let shared = Arc::new(Shared::new(Arc::clone(&counters), bounds, config.batch_size, blocks));
        let slots = Arc::new(Mutex::new(Vec::new()));
        let pool = Arc::new(Pool::default());
        let queues: Vec<_> = sinks.iter().map(|_| Arc::new(SinkQueue::new(bounds))).collect();

        let outlets = queues
            .iter()
            .zip(counters.sinks())
            .map(|(queue, counter)| Outlet::new(Arc::clone(queue), Arc::clone(counter)));
        let dispatcher = Dispatcher::new(
            Arc::clone(&shared),
            Arc::clone(&slots),
            outlets.collect(),
            Arc::clone(&pool),
            config.flush_interval,
        );
        let dispatcher_thread = spawn("dispatcher", move || dispatcher.run())?;
        let dispatcher = dispatcher_thread.thread().clone();
        // Nobody else sets it.
        let _ = shared.dispatcher.set(dispatcher.clone());

        let (ended_sender, ended) = mpsc::channel();
        for (index, mut sink) in sinks.into_iter().enumerate() {
            let (Some(queue), Some(counter)) = (queues.get(index), counters.sinks().get(index)) else {
                continue;
            };
            sink.attach(counter);
            let (queue, counter, pool) = (Arc::clone(queue), Arc::clone(counter), Arc::clone(&pool));
            let runner = Runner::new(sink, queue, counter, pool, dispatcher.clone());
            let ended = ended_sender.clone();
            spawn(&format!("sink-{index}"), move || {
                runner.run();
                // The hub may have stopped waiting.
                let _ = ended.send(index);
            })?;
        }
        Ok(Self { shared, slots, queues, dispatcher: Some(dispatcher_thread), ended: Mutex::new(ended) })
    }

    /// A way in for one more worker thread.
    pub fn ingest(&self) -> Ingest {
        let slot = Arc::new(Slot::default());
        lock(&self.slots).push(Arc::clone(&slot));
        Ingest::new(slot, Arc::clone(&self.shared))
    }

    /// What happens when a queue is full.
    pub fn backpressure(&self) -> Backpressure {
        if self.shared.blocks { Backpressure::Block } else { Backpressure::Drop }
    }

    /// What became of the messages so far.
    pub fn counters(&self) -> Arc<SinkCounters> {
        Arc::clone(&self.shared.counters)
    }

    /// Delivers what was appended so far, until `deadline`; what is not delivered by then is counted as lost.
    ///
    /// A sink that is stuck in a system call (a full pipe nobody reads) is left behind.
    pub fn shutdown(mut self, deadline: Instant) -> ShutdownReport {
        self.close(deadline);
        if let Some(dispatcher) = self.dispatcher.take() {
            // A panic there was reported already; the sinks are waited for in any case.
            let _ = dispatcher.join();
        }
        let mut finished = vec![false; self.queues.len()];
        let ended = lock(&self.ended);
        while finished.contains(&false) {
            let patience = (deadline + GRACE).saturating_duration_since(Instant::now());
            match ended.recv_timeout(patience) {
                Ok(index) => {
                    if let Some(finished) = finished.get_mut(index) {
                        *finished = true;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        let sinks = self.queues.iter().zip(self.shared.counters.sinks()).zip(finished);
        let sinks = sinks.map(|((queue, counter), finished)| SinkReport::new(queue, counter, finished));
        ShutdownReport { sinks: sinks.collect() }
    }

    fn close(&self, deadline: Instant) {
        // Set at most once: a hub that was shut down keeps its deadline when it is dropped.
        let _ = self.shared.closing.set(deadline);
        self.shared.wake_dispatcher();
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.close(Instant::now());
    }
}

pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<thread::JoinHandle<()>, SinkError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|source| SinkError::Thread { name: name.to_owned(), source })
}
