//! Folders and errors of the disk.

use std::io;
use std::path::Path;

use crate::deliver::SinkError;
use crate::files;

/// What may work when it is tried again.
pub(crate) fn failed(action: &'static str, path: &Path, source: io::Error) -> SinkError {
    SinkError::Io { action, target: path.display().to_string(), source }
}

/// What ends the sink: its rows are read again from the checkpoint.
pub(crate) fn ended(path: &Path, reason: &dyn std::fmt::Display) -> SinkError {
    SinkError::Ended { target: path.display().to_string(), reason: reason.to_string() }
}

/// Names are on disk when their folder is.
pub(crate) fn sync(folder: &Path) -> Result<(), SinkError> {
    files::sync_folder(folder).map_err(|source| failed("sync the folder", folder, source))
}
