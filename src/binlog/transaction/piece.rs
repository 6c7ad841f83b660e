//! Rows on their way from the thread that reads the stream to those that write messages.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use crate::binlog::checkpoint::tail::Tail;
use crate::binlog::checkpoint::{Checkpoint, PreparedXa};
use crate::binlog::event::error::{DecodeError, EventError};
use crate::binlog::event::position::Position;
use crate::binlog::event::rows::StoredRows;
use crate::binlog::gtid::{AnyGtid, AnyGtidSet};
use crate::binlog::output::context::{Definition, LoggedStatement, RowContext, TableEvents, TransactionEdge};
use crate::binlog::output::form::RowForm;
use crate::binlog::table::schema::Table;
use crate::binlog::transaction::counters::BinlogCounters;
use crate::deliver::Batch;

/// About the memory of an item with its context and its share of what they refer to.
const ITEM_BYTES: usize = 320;

/// A part of the stream: whole row events of one or more transactions, in order.
#[derive(Debug, Default)]
pub struct Piece {
    /// The rows of all events, one after the other.
    pub(crate) bytes: Vec<u8>,
    pub(crate) items: Vec<Item>,
    /// The memory that the items take besides.
    items_weight: usize,
    /// The number of the first row within its transaction, where that began in an earlier piece.
    pub(crate) first_row: u64,
    /// What the transaction did to its tables before that, as far as it is known.
    earlier: Vec<TableEvents>,
    /// Where transactions with items in this piece, and those after them, end.
    ends: Vec<TransactionEnd>,
    /// The GTIDs up to the first of `ends`, where they are known, and the server, for checkpoints.
    up_to_first_end: (Option<AnyGtidSet>, Option<String>),
    /// Set where the piece ends between two transactions: reading may go on there.
    pub(crate) boundary: Option<Checkpoint>,
    /// Files that nobody needs once the boundary is a checkpoint.
    pub(crate) obsolete: Vec<PathBuf>,
    /// What happened up to the piece's end.
    pub(crate) counters: BinlogCounters,
    /// The time of the latest event, in seconds since 1970.
    pub(crate) timestamp: u32,
    /// Where the stream stands after the piece.
    pub(crate) position: Position,
}

/// How many rows of a transaction were in its earlier pieces, and what it did to its tables there.
pub(crate) type Earlier = (u64, Vec<TableEvents>);

/// Where a transaction ends within a piece.
#[derive(Debug, Clone)]
pub(crate) struct TransactionEnd {
    /// This many items of the piece come before it.
    pub(crate) items: usize,
    pub(crate) file: Arc<str>,
    pub(crate) offset: u64,
    pub(crate) gtid: Option<AnyGtid>,
    pub(crate) tail: Option<Tail>,
    /// XA transactions that wait there.
    pub(crate) prepared: Arc<[PreparedXa]>,
}

/// A row that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct BrokenPiece {
    /// Rows before it that were written.
    pub rows: u64,
    /// The item it is in.
    pub(crate) item: usize,
    /// What is wrong with it, and where it is.
    #[source]
    pub error: EventError,
}

#[derive(Debug)]
pub(crate) enum Item {
    Begin(Box<RowContext>),
    Rows { rows: StoredRows, table: Arc<Table>, context: Box<RowContext> },
    Definition { database: String, table: Option<String>, sql: String, context: Box<RowContext> },
    Statement { database: String, sql: String, variables: String, is_rolled_back: bool, context: Box<RowContext> },
    End(Box<RowContext>),
}

impl Item {
    fn context_mut(&mut self) -> &mut RowContext {
        match self {
            Self::Begin(context)
            | Self::Rows { context, .. }
            | Self::Definition { context, .. }
            | Self::Statement { context, .. }
            | Self::End(context) => context,
        }
    }

