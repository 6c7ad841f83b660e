//! From events to transactions of rows: what a row's message says beyond its values, and where reading may go on.

mod boundaries;
mod held;
mod options;
mod pieces;
mod statements;
#[cfg(test)]
mod tests;
mod transaction;
mod xa;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use held::Held;
pub use options::AssemblerOptions;
use transaction::{End, Transaction};

use crate::binlog::checkpoint::PreparedXa;
use crate::binlog::checkpoint::tail::{Tail, TailReader};
use crate::binlog::event::content::Event;
use crate::binlog::event::error::DecodeError;
use crate::binlog::event::format::{FormatDescription, Writer};
use crate::binlog::event::header::EventHeader;
use crate::binlog::event::position::Position;
use crate::binlog::event::table_map::TableMap;
use crate::binlog::gtid::{AnyGtid, AnyGtidSet, MariaDbGtidFlags};
use crate::binlog::output::context::RowContext;
use crate::binlog::table::history::{SchemaHistory, SchemaSource, statement_head, without_secrets};
use crate::binlog::table::schema::Table;
use crate::binlog::transaction::counters::BinlogCounters;
use crate::binlog::transaction::hold_error::HoldError;
use crate::binlog::transaction::piece::{Earlier, Piece};
use crate::binlog::transaction::prepared::{Keep, Prepared};
use crate::binlog::transaction::progress::Progress;
use crate::binlog::transaction::statement::is_of_effect;
use crate::binlog::transaction::variables::StatementVariables;
use crate::mysql::sql::SavepointNames;

/// A piece that has this many bytes of rows is full.
const PIECE_BYTES: usize = 512 * 1024;

/// This many bytes of a statement's text are in each of its rows' messages.
const LONGEST_QUERY: usize = 1024;

/// Puts transactions together: [`Piece`]s of rows come out.
///
/// A piece is given out when its last transaction has ended: only then it is known that its rows happened, and what its number is. What
/// is too much for memory until then is kept on the disk.
pub struct Assembler<S> {
    options: AssemblerOptions,
    /// What the tables' columns are, where the table maps do not say.
    history: SchemaHistory<S>,
    /// Whether the statement of the transaction changes definitions, rather than being one part of an ALTER in two.
    has_effect: bool,
    warned_of_names: HashSet<(String, String)>,
    /// The tables of the maps seen, by the table's number in the binlog.
    tables: HashMap<u64, Resolved>,
    writer: Writer,
    /// What the next row has in common with the others of its event.
    context: RowContext,
    /// The end of the current event.
    position: Position,
    /// The GTIDs of all transactions that have ended, where the source said which came before.
    gtids: Option<AnyGtidSet>,
    /// Whose files they are.
    server: Option<String>,
    /// The last events, for checkpoints.
    tail: TailReader,
    /// Where the current event begins, and what came before it.
    before_event: (u64, TailReader),
    tail_before_transaction: TailReader,
    /// Pieces that are full but not given out yet, because their transaction has not ended.
    held: Held,
    filling: Piece,
    /// XA transactions whose end has not come.
    prepared: Prepared,
    /// Memory to be used again.
    spare: Vec<Piece>,
    /// Another file has begun since a piece was given out: with the file before it files of rows may end.
    has_rotated: bool,
    /// How many pieces were given out.
    given_pieces: usize,
    /// What was in the pieces before of the transaction that goes on in the next.
    earlier: Earlier,
    /// Bytes of events up to the last boundary that was given out.
    reported_bytes: u64,
    transaction: Option<Transaction>,
    savepoint_names: SavepointNames,
    /// The last transaction had no GTID: a set of them does not say what was read.
    is_anonymous: bool,
    /// Nothing is kept (`--from` a time that has not come yet).
    is_skipping: bool,
    /// What comes lies before the place where reading begins.
    is_passing_over: bool,
    timestamp: u32,
    counters: BinlogCounters,
    /// The GTID of the transaction that is under way or ended last.
    gtid: Option<AnyGtid>,
    /// The character set of its statements' texts, as a collation, where its BEGIN says it.
    charset_client: Option<u16>,
    /// Values for the next statement that is logged as text.
    variables: StatementVariables,
    warned_of_statements: bool,
    warned_of_xa: bool,
    warned_of_beginning: bool,
}

