//! Transactions put together from events made by hand: which rows come out, once, in which order, and what is said of them.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::binlog::assembler::{Assembler, AssemblerOptions, Progress};
use crate::binlog::checkpoint::Checkpoint;
use crate::binlog::column_rules::ColumnRules;
use crate::binlog::decoder::Event;
use crate::binlog::event::{EventHeader, EventType, Query, Rotate};
use crate::binlog::form::fixture::{Body, INT, VARCHAR, int, table, varchar};
use crate::binlog::form::{Definition, RowContext, RowForm, TransactionEdge};
use crate::binlog::gtid::{Gtid, GtidEvent, GtidSet, MariaDbGtid, MariaDbGtidEvent, MariaDbGtidFlags};
use crate::binlog::history::NoSource;
use crate::binlog::piece::Piece;
use crate::binlog::position::Position;
use crate::binlog::rows::{RowKind, RowsEvent};
use crate::binlog::schema::Table;
use crate::binlog::value::Value;
use crate::sink::Batch;
use crate::wire::Malformed;

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
/// The bytes of a large row's text.
const LARGE: usize = 60_000;
/// So many large rows are more than [`Assembler`] holds back.
const MORE_THAN_HELD: i32 = 400;

/// What a form was told.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Begin,
    Row { id: i64, index: u64, xid: Option<u64>, gtid: Option<String>, is_last: bool },
    End(u64),
    Definition(String),
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

    fn transaction(&mut self, edge: TransactionEdge, _: &RowContext, _: &mut Batch) {
        let seen = match edge {
            TransactionEdge::Begin => Seen::Begin,
            TransactionEdge::End { rows } => Seen::End(rows),
        };
        self.0.send(seen).unwrap();
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint, _: &mut Batch) {
        self.0.send(Seen::Checkpoint(checkpoint.clone())).unwrap();
    }
}

/// A stream of events into an assembler; what comes out is written as the threads that encode do it.
struct Stream {
    assembler: Assembler<NoSource>,
    table: Table,
    offset: u32,
    pieces: usize,
    recorder: Recorder,
    seen: Receiver<Seen>,
}

impl Stream {
    fn new() -> Self {
        let options = AssemblerOptions {
            inserts: true,
            updates: true,
            deletes: true,
            ddl: true,
            statements: true,
            columns: ColumnRules::default(),
        };
        let start = Position { file: "binlog.000001".into(), offset: 4 };
        let (sender, seen) = channel();
        Self {
            assembler: Assembler::new(options, NoSource, start),
            table: table("shop", "orders", &[("id", INT, false), ("text", VARCHAR, true)], &[0]),
            offset: 4,
            pieces: 0,
            recorder: Recorder(sender),
            seen,
        }
    }

    fn write(&mut self, piece: Piece) {
        self.pieces += 1;
        piece.write(&mut self.recorder, &mut Batch::default()).unwrap();
        self.assembler.recycle(piece);
    }

    fn feed(&mut self, event_type: EventType, event: Event<'_>) {
        const LENGTH: u32 = 100;
        self.offset += LENGTH;
        let header = EventHeader {
            timestamp: 1_700_000_000,
            event_type,
            server_id: 1,
            length: LENGTH,
            next_position: self.offset,
            flags: 0,
        };
        self.assembler.begin_event(&header);
        let progress = self.assembler.event(&header, event).unwrap();
        if progress == Progress::Boundary || self.assembler.in_transaction() {
            while let Some(piece) = self.assembler.next_piece(false) {
                self.write(piece);
            }
        }
    }

    fn flush(&mut self) {
        while let Some(piece) = self.assembler.next_piece(true) {
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
        };
        self.feed(EventType::Query, Event::Query(query));
    }

