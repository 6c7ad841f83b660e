//! What can go wrong with a segment.

use std::io;
use std::path::{Path, PathBuf};

/// Why records could not be kept, or read back.
#[derive(Debug, thiserror::Error)]
#[error("{}: {failure}", path.display())]
pub struct SegmentError {
    path: PathBuf,
    failure: Failure,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("a temporary file could not be made: {0}")]
    Create(io::Error),
    #[error("the segment file could not be opened: {0}")]
    Open(io::Error),
    #[error("the segment file could not be written: {0}")]
    Write(io::Error),
    #[error("the segment file could not be read: {0}")]
    Read(io::Error),
    #[error("another process uses the segment file")]
    Taken,
    #[error("the segment file is full: it may have {limit} bytes")]
    Full { limit: u64 },
    #[error("not a segment file of this program")]
    Foreign,
    #[error("a segment file of version {found}; this program knows version {known}")]
    Version { found: u32, known: u32 },
    #[error("the segment file is damaged at offset {offset}")]
    Damaged { offset: u64 },
}

impl Failure {
    pub(crate) fn at(self, path: &Path) -> SegmentError {
        SegmentError { path: path.to_owned(), failure: self }
    }
}

impl SegmentError {
    /// Whether the record does not fit any more: the next one needs another segment.
    #[cfg(test)]
    pub(crate) fn is_full(&self) -> bool {
        matches!(self.failure, Failure::Full { .. })
    }

    /// Whether there is no room on the disk, or none for this user.
    pub(crate) fn is_disk_full(&self) -> bool {
        let kind = match &self.failure {
            Failure::Create(error) | Failure::Open(error) | Failure::Write(error) => error.kind(),
            _ => return false,
        };
        matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
    }

    /// Whether the file is not there.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(&self.failure, Failure::Open(error) if error.kind() == io::ErrorKind::NotFound)
    }
}
