//! What all logs have in common.

use crate::mysql::sql::{Lexis, StatementKind, StatementSummary};
use crate::mysql::wire::Command;
use crate::recording::RecordedResult;

/// An entry of a log, as far as the log tells.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// The connection's id; `None` for what concerns all of them.
    pub(super) thread: Option<u64>,
    /// When it began: nanoseconds of the wall clock since 1970.
    pub(super) started_ns: u64,
    /// How long it took, if the log tells.
    pub(super) duration_ns: Option<u64>,
    /// Who did it, if the entry tells.
    pub(super) who: Who,
    /// The database afterwards, if the entry tells.
    pub(super) database: Option<String>,
    /// What it is.
    pub(super) what: What,
    /// Whether its text is not whole.
    pub(super) is_cut: bool,
    /// What it was answered, if the log tells.
    pub(super) results: Vec<RecordedResult>,
}

/// A session's user, and where the client is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) user: Option<String>,
    pub(super) client: Option<String>,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A session begins, in [`Entry::database`].
    Connect,
    /// The server refuses the login, with these words.
    Refused(String),
    /// A statement's text.
    Text(Vec<u8>),
    /// COM_INIT_DB, to [`Entry::database`].
    InitDb,
    /// A command without a text, and the rest of its packet.
    Command(Command, Vec<u8>),
    /// COM_QUIT
    Quit,
    /// The server was started: there are no sessions.
    Restart,
}

/// Whether a text is about prepared statements by SQL: a log has what they execute as a text of its own, and of PREPARE MySQL has no text.
pub(super) fn is_about_prepared(text: &[u8]) -> bool {
    StatementSummary::of_text(text, Lexis::default(), &|_| None).kind == StatementKind::Prepare
}