    fn begin(&mut self, number: u64) {
        self.gtid(number);
        self.query("BEGIN");
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
        self.assembler.restart_transaction(Position { file: "binlog.000001".into(), offset: u64::from(offset) });
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
fn a_transaction_of_two_events() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.rows(0..2);
    stream.rows(2..3);
    assert!(stream.assembler.next_piece(true).is_none(), "its end has not come");
    stream.xid(9);
    stream.flush();
    let row =
        |id: i64| Seen::Row { id, index: id as u64, xid: Some(9), gtid: Some(format!("{UUID}:1")), is_last: id == 2 };
    let checkpoint = Checkpoint { file: "binlog.000001".into(), offset: 504, gtid_set: None, server: None };
    let wanted = [Seen::Begin, row(0), row(1), row(2), Seen::End(3), Seen::Checkpoint(checkpoint)];
    assert_eq!(stream.seen(), wanted);
}

#[test]
fn a_transaction_of_some_pieces_is_held_until_its_number_is_known() {
    let mut stream = Stream::new();
    stream.begin(1);
    // About 6 MiB: several pieces.
    stream.large(0..100, 3);
    assert_eq!(stream.pieces, 0);
    stream.xid(9);
    stream.flush();
    assert!(stream.pieces > 4);
    let seen = stream.seen();
    assert_eq!(rows_of(&seen), numbered(0..100));
    assert_eq!(xids(&seen), vec![Some(9); 100]);
    assert_eq!(last_rows(&seen), [99]);
    assert_eq!(seen.iter().filter(|seen| matches!(seen, Seen::Begin)).count(), 1);
    assert_eq!(seen.iter().filter(|seen| matches!(seen, Seen::End(100))).count(), 1);
    // Only the last piece ends between two transactions.
    assert_eq!(checkpoints(&seen).len(), 1);
    assert!(matches!(seen.last(), Some(Seen::Checkpoint(_))));
}

#[test]
fn a_very_large_transaction_is_given_out_before_its_end() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.large(0..MORE_THAN_HELD, 3);
    let early = stream.seen();
    assert!(!rows_of(&early).is_empty());
    assert_eq!(checkpoints(&early), []);
    stream.xid(9);
    stream.flush();
    let late = stream.seen();
    let all = [rows_of(&early), rows_of(&late)].concat();
    assert_eq!(all, numbered(0..i64::from(MORE_THAN_HELD)));
    assert!(xids(&early).iter().all(Option::is_none));
    assert!(xids(&late).iter().all(|xid| *xid == Some(9)));
    assert_eq!((last_rows(&early), last_rows(&late)), (vec![], vec![i64::from(MORE_THAN_HELD) - 1]));
    assert!(late.contains(&Seen::End(MORE_THAN_HELD as u64)));
}

#[test]
fn the_number_is_not_that_of_the_transactions_before() {
    let mut stream = Stream::new();
    for number in 1..4 {
        stream.begin(number);
        stream.rows(0..2);
        stream.xid(number * 10);
    }
    // Without a number: a table without transactions.
    stream.begin(4);
    stream.rows(0..1);
    stream.query("COMMIT");
    stream.flush();
    let seen = stream.seen();
    assert_eq!(xids(&seen), [Some(10), Some(10), Some(20), Some(20), Some(30), Some(30), None]);
    assert_eq!(last_rows(&seen), [1, 1, 1, 0]);
}

#[test]
fn savepoints_in_one_piece() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.rows(0..1);
    stream.query("SAVEPOINT `a`");
    stream.rows(1..2);
    stream.query("SAVEPOINT `b`");
    stream.rows(2..3);
    stream.query("ROLLBACK TO `B`");
    stream.rows(3..4);
    stream.query("ROLLBACK TO `b`");
    stream.rows(4..5);
    stream.query("ROLLBACK TO `a`");
    stream.rows(5..7);
    stream.xid(1);
    stream.flush();
    let seen = stream.seen();
    assert_eq!(rows_of(&seen), numbered([0, 5, 6]));
    assert_eq!(last_rows(&seen), [6]);
    assert!(seen.contains(&Seen::End(3)));
}

