//! Pieces of prepared XA transactions on the disk, and what becomes of them.

use std::sync::Arc;

use crate::binlog::transaction::hold_error::HoldError;
use crate::binlog::transaction::piece::{Completion, Piece};
use crate::binlog::transaction::prepared::file::PreparedFile;

/// Where the pieces of a transaction are.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) file: Arc<PreparedFile>,
    /// Which of the file's transactions it is.
    pub(crate) index: u64,
    /// The records of its pieces.
    pub(crate) records: Vec<usize>,
}

/// A piece whose transaction has ended.
#[derive(Debug)]
pub(crate) struct CompletedPiece {
    pub(crate) file: Arc<PreparedFile>,
    pub(crate) record: usize,
    pub(crate) completion: Arc<Completion>,
}

impl CompletedPiece {
    /// Reads it into an empty piece.
    pub(crate) fn read(&self, piece: &mut Piece) -> Result<(), HoldError> {
        self.file.read(self.record, piece)?;
        piece.complete(&self.completion);
        Ok(())
    }
}
