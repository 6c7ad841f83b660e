//! What was done, for the log and the exit code.

use crate::binlog::event::position::Position;
use crate::binlog::transaction::counters::BinlogCounters;

/// What was done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summary {
    pub(crate) counters: BinlogCounters,
    pub(crate) position: Position,
    /// The time of the latest event, in seconds since 1970.
    pub(crate) timestamp: u32,
    /// Every sink came to its end and lost nothing.
    pub(crate) is_delivered: bool,
}