    fn weight(&self) -> usize {
        let text = match self {
            Self::Definition { database, table, sql, .. } => {
                database.len() + table.as_ref().map_or(0, String::len) + sql.len()
            }
            Self::Statement { database, sql, variables, .. } => database.len() + sql.len() + variables.len(),
            Self::Begin(_) | Self::Rows { .. } | Self::End(_) => 0,
        };
        ITEM_BYTES + text
    }
}

impl Piece {
    /// It goes on with a transaction of which this was there before.
    pub(crate) fn go_on(&mut self, earlier: Earlier) {
        (self.first_row, self.earlier) = earlier;
    }

    /// Where it ends and what was counted, without what is to be written.
    pub(crate) fn without_items(&self) -> Self {
        Self {
            boundary: self.boundary.clone(),
            obsolete: self.obsolete.clone(),
            counters: self.counters,
            timestamp: self.timestamp,
            position: self.position.clone(),
            ..Self::default()
        }
    }

    /// Takes note of a transaction's end after the last item. `gtids` are those up to there.
    pub(crate) fn push_end(&mut self, end: TransactionEnd, gtids: Option<&AnyGtidSet>, server: Option<&String>) {
        if self.items.is_empty() {
            // There is nothing in front of it that could be delivered without what comes after it.
            return;
        }
        if self.ends.is_empty() {
            self.up_to_first_end = (gtids.cloned(), server.cloned());
        }
        self.items_weight += size_of::<TransactionEnd>();
        self.ends.push(end);
    }

    /// Takes the transactions that have ended before item `item` off the front; `None` where there are none. What is left has no
    /// boundary.
    pub(crate) fn split_off_whole(&mut self, item: usize) -> Option<Self> {
        self.boundary = None;
        let count = self.ends.iter().take_while(|end| end.items <= item).count();
        let ends: Vec<_> = self.ends.drain(..count).collect();
        let last = ends.last()?;
        let (mut gtids, server) = std::mem::take(&mut self.up_to_first_end);
        for gtid in ends.iter().skip(1).filter_map(|end| end.gtid) {
            // Both are of the same server, or there is no set to keep.
            let _ = gtids.as_mut().map(|set| set.add(&gtid));
        }
        let boundary = Checkpoint {
            file: last.file.to_string(),
            offset: last.offset,
            gtid_set: gtids.as_ref().map(ToString::to_string),
            server,
            tail: last.tail,
            prepared: last.prepared.to_vec(),
            ..Checkpoint::default()
        };
        let items = self.items.drain(..last.items).collect();
        let whole = Self {
            bytes: self.bytes.clone(),
            items,
            first_row: self.first_row,
            position: boundary.position(),
            boundary: Some(boundary),
            counters: self.counters,
            timestamp: self.timestamp,
            ..Self::default()
        };
        self.first_row = 0;
        Some(whole)
    }

    pub(crate) fn push(&mut self, item: Item) {
        self.items_weight += item.weight();
        self.items.push(item);
    }

    /// About how many bytes of memory it takes: a transaction of one small row takes far more than its bytes.
    pub(crate) fn weight(&self) -> usize {
        self.bytes.len() + self.items_weight
    }

    /// Whether there is nothing to be written.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Where reading may go on after the piece; `None` where it ends in the middle of a transaction.
    pub fn boundary(&self) -> Option<&Checkpoint> {
        self.boundary.as_ref()
    }

