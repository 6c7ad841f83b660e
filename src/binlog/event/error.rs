//! Why an event could not be decoded, and where it is.

use crate::binlog::event::position::Position;
use crate::mysql::wire::Malformed;

/// Why an event could not be decoded. The reader of the stream adds where it stands.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The event does not have the form its type gives it.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The event is not as it was written.
    #[error("checksum error: the event says {stored:08x}, its bytes give {computed:08x}")]
    Checksum {
        /// The checksum in the event.
        stored: u32,
        /// That of its bytes.
        computed: u32,
    },
    /// An event came before any FORMAT_DESCRIPTION.
    #[error("no FORMAT_DESCRIPTION event has come yet: reading must begin at the start of a file")]
    NoFormat,
    /// A row event's table map did not come before it.
    #[error("no table map with number {0} has come before its rows: reading began in the middle of a transaction?")]
    NoTableMap(u64),
    /// A transaction's compression is not known.
    #[error("transaction payload: compression type {0} is not known")]
    Compression(u64),
    /// Compressed bytes could not be decompressed.
    #[error("compressed data: {0}")]
    Decompress(std::io::Error),
    /// The file's events are encrypted.
    #[error("the events are encrypted; the server sends them in clear (--source)")]
    Encrypted,
    /// The consumer of the events wants no more of them.
    #[error(transparent)]
    Consumer(Box<dyn std::error::Error + Send + Sync>),
}

/// An event that could not be decoded.
#[derive(Debug, thiserror::Error)]
#[error("{position}: {source}")]
pub struct EventError {
    /// Where the event begins.
    pub position: Position,
    /// Why.
    pub source: DecodeError,
}
