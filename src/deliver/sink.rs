//! What a destination of messages is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deliver::batch::Batch;
use crate::deliver::counters::SinkCounter;
use crate::deliver::error::SinkError;
use crate::deliver::ledger::Ledger;

/// What a sink has written but publishes only when a checkpoint covers it.
pub trait Staged: Send + Sync {
    /// Distinguishes what this run has written from what others have; `None` where nothing waits for checkpoints.
    fn run(&self) -> Option<&str>;

    /// A checkpoint has been saved that covers everything through this position. What could not be published is published at the next
    /// start.
    fn publish(&self, through: u64) -> Result<(), SinkError>;
}

/// A destination of messages. Its methods are called from a single thread, which they may block.
pub trait Sink: Send {
    /// The name for logs and counters, for example `ndjson:/var/log/sql.ndjson`.
    fn name(&self) -> &str;

    /// Which destination it is, from one start to the next: the spool knows it by this.
    fn identity(&self) -> String {
        self.name().to_owned()
    }

    /// Gives the sink its counters before the first write: of what it loses for good, and of what it sends again.
    fn attach(&mut self, _counter: &Arc<SinkCounter>) {}

    /// What waits for checkpoints, if anything does.
    fn staged(&self) -> Option<Arc<dyn Staged>> {
        None
    }

    /// What its marker stream has to tell, if it has one.
    fn ledger(&self) -> Option<Arc<Ledger>> {
        None
    }

    /// Whether it has a place for what labels say ([`Label`](crate::deliver::Label)).
    fn reads_labels(&self) -> bool {
        false
    }

    /// For how long it may keep what it took while all is well, for the sake of others that are to come. Delivery that takes longer than
    /// that, and some more, is stuck.
    fn holds_for(&self) -> Duration {
        Duration::ZERO
    }

    /// Offers the messages of `batch` from index `from` on; returns how many were taken, in order.
    ///
    /// An error means that none of the rest can be taken now: it will be offered again after a pause.
    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError>;

    /// The position up to which every message that was taken is delivered, or counted as lost for good with the reason; 0 before the
    /// first. It never goes back. What "delivered" means is the sink's to say: acknowledged, written, or on the disk.
    fn delivered_through(&self) -> u64;

    /// Does what is due: rotation by age, serving the client library. Called about every 100 ms.
    fn tick(&mut self) -> Result<(), SinkError>;

    /// How soon the sink would like the next tick, if sooner than usual.
    fn until_tick(&self) -> Duration {
        Duration::MAX
    }

    /// Delivers everything that was taken, until `deadline`. An error means that what is beyond [`Self::delivered_through`] is lost.
    /// Without one it is held back, because no checkpoint can cover it: it comes again at the next start.
    fn flush(&mut self, deadline: Instant) -> Result<(), SinkError>;
}
