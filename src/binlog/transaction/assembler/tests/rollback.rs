//! Groups that end in ROLLBACK: what is in them did not happen, or may not have.

use crate::binlog::transaction::assembler::tests::*;

fn statement(sql: &str, is_rolled_back: bool) -> Seen {
    Seen::Statement { sql: sql.to_owned(), is_rolled_back }
}

fn without_checkpoints(stream: &mut Stream) -> Vec<Seen> {
    stream.flush();
    let mut seen = stream.seen();
    seen.retain(|seen| !matches!(seen, Seen::Checkpoint(_)));
    seen
}

fn mariadb(stream: &mut Stream, sequence: u64, flags: MariaDbGtidFlags) {
    let event = MariaDbGtidEvent {
        gtid: MariaDbGtid { domain: 0, server: 1, sequence },
        flags,
        commit_id: None,
        xid: None,
        extra_flags: Default::default(),
        extra_engines: None,
        start_alter_sequence: None,
        thread_id: None,
    };
    stream.feed(EventType::MariaDbGtid, Event::MariaDbGtid(event));
}

#[test]
fn rows_of_a_group_that_ends_in_rollback_did_not_happen() {
    for rows in [3, MORE_THAN_HELD] {
        let mut stream = Stream::new();
        stream.begin(1);
        stream.rows(0..1);
        stream.xid(1);
        stream.begin(2);
        stream.large(1000..1000 + rows, 2);
        stream.query("ROLLBACK");
        stream.begin(3);
        stream.rows(1..2);
        stream.xid(3);
        stream.flush();
        let seen = stream.seen();
        assert_eq!(rows_of(&seen), [(0, 0), (1, 0)]);
        assert_eq!(seen.iter().filter(|seen| **seen == Seen::Begin).count(), 2);
        // They were read all the same.
        let sets: Vec<_> = checkpoints(&seen).into_iter().map(|checkpoint| checkpoint.offset).collect();
        assert_eq!(sets.last(), Some(&u64::from(stream.offset)));
        assert_eq!((stream.assembler.counters().transactions, stream.assembler.counters().rolled_back), (3, 1));
    }
}

#[test]
fn temporary_tables_do_not_end_a_group() {
    let mut stream = Stream::new();
    let format = crate::binlog::event::format::FormatDescription::parse(&format_of("10.11.9-MariaDB")).unwrap();
    stream.feed(EventType::FormatDescription, Event::FormatDescription(&format));
    mariadb(&mut stream, 1, MariaDbGtidFlags::TRANSACTIONAL);
    stream.rows(30..31);
    stream.query("CREATE TEMPORARY TABLE tt (a INT)");
    stream.rows(31..32);
    stream.query("ROLLBACK");
    // MySQL 5.7, and MySQL today in STATEMENT format.
    stream.begin(2);
    stream.query("INSERT INTO i VALUES (1)");
    stream.query("DROP TEMPORARY TABLE tt");
    stream.query("INSERT INTO i VALUES (2)");
    stream.query("ROLLBACK");
    let wanted = [
        Seen::Definition("CREATE TEMPORARY TABLE tt (a INT)".into()),
        statement("INSERT INTO i VALUES (1)", true),
        Seen::Definition("DROP TEMPORARY TABLE tt".into()),
        statement("INSERT INTO i VALUES (2)", true),
    ];
    assert_eq!(without_checkpoints(&mut stream), wanted);
    assert_eq!(stream.assembler.counters().transactions, 2);
}

fn format_of(version: &str) -> Vec<u8> {
    let mut event = vec![0; 19];
    event.extend_from_slice(&4_u16.to_le_bytes());
    event.extend_from_slice(&[version.as_bytes(), &vec![0; 50 - version.len()]].concat());
    event.extend_from_slice(&[0, 0, 0, 0, 19]);
    event.extend_from_slice(&[0; 40]);
    event
}

