//! Prepared statements of a session, by the ids that the server gave them.

use std::collections::HashMap;
use std::sync::Arc;

use super::dialect::Dialect;
use super::execution::{Execution, PreparedText};
use super::long_data::LongDataSet;
use super::reading::Reading;
use super::request::Request;
use crate::mysql::wire::{ColumnSet, ColumnType, Malformed, ParamType, bulk_rows, is_null};

/// How much is kept for all of a session's prepared statements: their texts, types, long data and open cursors. The server's limit is
/// on their number (`max_prepared_stmt_count`), and compressed they cost their sender next to nothing.
const KEPT_IN_ALL: usize = 64 << 20;

/// Of each text this much is kept in any case.
const FRONT_KEPT: usize = 1024;

/// Statements of one session whose texts are known. The default of `max_prepared_stmt_count`, for a whole server, is 16,382.
const STATEMENTS_LIMIT: usize = 100_000;

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
    /// Whether one was asked for.
    had_cursor: bool,
    /// Its result set's columns as they came last, if somebody asks for them: an execution may leave them out, and a fetch does.
    pub(super) columns: Option<Arc<ColumnSet>>,
}

impl PreparedStatement {
    fn kept_bytes(&self) -> usize {
        let cursor = self.cursor.as_ref().map_or(0, |cursor| cursor.request.kept_bytes());
        let columns = self.columns.as_ref().map_or(0, |columns| columns.kept_bytes());
        self.text.sql.len() + size_of_val(&*self.types) + self.long_data.kept_bytes() + cursor + columns
    }

    /// Gives an execution what it needs of the statement, and binds the statement's types again if the packet does.
    pub(super) fn execute(
        &mut self,
        execution: &mut Execution,
        body: &[u8],
        dialect: &mut Dialect,
    ) -> Result<(), Malformed> {
        execution.text = Some(Arc::clone(&self.text));
        execution.had_cursor = self.had_cursor;
        self.had_cursor |= execution.wants_cursor;
        execution.long_data = std::mem::take(&mut self.long_data);
        if execution.long_data.is_incomplete() {
            return Err(Malformed("long data of which not all is kept"));
        }
        let params = self.text.params;
        let packet = dialect.execute_packet(body, params)?;
        if let Some(types) = packet.new_types
            && *types != *self.types
        {
            self.types = types.into();
        }
        execution.types = Arc::clone(&self.types);
        if self.types.len() != params {
            // A client need not bind types if all it sends are NULLs and long data.
            let bitmap = body.get(packet.null_bitmap.clone()).unwrap_or_default();
            let has_value = |param: usize| !is_null(bitmap, param) && !execution.long_data.contains(param);
            if (0..params).any(has_value) {
                return Err(Malformed("COM_STMT_EXECUTE without parameter types"));
            }
            let any = ParamType { column_type: ColumnType::VarString, unsigned: false };
            execution.types = vec![any; params].into();
        }
        execution.layout = Some((packet.null_bitmap, packet.values_at));
        Ok(())
    }

    /// The same for a bulk execution, whose parameter sets are read when its outcome is known.
    pub(super) fn execute_bulk(&mut self, execution: &mut Execution, body: &[u8]) {
        execution.text = Some(Arc::clone(&self.text));
        if let Ok((rows, _)) = bulk_rows(body, self.text.params, Some(&self.types))
            && *rows.types() != *self.types
        {
            self.types = rows.types().into();
        }
        execution.types = Arc::clone(&self.types);
    }
}

/// A session's prepared statements, as far as they are known.
#[derive(Debug, Clone, Copy)]
pub struct OpenStatements<'a>(&'a PreparedStatements);

impl<'a> OpenStatements<'a> {
    /// Each one's id, its text in the character set in which it was prepared, and whether that is only the front; by id.
    pub fn list(&self) -> Vec<(u32, &'a Arc<[u8]>, bool)> {
        let one = |(id, statement): (&u32, &'a PreparedStatement)| (*id, &statement.text.sql, statement.text.truncated);
        let mut list: Vec<_> = self.0.by_id.iter().map(one).collect();
        list.sort_unstable_by_key(|(id, ..)| *id);
        list
    }

    /// Whether COM_STMT_SEND_LONG_DATA has come for a statement since it was executed last.
    pub fn has_long_data(&self, id: u32) -> bool {
        self.0.get(id).is_some_and(|statement| !statement.long_data.is_empty())
    }
}

#[derive(Debug, Default)]
pub(super) struct PreparedStatements {
    by_id: HashMap<u32, PreparedStatement>,
    /// What [`Self::LAST`] stands for.
    last: Option<u32>,
    /// Whether the server is a MariaDB, to which [`Self::LAST`] stands for something.
    knows_last: bool,
    /// Bytes that are kept for them.
    kept: usize,
}

impl PreparedStatements {
    /// MariaDB's id for the statement prepared last (`find_prepared_statement` in its `sql/sql_prepare.cc`).
    const LAST: u32 = u32::MAX;

