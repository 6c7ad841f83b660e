//! What is given out when, with which checkpoint.

use crate::binlog::transaction::assembler::tests::*;

#[test]
fn a_transaction_of_two_events() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.rows(0..2);
    stream.rows(2..3);
    assert!(stream.assembler.next_piece(true).unwrap().is_none(), "its end has not come");
    stream.xid(9);
    stream.flush();
    let row =
        |id: i64| Seen::Row { id, index: id as u64, xid: Some(9), gtid: Some(format!("{UUID}:1")), is_last: id == 2 };
    let checkpoint = Checkpoint { file: "binlog.000001".into(), offset: 504, ..Checkpoint::default() };
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
fn a_very_large_transaction_is_kept_on_the_disk_until_its_end() {
    let mut stream = Stream::new();
    for rows in [MORE_THAN_HELD, 2 * MORE_THAN_HELD] {
        stream.begin(1);
        stream.large(0..rows, 3);
        assert_eq!(stream.seen(), []);
        stream.xid(9);
        stream.flush();
        let seen = stream.seen();
        assert_eq!(rows_of(&seen), numbered(0..i64::from(rows)));
        assert!(xids(&seen).iter().all(|xid| *xid == Some(9)));
        assert_eq!(last_rows(&seen), [i64::from(rows) - 1]);
        assert_eq!((seen.first(), checkpoints(&seen).len()), (Some(&Seen::Begin), 1));
        assert!(seen.contains(&Seen::End(rows as u64)));
    }
}

#[test]
fn a_folder_that_takes_nothing_ends_the_run() {
    let mut stream = Stream::new();
    stream.assembler.set_temp_dir("/nowhere/at/all".into());
    stream.begin(1);
    let event = |stream: &mut Stream| {
        let images: Vec<_> = (0..30).map(|id| vec![int(id), varchar(&"x".repeat(LARGE))]).collect();
        let body = Body::full(RowKind::Insert, &images);
        let table = stream.table.clone();
        let header = header(EventType::WriteRows, 100, 0);
        stream.assembler.event(&header, Event::Rows(body.event(&table))).map(drop)
    };
    let error = (0..100).find_map(|_| event(&mut stream).err()).unwrap().to_string();
    assert!(error.contains("/nowhere/at/all") && error.contains("--temp-dir"), "{error}");
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
        ..Checkpoint::default()
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
    stream.assembler.restart(Position::default());
    stream.flush();
    assert_eq!(checkpoints(&stream.seen()), []);
}

#[test]
fn nothing_comes_of_a_transaction_without_an_end() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.rows(0..1);
    stream.xid(1);
    stream.begin(2);
    assert_eq!(stream.assembler.unfinished_row_events(), None);
    stream.large(1..40, 1);
    assert_eq!(stream.assembler.unfinished_row_events(), Some(39));
    assert_eq!(stream.end(), []);
    assert_eq!(stream.assembler.counters().unfinished, 0);
    stream.assembler.next_file(Position { file: "binlog.000002".into(), offset: 4 }, false);
    assert_eq!(stream.assembler.counters().unfinished, 1);
    assert_eq!(stream.end(), [(0, 0)]);
}

#[test]
fn reading_goes_on_where_the_transaction_began_that_was_cut() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.rows(0..1);
    stream.xid(1);
    let end = stream.offset;
    stream.begin(2);
    stream.rows(1..2);
    stream.assembler.end_of_stream();
    stream.flush();
    let seen = stream.seen();
    assert_eq!(rows_of(&seen), [(0, 0)]);
    let places: Vec<_> = checkpoints(&seen).iter().map(|checkpoint| checkpoint.offset).collect();
    assert_eq!(places, [u64::from(end)]);
}

#[test]
fn a_transaction_goes_on_in_the_next_file() {
    for rows in [30, MORE_THAN_HELD] {
        let mut stream = Stream::new();
        stream.begin(1);
        stream.large(0..20, 1);
        stream.assembler.next_file(Position { file: "binlog.000002".into(), offset: 4 }, true);
        stream.offset = 4;
        stream.large(20..rows, 1);
        stream.xid(1);
        assert_eq!(stream.end(), numbered(0..i64::from(rows)));
        assert_eq!(stream.assembler.counters().unfinished, 0);
    }
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
fn pieces_of_small_transactions_are_small() {
    let mut stream = Stream::new();
    for number in 1..20_000 {
        stream.begin(number);
        stream.rows(1..2);
        stream.xid(number);
    }
    assert_eq!(stream.end().len(), 19_999);
    assert!(stream.most_items <= 8192, "{} items in one piece", stream.most_items);
}

#[test]
fn a_transaction_of_large_statements_is_in_small_pieces() {
    let mut stream = Stream::new();
    stream.begin(1);
    let update = format!("UPDATE a SET b = '{}'", "x".repeat(1 << 20));
    for _ in 0..100 {
        stream.query(&update);
    }
    assert_eq!(stream.pieces, 0);
    stream.xid(1);
    stream.flush();
    assert!(stream.pieces > 70, "{} pieces", stream.pieces);
    assert!(stream.most_items <= 4, "{} items in one piece", stream.most_items);
}

#[test]
fn a_heartbeat_says_how_far_the_server_has_left_events_out() {
    let mut stream = Stream::new();
    let beyond = 1_u64 << 32;
    let at = |position| Event::HeartbeatAt { file: b"binlog.000001", position };
    for (position, expected) in [(beyond + 500, beyond + 500), (100, beyond + 500)] {
        stream.assembler.event(&heartbeat(), at(position)).unwrap();
        assert_eq!(stream.assembler.position().offset, expected);
    }
    // Of another file, and inside a transaction: it stands where it stood.
    stream.assembler.event(&heartbeat(), Event::HeartbeatAt { file: b"binlog.000002", position: beyond * 2 }).unwrap();
    stream.offset = 600;
    stream.begin(1);
    stream.assembler.event(&heartbeat(), at(beyond * 2)).unwrap();
    stream.rows(0..1);
    stream.xid(9);
    stream.flush();
    assert_eq!(checkpoints(&stream.seen()).last().unwrap().offset, beyond + 1000);
}

fn heartbeat() -> EventHeader {
    EventHeader {
        timestamp: 0,
        event_type: EventType::HeartbeatV2,
        server_id: 1,
        length: 60,
        next_position: 0,
        flags: 0,
    }
}

#[test]
fn before_the_place_where_reading_begins_there_is_none_to_go_on_from() {
    let mut stream = Stream::new();
    stream.assembler.pass_over(true);
    stream.begin(1);
    stream.xid(9);
    stream.flush();
    assert_eq!(checkpoints(&stream.seen()), []);
    stream.assembler.pass_over(false);
    stream.begin(2);
    stream.xid(9);
    stream.flush();
    assert_eq!(checkpoints(&stream.seen()).len(), 1);
}