#[test]
fn a_savepoint_before_the_first_row() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.rows(0..2);
    stream.xid(1);
    stream.begin(2);
    stream.query("SAVEPOINT `a`");
    stream.rows(2..4);
    stream.query("ROLLBACK TO `a`");
    stream.rows(4..6);
    stream.xid(2);
    // Nothing is left of this one.
    stream.begin(3);
    stream.query("SAVEPOINT `a`");
    stream.rows(6..7);
    stream.query("ROLLBACK TO `a`");
    stream.xid(3);
    stream.flush();
    let seen = stream.seen();
    assert_eq!(rows_of(&seen), [(0, 0), (1, 1), (4, 0), (5, 1)]);
    assert_eq!(xids(&seen), [Some(1), Some(1), Some(2), Some(2)]);
    assert_eq!(seen.iter().filter(|seen| **seen == Seen::Begin).count(), 2);
    assert_eq!(seen.iter().filter(|seen| **seen == Seen::End(2)).count(), 2);
}

#[test]
fn savepoints_over_pieces() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.large(0..30, 2);
    stream.query("SAVEPOINT `a`");
    stream.large(30..100, 2);
    stream.query("ROLLBACK TO `a`");
    stream.large(100..200, 3);
    stream.xid(1);
    let wanted = (0..30).chain(100..200);
    assert_eq!(stream.end(), numbered(wanted));

    let mut stream = Stream::new();
    stream.begin(1);
    stream.query("SAVEPOINT `a`");
    stream.large(0..100, 2);
    stream.query("ROLLBACK TO `a`");
    stream.large(100..150, 3);
    stream.xid(1);
    assert_eq!(stream.end(), numbered(100..150));
}

#[test]
fn rows_given_out_before_a_rollback_keep_their_numbers() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.rows(0..1);
    stream.query("SAVEPOINT `a`");
    stream.large(1..MORE_THAN_HELD, 1);
    let early = rows_of(&stream.seen()).len();
    assert!(early > 0);
    stream.query("ROLLBACK TO `a`");
    stream.rows(1000..1003);
    stream.xid(1);
    stream.flush();
    // What is out cannot be taken back, but no two rows may have the same number.
    let late = rows_of(&stream.seen());
    assert_eq!(late, [(1000, early as u64), (1001, early as u64 + 1), (1002, early as u64 + 2)]);
}

#[test]
fn everything_given_out_rolled_back_to_before_the_first_row() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.query("SAVEPOINT `a`");
    stream.large(0..MORE_THAN_HELD, 1);
    let early = stream.seen();
    stream.query("ROLLBACK TO `a`");
    stream.rows(1000..1002);
    stream.xid(1);
    stream.flush();
    let late = stream.seen();
    let first = rows_of(&early).len() as u64;
    assert_eq!(rows_of(&late), [(1000, first), (1001, first + 1)]);
    assert!(!late.contains(&Seen::Begin), "it has begun already");
    assert!(late.contains(&Seen::End(first + 2)));
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
fn a_break_in_the_middle_of_a_transaction() {
    for each in [1, 3, 7] {
        let mut stream = Stream::new();
        stream.begin(1);
        stream.large(0..MORE_THAN_HELD, each);
        let early = rows_of(&stream.seen());
        assert!(!early.is_empty());
        // Twice: the second time when little has come again, and a third time behind where it broke first.
        for until in [10, MORE_THAN_HELD + 100] {
            stream.reconnect(4);
            // Broken before anything came.
            stream.reconnect(4);
            stream.begin(1);
            stream.large(0..until, each);
        }
        stream.reconnect(4);
        stream.begin(1);
        stream.large(0..MORE_THAN_HELD + 200, each);
        stream.xid(9);
        stream.flush();
        let late = stream.seen();
        let all = [early, rows_of(&late)].concat();
        assert_eq!(all, numbered(0..i64::from(MORE_THAN_HELD) + 200), "{each} rows in an event");
        assert!(late.contains(&Seen::End(MORE_THAN_HELD as u64 + 200)));
        assert!(!late.contains(&Seen::Begin));
    }
}

