//! What can go wrong with a recording.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// Why a recording cannot be written or read: which folder or file, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}: {failure}", path.display())]
pub struct RecordingError {
    path: PathBuf,
    failure: Failure,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("cannot {what}: {source}")]
    Io { what: &'static str, source: io::Error },
    #[error("another process is recording into this folder; each recording needs a folder of its own")]
    InUse,
    #[error("the folder holds something else ({0}); a recording needs an empty folder, or one that does not exist yet")]
    NotEmpty(String),
    #[error("the folder already holds a recording; take another folder, or remove this one first")]
    HoldsRecording,
    #[error(
        "the folder holds a recording that was made from something else ({source_name}, server {server}); take another folder"
    )]
    HoldsOther { source_name: String, server: String },
    #[error(
        "the recording has reached its largest size of {limit} bytes: give it more, or let the oldest files be removed"
    )]
    Full { limit: u64 },
    #[error("there is no recording here: no file is named like 00000001.arrows")]
    NoFiles,
    #[error("nothing was recorded: the file ends before its beginning is complete")]
    Empty,
    #[error("this is no recording of mysql-interceptor")]
    Foreign,
    #[error(
        "the format's version is {found}, and this program knows versions up to {known}: use a newer mysql-interceptor"
    )]
    Version { found: u32, known: u32 },
    #[error(
        "the recording is damaged here ({0}); move the files after it to a folder of their own to use them: each can be read by itself"
    )]
    Damaged(String),
    #[error(
        "this file is missing, and later ones are there: put it back, or move the later ones to a folder of their own"
    )]
    Missing,
    #[error("the recording is encrypted: give its key file")]
    KeyNeeded,
    #[error("the recording was encrypted with another key")]
    WrongKey,
    #[error("the recording is not encrypted, and a key file is given: leave the key out")]
    NotEncrypted,
    #[error("{0}")]
    Key(String),
    #[error("{0}")]
    Invalid(String),
}

impl Failure {
    pub(super) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    pub(super) fn invalid(error: impl Display) -> Self {
        Self::Invalid(error.to_string())
    }

    pub(super) fn damaged(error: impl Display) -> Self {
        Self::Damaged(error.to_string())
    }

    pub(super) fn at(self, path: &Path) -> RecordingError {
        RecordingError { path: path.to_owned(), failure: self }
    }
}

impl RecordingError {
    /// The folder or file that it is about.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the disk, or what the recording may take of it, is full.
    pub fn is_full(&self) -> bool {
        match &self.failure {
            Failure::Full { .. } => true,
            Failure::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
            ),
            _ => false,
        }
    }
}
