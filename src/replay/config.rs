//! What is asked of a replay.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::order::CommitOrder;
use super::pace::Pace;
use super::selection::Selection;
use crate::player::{Permits, PlayOptions, Target};
use crate::report::TimeLimits;

/// Everything that a replay is told.
#[derive(Debug, Clone)]
pub(crate) struct ReplayConfig {
    /// Where to.
    pub(crate) target: Target,
    /// How fast.
    pub(crate) pace: Pace,
    /// What.
    pub(crate) selection: Selection,
    /// What may be done there.
    pub(crate) permits: Permits,
    /// How many times each session.
    pub(crate) amplify: Amplify,
    /// How many times the whole.
    pub(crate) loops: u32,
    /// What of the order across sessions is kept.
    pub(crate) order: CommitOrder,
    /// How sessions are played; the clock in it is set when the replay begins.
    pub(crate) play: PlayOptions,
    /// How much is read ahead, in bytes of records.
    pub(crate) read_ahead_bytes: usize,
    /// What is written.
    pub(crate) reporting: Option<Reporting>,
    /// What counts as slower or faster.
    pub(crate) time_limits: TimeLimits,
    /// How the recording is called in the report.
    pub(crate) name: String,
    /// Whether progress is drawn on a terminal.
    pub(crate) draws_progress: bool,
}

/// How many times each session is played at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Amplify {
    /// This many.
    pub(crate) copies: u32,
    /// Each copy begins this much later than the one before.
    pub(crate) offset: Duration,
}

/// What is written about a replay.
#[derive(Debug, Clone)]
pub(crate) struct Reporting {
    /// The report's folder, which others write to; the results are a recording in it.
    pub(crate) dir: PathBuf,
    /// Encrypts the results, as the recording is.
    pub(crate) key: Option<Arc<crate::recording::disk::Key>>,
}
