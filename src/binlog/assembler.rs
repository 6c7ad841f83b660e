//! From events to transactions of rows: what a row's message says beyond its values, and where reading may go on.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::checkpoint::Checkpoint;
use super::column_rules::ColumnRules;
use super::decoder::{DecodeError, Event};
use super::event::{EventHeader, Query};
use super::form::RowContext;
use super::gtid::{AnyGtid, AnyGtidSet, MariaDbGtidFlags};
use super::history::{OwnedStatement, SchemaHistory, SchemaSource};
use super::piece::{Item, Piece};
use super::rows::{RowKind, RowsEvent};
use super::schema::Table;
use super::secrets::without_secrets;
use super::source::is_of_effect;
use super::statement::{StatementKind, classify};
use super::statement_variables::StatementVariables;
use super::table_map::TableMap;

/// A piece that has so many bytes of rows is full.
const PIECE_BYTES: usize = 512 * 1024;

/// Within a transaction a piece may become so large before the next is begun, which takes counting the rows before it.
const LARGEST_PIECE: usize = 2 * PIECE_BYTES;

/// A transaction of more bytes than this is passed on before its end has come, the first pieces without its number.
const LARGEST_HELD: usize = 16 << 20;

/// After so many bytes of events without rows that are wanted it is said all the same how far reading is.
const SILENT_BYTES: u64 = 8 << 20;

/// So many bytes of a statement's text are in each of its rows' messages.
const LONGEST_QUERY: usize = 1024;

/// Where a stream of events stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Position {
    /// The binlog file's name.
    pub file: String,
    /// A byte offset in it.
    pub offset: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

/// Which events become messages, and how.
#[derive(Debug, Clone)]
pub struct AssemblerOptions {
    /// Rows that were inserted.
    pub inserts: bool,
    /// Rows that were changed.
    pub updates: bool,
    /// Rows that were deleted.
    pub deletes: bool,
    /// Statements that change definitions.
    pub ddl: bool,
    /// Statements that are logged as text.
    pub statements: bool,
    /// Columns that are left out or not shown.
    pub columns: ColumnRules,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BinlogCounters {
    /// Events, those inside compressed transactions too.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows that became messages.
    pub rows: u64,
    /// Transactions that ended.
    pub transactions: u64,
    /// Statements that change definitions.
    pub ddl: u64,
    /// Row events of tables that are not wanted.
    pub filtered: u64,
    /// Events of types that are not known.
    pub unknown: u64,
    /// Statements that are logged as text: there are no rows of them.
    pub statements_without_rows: u64,
    /// Row events whose columns have no names.
    pub nameless: u64,
}

/// Puts transactions together: [`Piece`]s of rows come out.
///
/// A piece is given out when its last transaction has ended, so that its rows can carry the transaction's number; only very large
/// transactions are given out before.
pub struct Assembler<S> {
    options: AssemblerOptions,
    /// What the tables' columns are, where the table maps do not say.
    history: SchemaHistory<S>,
    /// Whether the statement of the transaction changes definitions, rather than being one part of an ALTER in two.
    has_effect: bool,
    warned_of_names: HashSet<(String, String)>,
    /// The tables of the maps seen, by the map's address; the map is kept, so the address stays its own.
    tables: HashMap<usize, Arc<Table>>,
    is_mariadb: bool,
    /// What the next row has in common with the others of its event.
    context: RowContext,
    /// The end of the current event.
    position: Position,
    /// The GTIDs of all transactions that have ended, where the source said which came before.
    gtids: Option<AnyGtidSet>,
    /// Whose files they are.
    server: Option<String>,
    /// Pieces that are full but not given out yet, because their transaction has not ended.
    full: VecDeque<Piece>,
    filling: Piece,
    /// Memory to be used again.
    spare: Vec<Piece>,
    /// How many pieces were given out.
    given_pieces: usize,
    /// Bytes of events up to the last boundary that was given out.
    reported_bytes: u64,
    transaction: Option<Transaction>,
    /// Rows of the open transaction that were given out before a restart: they come again.
    given_out: u64,
    /// The last transaction had no GTID: a set of them does not say what was read.
    is_anonymous: bool,
    /// Nothing is kept (`--from` a moment that has not come yet).
    is_skipping: bool,
    timestamp: u32,
    counters: BinlogCounters,
    /// The GTID of the transaction that is under way or ended last.
    gtid: Option<AnyGtid>,
    /// Values for the next statement that is logged as text.
    variables: StatementVariables,
    warned_of_statements: bool,
}

/// A transaction under way.
#[derive(Debug, Default)]
struct Transaction {
    /// Its first item, which may have been given out; none before the first row.
    start: Option<Mark>,
    /// What is said of its beginning is there.
    has_begun: bool,
    savepoints: Vec<(Vec<u8>, Mark)>,
    /// Rows that are to be left out, because they were given out before the stream broke, and how many have been.
    again: u64,
    left_out: u64,
}

/// A place in the stream of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    /// The piece's number; those that were given out count.
    piece: usize,
    /// The item's number in it.
    item: usize,
}

