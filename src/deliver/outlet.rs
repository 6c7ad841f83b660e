//! A sink from outside: its queue and its counter.

use std::sync::Arc;

use crate::deliver::counters::SinkCounter;
use crate::deliver::queue::SinkQueue;

/// A sink as those who feed it see it.
#[derive(Debug, Clone)]
pub(crate) struct Outlet {
    /// The form of messages that the sink takes.
    pub(crate) form: usize,
    pub(crate) queue: Arc<SinkQueue>,
    pub(crate) counter: Arc<SinkCounter>,
}
