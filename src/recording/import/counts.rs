//! What an import made, and what it could not use.

use std::collections::BTreeMap;
use std::fmt;

/// Why something in a log is not in the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skipped {
    /// `PREPARE`, `EXECUTE`, `DEALLOCATE`: the log has what was executed as a statement of its own.
    Prepared,
    /// COM_STMT_PREPARE, _CLOSE, _RESET, _FETCH, _SEND_LONG_DATA: executions are in the log as texts.
    StatementCommand,
    /// A command of the server's own threads.
    ServerThread,
    /// A command that the log names without what it was about.
    NoContent,
    /// A command whose name is not known.
    UnknownCommand,
    /// Lines that are part of no entry.
    Unreadable,
    /// Of messages: not one of ours.
    NotAMessage,
    /// Of messages: seen before.
    Repeated,
}

impl Skipped {
    /// In words, as a person reads it after a count.
    fn words(self) -> &'static str {
        match self {
            Self::Prepared => "PREPARE, EXECUTE or DEALLOCATE (what they executed is there as text)",
            Self::StatementCommand => "commands about prepared statements (their executions are there as text)",
            Self::ServerThread => "commands of the server's own threads",
            Self::NoContent => "commands without what they were about",
            Self::UnknownCommand => "commands with unknown names",
            Self::Unreadable => "lines outside any entry",
            Self::NotAMessage => "messages that are not ours",
            Self::Repeated => "messages that came twice",
        }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// How much was imported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sessions.
    pub sessions: u64,
    /// Commands of them.
    pub commands: u64,
    /// Those that are recorded, but cannot be replayed: their text or a parameter is not whole.
    pub unplayable: u64,
    /// Sessions that were already there when the log began.
    pub began_before: u64,
    /// Commands that began before the first entries of the log did: their time is the recording's start.
    pub clamped: u64,
    /// What is not in the recording, by reason.
    pub skipped: BTreeMap<Skipped, u64>,
}

impl Counts {
    /// Counts one more that is not in the recording.
    pub(super) fn skip(&mut self, why: Skipped) {
        *self.skipped.entry(why).or_default() += 1;
    }
}
