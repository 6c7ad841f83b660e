//! What a session has prepared by name, in SQL: `PREPARE name FROM 'text'`.

use std::collections::HashMap;

use crate::mysql::sql::{Lexis, NamedCommand, StatementSummary, TransactionControl, named_command};

/// Names that are kept. The default of `max_prepared_stmt_count`, for a whole server, is 16,382.
const NAMES_LIMIT: usize = 1000;

/// The longest name that a server accepts has 64 characters.
const NAME_LIMIT: usize = 256;

/// How much of a text is kept, for what it sets.
const TEXT_LIMIT: usize = 1024;

/// What EXECUTE runs, by name. What is missing here is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NamedStatements {
    by_name: HashMap<Box<[u8]>, Named>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    summary: StatementSummary,
    control: TransactionControl,
    /// The text, if it is short.
    text: Option<Box<[u8]>>,
}

impl NamedStatements {
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Stored programs may prepare what they like under names that are in use.
    pub(super) fn clear(&mut self) {
        self.by_name.clear();
    }

    /// What a statement of this name does; the name as it is written.
    pub(crate) fn summary(&self, name: &[u8]) -> Option<StatementSummary> {
        Some(self.by_name.get(&*plain(name))?.summary)
    }

    /// What it may do to the session's transaction; the name in lower case.
    pub(super) fn control(&self, name: &[u8]) -> Option<&TransactionControl> {
        Some(&self.by_name.get(name)?.control)
    }

    /// Its text, if it is short.
    pub(super) fn text(&self, name: &[u8]) -> Option<&[u8]> {
        self.by_name.get(name)?.text.as_deref()
    }

    /// Follows PREPARE and DEALLOCATE. A PREPARE that fails drops what had its name.
    pub(super) fn follow(&mut self, sql: &[u8], lexis: Lexis, succeeded: bool) {
        match named_command(sql, lexis) {
            Some(NamedCommand::Prepare(name, text)) => {
                self.by_name.remove(&*name);
                let has_room = self.by_name.len() < NAMES_LIMIT && name.len() <= NAME_LIMIT;
                if let Some(text) = text.filter(|_| succeeded && has_room) {
                    let summary = StatementSummary::of(&text, lexis, &|name| self.summary(name));
                    let control = TransactionControl::of(&text, lexis);
                    let text = (text.len() <= TEXT_LIMIT).then(|| (&*text).into());
                    self.by_name.insert(name.into(), Named { summary, control, text });
                }
            }
            Some(NamedCommand::Deallocate(name)) if succeeded => {
                self.by_name.remove(&*name);
            }
            _ => {}
        }
    }
}

/// A name without its backticks, in lower case.
fn plain(name: &[u8]) -> Box<[u8]> {
    let bare = name.strip_prefix(b"`").and_then(|name| name.strip_suffix(b"`")).unwrap_or(name);
    bare.to_ascii_lowercase().into()
}
