//! A sink from outside: its queue and its counter.

use std::sync::Arc;
use std::time::Duration;

use crate::deliver::counters::SinkCounter;
use crate::deliver::ledger::Ledger;
use crate::deliver::queue::SinkQueue;

/// A sink as those who feed it see it.
#[derive(Debug, Clone)]
pub(crate) struct Outlet {
    /// The form of messages that the sink takes.
    pub(crate) form: usize,
    pub(crate) queue: Arc<SinkQueue>,
    pub(crate) counter: Arc<SinkCounter>,
    /// See [`Sink::holds_for`](crate::deliver::Sink::holds_for).
    pub(crate) holds_for: Duration,
    /// With a marker stream.
    pub(crate) ledger: Option<Arc<Ledger>>,
}