    /// The server is a MariaDB.
    pub(super) fn know_last(&mut self) {
        self.knows_last = true;
    }

    /// Whether an id stands for the statement prepared last.
    pub(super) fn means_last(&self, id: u32) -> bool {
        self.knows_last && id == Self::LAST
    }

    /// The session's statements, for whoever listens.
    pub(super) fn open(&self) -> OpenStatements<'_> {
        OpenStatements(self)
    }

    /// The id of the statement that this one stands for; itself where there is none.
    pub(super) fn resolve(&self, id: u32) -> u32 {
        self.meant(id).unwrap_or(id)
    }

    fn meant(&self, id: u32) -> Option<u32> {
        if self.means_last(id) { self.last } else { Some(id) }
    }

    /// A prepare failed: there is no statement prepared last.
    pub(super) fn forget_last(&mut self) {
        self.last = None;
    }

    /// Bytes that are kept for all of them, counted again.
    #[cfg(any(test, fuzzing))]
    pub(super) fn kept_bytes(&self) -> usize {
        let counted = self.by_id.values().map(PreparedStatement::kept_bytes).sum();
        assert_eq!(self.kept, counted, "the account of what is kept");
        counted
    }

    fn room(&self) -> usize {
        KEPT_IN_ALL.saturating_sub(self.kept)
    }

    /// The statement of an id, if there is one.
    pub(super) fn get(&self, id: u32) -> Option<&PreparedStatement> {
        self.by_id.get(&self.meant(id)?)
    }

    /// Remembers a statement's columns, if there is room for them.
    pub(super) fn remember_columns(&mut self, id: u32, columns: &Arc<ColumnSet>) {
        let has_room = self.has_room(columns.kept_bytes());
        self.update(id, |statement| statement.columns = has_room.then(|| Arc::clone(columns)));
    }

    /// Whether this many bytes more may be kept.
    pub(super) fn has_room(&self, wanted: usize) -> bool {
        wanted <= self.room()
    }

    /// Changes the statement of an id, if there is one, and keeps the account.
    pub(super) fn update<R>(&mut self, id: u32, change: impl FnOnce(&mut PreparedStatement) -> R) -> Option<R> {
        let id = self.meant(id)?;
        let statement = self.by_id.get_mut(&id)?;
        let before = statement.kept_bytes();
        let result = change(statement);
        let after = statement.kept_bytes();
        self.kept = (self.kept - before).saturating_add(after);
        if after > before && self.kept > KEPT_IN_ALL {
            // An execution bound new types, for which there is no room.
            statement.types = Arc::new([]);
            self.kept = (self.kept - after).saturating_add(statement.kept_bytes());
        }
        Some(result)
    }

    pub(super) fn insert(&mut self, id: u32, sql: &[u8], truncated: bool, params: usize, reading: Reading) {
        if self.by_id.len() >= STATEMENTS_LIMIT && !self.by_id.contains_key(&id) {
            self.last = None;
            return;
        }
        self.forget(id);
        let front = sql.get(..self.room().max(FRONT_KEPT)).unwrap_or(sql);
        self.kept += front.len();
        let text = PreparedText { sql: front.into(), truncated: truncated || front.len() < sql.len(), params, reading };
        let statement = PreparedStatement {
            text: Arc::new(text),
            types: Arc::new([]),
            long_data: LongDataSet::default(),
            cursor: None,
            had_cursor: false,
            columns: None,
        };
        self.by_id.insert(id, statement);
        self.last = Some(id);
    }

    fn forget(&mut self, id: u32) -> Option<PreparedStatement> {
        let statement = self.by_id.remove(&id)?;
        self.kept -= statement.kept_bytes();
        Some(statement)
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<PreparedStatement> {
        let id = self.meant(id)?;
        if self.last == Some(id) {
            self.last = None;
        }
        self.forget(id)
    }

    pub(super) fn long_data(&mut self, id: u32, param: u16, data: &[u8], data_length: u64) {
        let room = self.room();
        self.update(id, |statement| {
            // A parameter number that the statement does not have is an error of the client, which the server reports.
            if usize::from(param) < statement.text.params {
                statement.long_data.add(usize::from(param), data, data_length, room);
            }
        });
    }

    /// Forgets all statements; open cursors come back, since their messages are still due.
    pub(super) fn clear(&mut self) -> Vec<OpenCursor> {
        self.last = None;
        self.kept = 0;
        let mut ids: Vec<_> = self.by_id.drain().collect();
        ids.sort_unstable_by_key(|(id, _)| *id);
        ids.into_iter().filter_map(|(_, statement)| statement.cursor.map(|cursor| *cursor)).collect()
    }
}
