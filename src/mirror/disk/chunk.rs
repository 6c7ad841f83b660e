//! A recording of a fraction of a second.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::shared::Shared;
use crate::mirror::line::Entrance;
use crate::recording::SessionId;

/// A recording, and whose records it has.
pub(super) struct Chunk {
    pub(super) folder: PathBuf,
    pub(super) lines: HashMap<SessionId, Arc<Entrance>>,
    /// What its records take in memory.
    pub(super) bytes: u64,
}

impl Chunk {
    /// It is done.
    pub(super) fn remove(self, shared: &Shared) {
        shared.release(self.bytes);
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, "cannot remove {} (--mirror-queue-dir)", self.folder.display());
        }
    }
}
