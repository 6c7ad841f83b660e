//! Why what waits for its transaction's end could not be kept.

use std::path::PathBuf;

use crate::binlog::checkpoint::PreparedXa;
use crate::mysql::wire::Malformed;
use crate::segment::SegmentError;

/// Why a transaction could not be held back until its end.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// The disk does not take it, or does not give it back.
    #[error(
        "a transaction of more than 16 MiB is kept on the disk until its end: {0}; give a folder with more room (--temp-dir)"
    )]
    Segment(#[from] SegmentError),
    /// The same of XA transactions that are prepared.
    #[error(
        "XA transactions that are prepared are kept on the disk until XA COMMIT where they have more than 16 MiB in all: {0}; give a folder \
         with more room (--temp-dir)"
    )]
    Prepared(SegmentError),
    /// The folder of prepared XA transactions does not take them.
    #[error(
        "XA transactions that are prepared are kept in {} until XA COMMIT: {reason}; make room there, or give another folder (--xa-dir) after \
         copying what is in this one to it", folder.display()
    )]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file that a checkpoint names is not there, or not what it was.
    #[error(
        "the XA transaction {} is prepared and has not ended, and its rows are in {}: {reason}; bring back the file, which belongs to the \
         checkpoint, or read them again: --from {}:{}, after which the rows from there on come again", xa.xid, path.display(), xa.file, xa.offset
    )]
    Lost {
        /// The transaction.
        xa: Box<PreparedXa>,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The run that saved a checkpoint had no folder for a transaction that was prepared.
    #[error(
        "the XA transaction {} was prepared when the checkpoint was made, and there was no folder to keep its rows in (--xa-dir); read them \
         again: --from {}:{}, after which the rows from there on come again", xa.xid, xa.file, xa.offset
    )]
    NotKept {
        /// The transaction.
        xa: Box<PreparedXa>,
    },
    /// A file cannot be opened.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// What was read back is not what was written.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}
