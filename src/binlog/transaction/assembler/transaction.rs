//! A transaction under way.

use std::ops::Range;
use std::sync::Arc;

use crate::binlog::transaction::piece::Mark;
use crate::mysql::sql::Savepoints;

/// What can be gone back to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rows {
    /// Row events that were not rolled back.
    pub(crate) events: u64,
    /// The last of them.
    pub(crate) last: Option<Mark>,
}

/// A transaction under way.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    /// The file and offset of its first event; none where reading began in its middle.
    pub(super) begins_at: Option<(Arc<str>, u64)>,
    /// A BEGIN or XA START was there, so that a definition in it does not end it.
    pub(crate) has_begin: bool,
    /// Row events came, wanted or not.
    pub(crate) has_events: bool,
    /// Its first item; none before that.
    pub(crate) start: Option<Mark>,
    /// What is said of its beginning is there.
    pub(crate) has_begun: bool,
    pub(crate) rows: Rows,
    /// It has items that stay where it is rolled back: statements, definitions of temporary tables.
    pub(crate) has_texts: bool,
    /// Where each was set, and what rows there were.
    pub(crate) savepoints: Savepoints<(Mark, Rows)>,
    /// What was rolled back to a savepoint; in order.
    pub(crate) rolled_back: Vec<Range<Mark>>,
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With its number, where it has one.
    Commit(Option<u64>),
    Rollback,
}
