//! How a recording of this program's sessions begins.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::disk::{RecordingError, RecordingWriter, WriterOptions};
use super::kafka::{TopicConfig, TopicWriter};
use super::spool::{RecordStore, RecordingSwitch, SpoolOptions, StoreError};
use super::{RecordingAbout, RecordingSource};

/// A recording that is to be made.
#[derive(Debug, Clone)]
pub struct RecordingConfig {
    /// Where its files are to be.
    pub folder: PathBuf,
    /// A topic that it is written to instead.
    pub topic: Option<TopicConfig>,
    /// How its files are written.
    pub files: WriterOptions,
    /// How records get there.
    pub spool: SpoolOptions,
    /// The server's executed GTID set at the beginning, if somebody knows it.
    pub gtid_set: Option<String>,
}

/// Why a recording cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its folder, or its first file.
    #[error(transparent)]
    Files(#[from] RecordingError),
    /// The producer for its topic.
    #[error("{0}")]
    Topic(StoreError),
    /// The system has no thread for it.
    #[error("no thread for the recording: {0}")]
    Thread(#[from] io::Error),
}

impl RecordingConfig {
    /// What a recording says of itself that began then. `server`: the one that answers its sessions, as `host:port`.
    pub fn about(&self, source: RecordingSource, server: Option<String>, started_ms: u64) -> RecordingAbout {
        RecordingAbout {
            server,
            gtid_set: self.gtid_set.clone(),
            redacted: self.spool.recorder.redaction.hides_names(),
            ..RecordingAbout::new(source, random(), started_ms)
        }
    }

    /// Begins it: from now on the sessions of `switch` are recorded. `server`: the one that answers them, as `host:port`.
    ///
    /// # Errors
    ///
    /// The folder cannot be used, or holds something else than a recording of this source and server, which would go on.
    pub fn begin(
        &self,
        source: RecordingSource,
        server: Option<String>,
        switch: &RecordingSwitch,
    ) -> Result<(), StartError> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        let mut about = self.about(source, server, started_ms);
        let store: Box<dyn RecordStore> = match &self.topic {
            None => Box::new(RecordingWriter::resume(&self.folder, &mut about, self.files.clone())?),
            Some(topic) => Box::new(Self::in_topic(topic, &about)?),
        };
        switch.turn_on(store, &about, self.spool.clone())?;
        tracing::info!(place = self.place(), goes_on = about.resumed_ms.is_some(), "recording");
        Ok(())
    }

    /// Where it is made, for people.
    pub fn place(&self) -> String {
        match &self.topic {
            None => self.folder.display().to_string(),
            Some(topic) => format!("kafka:{}", topic.topic),
        }
    }

    /// Makes its files, or whoever writes its topic. The folder must be empty.
    ///
    /// # Errors
    ///
    /// The folder cannot be used, or holds something.
    pub fn create(&self, about: &RecordingAbout) -> Result<Box<dyn RecordStore>, StartError> {
        Ok(match &self.topic {
            None => Box::new(RecordingWriter::create(&self.folder, about, self.files.clone())?),
            Some(topic) => Box::new(Self::in_topic(topic, about)?),
        })
    }

    fn in_topic(topic: &TopicConfig, about: &RecordingAbout) -> Result<TopicWriter, StartError> {
        TopicWriter::open(topic.clone(), about.clone()).map_err(StartError::Topic)
    }
}

/// What tells this recording's sessions from those of others.
fn random() -> u32 {
    let random = RandomState::new().build_hasher().finish();
    (random >> 32) as u32
}
