//! From events to transactions of rows: what a row's message says beyond its values, and where reading may go on.

use std::collections::HashMap;
use std::sync::Arc;

use super::decoder::{DecodeError, Event};
use super::event::{EventHeader, Query};
use super::gtid::{AnyGtid, MariaDbGtidFlags};
use super::json_value::ValueOptions;
use super::row_json::{Frame, Origin, write_ddl};
use super::rows::{RowKind, RowsEvent};
use super::history::{OwnedStatement, SchemaHistory, SchemaSource};
use super::schema::{CatalogColumn, Table};
use super::statement::{StatementKind, classify};
use super::table_map::TableMap;
use crate::sink::Batch;

/// A transaction of more bytes than this is passed on in pieces, the first of them without the transaction's number.
const LARGEST_PENDING: usize = 16 << 20;

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
    /// How values are shown.
    pub values: ValueOptions,
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

/// Asks the source's catalogue for a table's columns.
pub trait Catalog {
    /// The columns, or none where the table or the catalogue is not there.
    fn columns(&mut self, database: &str, table: &str) -> Option<Vec<CatalogColumn>>;
}

/// No catalogue: files alone.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoCatalog;

impl Catalog for NoCatalog {
    fn columns(&mut self, _: &str, _: &str) -> Option<Vec<CatalogColumn>> {
        None
    }
}

/// Puts transactions together and writes their messages to a batch when they end.
pub struct Assembler<C> {
    options: AssemblerOptions,
    pub(super) history: SchemaHistory<C>,
    has_effect: bool,
    warned_of_names: std::collections::HashSet<(String, String)>,
    /// The tables of the maps seen, by the map's address; the map is kept, so the address stays its own.
    tables: HashMap<usize, Arc<Table>>,
    is_mariadb: bool,
    origin: Origin,
    /// The end of the current event.
    position: Position,
    in_transaction: bool,
    row_index: u64,
    pending: Pending,
    frame: Frame,
    counters: BinlogCounters,
    /// The GTID of the transaction under way.
    gtid: Option<AnyGtid>,
    warned_of_statements: bool,
}

#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    rows: Vec<PendingRow>,
    savepoints: Vec<(Vec<u8>, usize)>,
}

#[derive(Debug, Clone, Copy)]
struct PendingRow {
    /// Where the transaction's number is to be put in.
    split: usize,
    end: usize,
    key: u64,
}

/// What an event meant for the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing special.
    Going,
    /// A transaction has ended: reading can begin here again.
    Boundary,
}

