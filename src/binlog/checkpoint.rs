//! Where reading goes on after a restart.

pub(crate) mod tail;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::binlog::checkpoint::tail::Tail;
use crate::binlog::event::position::Position;
use crate::files::{self, FileMode};

/// A position between two transactions; everything before it is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The binlog file.
    pub file: String,
    /// The offset of the next event in it.
    pub offset: u64,
    /// All transactions that were executed up to here, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "gtidSet")]
    pub gtid_set: Option<String>,
    /// The server whose file it is (`@@server_uuid`; MariaDB: `server-id-N`), where it is a server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The events before it, to tell whether it is still the same file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<Tail>,
    /// For a sink that publishes what it has written only when a checkpoint covers it: the position that this one covers, for each run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub staged: BTreeMap<String, u64>,
    /// XA transactions that were prepared before it and have not ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepared: Vec<PreparedXa>,
}

/// An XA transaction that is prepared and has not ended: what it has is not delivered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PreparedXa {
    /// Its name as the servers write it: `X'61',X'62',1`.
    pub xid: String,
    /// The binlog file of its first event.
    pub file: String,
    /// The offset of that event.
    pub offset: u64,
    /// How many of its events are wanted; what has none is not kept.
    pub events: u64,
    /// The number of the file that keeps them; none where there was no folder for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<u64>,
    /// Which of that file's transactions it is.
    #[serde(default)]
    pub index: u64,
}

impl Checkpoint {
    /// The checkpoint as a position.
    pub fn position(&self) -> Position {
        Position { file: self.file.clone(), offset: self.offset }
    }
}

/// Why a checkpoint could not be read or saved.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file could not be read or written.
    #[error("checkpoint {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process saves checkpoints there.
    #[error("checkpoint {}: another process uses it; each reader needs one of its own", path.display())]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a checkpoint.
    #[error("checkpoint {}: {reason}; remove it to begin again", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A checkpoint in a file.
#[derive(Debug)]
pub struct CheckpointFile {
    path: PathBuf,
    mode: FileMode,
    saved: Option<Checkpoint>,
}

impl CheckpointFile {
    /// The file at `path`, which need not exist; if it does not, it is created with the permissions `mode`.
    pub fn new(path: PathBuf, mode: FileMode) -> Self {
        Self { path, mode, saved: None }
    }

    /// What was saved last, or nothing.
    pub fn load(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.io(source)),
        };
        let content =
            |error: serde_json::Error| CheckpointError::Content { path: self.path.clone(), reason: error.to_string() };
        serde_json::from_slice(&text).map(Some).map_err(content)
    }

    /// Makes sure that checkpoints can be saved, and that no other process does so while the returned file is kept.
    pub fn lock(&self) -> Result<File, CheckpointError> {
        if self.path.is_dir() {
            return Err(self.io(std::io::ErrorKind::IsADirectory.into()));
        }
        // The checkpoint itself is another file after each time it is saved.
        let mut lock = self.path.clone().into_os_string();
        lock.push(".lock");
        files::lock(Path::new(&lock), self.mode).map_err(|source| match source.kind() {
            std::io::ErrorKind::WouldBlock => CheckpointError::Taken { path: self.path.clone() },
            _ => self.io(source),
        })
    }

    /// Saves the checkpoint so that there is always a complete one: in a file next to it, which then replaces it.
    pub fn save(&mut self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        if self.saved.as_ref() == Some(checkpoint) {
            return Ok(());
        }
        let mut text = serde_json::to_vec(checkpoint).map_err(|error| self.io(error.into()))?;
        text.push(b'\n');
        files::replace(&self.path, self.mode, |file| file.write_all(&text)).map_err(|source| self.io(source))?;
        self.saved = Some(checkpoint.clone());
        Ok(())
    }

    fn io(&self, source: std::io::Error) -> CheckpointError {
        CheckpointError::Io { path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Files that earlier versions have saved must be readable for ever.
    #[test]
    fn checkpoints_of_earlier_versions_are_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let load = |text: &str| {
            fs::write(&path, text).unwrap();
            CheckpointFile::new(path.clone(), FileMode::default()).load().unwrap().unwrap()
        };
        let all = load(
            r#"{"file":"binlog.000002","offset":5000000000,"gtidSet":"a:1-5","server":"uuid","tail":{"from":4999000000,"digest":4294967295},"staged":{"0123456789abcdef":42}}"#,
        );
        let expected = Checkpoint {
            file: "binlog.000002".into(),
            offset: 5_000_000_000,
            gtid_set: Some("a:1-5".into()),
            server: Some("uuid".into()),
            tail: Some(Tail { from: 4_999_000_000, digest: u32::MAX }),
            staged: [("0123456789abcdef".to_owned(), 42)].into(),
            ..Checkpoint::default()
        };
        assert_eq!(all, expected);
        let least = load("{\"file\":\"binlog.000002\",\"offset\":4}\n");
        assert_eq!(least, Checkpoint { file: "binlog.000002".into(), offset: 4, ..Checkpoint::default() });
        let real = load(include_str!("../../tests/data/earlier/checkpoint"));
        assert_eq!((real.file.as_str(), real.offset), ("shop.000001", 1311));
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let mut file = CheckpointFile::new(path.clone(), FileMode::default());
        assert_eq!(file.load().unwrap(), None);
        let lock = file.lock().unwrap();
        assert!(
            CheckpointFile::new(path.clone(), FileMode::default())
                .lock()
                .unwrap_err()
                .to_string()
                .contains("another process")
        );
        drop(lock);
        drop(file.lock().unwrap());
        for wrong in [folder.path().to_owned(), folder.path().join("no/checkpoint")] {
            assert!(CheckpointFile::new(wrong.clone(), FileMode::default()).lock().is_err(), "{}", wrong.display());
        }
        let checkpoint = Checkpoint {
            file: "binlog.000002".into(),
            offset: 5_000_000_000,
            gtid_set: Some("a:1-5".into()),
            server: Some("uuid".into()),
            tail: Some(Tail { from: 4_999_000_000, digest: u32::MAX }),
            staged: [("0123456789abcdef".to_owned(), 42)].into(),
            prepared: vec![
                PreparedXa {
                    xid: "X'61',X'',1".into(),
                    file: "binlog.000001".into(),
                    offset: 157,
                    events: 2,
                    segment: Some(7),
                    index: 1,
                },
                PreparedXa::default(),
            ],
        };
        file.save(&checkpoint).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);
        assert_eq!(CheckpointFile::new(path.clone(), FileMode::default()).load().unwrap(), Some(checkpoint));
        fs::write(&path, "{\"file\":").unwrap();
        assert!(CheckpointFile::new(path, FileMode::default()).load().unwrap_err().to_string().contains("remove it"));
    }
}
