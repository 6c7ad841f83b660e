//! Streams that break in the middle of a transaction: its rows come once.

use crate::binlog::transaction::assembler::tests::*;

#[test]
fn a_break_in_the_middle_of_a_transaction() {
    for (each, rows) in [(1, 20), (3, MORE_THAN_HELD), (7, MORE_THAN_HELD)] {
        let mut stream = Stream::new();
        for until in [rows, 10, rows - 1] {
            stream.begin(1);
            stream.large(0..until, each);
            stream.reconnect(4);
        }
        // Another server cuts the events differently.
        stream.begin(1);
        stream.large(0..rows, each + 1);
        stream.xid(9);
        stream.flush();
        let seen = stream.seen();
        assert_eq!(rows_of(&seen), numbered(0..i64::from(rows)), "{each} rows in an event");
        assert!(seen.contains(&Seen::End(rows as u64)));
        assert_eq!(seen.iter().filter(|seen| **seen == Seen::Begin).count(), 1);
        // It came again: nothing was lost.
        assert_eq!(stream.assembler.counters().unfinished, 0);
    }
}

#[test]
fn a_break_does_not_lose_the_transactions_before() {
    for rows in [3, MORE_THAN_HELD] {
        let mut stream = Stream::new();
        stream.begin(1);
        stream.rows(0..1);
        stream.xid(1);
        let start = stream.offset;
        for last in [false, true] {
            stream.begin(2);
            stream.large(1..rows, 1);
            if last {
                stream.xid(2);
            } else {
                stream.reconnect(start);
            }
        }
        stream.flush();
        let seen = stream.seen();
        let wanted = [(0, 0)].into_iter().chain((1..i64::from(rows)).zip(0..));
        assert_eq!(rows_of(&seen), wanted.collect::<Vec<_>>());
        assert_eq!(xids(&seen).get(..2), Some(&[Some(1), Some(2)][..]));
        // The same where the next file begins.
        stream.begin(3);
        stream.rows(3..4);
        stream.xid(3);
        stream.begin(4);
        stream.rows(4..5);
        stream.assembler.next_file(Position { file: "binlog.000002".into(), offset: 4 }, false);
        stream.offset = 4;
        stream.begin(5);
        stream.rows(5..6);
        stream.xid(5);
        assert_eq!(stream.end(), [(3, 0), (5, 0)]);
        assert_eq!(stream.assembler.counters().unfinished, 1);
    }
}

#[test]
fn a_break_in_a_table_made_of_rows() {
    for rows in [3, MORE_THAN_HELD] {
        let mut stream = Stream::new();
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
        let seen = stream.seen();
        assert_eq!(rows_of(&seen), numbered(0..i64::from(rows)));
        assert_eq!(seen.iter().filter(|seen| matches!(seen, Seen::Definition(_))).count(), 1, "{rows} rows");
        assert_eq!(seen.iter().filter(|seen| matches!(seen, Seen::Begin)).count(), 1, "{rows} rows");
    }
}