#[test]
fn a_break_in_the_middle_with_transactions_in_the_same_piece() {
    let mut stream = Stream::new();
    for number in 0..5 {
        stream.begin(number as u64 + 1);
        stream.rows(number..number + 1);
        stream.xid(number as u64);
    }
    // None of these has been given out when the large one begins behind them.
    assert_eq!(stream.pieces, 0);
    let start = stream.offset;
    stream.begin(6);
    stream.large(5..MORE_THAN_HELD, 1);
    stream.reconnect(start);
    stream.begin(6);
    stream.large(5..MORE_THAN_HELD, 1);
    stream.xid(9);
    let small = (0..5).map(|id| (id, 0));
    let large = (5..i64::from(MORE_THAN_HELD)).zip(0..);
    assert_eq!(stream.end(), small.chain(large).collect::<Vec<_>>());
}

#[test]
fn a_break_does_not_lose_the_transactions_before() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.rows(0..1);
    stream.xid(1);
    let start = stream.offset;
    // Small: nothing was given out.
    stream.begin(2);
    stream.rows(1..3);
    stream.reconnect(start);
    stream.begin(2);
    stream.rows(1..3);
    stream.xid(2);
    stream.flush();
    let seen = stream.seen();
    assert_eq!(rows_of(&seen), [(0, 0), (1, 0), (2, 1)]);
    assert_eq!(xids(&seen), [Some(1), Some(2), Some(2)]);
    // The same where the next file begins.
    stream.begin(3);
    stream.rows(3..4);
    stream.xid(3);
    stream.begin(4);
    stream.rows(4..5);
    stream.assembler.restart(Position { file: "binlog.000002".into(), offset: 4 });
    stream.offset = 4;
    stream.begin(5);
    stream.rows(5..6);
    stream.xid(5);
    assert_eq!(stream.end(), [(3, 0), (5, 0)]);
}

#[test]
fn another_server_cuts_the_events_differently() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.large(0..MORE_THAN_HELD, 3);
    let early = rows_of(&stream.seen());
    stream.reconnect(4);
    stream.begin(1);
    stream.large(0..MORE_THAN_HELD, 7);
    stream.xid(1);
    stream.flush();
    let all = [early, rows_of(&stream.seen())].concat();
    assert_eq!(all, numbered(0..i64::from(MORE_THAN_HELD)));
}

#[test]
fn a_break_behind_the_last_row() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.large(0..MORE_THAN_HELD, 1);
    stream.reconnect(4);
    stream.begin(1);
    stream.large(0..MORE_THAN_HELD, 1);
    stream.reconnect(4);
    stream.begin(1);
    stream.large(0..MORE_THAN_HELD, 1);
    stream.xid(5);
    // The transaction behind it has numbers of its own.
    stream.begin(2);
    stream.rows(1000..1002);
    stream.xid(6);
    let mut wanted = numbered(0..i64::from(MORE_THAN_HELD));
    wanted.extend([(1000, 0), (1001, 1)]);
    assert_eq!(stream.end(), wanted);
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
fn a_break_in_a_table_made_of_rows() {
    for rows in [3, MORE_THAN_HELD] {
        let mut stream = Stream::new();
        let mut seen = Vec::new();
        for last in [false, true] {
            stream.begin(1);
            stream.query("CREATE TABLE b (id INT) START TRANSACTION");
            stream.large(0..rows, 1);
            if last {
                stream.xid(2);
            } else {
                stream.reconnect(4);
            }
        }
        stream.flush();
        seen.extend(stream.seen());
        assert_eq!(rows_of(&seen), numbered(0..i64::from(rows)));
        assert_eq!(seen.iter().filter(|seen| matches!(seen, Seen::Definition(_))).count(), 1, "{rows} rows");
        assert_eq!(seen.iter().filter(|seen| matches!(seen, Seen::Begin)).count(), 1, "{rows} rows");
    }
}

