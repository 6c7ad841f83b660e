//! Streams that break in the middle of a transaction: its rows come once.

use super::*;

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
fn another_server_sends_other_transactions_first() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.large(0..MORE_THAN_HELD, 3);
    let early = rows_of(&stream.seen());
    assert!(!early.is_empty());
    stream.reconnect(4);
    // Not the one that was under way; and large enough to be given out in part, too, before the stream breaks again.
    stream.begin(7);
    stream.large(1000..1000 + MORE_THAN_HELD, 3);
    let other = rows_of(&stream.seen());
    stream.reconnect(4);
    stream.begin(8);
    stream.rows(5000..5002);
    stream.xid(8);
    stream.begin(7);
    stream.large(1000..1000 + MORE_THAN_HELD, 3);
    stream.xid(7);
    stream.begin(1);
    stream.large(0..MORE_THAN_HELD, 3);
    stream.xid(1);
    let late = stream.end();
    assert_eq!(late.get(..2), Some(&[(5000, 0), (5001, 1)][..]));
    let of = |first: i64, rows: &[(i64, u64)]| -> Vec<_> {
        rows.iter().copied().filter(|(id, _)| (first..first + i64::from(MORE_THAN_HELD)).contains(id)).collect()
    };
    assert_eq!([of(0, &early), of(0, &late)].concat(), numbered(0..i64::from(MORE_THAN_HELD)));
    let ids = 1000..1000 + i64::from(MORE_THAN_HELD);
    assert_eq!([of(1000, &other), of(1000, &late)].concat(), ids.zip(0..).collect::<Vec<_>>());
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
