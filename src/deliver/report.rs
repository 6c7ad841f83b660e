//! The account at the end: what became of all messages.

use crate::deliver::counters::LossReason;
use crate::deliver::outlet::Outlet;

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
    /// Of these, messages that were too large and were cut.
    pub shortened: u64,
    /// Messages it never got, for whatever reason, since the start.
    pub lost: u64,
    /// Messages that come again at the next start: the sink took them and held them back, because no checkpoint can cover them, or they wait
    /// in the spool.
    pub held_back: u64,
    /// Whether the sink ended in time.
    pub finished: bool,
}

impl SinkReport {
    /// The report of a sink whose thread has `finished`, or was abandoned: then what it has not delivered is lost, whether it is still in
    /// the queue or in a system call that does not return.
    pub(crate) fn new(outlet: &Outlet, finished: bool) -> Self {
        let Outlet { queue, counter, .. } = outlet;
        if !finished {
            queue.end();
            counter.close(LossReason::Shutdown, counter.outstanding(), 0);
        }
        Self {
            name: counter.name().to_owned(),
            delivered: counter.delivered(),
            shortened: counter.shortened(),
            lost: counter.lost_total(),
            held_back: counter.held_back(),
            finished,
        }
    }

    /// Whether the sink ended in time and lost nothing.
    pub fn is_complete(&self) -> bool {
        self.finished && self.lost == 0
    }
}

impl ShutdownReport {
    /// Messages lost by all sinks.
    pub fn lost(&self) -> u64 {
        self.sinks.iter().map(|sink| sink.lost).sum()
    }

    /// Whether every sink ended in time and lost nothing.
    pub fn is_complete(&self) -> bool {
        self.sinks.iter().all(SinkReport::is_complete)
    }

    /// Says of each sink what became of its messages; `consequence` is what it means that some were lost.
    pub(crate) fn log(&self, consequence: &str) {
        for sink in &self.sinks {
            let SinkReport { name, delivered, shortened, lost, held_back, finished } = sink;
            if sink.is_complete() {
                tracing::info!(sink = name, delivered, shortened, held_back, "sink closed");
            } else {
                tracing::warn!(sink = name, delivered, shortened, lost, finished, "sink closed, {consequence}");
            }
        }
    }
}
