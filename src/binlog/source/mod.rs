//! Where events come from.

mod catalog;
mod file;
mod server;

pub(crate) use catalog::ServerSchemas;
pub(crate) use file::FileSource;
pub(crate) use server::{BinlogStart, LogExtent, ServerSource, SourceOptions};

use crate::binlog::event::error::{DecodeError, EventError};
use crate::binlog::event::position::Position;
use crate::binlog::transaction::hold_error::HoldError;
use crate::client::ClientError;

/// Why reading ended.
#[derive(Debug, thiserror::Error)]
pub enum BinlogError {
    /// An event could not be decoded.
    #[error("{position}: {source}")]
    Event {
        /// Where the event begins.
        position: Position,
        /// Why.
        source: DecodeError,
    },
    /// A file could not be read.
    #[error("{file}: {source}")]
    File {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no binlog.
    #[error("{file} is no binlog: {reason}")]
    NoBinlog {
        /// The file.
        file: String,
        /// Why.
        reason: &'static str,
    },
    /// A file ends in the middle of an event.
    #[error("{position}: the file ends in the middle of an event; it is being written, or was cut off")]
    Truncated {
        /// Where the event begins.
        position: Position,
    },
    /// The last file ends in the middle of a transaction.
    #[error(
        "{position}: the files end in the middle of a transaction, of which {row_events} row events were read; nothing of it is given out"
    )]
    Unfinished {
        /// The end of what was read.
        position: Position,
        /// How many row events of it there are.
        row_events: u64,
    },
    /// A large transaction could not be kept until its end.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// The server could not be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server has ended its stream of events.
    #[error("{address} has ended the stream of events, as servers do when they are shut down")]
    StreamEnded {
        /// Host and port.
        address: String,
    },
    /// The server does not have what was asked for.
    #[error("{0}")]
    Refused(String),
    /// The server does not have any more what was asked for.
    #[error("{0}")]
    Purged(String),
}

impl From<EventError> for BinlogError {
    fn from(EventError { position, source }: EventError) -> Self {
        Self::Event { position, source }
    }
}

impl BinlogError {
    /// Whether connecting again may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::StreamEnded { .. } => true,
            Self::Client(error) => error.is_transient(),
            _ => false,
        }
    }

    /// Whether what was asked for is not there any more.
    pub(crate) fn is_purged(&self) -> bool {
        matches!(self, Self::Purged(_))
    }
}
