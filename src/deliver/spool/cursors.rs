//! How far each sink is, on the disk.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::SpoolError;
use super::folder;
use super::record::VERSION;
use crate::files::{self, FileMode};

/// The positions through which sinks have everything, by their names.
pub(super) type BySink = BTreeMap<String, u64>;

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    spool: u64,
    delivered: BySink,
}

/// The file, which is replaced as a whole.
#[derive(Debug)]
pub(super) struct Cursors {
    path: PathBuf,
    mode: FileMode,
    /// What is in it.
    saved: Option<BySink>,
}

impl Cursors {
    pub(super) fn new(folder: &Path, mode: FileMode) -> Self {
        Self { path: folder::cursors(folder), mode, saved: None }
    }

    /// What an earlier process has left; `None`: nothing, or nothing that can be read.
    pub(super) fn load(&self) -> Result<Option<BySink>, SpoolError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SpoolError::io("read", &self.path, source)),
        };
        match serde_json::from_slice::<Content>(&bytes) {
            Ok(Content { spool: VERSION, delivered }) => Ok(Some(delivered)),
            Ok(Content { spool, .. }) => {
                Err(SpoolError::Version { path: self.path.clone(), found: spool, known: VERSION })
            }
            Err(error) => {
                // The machine went down before it was on the disk.
                tracing::warn!(file = %self.path.display(), %error, "the spool's record of what was delivered cannot be read: all that is in the spool is sent again");
                Ok(None)
            }
        }
    }

    /// Writes them, unless that is what is there. `durable`: on the disk when this returns.
    pub(super) fn save(&mut self, delivered: &BySink, durable: bool) -> Result<(), SpoolError> {
        if self.saved.as_ref() == Some(delivered) && !durable {
            return Ok(());
        }
        let failed = |source| SpoolError::io("write", &self.path, source);
        let content = Content { spool: VERSION, delivered: delivered.clone() };
        let bytes = serde_json::to_vec(&content).map_err(|error| failed(error.into()))?;
        files::replace_with(&self.path, self.mode, durable, |file| file.write_all(&bytes)).map_err(failed)?;
        self.saved = Some(content.delivered);
        Ok(())
    }
}
