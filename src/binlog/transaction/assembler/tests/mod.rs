//! Transactions put together from events made by hand: which rows come out, once, in which order, and what is said of them.

mod breaks;
mod pieces;
mod rollback;
mod savepoints;
mod tables;
mod xa;

use std::borrow::Cow;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::binlog::checkpoint::Checkpoint;
use crate::binlog::event::content::Event;
use crate::binlog::event::control::Rotate;
use crate::binlog::event::event_type::EventType;
use crate::binlog::event::header::EventHeader;
use crate::binlog::event::position::Position;
use crate::binlog::event::query::Query;
use crate::binlog::event::rows::{RowKind, RowsEvent};
use crate::binlog::gtid::{Gtid, GtidEvent, GtidSet, MariaDbGtid, MariaDbGtidEvent, MariaDbGtidFlags};
use crate::binlog::output::context::{Definition, LoggedStatement, RowContext, TransactionEdge};
use crate::binlog::output::fixture::{Body, INT, VARCHAR, int, table, varchar};
use crate::binlog::output::form::RowForm;
use crate::binlog::table::history::NoSource;
use crate::binlog::table::schema::Table;
use crate::binlog::transaction::assembler::{Assembler, AssemblerOptions};
use crate::binlog::transaction::piece::{Item, Piece};
use crate::binlog::transaction::progress::Progress;
use crate::binlog::value::Value;
use crate::deliver::Batch;
use crate::mysql::wire::Malformed;

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
/// The bytes of a large row's text.
const LARGE: usize = 60_000;
/// So many large rows are more than [`Assembler`] holds back in memory.
const MORE_THAN_HELD: i32 = 400;

/// What a form was told.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Begin,
    Row { id: i64, index: u64, xid: Option<u64>, gtid: Option<String>, is_last: bool },
    End(u64),
    Definition(String),
    Statement { sql: String, is_rolled_back: bool },
    Checkpoint(Checkpoint),
}

struct Recorder(Sender<Seen>);

impl RowForm for Recorder {
    fn rows(
        &mut self,
        event: &RowsEvent<'_>,
        _: &Table,
        context: &RowContext,
        _: &mut Batch,
    ) -> Result<u64, Malformed> {
        let (mut rows, mut count) = (event.rows(), 0);
        while let Some(row) = rows.next()? {
            let Value::Integer(id) = row.latest(0) else { panic!("{:?}", row.latest(0)) };
            let seen = Seen::Row {
                id: id.signed(),
                index: context.first_row + count,
                xid: context.xid,
                gtid: context.gtid.as_deref().map(str::to_owned),
                is_last: row.is_last && context.ends_transaction,
            };
            self.0.send(seen).unwrap();
            count += 1;
        }
        Ok(count)
    }

    fn definition(&mut self, definition: Definition<'_>, _: &RowContext, _: &mut Batch) {
        self.0.send(Seen::Definition(definition.sql.to_owned())).unwrap();
    }

    fn statement(&mut self, statement: LoggedStatement<'_>, _: &RowContext, _: &mut Batch) {
        let (sql, is_rolled_back) = (statement.sql.to_owned(), statement.is_rolled_back);
        self.0.send(Seen::Statement { sql, is_rolled_back }).unwrap();
    }

    fn transaction(&mut self, edge: TransactionEdge, _: &RowContext, _: &mut Batch) {
        let seen = match edge {
            TransactionEdge::Begin => Seen::Begin,
            TransactionEdge::End { rows } => Seen::End(rows),
        };
        self.0.send(seen).unwrap();
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint, _: &mut Batch) {
        // These events have no bytes to be known by.
        self.0.send(Seen::Checkpoint(Checkpoint { tail: None, ..checkpoint.clone() })).unwrap();
    }
}

/// A stream of events into an assembler; what comes out is written as the threads that encode do it.
struct Stream {
    assembler: Assembler<NoSource>,
    table: Table,
    offset: u32,
    pieces: usize,
    /// In one piece.
    most_items: usize,
    /// Where reading could go on, and the files that are not needed any more then.
    boundaries: Vec<(Checkpoint, Vec<PathBuf>)>,
    /// Some rows had columns that are not shown.
    hides_columns: bool,
    recorder: Recorder,
    seen: Receiver<Seen>,
}

fn header(event_type: EventType, length: u32, next_position: u32) -> EventHeader {
    EventHeader { timestamp: 1_700_000_000, event_type, server_id: 1, length, next_position, flags: 0 }
}

impl Stream {
    fn new() -> Self {
        let options = AssemblerOptions::default();
        let start = Position { file: "binlog.000001".into(), offset: 4 };
        let (sender, seen) = channel();
        Self {
            assembler: Assembler::new(options, NoSource, start),
            table: table("shop", "orders", &[("id", INT, false), ("text", VARCHAR, true)], &[0]),
            offset: 4,
            pieces: 0,
            most_items: 0,
            boundaries: Vec::new(),
            hides_columns: false,
            recorder: Recorder(sender),
            seen,
        }
    }