#[test]
fn checkpoints_say_where_and_behind_which_transactions() {
    let mut stream = Stream::new();
    let before: GtidSet = format!("{UUID}:1-4").parse().unwrap();
    stream.assembler.set_server(Some("here".into()));
    stream.feed(EventType::PreviousGtids, Event::PreviousGtids(before));
    stream.begin(5);
    stream.rows(0..1);
    stream.xid(1);
    stream.flush();
    stream.gtid(6);
    stream.query("DROP TABLE b");
    stream.flush();
    // Nothing is said in the middle of a transaction.
    stream.begin(7);
    stream.rows(1..2);
    stream.flush();
    let at = |offset, gtids: &str| Checkpoint {
        file: "binlog.000001".into(),
        offset,
        gtid_set: Some(format!("{UUID}:{gtids}")),
        server: Some("here".into()),
    };
    assert_eq!(checkpoints(&stream.seen()), [at(504, "1-5"), at(704, "1-6")]);
    stream.xid(2);
    // The file's end is a place to go on too: the next one's begin.
    let rotate = Rotate { position: 4, file: b"binlog.000002" };
    stream.feed(EventType::Rotate, Event::Rotate(rotate));
    stream.flush();
    let next = Checkpoint { file: "binlog.000002".into(), ..at(4, "1-7") };
    assert_eq!(checkpoints(&stream.seen()), [next]);
}

#[test]
fn no_set_of_gtids_where_transactions_have_none() {
    let mut stream = Stream::new();
    stream.feed(EventType::PreviousGtids, Event::PreviousGtids(GtidSet::new()));
    stream.mysql_gtid(None);
    stream.query("BEGIN");
    stream.rows(0..1);
    stream.xid(1);
    stream.flush();
    // Of the next file, where it was not said that there are none.
    stream.feed(EventType::PreviousGtids, Event::PreviousGtids(GtidSet::new()));
    stream.flush();
    let found = checkpoints(&stream.seen());
    assert!(!found.is_empty() && found.iter().all(|checkpoint| checkpoint.gtid_set.is_none()), "{found:?}");
    assert_eq!(stream.assembler.gtids(), None);
}

#[test]
fn no_checkpoint_before_the_file_is_known() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.rows(0..1);
    // By GTIDs, at another server: its first event says which file it is.
    stream.assembler.restart_transaction(Position::default());
    stream.flush();
    assert_eq!(checkpoints(&stream.seen()), []);
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
    stream.feed(EventType::XaPrepare, Event::XaPrepare(b""));
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
    assert_eq!(rows_of(&seen), [(0, 0), (1, 1), (2, 0), (3, 0)]);
    assert_eq!(xids(&seen), [None, None, Some(5), Some(6)]);
    assert_eq!(last_rows(&seen), [1, 2, 3]);
    assert_eq!(stream.assembler.counters().transactions, 4);
}

#[test]
fn what_has_come_of_a_last_transaction() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.rows(0..1);
    stream.xid(1);
    stream.begin(2);
    stream.large(1..40, 1);
    while let Some(piece) = stream.assembler.next_rest() {
        assert_eq!(piece.boundary(), None);
        stream.write(piece);
    }
    let rows = rows_of(&stream.seen());
    assert_eq!(rows, [vec![(0, 0)], (1..40).zip(0..).collect()].concat());
}

#[test]
fn recycled_pieces_have_nothing_of_before() {
    let mut stream = Stream::new();
    stream.assembler.set_server(Some("here".into()));
    for number in 1..20 {
        stream.begin(number);
        stream.large(0..30, 4);
        stream.xid(number);
        stream.flush();
        let seen = stream.seen();
        assert_eq!(rows_of(&seen), numbered(0..30));
        assert_eq!(xids(&seen), vec![Some(number); 30]);
        assert_eq!(last_rows(&seen), [29]);
        assert_eq!(checkpoints(&seen).len(), 1);
    }
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