/// What an event meant for the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing special.
    Going,
    /// A transaction has ended: reading can begin here again.
    Boundary,
}

impl<S> std::fmt::Debug for Assembler<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assembler")
            .field("position", &self.position)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl<S: SchemaSource> Assembler<S> {
    /// An assembler at `position`.
    pub fn new(options: AssemblerOptions, source: S, position: Position) -> Self {
        let context = RowContext {
            timestamp_ms: 0,
            commit_timestamp_us: None,
            server_id: 0,
            file: position.file.as_str().into(),
            offset: position.offset,
            next_position: 0,
            gtid: None,
            thread_id: None,
            xid: None,
            query: None,
            first_row: 0,
            ends_transaction: false,
        };
        Self {
            options,
            history: SchemaHistory::new(source),
            has_effect: true,
            warned_of_names: HashSet::new(),
            tables: HashMap::new(),
            is_mariadb: false,
            context,
            position,
            gtids: None,
            server: None,
            full: VecDeque::new(),
            filling: Piece::default(),
            spare: Vec::new(),
            given_pieces: 0,
            reported_bytes: 0,
            transaction: None,
            given_out: 0,
            is_anonymous: false,
            is_skipping: false,
            timestamp: 0,
            counters: BinlogCounters::default(),
            gtid: None,
            variables: StatementVariables::default(),
            warned_of_statements: false,
        }
    }

    /// The end of the last event.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Whether a transaction has begun that has not ended.
    pub fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// What happened so far; rows are counted where they are written.
    pub fn counters(&self) -> BinlogCounters {
        self.counters
    }

    /// The GTID of the transaction that is under way or ended last.
    pub fn gtid(&self) -> Option<&AnyGtid> {
        self.gtid.as_ref()
    }

    /// All transactions up to here, where that is known.
    pub fn gtids(&self) -> Option<&AnyGtidSet> {
        self.gtids.as_ref()
    }

    /// Says which transactions came before the place where reading begins.
    pub fn set_gtids(&mut self, gtids: Option<AnyGtidSet>) {
        self.gtids = gtids;
    }

    /// Says which server the stream is of, for checkpoints.
    pub fn set_server(&mut self, server: Option<String>) {
        self.server = server;
    }

    /// What is known of the tables' columns, to be told where the stream begins and how far it is.
    pub fn history(&mut self) -> &mut SchemaHistory<S> {
        &mut self.history
    }

    /// While set, nothing is kept of the events.
    pub fn skip(&mut self, is_skipping: bool) {
        self.is_skipping = is_skipping;
    }

    /// Reading begins anew at `position`, between two transactions; what was under way has not happened.
    pub fn restart(&mut self, position: Position) {
        // Transactions that have ended stay: they may not have been given out yet.
        self.drop_open_transaction();
        self.context.file = position.file.as_str().into();
        self.position = position;
        self.given_out = 0;
    }

    /// Reading begins again where the transaction under way began, at `position`: what was given out of it will come again, and is
    /// left out then.
    pub fn restart_transaction(&mut self, position: Position) {
        // Without a transaction the stream broke again before it came again.
        let given_out = self.transaction.as_ref().map_or(self.given_out, |transaction| {
            let is_out = transaction.start.is_some_and(|start| start.piece < self.given_pieces);
            let next = self.full.front().unwrap_or(&self.filling);
            if is_out { next.first_row } else { transaction.again }
        });
        self.restart(position);
        self.given_out = given_out;
    }

    /// Takes note of an event's length before it is decoded.
    pub fn begin_event(&mut self, header: &EventHeader) {
        self.counters.bytes += u64::from(header.length);
        let is_made_up = header.flags & EventHeader::ARTIFICIAL != 0;
        if header.timestamp > 0 && !is_made_up {
            self.timestamp = header.timestamp;
        }
        // Made-up events stand in no file.
        if header.next_position == 0 || is_made_up {
            return;
        }
        // Positions are of 32 bits; files may be longer.
        let expected = self.position.offset + u64::from(header.length);
        let end = if expected as u32 == header.next_position { expected } else { u64::from(header.next_position) };
        self.context.offset = end.saturating_sub(u64::from(header.length));
        self.position.offset = end;
    }

    /// Takes one event.
    pub fn event(&mut self, header: &EventHeader, event: Event<'_>) -> Result<Progress, DecodeError> {
        self.counters.events += 1;
        match event {
            Event::FormatDescription(format) => {
                self.is_mariadb = format.is_mariadb();
                self.history.set_flavor(self.is_mariadb);
            }
            Event::Rotate(rotate) => {
                let file = String::from_utf8_lossy(rotate.file);
                if *self.context.file != *file {
                    self.context.file = file.as_ref().into();
                }
                self.position = Position { file: file.into_owned(), offset: rotate.position };
                return Ok(if self.in_transaction() { Progress::Going } else { Progress::Boundary });
            }
            Event::PreviousGtids(set) if !self.is_anonymous => {
                self.gtids.get_or_insert(AnyGtidSet::MySql(set));
            }
            Event::PreviousGtids(_) => {}
            Event::GtidList(gtids) => {
                self.gtids.get_or_insert_with(|| AnyGtidSet::MariaDb(gtids.into_iter().collect()));
            }
            Event::Gtid(_) | Event::MariaDbGtid(_) => {
                self.begin();
                self.gtid = event.gtid();
                self.context.gtid = self.gtid.as_ref().map(|gtid| gtid.to_string().into());
                match &event {
                    Event::Gtid(gtid) => {
                        self.context.commit_timestamp_us = gtid.immediate_commit_timestamp;
                        self.is_anonymous = gtid.gtid.is_none();
                        if self.is_anonymous {
                            self.gtids = None;
                        }
                    }
                    Event::MariaDbGtid(gtid) => {
                        self.has_effect = is_of_effect(gtid);
                        // A standalone event (DDL) ends by itself; others have no BEGIN of their own.
                        if gtid.flags.contains(MariaDbGtidFlags::STANDALONE) {
                            self.transaction = None;
                        }
                        self.context.thread_id = gtid.thread_id;
                    }
                    _ => {}
                }
            }
            Event::Query(query) => return self.query(header, &query),
            Event::Xid(xid) => return Ok(self.end(header, Some(xid))),
            Event::XaPrepare(_) => return Ok(self.end(header, None)),
            Event::RowsQuery(text) => {
                // It is in every row's message, so a statement with thousands of rows must not be there whole.
                let cut = text.get(..LONGEST_QUERY).filter(|_| text.len() > LONGEST_QUERY);
                let mut query = String::from_utf8_lossy(cut.unwrap_or(text)).into_owned();
                if cut.is_some() {
                    query.push_str("...");
                }
                self.context.query = Some(query.into());
            }
            Event::Rows(rows) => self.rows(header, &rows)?,
            Event::FilteredRows => self.counters.filtered += 1,
            Event::PayloadBegin | Event::PayloadEnd => {}
            Event::Incident(number, message) => {
                let message = String::from_utf8_lossy(message);
                tracing::error!(position = %self.position, number, %message, "the server reports an incident: events may be missing");
            }
            Event::Unknown => {
                self.counters.unknown += 1;
                tracing::warn!(position = %self.position, code = header.event_type.code(), "an event of a type that is not known was skipped");
            }
            Event::IntVar(variable) => self.variables.int_var(variable),
            Event::Rand(first, second) => self.variables.rand(first, second),
            Event::UserVar(variable) => self.variables.user_var(&variable),
            Event::TableMap(_) => {}
            Event::Heartbeat | Event::Stop | Event::Ignored => {}
        }
        Ok(Progress::Going)
    }

    fn begin(&mut self) {
        if self.transaction.is_some() {
            // Its end never came (the server crashed while it wrote it): it did not happen.
            self.drop_open_transaction();
        }
        self.transaction = Some(Transaction { again: std::mem::take(&mut self.given_out), ..Transaction::default() });
        self.variables.take();
        self.context.query = None;
        self.context.thread_id = None;
        self.context.gtid = None;
        self.context.commit_timestamp_us = None;
        self.gtid = None;
    }

    fn drop_open_transaction(&mut self) {
        if let Some(start) = self.transaction.take().and_then(|transaction| transaction.start) {
            self.truncate(start);
        }
    }

    /// Forgets the rows since a savepoint.
    fn roll_back(&mut self, name: &[u8]) {
        let Some(transaction) = &mut self.transaction else { return };
        let Some(at) = transaction.savepoints.iter().rposition(|(known, _)| known == name) else { return };
        transaction.savepoints.truncate(at + 1);
        let Some((_, mark)) = transaction.savepoints.get(at).cloned() else { return };
        if mark.piece < self.given_pieces {
            tracing::warn!(
                position = %self.position,
                "rows were rolled back to a savepoint, but the transaction is so large that some of them have been passed on already"
            );
        }
        // With the first row goes what was said of the beginning, unless that is out.
        if transaction.start.is_some_and(|start| start >= mark && start.piece >= self.given_pieces) {
            transaction.start = None;
            transaction.has_begun = false;
        }
        self.truncate(mark);
    }

    /// Forgets the items from `mark` on, as far as they are still here.
    fn truncate(&mut self, mark: Mark) {
        let number = mark.piece.saturating_sub(self.given_pieces);
        if let Some(piece) = self.full.drain(number.min(self.full.len())..).next() {
            self.filling = piece;
        }
        let item = if mark.piece < self.given_pieces { 0 } else { mark.item };
        self.filling.truncate(item);
    }

    /// The place of the next item.
    fn mark(&self) -> Mark {
        Mark { piece: self.given_pieces + self.full.len(), item: self.filling.items.len() }
    }

    /// The transaction under way has its first item next.
    fn start(&mut self) {
        let Some(transaction) = &self.transaction else { return };
        if transaction.start.is_some() {
            return;
        }
        if transaction.again > 0 {
            // Its rows go on counting, so they cannot be in one piece with other transactions.
            let first_row = transaction.left_out;
            if !self.filling.is_empty() {
                let full = self.next_filling();
                self.full.push_back(full);
            }
            self.filling.first_row = first_row;
        }
        let start = self.mark();
        if let Some(transaction) = &mut self.transaction {
            transaction.start = Some(start);
            transaction.has_begun = transaction.again > 0;
        }
    }

    fn end(&mut self, header: &EventHeader, xid: Option<u64>) -> Progress {
        if self.transaction.as_ref().is_some_and(|transaction| transaction.again > 0) {
            self.start();
        }
        if let Some(start) = self.transaction.take().filter(|transaction| transaction.has_begun).and_then(|it| it.start)
        {
            self.stamp(header);
            self.context.xid = xid;
            let end = Item::End(Box::new(self.context.clone()));
            self.filling.items.push(end);
            self.context.xid = None;
            let mut last = None;
            for (number, piece) in self.full.iter_mut().chain([&mut self.filling]).enumerate() {
                let from = match start.piece.cmp(&(self.given_pieces + number)) {
                    std::cmp::Ordering::Less => 0,
                    std::cmp::Ordering::Equal => start.item,
                    std::cmp::Ordering::Greater => continue,
                };
                for (is_row, context) in piece.contexts_from(from) {
                    context.xid = xid;
                    if is_row {
                        last = Some(context);
                    }
                }
            }
            if let Some(context) = last {
                context.ends_transaction = true;
            }
        }
        if let (Some(set), Some(gtid)) = (&mut self.gtids, &self.gtid) {
            // Both are of the same server, or there is no set to keep.
            let _ = set.add(gtid);
        }
        self.counters.transactions += 1;
        self.context.query = None;
        self.history.reached(&self.position, false);
        Progress::Boundary
    }

    fn query(&mut self, header: &EventHeader, query: &Query<'_>) -> Result<Progress, DecodeError> {
        match classify(&query.sql) {
            StatementKind::Begin => {
                if self.transaction.is_none() {
                    self.begin();
                }
                self.context.thread_id = Some(query.thread_id);
            }
            // A rollback is logged where a table without transactions was changed, and its rows stay.
            StatementKind::Commit | StatementKind::Rollback | StatementKind::XaEnd => return Ok(self.end(header, None)),
            StatementKind::Savepoint(name) => {
                let mark = self.mark();
                if let Some(transaction) = &mut self.transaction {
                    transaction.savepoints.push((name, mark));
                }
            }
            StatementKind::RollbackTo(name) => self.roll_back(&name),
            StatementKind::Neutral => {}
            StatementKind::Dml => {
                self.counters.statements_without_rows += 1;
                if !std::mem::replace(&mut self.warned_of_statements, true) {
                    tracing::warn!(
                        position = %self.position,
                        sql = %String::from_utf8_lossy(query.sql.get(..200).unwrap_or(&query.sql)),
                        "a statement is logged as text (binlog_format=STATEMENT or MIXED): there are no rows of it, and this is said only once; \
                         set binlog_format=ROW at the source"
                    );
                }
                // Its text has the values that are not to be seen, wherever they are.
                let hides = !self.options.columns.is_empty();
                let variables = self.variables.take();
                if self.options.statements && !hides && !self.is_skipping {
                    self.stamp(header);
                    self.context.thread_id = Some(query.thread_id);
                    self.filling.items.push(Item::Statement {
                        database: String::from_utf8_lossy(query.database).into_owned(),
                        sql: String::from_utf8_lossy(&query.sql).into_owned(),
                        variables,
                        context: Box::new(self.context.clone()),
                    });
                }
            }
            StatementKind::Other => {
                // The tables' definitions may have changed.
                self.tables.clear();
                if self.has_effect {
                    self.history.definition(&OwnedStatement::new(query).as_statement(), &self.position);
                }
                self.counters.ddl += 1;
                let has_rows = self.transaction.as_ref().is_some_and(|transaction| transaction.start.is_some());
                // MariaDB's rows of a CREATE TABLE ... SELECT follow in the same transaction; other definitions are marked STANDALONE.
                let continues = header_continues(query) || (self.is_mariadb && self.transaction.is_some());
                // It was given out with the first rows.
                let is_again = self.transaction.as_ref().is_some_and(|it| it.left_out < it.again);
                if self.options.ddl && !self.is_skipping && !is_again {
                    if continues {
                        self.start();
                    }
                    self.stamp(header);
                    self.context.thread_id = Some(query.thread_id);
                    let definition = Item::Definition {
                        database: String::from_utf8_lossy(query.database).into_owned(),
                        sql: without_secrets(&String::from_utf8_lossy(&query.sql)).into_owned(),
                        context: Box::new(self.context.clone()),
                    };
                    self.filling.items.push(definition);
                }
                // It commits by itself, except for `CREATE TABLE ... SELECT`, whose rows follow.
                if has_rows || continues {
                    return Ok(Progress::Going);
                }
                return Ok(self.end(header, None));
            }
        }
        Ok(Progress::Going)
    }

    /// Takes from the event's header what its messages say.
    fn stamp(&mut self, header: &EventHeader) {
        self.context.timestamp_ms = u64::from(header.timestamp) * 1000;
        self.context.server_id = header.server_id;
        self.context.next_position = header.next_position;
    }

    fn rows(&mut self, header: &EventHeader, rows: &RowsEvent<'_>) -> Result<(), DecodeError> {
        let wanted = match rows.kind {
            RowKind::Insert => self.options.inserts,
            RowKind::Update => self.options.updates,
            RowKind::Delete => self.options.deletes,
        };
        if !wanted {
            self.counters.filtered += 1;
            return Ok(());
        }
        if self.is_skipping {
            return Ok(());
        }
        let table = self.table(&rows.table);
        if !table.has_names {
            self.counters.nameless += 1;
        }
        self.stamp(header);
        let transaction = self.transaction.get_or_insert_default();
        let mut rows = Cow::Borrowed(rows);
        let still_again = transaction.again.saturating_sub(transaction.left_out);
        if still_again > 0 {
            // Rows, not events: another server may have cut the events differently.
            let count = rows.count()?;
            transaction.left_out += count.min(still_again);
            if count <= still_again {
                return Ok(());
            }
            rows = Cow::Owned(rows.without_first(still_again)?);
        }
        self.start();
        if let Some(transaction) = self.transaction.as_mut().filter(|transaction| !transaction.has_begun) {
            transaction.has_begun = true;
            self.filling.items.push(Item::Begin(Box::new(self.context.clone())));
        } else if self.filling.bytes.len() >= LARGEST_PIECE {
            let first_row = self.filling.row_behind().map_err(|error| DecodeError::Consumer(error.into()))?;
            let next = Piece { first_row, ..self.spare.pop().unwrap_or_default() };
            self.full.push_back(std::mem::replace(&mut self.filling, next));
        }
        let mut context = Box::new(self.context.clone());
        if table.hides_columns() {
            // The text has the values that are not to be seen.
            context.query = None;
        }
        let rows = rows.store(&mut self.filling.bytes);
        self.filling.items.push(Item::Rows { rows, table, context });
        Ok(())
    }

    /// The next piece that can be given out. `flush`: however small it is, because nothing more may come for a while.
    pub fn next_piece(&mut self, flush: bool) -> Option<Piece> {
        if self.transaction.is_none() {
            if let Some(piece) = self.full.pop_front() {
                return Some(self.give_out(piece));
            }
            let silent = self.counters.bytes - self.reported_bytes;
            if self.filling.bytes.len() < PIECE_BYTES && silent < SILENT_BYTES && !(flush && silent > 0) {
                return None;
            }
            self.reported_bytes = self.counters.bytes;
            let mut piece = self.next_filling();
            // By GTIDs reading begins before it is known in which file.
            piece.boundary = (!self.position.file.is_empty()).then(|| Checkpoint {
                file: self.position.file.clone(),
                offset: self.position.offset,
                gtid_set: self.gtids.as_ref().map(ToString::to_string),
                server: self.server.clone(),
            });
            return Some(self.give_out(piece));
        }
        // The one that is being filled stays, for what is to be said of the transaction's last row.
        let held: usize = self.full.iter().map(|piece| piece.bytes.len()).sum();
        if held <= LARGEST_HELD {
            return None;
        }
        let piece = self.full.pop_front()?;
        Some(self.give_out(piece))
    }

    /// What has come of a transaction whose end will not come.
    pub fn next_rest(&mut self) -> Option<Piece> {
        let piece = match self.full.pop_front() {
            Some(piece) => piece,
            None if self.filling.is_empty() => return None,
            None => self.next_filling(),
        };
        Some(self.give_out(piece))
    }

    fn next_filling(&mut self) -> Piece {
        let next = self.spare.pop().unwrap_or_default();
        std::mem::replace(&mut self.filling, next)
    }

    fn give_out(&mut self, mut piece: Piece) -> Piece {
        self.given_pieces += 1;
        piece.counters = self.counters;
        piece.timestamp = self.timestamp;
        piece.position = self.position.clone();
        piece
    }

    /// Takes back a piece that was written, to fill it again.
    pub fn recycle(&mut self, mut piece: Piece) {
        piece.clear();
        self.spare.push(piece);
    }

    fn table(&mut self, map: &Arc<TableMap>) -> Arc<Table> {
        let address = Arc::as_ptr(map).addr();
        if let Some(table) = self.tables.get(&address) {
            return Arc::clone(table);
        }
        let catalog = if Table::needs_catalog(map, self.is_mariadb) {
            self.history.columns(&map.database, &map.table, &self.position, map)
        } else {
            None
        };
        let mut table = Table::resolve(map, catalog.as_deref().map(Vec::as_slice));
        table.hide(&self.options.columns);
        let table = Arc::new(table);
        if !table.has_names && self.warned_of_names.insert((map.database.clone(), map.table.clone())) {
            tracing::warn!(
                database = map.database,
                table = map.table,
                position = %self.position,
                "the columns' names are not known: they are called @1, @2 and so on; binlog_row_metadata=FULL at the source has them in the binlog"
            );
        }
        if self.tables.len() >= 1024 {
            self.tables.clear();
        }
        // The names may become known without a statement: the catalogue may have been away.
        if table.has_names {
            self.tables.insert(address, Arc::clone(&table));
        }
        table
    }
}

/// Whether rows follow a statement that would end its transaction otherwise.
fn header_continues(query: &Query<'_>) -> bool {
    // MySQL 8.0.21 and later write `START TRANSACTION` behind the definition of an atomic CREATE TABLE ... SELECT.
    query.sql.trim_ascii_end().to_ascii_uppercase().ends_with(b"START TRANSACTION")
}
