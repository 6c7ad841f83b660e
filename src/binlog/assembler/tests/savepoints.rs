//! What is taken back of a transaction.

use super::*;

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
