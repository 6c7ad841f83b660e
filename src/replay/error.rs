//! Why a replay cannot be begun, or not be finished.

use std::io;
use std::path::PathBuf;

/// Why there is no replay.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// The replay needs a thread or a runtime that it does not get.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
    /// The report or the results cannot be written.
    #[error("`report`: cannot write to {}: {reason}", .dir.display())]
    Report {
        /// The report's folder.
        dir: PathBuf,
        /// Why.
        reason: String,
    },
}