    fn write(&mut self, piece: Piece) {
        self.pieces += 1;
        self.boundaries.extend(piece.boundary.clone().map(|boundary| (boundary, piece.obsolete.clone())));
        let hides_columns = |item: &Item| matches!(item, Item::Rows { table, .. } if table.hides_columns());
        self.hides_columns |= piece.items.iter().any(hides_columns);
        self.most_items = self.most_items.max(piece.items.len());
        piece.write(&mut self.recorder, &mut Batch::default()).unwrap();
        self.assembler.recycle(piece);
    }

    fn feed(&mut self, event_type: EventType, event: Event<'_>) {
        const LENGTH: u32 = 100;
        self.offset += LENGTH;
        let header = header(event_type, LENGTH, self.offset);
        self.assembler.begin_event(&header, &[], false);
        let progress = self.assembler.event(&header, event).unwrap();
        if progress == Progress::Boundary || self.assembler.in_transaction() {
            while let Some(piece) = self.assembler.next_piece(false).unwrap() {
                self.write(piece);
            }
        }
    }

    fn flush(&mut self) {
        while let Some(piece) = self.assembler.next_piece(true).unwrap() {
            self.write(piece);
        }
    }

    fn gtid(&mut self, number: u64) {
        self.mysql_gtid(Some(format!("{UUID}:{number}").parse().unwrap()));
    }

    fn mysql_gtid(&mut self, gtid: Option<Gtid>) {
        let event = GtidEvent { gtid, ..GtidEvent::default() };
        self.feed(EventType::Gtid, Event::Gtid(event));
    }

    fn query(&mut self, sql: &str) {
        let query = Query {
            thread_id: 7,
            seconds: 0,
            error_code: 0,
            database: b"shop",
            sql: Cow::Borrowed(sql.as_bytes()),
            sql_mode: None,
            charset_client: None,
            collation_server: None,
            ddl_xid: None,
        };
        self.feed(EventType::Query, Event::Query(query));
    }

    fn begin(&mut self, number: u64) {
        self.gtid(number);
        self.query("BEGIN");
    }

    fn xa_prepare(&mut self, global: &[u8], is_one_phase: bool) {
        let mut body = vec![u8::from(is_one_phase), 1, 0, 0, 0, global.len() as u8, 0, 0, 0, 0, 0, 0, 0];
        body.extend_from_slice(global);
        self.feed(EventType::XaPrepare, Event::XaPrepare(&body));
    }

    fn xid(&mut self, xid: u64) {
        self.feed(EventType::Xid, Event::Xid(xid));
    }

    /// One event.
    fn insert(&mut self, ids: Range<i32>, text: &str) {
        let images: Vec<_> = ids.map(|id| vec![int(id), varchar(text)]).collect();
        let body = Body::full(RowKind::Insert, &images);
        let table = self.table.clone();
        self.feed(EventType::WriteRows, Event::Rows(body.event(&table)));
    }

    fn rows(&mut self, ids: Range<i32>) {
        self.insert(ids, "");
    }

    /// Large rows in events of `each`.
    fn large(&mut self, ids: Range<i32>, each: usize) {
        let text = "x".repeat(LARGE);
        for first in ids.clone().step_by(each) {
            self.insert(first..(first + each as i32).min(ids.end), &text);
        }
    }

    /// The stream breaks and begins again where the transaction under way began.
    fn reconnect(&mut self, offset: u32) {
        self.offset = offset;
        self.assembler.restart(Position { file: "binlog.000001".into(), offset: u64::from(offset) });
    }

    fn seen(&mut self) -> Vec<Seen> {
        self.seen.try_iter().collect()
    }

    /// What was seen of rows after all was given out.
    fn end(&mut self) -> Vec<(i64, u64)> {
        self.flush();
        rows_of(&self.seen())
    }
}

/// Their ids and indexes.
fn rows_of(seen: &[Seen]) -> Vec<(i64, u64)> {
    let row = |seen: &Seen| match seen {
        Seen::Row { id, index, .. } => Some((*id, *index)),
        _ => None,
    };
    seen.iter().filter_map(row).collect()
}

fn xids(seen: &[Seen]) -> Vec<Option<u64>> {
    let xid = |seen: &Seen| match seen {
        Seen::Row { xid, .. } => Some(*xid),
        _ => None,
    };
    seen.iter().filter_map(xid).collect()
}

fn last_rows(seen: &[Seen]) -> Vec<i64> {
    let last = |seen: &Seen| match seen {
        Seen::Row { id, is_last: true, .. } => Some(*id),
        _ => None,
    };
    seen.iter().filter_map(last).collect()
}

fn checkpoints(seen: &[Seen]) -> Vec<Checkpoint> {
    let checkpoint = |seen: &Seen| match seen {
        Seen::Checkpoint(checkpoint) => Some(checkpoint.clone()),
        _ => None,
    };
    seen.iter().filter_map(checkpoint).collect()
}

/// Ids with the indexes 0, 1, 2, ...
fn numbered(ids: impl IntoIterator<Item = i64>) -> Vec<(i64, u64)> {
    ids.into_iter().zip(0..).collect()
}

