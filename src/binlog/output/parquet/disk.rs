//! Folders and errors of the disk.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::deliver::SinkError;

/// What may work when it is tried again.
pub(crate) fn failed(action: &'static str, path: &Path, source: io::Error) -> SinkError {
    SinkError::Io { action, target: path.display().to_string(), source }
}

/// What ends the sink: its rows are read again from the checkpoint.
pub(crate) fn ended(path: &Path, reason: &dyn std::fmt::Display) -> SinkError {
    SinkError::Ended { target: path.display().to_string(), reason: reason.to_string() }
}

/// Names are on the disk when their folder is; a system that cannot do this with folders has its own way.
pub(crate) fn sync(folder: &Path) {
    if let Err(error) = File::open(folder).and_then(|folder| folder.sync_all()) {
        tracing::debug!(folder = %folder.display(), %error, "the folder was not synced");
    }
}
