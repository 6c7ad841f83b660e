//! What the mirror is told.

use std::path::PathBuf;
use std::time::Duration;

use crate::message::{Criteria, Sample};
use crate::player::{PlayOptions, Target};

/// Everything a mirror needs to know.
#[derive(Debug, Clone)]
pub struct MirrorConfig {
    /// The second server, and the accounts on it.
    pub target: Target,
    /// How commands are executed there.
    pub options: PlayOptions,
    /// Which sessions are mirrored, by their connection ids.
    pub sample: Sample,
    /// Which sessions and commands are mirrored, by what they are.
    pub criteria: Criteria,
    /// Whether commands that change data are executed, too.
    pub allow_writes: bool,
    /// Bytes of all sessions that may wait in memory.
    pub queue_bytes: usize,
    /// Bytes of one session that may wait in memory.
    pub session_bytes: usize,
    /// Connections to the target.
    pub connections: usize,
    /// How long a dropped session stays out before it is mirrored again, from its next command on.
    pub rejoin_after: Duration,
    /// What becomes of sessions that fall behind.
    pub lag: Lag,
    /// Where the comparison is written, and how often.
    pub report: Option<ReportConfig>,
}

/// What becomes of sessions that fall behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lag {
    /// They are dropped.
    Drop,
    /// They wait on the disk.
    Queue {
        /// In this folder.
        folder: PathBuf,
        /// As long as it holds less than this.
        max_bytes: u64,
    },
}

/// Where the comparison is written, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportConfig {
    /// The folder.
    pub folder: PathBuf,
    /// How often it is written while the mirror runs; it is at the end in any case.
    pub every: Duration,
}