#[test]
fn statements_between_rows() {
    for (end, is_rolled_back) in [("COMMIT", false), ("ROLLBACK", true)] {
        for rows in [2, MORE_THAN_HELD] {
            let mut stream = Stream::new();
            stream.begin(1);
            stream.large(0..rows, 1);
            stream.query("UPDATE m SET a = 1");
            stream.large(rows..rows + 2, 1);
            stream.query(end);
            stream.begin(2);
            stream.rows(5000..5001);
            stream.query("COMMIT");
            let seen = without_checkpoints(&mut stream);
            assert_eq!(seen.iter().filter(|seen| **seen == statement("UPDATE m SET a = 1", is_rolled_back)).count(), 1);
            let rows = if is_rolled_back { 0 } else { i64::from(rows) + 2 };
            assert_eq!(rows_of(&seen), [numbered(0..rows), vec![(5000, 0)]].concat());
            let edges = if is_rolled_back { 1 } else { 2 };
            assert_eq!(seen.iter().filter(|seen| **seen == Seen::Begin).count(), edges);
            assert_eq!(seen.iter().filter(|seen| matches!(seen, Seen::End(_))).count(), edges);
        }
    }
}

#[test]
fn statements_between_savepoint_and_rollback() {
    let mut stream = Stream::new();
    stream.begin(1);
    stream.query("INSERT INTO i VALUES (1)");
    stream.rows(1..2);
    stream.query("SAVEPOINT `s`");
    stream.query("INSERT INTO m VALUES (2)");
    stream.rows(2..3);
    stream.query("ROLLBACK TO `S`");
    stream.query("INSERT INTO i VALUES (3)");
    stream.rows(3..4);
    stream.query("SAVEPOINT `t`");
    stream.rows(4..5);
    stream.query("INSERT INTO m VALUES (4)");
    stream.query("ROLLBACK TO `t`");
    stream.xid(9);
    let seen = without_checkpoints(&mut stream);
    assert_eq!(rows_of(&seen), numbered([1, 3]));
    assert_eq!((last_rows(&seen), xids(&seen)), (vec![3], vec![Some(9); 2]));
    let statements: Vec<_> = seen.into_iter().filter(|seen| matches!(seen, Seen::Statement { .. })).collect();
    let wanted = [
        statement("INSERT INTO i VALUES (1)", false),
        statement("INSERT INTO m VALUES (2)", true),
        statement("INSERT INTO i VALUES (3)", false),
        statement("INSERT INTO m VALUES (4)", true),
    ];
    assert_eq!(statements, wanted);
}

#[test]
fn xa_rollback_of_what_was_not_prepared() {
    // As MySQL logs it in STATEMENT format.
    let mut stream = Stream::new();
    stream.gtid(1);
    stream.query("XA START X'61',X'',1");
    stream.query("INSERT INTO i VALUES (1)");
    stream.rows(0..1);
    stream.query("XA END X'61',X'',1");
    stream.query("XA ROLLBACK X'61',X'',1");
    stream.gtid(2);
    stream.query("XA START X'62',X'',1");
    stream.rows(1..2);
    stream.query("XA END X'62',X'',1");
    stream.xa_prepare(b"b", true);
    assert_eq!(without_checkpoints(&mut stream).first(), Some(&statement("INSERT INTO i VALUES (1)", true)));
    assert_eq!(stream.assembler.counters().rolled_back, 1);
}

#[test]
fn a_definition_commits_where_nothing_was_begun() {
    let mut stream = Stream::new();
    // MySQL 5.6 and before: no GTID in front.
    stream.query("BEGIN");
    stream.rows(0..1);
    stream.xid(1);
    stream.query("CREATE TABLE a (id INT)");
    // One without an end, and the next.
    stream.query("BEGIN");
    stream.rows(1..2);
    stream.query("BEGIN");
    stream.rows(2..3);
    stream.xid(2);
    assert_eq!(rows_of(&without_checkpoints(&mut stream)), [(0, 0), (2, 0)]);
    let counters = stream.assembler.counters();
    assert_eq!((counters.transactions, counters.unfinished), (3, 1));
}