impl<C> std::fmt::Debug for Assembler<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assembler")
            .field("position", &self.position)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl<C: SchemaSource> Assembler<C> {
    /// An assembler at `position`.
    pub fn new(options: AssemblerOptions, catalog: C, position: Position) -> Self {
        Self {
            options,
            history: SchemaHistory::new(catalog),
            has_effect: true,
            warned_of_names: std::collections::HashSet::new(),
            tables: HashMap::new(),
            is_mariadb: false,
            origin: Origin { file: position.file.clone(), ..Origin::default() },
            position,
            in_transaction: false,
            row_index: 0,
            pending: Pending::default(),
            frame: Frame::default(),
            counters: BinlogCounters::default(),
            gtid: None,
            warned_of_statements: false,
        }
    }

    /// The end of the last event.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Whether a transaction has begun that has not ended.
    pub fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// What happened so far.
    pub fn counters(&self) -> BinlogCounters {
        self.counters
    }

    /// The GTID of the transaction that is under way or ended last.
    pub fn gtid(&self) -> Option<&AnyGtid> {
        self.gtid.as_ref()
    }

    /// Reading begins anew at `position`: what was under way will come again.
    pub fn restart(&mut self, position: Position) {
        self.origin.file.clone_from(&position.file);
        self.position = position;
        self.in_transaction = false;
        self.pending.clear();
        self.row_index = 0;
    }

    /// Takes note of an event's length before it is decoded.
    pub fn begin_event(&mut self, header: &EventHeader) {
        self.counters.bytes += u64::from(header.length);
        // Made-up events stand in no file.
        if header.next_position == 0 || header.flags & EventHeader::ARTIFICIAL != 0 {
            return;
        }
        // Positions are of 32 bits; files may be longer.
        let expected = self.position.offset + u64::from(header.length);
        let end = if expected as u32 == header.next_position { expected } else { u64::from(header.next_position) };
        self.origin.offset = end.saturating_sub(u64::from(header.length));
        self.position.offset = end;
    }

    /// Takes one event; messages of a transaction that has ended go to `batch`.
    pub fn event(
        &mut self,
        header: &EventHeader,
        event: Event<'_>,
        batch: &mut Batch,
    ) -> Result<Progress, DecodeError> {
        self.counters.events += 1;
        match event {
            Event::FormatDescription(format) => {
                self.is_mariadb = format.is_mariadb();
                self.history.set_flavor(self.is_mariadb);
            }
            Event::Rotate(rotate) => {
                let file = String::from_utf8_lossy(rotate.file).into_owned();
                self.origin.file.clone_from(&file);
                self.position = Position { file, offset: rotate.position };
                return Ok(if self.in_transaction { Progress::Going } else { Progress::Boundary });
            }
            Event::Gtid(_) | Event::MariaDbGtid(_) => {
                self.begin();
                self.gtid = event.gtid();
                self.origin.gtid = self.gtid.as_ref().map(ToString::to_string);
                if let Event::MariaDbGtid(gtid) = &event {
                    self.has_effect = super::source::is_of_effect(gtid);
                    // A standalone event (DDL) ends by itself; others have no BEGIN of their own.
                    self.in_transaction = !gtid.flags.contains(MariaDbGtidFlags::STANDALONE);
                    self.origin.thread_id = gtid.thread_id;
                }
            }
            Event::Query(query) => return self.query(header, &query, batch),
            Event::Xid(xid) => return Ok(self.end(Some(xid), batch)),
            Event::XaPrepare(_) => return Ok(self.end(None, batch)),
            Event::RowsQuery(text) => {
                // It is in every row's message, so a statement with thousands of rows must not be there whole.
                let cut = text.get(..LONGEST_QUERY).filter(|_| text.len() > LONGEST_QUERY);
                let mut query = String::from_utf8_lossy(cut.unwrap_or(text)).into_owned();
                if cut.is_some() {
                    query.push_str("...");
                }
                self.origin.query = Some(query);
            }
            Event::Rows(rows) => self.rows(header, &rows, batch)?,
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
            Event::IntVar(_) | Event::Rand | Event::UserVar => {}
            Event::TableMap(_) | Event::PreviousGtids(_) | Event::GtidList(_) => {}
            Event::Heartbeat | Event::Stop | Event::Ignored => {}
        }
        Ok(Progress::Going)
    }

    fn begin(&mut self) {
        self.in_transaction = true;
        self.row_index = 0;
        self.pending.clear();
        self.origin.query = None;
        self.origin.thread_id = None;
        self.origin.gtid = None;
        self.gtid = None;
    }

    fn end(&mut self, xid: Option<u64>, batch: &mut Batch) -> Progress {
        self.flush(xid, batch);
        self.in_transaction = false;
        self.counters.transactions += 1;
        self.origin.query = None;
        Progress::Boundary
    }

    fn query(&mut self, header: &EventHeader, query: &Query<'_>, batch: &mut Batch) -> Result<Progress, DecodeError> {
        match classify(&query.sql) {
            StatementKind::Begin => {
                if !self.in_transaction {
                    self.begin();
                }
                self.origin.thread_id = Some(query.thread_id);
            }
            // A rollback is logged where a table without transactions was changed, and its rows stay.
            StatementKind::Commit | StatementKind::Rollback => return Ok(self.end(None, batch)),
            StatementKind::Savepoint(name) => self.pending.savepoints.push((name, self.pending.rows.len())),
            StatementKind::RollbackTo(name) => self.pending.roll_back(&name),
            StatementKind::Xa => {}
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
            }
            StatementKind::Other => {
                // The tables' definitions may have changed.
                self.tables.clear();
                if self.has_effect {
                    self.history.definition(&OwnedStatement::new(query).as_statement(), &self.position);
                }
                self.counters.ddl += 1;
                if self.options.ddl {
                    self.origin.timestamp_ms = u64::from(header.timestamp) * 1000;
                    self.origin.server_id = header.server_id;
                    self.origin.thread_id = Some(query.thread_id);
                    let (database, sql) =
                        (String::from_utf8_lossy(query.database), String::from_utf8_lossy(&query.sql));
                    let origin = &self.origin;
                    // Writing to memory does not fail.
                    let _ = batch.push_with(u64::from(query.thread_id), |out| {
                        write_ddl(out, &database, &sql, origin);
                        Ok::<(), ()>(())
                    });
                }
                // It commits by itself, except for `CREATE TABLE ... SELECT`, whose rows follow.
                if !self.pending.rows.is_empty() || header_continues(query) {
                    return Ok(Progress::Going);
                }
                return Ok(self.end(None, batch));
            }
        }
        Ok(Progress::Going)
    }

    fn rows(&mut self, header: &EventHeader, rows: &RowsEvent<'_>, batch: &mut Batch) -> Result<(), DecodeError> {
        let wanted = match rows.kind {
            RowKind::Insert => self.options.inserts,
            RowKind::Update => self.options.updates,
            RowKind::Delete => self.options.deletes,
        };
        if !wanted {
            self.counters.filtered += 1;
            return Ok(());
        }
        let table = self.table(&rows.table);
        if !table.has_names {
            self.counters.nameless += 1;
        }
        self.origin.timestamp_ms = u64::from(header.timestamp) * 1000;
        self.origin.server_id = header.server_id;
        self.frame.prepare(rows.kind, &table, &self.origin);
        let key = u64::from(self.origin.thread_id.unwrap_or_default());
        let mut rows = rows.rows();
        while let Some(row) = rows.next()? {
            self.frame.first_part(&mut self.pending.bytes, &table, row, self.options.values)?;
            let split = self.pending.bytes.len();
            self.frame.second_part(&mut self.pending.bytes, self.row_index);
            self.pending.rows.push(PendingRow { split, end: self.pending.bytes.len(), key });
            self.row_index += 1;
            self.counters.rows += 1;
            if self.pending.bytes.len() > LARGEST_PENDING {
                self.flush(None, batch);
            }
        }
        Ok(())
    }

    /// Passes on what has come of a transaction that has not ended.
    pub fn flush_pending(&mut self, batch: &mut Batch) {
        self.flush(None, batch);
    }

    /// Passes the pending rows on.
    fn flush(&mut self, xid: Option<u64>, batch: &mut Batch) {
        let mut start = 0;
        for row in &self.pending.rows {
            let head = self.pending.bytes.get(start..row.split).unwrap_or_default();
            let tail = self.pending.bytes.get(row.split..row.end).unwrap_or_default();
            let _ = batch.push_with(row.key, |out| {
                out.extend_from_slice(head);
                match xid {
                    Some(xid) => out.extend_from_slice(itoa::Buffer::new().format(xid).as_bytes()),
                    None => out.extend_from_slice(b"null"),
                }
                out.extend_from_slice(tail);
                Ok::<(), ()>(())
            });
            start = row.end;
        }
        self.pending.clear();
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
        let table = Arc::new(Table::resolve(map, catalog.as_ref().map(|columns| columns.as_slice())));
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

impl Pending {
    fn clear(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > 2 * LARGEST_PENDING {
            self.bytes.shrink_to(LARGEST_PENDING / 16);
        }
        self.rows.clear();
        self.savepoints.clear();
    }

    /// Forgets the rows since a savepoint.
    fn roll_back(&mut self, name: &[u8]) {
        let Some(at) = self.savepoints.iter().rposition(|(known, _)| known == name) else { return };
        self.savepoints.truncate(at + 1);
        if let Some((_, rows)) = self.savepoints.get(at) {
            self.rows.truncate(*rows);
            self.bytes.truncate(self.rows.last().map_or(0, |row| row.end));
        }
    }
}
