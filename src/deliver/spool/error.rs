//! What can go wrong with a spool.

use std::io;
use std::path::{Path, PathBuf};

use crate::segment::SegmentError;

/// Why a spool cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A system call failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done: `create`, `list`, `write`...
        action: &'static str,
        /// The file or folder it was done to.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A segment cannot be written or read.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// One spool serves one process.
    #[error("another process uses the spool in {}{}; give each a folder of its own", folder.display(), of(.owner))]
    Taken {
        /// The spool.
        folder: PathBuf,
        /// The other's process id, if it is known.
        owner: Option<u32>,
    },
    /// It was written by another version of this program, which has another format.
    #[error("{}: a spool of version {found}; this program knows version {known}: deliver it with the program that wrote it, or give another folder", path.display())]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// Ours.
        known: u64,
    },
    /// The file is a segment, and not one of a spool.
    #[error("{} is no segment of a spool", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// What is stored has reached the bound.
    #[error("the spool has reached its bound of {bound} bytes")]
    Bound {
        /// The most it may have.
        bound: u64,
    },
    /// A thread could not be started.
    #[error("cannot start thread {name}: {source}")]
    Thread {
        /// The thread's name.
        name: &'static str,
        /// The operating system's reason.
        source: io::Error,
    },
}

fn of(owner: &Option<u32>) -> String {
    owner.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

impl SpoolError {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    /// Whether there is no room: in the spool or on its disk.
    pub(super) fn is_full(&self) -> bool {
        match self {
            Self::Bound { .. } => true,
            Self::Segment(error) => error.is_disk_full(),
            Self::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            _ => false,
        }
    }
}