/// A table map, and the table that was made of it.
#[derive(Debug)]
struct Resolved {
    /// As it came: numbers are given again after a restart of the server, so the map says whether it is the same table. What the
    /// table has may be another map.
    map: Arc<TableMap>,
    table: Arc<Table>,
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
        let temp_dir = options.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        Self {
            held: Held::new(temp_dir.clone()),
            prepared: Prepared::new(Keep::Nothing, temp_dir),
            options,
            history: SchemaHistory::new(source),
            has_effect: true,
            warned_of_names: HashSet::new(),
            tables: HashMap::new(),
            writer: Writer::default(),
            context,
            position,
            gtids: None,
            server: None,
            tail: TailReader::default(),
            before_event: (0, TailReader::default()),
            tail_before_transaction: TailReader::default(),
            filling: Piece::default(),
            spare: Vec::new(),
            has_rotated: false,
            given_pieces: 0,
            earlier: Earlier::default(),
            reported_bytes: 0,
            transaction: None,
            savepoint_names: SavepointNames::default(),
            is_anonymous: false,
            is_skipping: false,
            is_passing_over: false,
            timestamp: 0,
            counters: BinlogCounters::default(),
            gtid: None,
            charset_client: None,
            variables: StatementVariables::default(),
            warned_of_statements: false,
            warned_of_xa: false,
            warned_of_beginning: false,
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

    /// How many row events of the transaction under way were read; none outside of one, and in one that has nothing yet.
    pub fn unfinished_row_events(&self) -> Option<u64> {
        self.transaction.as_ref().filter(|transaction| transaction.start.is_some()).map(|it| it.rows.events)
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

    /// Where transactions that are too large for memory are kept from now on.
    pub fn set_temp_dir(&mut self, folder: PathBuf) {
        self.prepared.set_temp_dir(folder.clone());
        self.held.set_folder(folder);
    }

    /// Says what is kept of XA transactions that are prepared, for a restart.
    pub(crate) fn keep_prepared(&mut self, keep: Keep) {
        self.prepared.set_keep(keep);
    }

    #[cfg(test)]
    pub(crate) fn prepared(&mut self) -> &mut Prepared {
        &mut self.prepared
    }

    /// Takes up the XA transactions that were prepared at the place where reading begins.
    pub(crate) fn restore_prepared(&mut self, prepared: &[PreparedXa]) -> Result<(), HoldError> {
        self.prepared.restore(prepared, &self.options.columns)?;
        self.counters.xa_waiting = self.prepared.len() as u64;
        Ok(())
    }

    /// Reading goes on at the current position, but the events from `offset` on come first, to be passed over.
    pub fn pass_over_from(&mut self, offset: u64) {
        self.position.offset = offset;
        self.tail.restart();
    }

    /// While set, reading has not come to where it begins: no place is one to go on from.
    pub fn pass_over(&mut self, is_passing_over: bool) {
        self.is_passing_over = is_passing_over;
    }

    /// While set, nothing is kept of the events.
    pub fn skip(&mut self, is_skipping: bool) {
        self.is_skipping = is_skipping;
    }

    /// Reading begins again at `position`, between two transactions; what is under way comes again, or has not happened.
    pub fn restart(&mut self, position: Position) {
        // Transactions that have ended stay: they may not have been given out yet.
        self.drop_open_transaction();
        self.tables.clear();
        self.tail.restart();
        self.go_on_at(position);
    }

    /// The next file begins. What is under way goes on in it if it `continues` the one before, else its end does not come.
    pub fn next_file(&mut self, position: Position, continues: bool) {
        if !continues {
            self.abandon("the file that goes on with it is not the next");
        }
        self.go_on_at(position);
    }

    fn go_on_at(&mut self, position: Position) {
        self.context.file = position.file.as_str().into();
        self.position = position;
    }

    /// What the last events before the position are, as far as they have come.
    pub fn tail(&self) -> Option<Tail> {
        self.tail.at(self.position.offset)
    }

    /// Takes note of an event before it is decoded; `has_checksum` where its last bytes are one.
    pub fn begin_event(&mut self, header: &EventHeader, event: &[u8], has_checksum: bool) {
        self.before_event = (self.position.offset, self.tail);
        self.counters.bytes += u64::from(header.length);
        let is_synthetic = header.flags & EventHeader::ARTIFICIAL != 0;
        if header.timestamp > 0 && !is_synthetic {
            self.timestamp = header.timestamp;
        }
        if self.position.pass(header) {
            self.context.offset = self.position.offset.saturating_sub(u64::from(header.length));
        }
        self.tail.event(header, event, has_checksum, self.position.offset);
    }

    /// The event that was begun was not taken: reading is to go on before it, not after it.
    pub fn take_back_event(&mut self) {
        (self.position.offset, self.tail) = self.before_event;
    }

    /// Takes one event.
    pub fn event(&mut self, header: &EventHeader, event: Event<'_>) -> Result<Progress, DecodeError> {
        self.counters.events += 1;
        match event {
            Event::FormatDescription(format) => {
                self.format(format);
            }
            Event::Rotate(rotate) => {
                let file = String::from_utf8_lossy(rotate.file);
                if *self.context.file != *file {
                    self.context.file = file.as_ref().into();
                    self.has_rotated = true;
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
            Event::Gtid(_) | Event::MariaDbGtid(_) => self.gtid_event(&event),
            Event::Query(query) => return self.query(header, &query),
            Event::Xid(xid) => return Ok(self.end(header, End::Commit(Some(xid)), None)),
            Event::XaPrepare(body) => {
                return self.xa_prepare(header, body);
            }
            Event::RowsQuery(text) => {
                // It is in every row's message, so a statement with thousands of rows must not be there whole.
                let query = statement_head(text, self.charset_client, LONGEST_QUERY);
                self.context.query = Some(
                    without_secrets(&query, text.len() > LONGEST_QUERY, None, &self.options.columns.redactor).into(),
                );
            }
            Event::Rows(rows) => {
                self.note_event();
                self.rows(header, &rows)?;
                self.end_statement(rows.ends_statement);
            }
            Event::FilteredRows { ends_statement } => {
                self.note_event();
                self.counters.filtered += 1;
                self.end_statement(ends_statement);
            }
            Event::PayloadBegin | Event::PayloadEnd => {}
            Event::Incident(number, message) => {
                self.counters.incidents += 1;
                self.say_incident(number, message);
            }
            Event::HeartbeatAt { file, position } => {
                let is_ahead = file == self.position.file.as_bytes() && position > self.position.offset;
                if is_ahead && !self.in_transaction() {
                    // Events that are left out, because their GTIDs are among those that were read.
                    self.position.offset = position;
                }
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

    fn format(&mut self, format: &FormatDescription) {
        if self.writer != format.writer() {
            self.writer = format.writer();
            // The same map may mean another table.
            self.tables.clear();
        }
        self.savepoint_names = match format.is_mariadb() && format.version() >= (11, 5, 0) {
            true => SavepointNames::WithAccents,
            false => SavepointNames::WithoutAccents,
        };
        self.history.set_flavor(format.is_mariadb());
    }

    /// A transaction begins.
    fn gtid_event(&mut self, event: &Event<'_>) {
        self.begin(event.gtid());
        match event {
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

    /// The transaction under way has rows, wanted or not.
    fn note_event(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.has_events = true;
        }
    }

    fn say_incident(&self, number: u16, message: &[u8]) {
        let message = String::from_utf8_lossy(message);
        tracing::error!(
            position = %self.position, number, %message,
            "the server reports an incident: events may be missing from its binlog, and rows from what is delivered; compare with the tables"
        );
    }
}
