//! One command, done twice.

use crate::mysql::sql::Lexis;
use crate::recording::{RecordedCommand, SessionId};

/// A command as it went when it was recorded, and as it went again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Execution<'a> {
    /// The recorded session.
    pub(crate) session: SessionId,
    /// The command's number in that session.
    pub(crate) number: u64,
    /// How its text is read.
    pub(crate) lexis: Lexis,
    /// As it was recorded.
    pub(crate) expected: &'a RecordedCommand,
    /// As it went again.
    pub(crate) observed: &'a RecordedCommand,
    /// When it began originally, in nanoseconds from the recording's start.
    pub(crate) recorded_ns: u64,
    /// When it began again, in nanoseconds from the replay's start.
    pub(crate) started_ns: u64,
    /// By how much it began too late; `None` where nobody kept a schedule.
    pub(crate) lateness: Option<Lateness>,
}

/// By how much a command began later than it should have, and because of whom, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lateness {
    /// The player itself: its timer, its processors.
    pub(crate) player_ns: u64,
    /// The target: its earlier answers in this session came late.
    pub(crate) target_ns: u64,
    /// Other sessions, whose commits had to come first.
    pub(crate) order_ns: u64,
}
