//! Prepared statements of a session, by the ids that the server gave them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::request::Request;
use crate::wire::ParamType;

/// What COM_STMT_SEND_LONG_DATA sent for one parameter: its front, and how long it was.
#[derive(Debug, Clone, Default)]
pub(super) struct LongData {
    pub(super) front: Vec<u8>,
    pub(super) length: u64,
}

/// How much of a parameter's long data is kept: messages show at most the configured length of it.
const LONG_DATA_KEPT: usize = 64 * 1024;

/// How much is kept for all parameters of a statement.
const LONG_DATA_KEPT_IN_ALL: usize = 4 << 20;

/// Long data of one statement, by parameter number.
#[derive(Debug, Clone, Default)]
pub(super) struct LongDataSet {
    by_param: BTreeMap<usize, LongData>,
    kept: usize,
}

impl LongDataSet {
    pub(super) fn get(&self, param: usize) -> Option<&LongData> {
        self.by_param.get(&param)
    }

    pub(super) fn contains(&self, param: usize) -> bool {
        self.by_param.contains_key(&param)
    }

    fn add(&mut self, param: usize, data: &[u8], length: u64) {
        let known = self.by_param.entry(param).or_default();
        let room =
            LONG_DATA_KEPT.saturating_sub(known.front.len()).min(LONG_DATA_KEPT_IN_ALL.saturating_sub(self.kept));
        let front = data.get(..room.min(data.len())).unwrap_or_default();
        known.front.extend_from_slice(front);
        known.length += length;
        self.kept += front.len();
    }
}

/// Text and parameter count never change, so executions under way share them.
#[derive(Debug)]
pub(super) struct PreparedText {
    pub(super) sql: Box<[u8]>,
    /// Whether the text is only the front of what was prepared.
    pub(super) truncated: bool,
    pub(super) params: usize,
}

/// An execution whose rows come by COM_STMT_FETCH. Its message waits until the cursor is done.
#[derive(Debug)]
pub(super) struct OpenCursor {
    pub(super) request: Request,
    pub(super) rows: u64,
    /// Time in which the server was at work for it: the execution and each fetch.
    pub(super) busy_ns: u64,
}

#[derive(Debug)]
pub(super) struct PreparedStatement {
    pub(super) text: Arc<PreparedText>,
    /// As last bound; an execution may leave them out.
    pub(super) types: Arc<[ParamType]>,
    pub(super) long_data: LongDataSet,
    pub(super) cursor: Option<Box<OpenCursor>>,
}

#[derive(Debug, Default)]
pub(super) struct PreparedStatements {
    by_id: HashMap<u32, PreparedStatement>,
    /// What [`Self::LAST`] stands for.
    last: Option<u32>,
}

impl PreparedStatements {
    /// MariaDB's id for the statement prepared last.
    pub(super) const LAST: u32 = u32::MAX;

    /// A prepare failed: there is no statement prepared last.
    pub(super) fn forget_last(&mut self) {
        self.last = None;
    }

    pub(super) fn insert(&mut self, id: u32, text: PreparedText) {
        let statement = PreparedStatement {
            text: Arc::new(text),
            types: Arc::new([]),
            long_data: LongDataSet::default(),
            cursor: None,
        };
        self.by_id.insert(id, statement);
        self.last = Some(id);
    }

    /// The statement of an id.
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut PreparedStatement> {
        let id = if id == Self::LAST { self.last? } else { id };
        self.by_id.get_mut(&id)
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<PreparedStatement> {
        let id = if id == Self::LAST { self.last? } else { id };
        if self.last == Some(id) {
            self.last = None;
        }
        self.by_id.remove(&id)
    }

    pub(super) fn long_data(&mut self, id: u32, param: u16, data: &[u8], data_length: u64) {
        let Some(statement) = self.get_mut(id) else { return };
        // A parameter number that the statement does not have is an error of the client, which the server reports.
        if usize::from(param) >= statement.text.params {
            return;
        }
        statement.long_data.add(usize::from(param), data, data_length);
    }

    /// Forgets all statements; open cursors come back, since their messages are still due.
    pub(super) fn clear(&mut self) -> Vec<OpenCursor> {
        self.last = None;
        let mut ids: Vec<_> = self.by_id.drain().collect();
        ids.sort_unstable_by_key(|(id, _)| *id);
        ids.into_iter().filter_map(|(_, statement)| statement.cursor.map(|cursor| *cursor)).collect()
    }
}
