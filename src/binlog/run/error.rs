//! Why reading ends early.

use crate::binlog::checkpoint::CheckpointError;
use crate::binlog::event::position::Position;
use crate::binlog::source::BinlogError;
use crate::binlog::table::history::HistoryError;
use crate::binlog::transaction::hold_error::HoldError;
use crate::deliver::{PushError, SinkError};

/// Why reading ended before it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Source(#[from] BinlogError),
    #[error(transparent)]
    Sink(#[from] PushError),
    /// What is delivered and covered by the checkpoint cannot be seen.
    #[error("{0}; it is done at the next start")]
    Publish(SinkError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Hold(#[from] HoldError),
    #[error(
        "{position}: the files end in the middle of a transaction, of which {row_events} row events were read: nothing of it is passed on; \
         give the file that goes on with it as well, in order"
    )]
    Unfinished { position: Position, row_events: u64 },
    #[error("{0}")]
    Start(String),
    #[error("{position}: an event of type {code}, which is not known (`strict`)")]
    Unknown { position: Position, code: u8 },
    #[error(
        "{position}: the server reports an incident: events may be missing from its binlog (`strict`); after a new copy of the data go on \
         after it with --from"
    )]
    Incident { position: Position },
    #[error("thread {name} could not be started: {source}")]
    Thread { name: &'static str, source: std::io::Error },
    /// The other side of a channel is gone; it has said why.
    #[error("ended")]
    Ended,
}
