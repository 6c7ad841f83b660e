//! The execution of a prepared statement, and what it shares with the statement.

use std::ops::Range;
use std::sync::Arc;

use super::long_data::LongDataSet;
use super::reading::Reading;
use super::statement::{BoundParams, StatementParams};
use crate::mysql::wire::{CapabilityFlags, Malformed, ParamType, QueryAttribute, execute_attributes};

/// Text and parameter count never change, so executions under way share them.
#[derive(Debug)]
pub(super) struct PreparedText {
    pub(super) sql: Arc<[u8]>,
    /// Whether the text is only the front of what was prepared.
    pub(super) truncated: bool,
    pub(super) params: usize,
    /// How it was read when it was prepared.
    pub(super) reading: Reading,
}

/// A prepared statement's execution.
#[derive(Debug)]
pub(super) struct Execution {
    pub(super) statement_id: u32,
    /// Whether that is MariaDB's id of the statement prepared last.
    pub(super) means_last: bool,
    /// The client asked for a cursor. Without this SERVER_STATUS_CURSOR_EXISTS means nothing: a stored procedure that opens
    /// a cursor of its own leaves it set.
    pub(super) wants_cursor: bool,
    /// An execution of the statement before this one asked for a cursor, or it is not known whether one did.
    pub(super) had_cursor: bool,
    /// `None` until the execution comes to the front of the queue, and where there is no such statement.
    pub(super) text: Option<Arc<PreparedText>>,
    pub(super) types: Arc<[ParamType]>,
    pub(super) long_data: LongDataSet,
    /// `None` if the parameters cannot be understood.
    pub(super) layout: Option<(Range<usize>, usize)>,
}

impl Execution {
    pub(super) fn unresolved(statement_id: u32, means_last: bool) -> Self {
        Self {
            statement_id,
            means_last,
            wants_cursor: false,
            had_cursor: true,
            text: None,
            types: Arc::new([]),
            long_data: LongDataSet::default(),
            layout: None,
        }
    }

    /// Bytes that are kept for its parameters, their values aside.
    pub(super) fn kept_bytes(&self) -> usize {
        size_of_val(&*self.types) + self.long_data.kept_bytes()
    }

    /// Gives up the parameters: they are shown as not understood.
    pub(super) fn forget_params(&mut self) {
        self.types = Arc::new([]);
        self.long_data = LongDataSet::default();
        self.layout = None;
    }

    /// The query attributes that come with it.
    pub(super) fn attributes<'a>(
        &self,
        body: &'a [u8],
        capabilities: CapabilityFlags,
    ) -> Result<Vec<QueryAttribute<'a>>, Malformed> {
        match (&self.layout, &self.text) {
            (Some(_), Some(text)) => {
                let types = self.types.get(..text.params).ok_or(Malformed("query attributes"))?;
                execute_attributes(body, types, |index| self.long_data.contains(index), capabilities)
            }
            _ => Ok(Vec::new()),
        }
    }

    pub(super) fn params<'a>(&'a self, body: &'a [u8]) -> StatementParams<'a> {
        match (&self.layout, &self.text) {
            (_, Some(text)) if text.params == 0 => StatementParams::None,
            (Some((null_bitmap, values_at)), Some(_)) => StatementParams::Bound(BoundParams {
                body,
                null_bitmap: null_bitmap.clone(),
                values_at: *values_at,
                types: &self.types,
                long_data: &self.long_data,
            }),
            _ => StatementParams::Undecodable,
        }
    }
}
