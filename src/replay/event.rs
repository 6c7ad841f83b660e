//! What happened, for the report.

use std::sync::Arc;

use super::item::Held;
use crate::mysql::sql::Lexis;
use crate::recording::{RecordedCommand, SessionBegin, SessionId};
use crate::report::Lateness;
use crate::session::Now;

/// What happened to a session.
#[derive(Debug)]
pub(super) enum Event {
    /// It was opened.
    Began { session: SessionId, begin: Box<SessionBegin>, started: Now },
    /// A command was answered.
    Done(Box<Done>),
    /// It could not be opened, or the connection broke.
    Failed(Box<Failed>),
    /// Nothing more comes.
    Over,
}

/// A command that was answered.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) record: Arc<Held>,
    pub(super) observed: RecordedCommand,
    pub(super) started: Now,
    pub(super) started_ns: u64,
    pub(super) lexis: Lexis,
    pub(super) lateness: Option<Lateness>,
    /// Whether its answer is part of the results.
    pub(super) is_kept: bool,
}

/// A session that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) session: SessionId,
    pub(super) number: u64,
    pub(super) user: Option<String>,
    pub(super) reason: String,
}
