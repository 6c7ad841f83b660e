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

/// How much is kept for all of a session's prepared statements: their texts, types, long data and open cursors. The server's limit is
/// on their number (`max_prepared_stmt_count`), and compressed they cost their sender next to nothing.
const KEPT_IN_ALL: usize = 64 << 20;

/// So much of each text is kept all the same.
pub(super) const FRONT_KEPT: usize = 1024;

/// Statements of one session whose texts are known. The default of `max_prepared_stmt_count`, for a whole server, is 16,382.
const STATEMENTS_LIMIT: usize = 100_000;

/// Long data of one statement, by parameter number.
#[derive(Debug, Clone, Default)]
pub(super) struct LongDataSet {
    by_param: BTreeMap<usize, LongData>,
    kept: usize,
    is_incomplete: bool,
}

impl LongDataSet {
    pub(super) fn get(&self, param: usize) -> Option<&LongData> {
        self.by_param.get(&param)
    }

    pub(super) fn contains(&self, param: usize) -> bool {
        self.by_param.contains_key(&param)
    }

    pub(super) fn kept_bytes(&self) -> usize {
        self.kept + self.by_param.len() * size_of::<(usize, LongData)>()
    }

    /// Whether there were parameters of which nothing could be kept.
    pub(super) fn is_incomplete(&self) -> bool {
        self.is_incomplete
    }

    /// Returns how many bytes more than before are kept, at most `room`.
    fn add(&mut self, param: usize, data: &[u8], length: u64, room: usize) -> usize {
        let before = self.kept_bytes();
        let Some(room_for_data) = room.checked_sub(size_of::<(usize, LongData)>()) else {
            self.is_incomplete = true;
            return 0;
        };
        let known = self.by_param.entry(param).or_default();
        let room =
            LONG_DATA_KEPT.saturating_sub(known.front.len()).min(LONG_DATA_KEPT_IN_ALL.saturating_sub(self.kept));
        let front = data.get(..room.min(room_for_data).min(data.len())).unwrap_or_default();
        known.front.extend_from_slice(front);
        known.length += length;
        self.kept += front.len();
        self.kept_bytes() - before
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

impl PreparedStatement {
    fn kept_bytes(&self) -> usize {
        let cursor = self.cursor.as_ref().map_or(0, |cursor| cursor.request.kept_bytes());
        self.text.sql.len() + size_of_val(&*self.types) + self.long_data.kept_bytes() + cursor
    }
}

#[derive(Debug, Default)]
pub(super) struct PreparedStatements {
    by_id: HashMap<u32, PreparedStatement>,
    /// What [`Self::LAST`] stands for.
    last: Option<u32>,
    /// What is kept for them, or more: counted anew only where it looks too much.
    kept_at_most: usize,
}

impl PreparedStatements {
    /// MariaDB's id for the statement prepared last.
    pub(super) const LAST: u32 = u32::MAX;

    /// A prepare failed: there is no statement prepared last.
    pub(super) fn forget_last(&mut self) {
        self.last = None;
    }

    /// Bytes that are kept for all of them.
    pub(super) fn kept_bytes(&self) -> usize {
        self.by_id.values().map(PreparedStatement::kept_bytes).sum()
    }

    /// How many of `wanted` bytes may be kept.
    fn room(&mut self, wanted: usize) -> usize {
        if self.kept_at_most.saturating_add(wanted) > KEPT_IN_ALL {
            self.kept_at_most = self.kept_bytes();
        }
        KEPT_IN_ALL.saturating_sub(self.kept_at_most).min(wanted)
    }

    /// Whether so many bytes may be kept; if so they are counted.
    pub(super) fn take_room(&mut self, wanted: usize) -> bool {
        let has_room = self.room(wanted) == wanted;
        if has_room {
            self.kept_at_most += wanted;
        }
        has_room
    }

    /// An execution may have bound a statement's types anew. Without room for them they are forgotten.
    pub(super) fn bound(&mut self, id: u32) {
        let size = self.get_mut(id).map_or(0, |statement| size_of_val(&*statement.types));
        if !self.take_room(size)
            && let Some(statement) = self.get_mut(id)
        {
            statement.types = Arc::new([]);
        }
    }

    pub(super) fn insert(&mut self, id: u32, sql: &[u8], truncated: bool, params: usize) {
        if self.by_id.len() >= STATEMENTS_LIMIT && !self.by_id.contains_key(&id) {
            self.last = None;
            return;
        }
        let front = sql.get(..self.room(sql.len()).max(FRONT_KEPT)).unwrap_or(sql);
        self.kept_at_most += front.len();
        let text = PreparedText { sql: front.into(), truncated: truncated || front.len() < sql.len(), params };
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
        let room = self.room(data.len() + size_of::<(usize, LongData)>());
        let Some(statement) = self.get_mut(id) else { return };
        // A parameter number that the statement does not have is an error of the client, which the server reports.
        if usize::from(param) >= statement.text.params {
            return;
        }
        let added = statement.long_data.add(usize::from(param), data, data_length, room);
        self.kept_at_most += added;
    }

    /// Forgets all statements; open cursors come back, since their messages are still due.
    pub(super) fn clear(&mut self) -> Vec<OpenCursor> {
        self.last = None;
        let mut ids: Vec<_> = self.by_id.drain().collect();
        ids.sort_unstable_by_key(|(id, _)| *id);
        ids.into_iter().filter_map(|(_, statement)| statement.cursor.map(|cursor| *cursor)).collect()
    }
}