#[test]
fn a_transaction_without_an_end_did_not_happen() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.rows(0..1);
    stream.xid(1);
    stream.begin(2);
    stream.large(1..60, 2);
    stream.begin(3);
    stream.rows(60..61);
    stream.xid(3);
    stream.flush();
    let seen = stream.seen();
    assert_eq!(rows_of(&seen), [(0, 0), (60, 0)]);
    assert_eq!(xids(&seen), [Some(1), Some(3)]);
}

#[test]
fn definitions_between_and_in_front_of_rows() {
    let mut stream = Stream::new();
    stream.gtid(1);
    stream.query("CREATE TABLE a (id INT)");
    stream.begin(2);
    stream.rows(0..1);
    stream.xid(1);
    stream.gtid(3);
    stream.query("CREATE USER u IDENTIFIED BY 'hush'");
    stream.begin(4);
    stream.query("CREATE TABLE b (id INT) START TRANSACTION");
    stream.rows(1..3);
    stream.xid(2);
    stream.flush();
    let mut seen = stream.seen();
    seen.retain(|seen| !matches!(seen, Seen::Checkpoint(_)));
    let row = |id, index, xid, gtid, is_last| Seen::Row {
        id,
        index,
        xid: Some(xid),
        gtid: Some(format!("{UUID}:{gtid}")),
        is_last,
    };
    let wanted = [
        Seen::Definition("CREATE TABLE a (id INT)".into()),
        Seen::Begin,
        row(0, 0, 1, 2, true),
        Seen::End(1),
        Seen::Definition("CREATE USER u IDENTIFIED BY '***'".into()),
        Seen::Definition("CREATE TABLE b (id INT) START TRANSACTION".into()),
        Seen::Begin,
        row(1, 0, 2, 4, false),
        row(2, 1, 2, 4, true),
        Seen::End(2),
    ];
    assert_eq!(seen, wanted);
    assert_eq!(stream.assembler.counters().transactions, 4);
}

#[test]
fn mariadb_transactions() {
    let gtid = |sequence| MariaDbGtid { domain: 0, server: 1, sequence };
    let event = |sequence, flags| MariaDbGtidEvent {
        gtid: gtid(sequence),
        flags,
        commit_id: None,
        xid: None,
        extra_flags: Default::default(),
        extra_engines: None,
        start_alter_sequence: None,
        thread_id: None,
    };
    let mut stream = Stream::new();
    stream.feed(EventType::GtidList, Event::GtidList(vec![gtid(4)]));
    // A statement of its own, then one whose rows follow without a BEGIN.
    stream.feed(EventType::MariaDbGtid, Event::MariaDbGtid(event(5, MariaDbGtidFlags::STANDALONE)));
    stream.query("DROP TABLE b");
    stream.feed(EventType::MariaDbGtid, Event::MariaDbGtid(event(6, MariaDbGtidFlags::empty())));
    stream.rows(0..2);
    stream.xid(8);
    stream.flush();
    let seen = stream.seen();
    assert_eq!(rows_of(&seen), numbered(0..2));
    assert_eq!(xids(&seen), [Some(8), Some(8)]);
    let sets: Vec<_> = checkpoints(&seen).into_iter().map(|checkpoint| checkpoint.gtid_set).collect();
    assert_eq!(sets, [Some("0-1-6".to_owned())]);
}

#[test]
fn prepared_transactions() {
    let mut stream = Stream::new();
    stream.gtid(1);
    stream.query("XA START X'61',X'',1");
    stream.rows(0..2);
    stream.query("XA END X'61',X'',1");
    stream.xa_prepare(b"a", false);
    // Another one in between, and what became of the first.
    stream.begin(2);
    stream.rows(2..3);
    stream.xid(5);
    stream.gtid(3);
    stream.query("XA COMMIT X'61',X'',1");
    stream.begin(4);
    stream.rows(3..4);
    stream.xid(6);
    stream.flush();
    let seen = stream.seen();
    assert_eq!(rows_of(&seen), [(2, 0), (0, 0), (1, 1), (3, 0)]);
    assert_eq!(xids(&seen), [Some(5), None, None, Some(6)]);
    assert_eq!(last_rows(&seen), [2, 1, 3]);
    let gtids = seen.iter().filter_map(|seen| match seen {
        Seen::Row { gtid, .. } => gtid.clone(),
        _ => None,
    });
    assert_eq!(gtids.collect::<Vec<_>>(), [2, 3, 3, 4].map(|number| format!("{UUID}:{number}")));
    assert_eq!(stream.assembler.counters().transactions, 3);
}

#[test]
fn skipped_transactions_leave_nothing() {
    let mut stream = Stream::new();
    stream.assembler.skip(true);
    stream.begin(1);
    stream.large(0..MORE_THAN_HELD, 3);
    stream.xid(1);
    stream.gtid(2);
    stream.query("CREATE TABLE a (id INT)");
    stream.assembler.skip(false);
    stream.begin(3);
    stream.rows(0..2);
    stream.xid(3);
    stream.flush();
    let mut seen = stream.seen();
    seen.retain(|seen| !matches!(seen, Seen::Checkpoint(_)));
    assert_eq!(rows_of(&seen), numbered(0..2));
    assert_eq!(seen.len(), 4, "{seen:?}");
}