    /// Writes the messages of the piece in one form; returns how many rows there were. Those before a row that cannot be read are
    /// written.
    pub fn write(&self, form: &mut dyn RowForm, out: &mut Batch) -> Result<u64, BrokenPiece> {
        let mut row = self.first_row;
        let mut rows_written = 0;
        if row > 0 {
            form.continues(row, &self.earlier);
        }
        for (index, item) in self.items.iter().enumerate() {
            match item {
                Item::Begin(context) => {
                    row = 0;
                    form.transaction(TransactionEdge::Begin, context, out);
                }
                Item::End(context) => form.transaction(TransactionEdge::End { rows: row }, context, out),
                Item::Definition { database, table, sql, context } => {
                    form.definition(Definition { database, table: table.as_deref(), sql }, context, out);
                }
                Item::Statement { database, sql, variables, is_rolled_back, context } => {
                    let is_rolled_back = *is_rolled_back;
                    form.statement(LoggedStatement { database, sql, variables, is_rolled_back }, context, out);
                }
                Item::Rows { rows, table, context } => {
                    let context = &RowContext { first_row: row, ..RowContext::clone(context) };
                    let event = rows.event(&table.map, table.hidden.as_ref(), &self.bytes);
                    let count = form.rows(&event, table, context, out).map_err(|what| BrokenPiece {
                        rows: rows_written + event.count_whole(),
                        item: index,
                        error: broken(context, what.into()),
                    })?;
                    row += count;
                    rows_written += count;
                }
            }
        }
        if let Some(boundary) = &self.boundary {
            form.checkpoint(boundary, out);
        }
        Ok(rows_written)
    }

    /// The number of the row after the piece's last within its transaction, and what happened to its tables up to there.
    pub(crate) fn earlier(&self) -> Result<Earlier, EventError> {
        let (mut row, mut tables) = (self.first_row, self.earlier.clone());
        for item in &self.items {
            match item {
                Item::Begin(_) => {
                    row = 0;
                    tables.clear();
                }
                Item::Rows { rows, table, context } => {
                    let event = rows.event(&table.map, table.hidden.as_ref(), &self.bytes);
                    let count = event.count().map_err(|what| broken(context, what.into()))?;
                    let changes =
                        event.count_key_changes(&table.primary_key).map_err(|what| broken(context, what.into()))?;
                    row += count;
                    TableEvents::add(&mut tables, &table.map, count + changes);
                }
                // Another transaction may come next.
                Item::End(_) => {
                    row = 0;
                    tables.clear();
                }
                Item::Definition { .. } | Item::Statement { .. } => {}
            }
        }
        Ok((row, tables))
    }

    /// Forgets the items from `item` on.
    pub(crate) fn truncate(&mut self, item: usize) {
        let forgotten = self.items.drain(item.min(self.items.len())..);
        let mut start = None;
        for item in forgotten {
            self.items_weight -= item.weight();
            if let Item::Rows { rows, .. } = item {
                start.get_or_insert_with(|| rows.start());
            }
        }
        if let Some(start) = start {
            self.bytes.truncate(start);
        }
    }

    /// Takes the items from `item` on out of it, as a piece of their own.
    pub(crate) fn split_off(&mut self, item: usize) -> Self {
        let mut rest = Self::default();
        let items = self.items.split_off(item.min(self.items.len()));
        let start = items.iter().find_map(|item| match item {
            Item::Rows { rows, .. } => Some(rows.start()),
            _ => None,
        });
        let start = start.unwrap_or(self.bytes.len()).min(self.bytes.len());
        rest.append(&self.bytes.split_off(start), start, items);
        self.items_weight = self.items_weight.saturating_sub(rest.items_weight);
        rest
    }

    /// Appends what another has: its items, whose bytes are those from `start` on of what these were in.
    fn append(&mut self, bytes: &[u8], start: usize, items: Vec<Item>) {
        let to = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        for item in items {
            self.push(match item {
                Item::Rows { rows, table, context } => Item::Rows { rows: rows.moved(start, to), table, context },
                item => item,
            });
        }
    }

    /// Appends the items of another, of which nothing is said but these.
    pub(crate) fn append_piece(&mut self, other: &mut Self) {
        let items = std::mem::take(&mut other.items);
        self.append(&other.bytes, 0, items);
        other.clear();
    }

    /// Its XA transaction has ended.
    pub(crate) fn complete(&mut self, completion: &Completion) {
        self.items.retain_mut(|item| completion.settle(item));
        self.items_weight = self.items.iter().map(Item::weight).sum();
    }

