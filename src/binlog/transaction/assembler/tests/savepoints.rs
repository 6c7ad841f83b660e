//! What is taken back of a transaction.

use crate::binlog::transaction::assembler::tests::*;

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
fn a_transaction_on_the_disk_is_rolled_back_to_a_savepoint() {
    let large = i64::from(MORE_THAN_HELD);
    for first in [0, 1] {
        let mut stream = Stream::new();
        stream.begin(1);
        if first > 0 {
            stream.rows(0..first);
        }
        stream.query("SAVEPOINT `a`");
        stream.large(first..MORE_THAN_HELD, 1);
        stream.query("SAVEPOINT `b`");
        stream.large(1000..1000 + MORE_THAN_HELD, 1);
        stream.query("ROLLBACK TO `b`");
        stream.rows(2000..2001);
        stream.query("ROLLBACK TO `b`");
        stream.rows(3000..3002);
        stream.xid(1);
        stream.flush();
        let seen = stream.seen();
        assert_eq!(rows_of(&seen), numbered((0..large).chain(3000..3002)));
        assert_eq!(last_rows(&seen), [3001]);
        // All of it.
        stream.begin(2);
        if first > 0 {
            stream.rows(0..first);
        }
        stream.query("SAVEPOINT `a`");
        stream.large(first..MORE_THAN_HELD, 1);
        stream.query("ROLLBACK TO `a`");
        stream.rows(5000..5001);
        stream.xid(2);
        stream.flush();
        let seen = stream.seen();
        assert_eq!(rows_of(&seen), numbered((0..i64::from(first)).chain([5000])));
        assert_eq!(seen.iter().filter(|seen| **seen == Seen::Begin).count(), 1);
    }
}

#[test]
fn an_odd_name() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.rows(0..1);
    stream.query("SAVEPOINT `a``b é`");
    stream.rows(1..2);
    stream.query("SAVEPOINT `a``c`");
    stream.rows(2..3);
    stream.query("ROLLBACK TO `A``B E`");
    stream.rows(3..4);
    stream.xid(1);
    assert_eq!(stream.end(), numbered([0, 3]));
}