    /// To be filled again.
    pub(crate) fn clear(&mut self) {
        let (mut bytes, mut items) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.items));
        bytes.clear();
        items.clear();
        *self = Self { bytes, items, ..Self::default() };
    }

    /// Puts what a transaction's end says into its items, and takes out what was rolled back; `number` is the piece's own.
    pub(crate) fn settle(&mut self, number: usize, ending: &Ending) {
        let mut at = 0;
        let weight = &mut self.items_weight;
        self.items.retain_mut(|item| {
            let mark = Mark { piece: number, item: at };
            at += 1;
            if mark < ending.start {
                return true;
            }
            let stays = ending.settle(mark, item);
            if !stays {
                *weight -= item.weight();
            }
            stays
        });
    }
}

/// A place in the stream of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    /// The piece's number; those that were given out count.
    pub(crate) piece: usize,
    /// The item's number in it.
    pub(crate) item: usize,
}

/// What is known of a transaction's items when it has ended.
#[derive(Debug)]
pub(crate) struct Ending {
    /// Its first item.
    pub(crate) start: Mark,
    /// Its last row event that was not rolled back; none where it has no rows.
    pub(crate) last_rows: Option<Mark>,
    /// What was rolled back, up to its end or to a savepoint; in order.
    pub(crate) rolled_back: Vec<Range<Mark>>,
    /// Its number.
    pub(crate) xid: Option<u64>,
    /// The connection, where it is said at the end only.
    pub(crate) thread_id: Option<u32>,
}

impl Ending {
    /// Whether an item stays. Rows that were rolled back did not happen: the servers log those of tables without transactions in groups
    /// of their own. Statements may have changed such tables, and definitions of temporary tables stay.
    fn settle(&self, mark: Mark, item: &mut Item) -> bool {
        let after = self.rolled_back.partition_point(|range| range.start <= mark);
        let last = after.checked_sub(1).and_then(|at| self.rolled_back.get(at));
        let is_taken_back = last.is_some_and(|range| mark < range.end);
        let context = match item {
            Item::Rows { .. } if is_taken_back => return false,
            Item::Begin(_) | Item::End(_) if self.last_rows.is_none() => return false,
            Item::Statement { is_rolled_back, context, .. } => {
                *is_rolled_back |= is_taken_back;
                context
            }
            Item::Rows { context, .. }
            | Item::Begin(context)
            | Item::End(context)
            | Item::Definition { context, .. } => context,
        };
        context.xid = self.xid;
        context.thread_id = context.thread_id.or(self.thread_id);
        context.ends_transaction = self.last_rows == Some(mark);
        true
    }
}

/// How an XA transaction ended that was prepared before, and where.
#[derive(Debug)]
pub(crate) struct Completion {
    /// XA COMMIT rather than XA ROLLBACK.
    pub(crate) is_commit: bool,
    pub(crate) file: Arc<str>,
    pub(crate) offset: u64,
    pub(crate) gtid: Option<Arc<str>>,
    pub(crate) commit_timestamp_us: Option<u64>,
}

impl Completion {
    /// Whether an item stays. Its place is where it is given out: places and GTIDs in the stream only ever grow.
    fn settle(&self, item: &mut Item) -> bool {
        match item {
            Item::Begin(_) | Item::Rows { .. } | Item::End(_) if !self.is_commit => return false,
            Item::Statement { is_rolled_back, .. } => *is_rolled_back |= !self.is_commit,
            _ => {}
        }
        let context = item.context_mut();
        context.file = Arc::clone(&self.file);
        context.offset = self.offset;
        // As within a compressed transaction, no event's own place is the place of its rows.
        context.next_position = 0;
        context.gtid.clone_from(&self.gtid);
        context.commit_timestamp_us = self.commit_timestamp_us;
        true
    }
}

/// An error in the rows of an event.
pub(crate) fn broken(context: &RowContext, source: DecodeError) -> EventError {
    EventError { position: Position { file: context.file.to_string(), offset: context.offset }, source }
}
