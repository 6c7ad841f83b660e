//! An INSERT of several rows as a batch of statements.

use super::*;
use crate::session::{Interest, StatementParams};

fn split(script: &Script) -> Vec<Seen> {
    let interest = Interest::default() | Interest::ROWS_OF_INSERTS;
    let mut player = Player::with(ObserverConfig { interest, ..ObserverConfig::default() });
    player.play(&script.said, usize::MAX);
    player.close();
    player.seen.into_iter().map(|seen| Seen { duration_ns: 0, ..seen }).collect()
}

/// A row of a batch.
fn row(sql: &str, params: &[&str], count: u64, info: Option<&str>, execution_count: u64, earlier: bool) -> Seen {
    Seen { execution_count, earlier, ..Seen::sql(sql, count, info).params(params) }
}

#[test]
fn each_row_is_a_statement_and_counts() {
    let mut script = Script::new(MODERN);
    script.query("INSERT INTO t VALUES (1, 'x'), (2, 'y')").ok(2, "Records: 2", AUTOCOMMIT);
    script.query("DO 1").ok(0, "", AUTOCOMMIT);
    let sql = "INSERT INTO t VALUES (?, ?)";
    assert_eq!(
        split(&script),
        [
            row(sql, &["1", "x"], 2, Some("Records: 2"), 1, true),
            row(sql, &["2", "y"], 2, Some("Records: 2"), 2, false),
            Seen { execution_count: 3, ..Seen::sql("DO 1", 0, Some("")) },
        ]
    );
    // Not unless somebody asks for it.
    assert_eq!(statements(&script).len(), 2);
}

#[test]
fn all_rows_of_one_that_failed_or_never_ended_say_so() {
    let mut script = Script::new(MODERN);
    script.query("INSERT INTO t VALUES (1), (1)").err(1062, "Duplicate entry");
    script.query("INSERT INTO t VALUES (3), (4)");
    let errors: Vec<_> = split(&script).into_iter().map(|seen| (seen.params, seen.error, seen.earlier)).collect();
    let is_failed = |error: &Option<String>, text: &str| error.as_deref().is_some_and(|error| error.contains(text));
    assert_eq!(errors.len(), 4);
    assert!(errors[..2].iter().all(|(_, error, _)| is_failed(error, "Duplicate entry")));
    assert!(errors[2..].iter().all(|(_, error, _)| is_failed(error, "connection lost")));
    assert_eq!(errors.iter().map(|(_, _, earlier)| *earlier).collect::<Vec<_>>(), [true, false, true, false]);
}

#[test]
fn within_a_text_of_several_statements() {
    let mut script = Script::new(MODERN);
    script.query("SET @a = 1; INSERT INTO t VALUES (1), (2); DO 1");
    script.ok(0, "", AUTOCOMMIT | MORE).ok(2, "", AUTOCOMMIT | MORE).ok(0, "", AUTOCOMMIT);
    let texts: Vec<_> = split(&script).into_iter().map(|seen| (seen.sql.unwrap(), seen.execution_count)).collect();
    let expected =
        [("SET @a = 1", 1), (" INSERT INTO t VALUES (?)", 2), (" INSERT INTO t VALUES (?)", 3), (" DO 1", 4)];
    let trimmed: Vec<_> = texts.iter().map(|(sql, count)| (sql.trim(), *count)).collect();
    assert_eq!(trimmed, expected.map(|(sql, count)| (sql.trim(), count)));
}

#[test]
fn bound_values_go_to_their_rows() {
    let mut script = Script::new(MODERN);
    script.query("SET NAMES latin1").ok(0, "", AUTOCOMMIT);
    script.request(b"\x16INSERT INTO t VALUES (?, 'k'), (7, ?) ON DUPLICATE KEY UPDATE a = ?");
    script.server(&[0, 7, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0]).definitions(3);
    // NULL, text in latin1, a number.
    script.request(b"\x17\x07\0\0\0\0\x01\0\0\0\x01\x01\xfd\0\xfd\0\x01\0\x01\xe9\x05").ok(2, "", AUTOCOMMIT);
    let seen = split(&script);
    let sql = "INSERT INTO t VALUES (?, ?) ON DUPLICATE KEY UPDATE a = ?";
    assert_eq!(seen[1..].iter().map(|seen| seen.sql.as_deref()).collect::<Vec<_>>(), [Some(sql); 2]);
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(seen[1].params, Some(vec![None, text("k"), text("5")]));
    assert_eq!(seen[2].params, Some(vec![text("7"), text("é"), text("5")]));
}

#[test]
fn what_is_cut_stays_one_statement() {
    let mut script = Script::new(MODERN);
    script.query("INSERT INTO t VALUES (1), (2), (3)").ok(3, "", AUTOCOMMIT);
    let interest = Interest::default() | Interest::ROWS_OF_INSERTS;
    let mut player = Player::with(ObserverConfig { interest, max_statement_bytes: 29 });
    player.play(&script.said, usize::MAX);
    let [seen] = &player.seen[..] else { panic!("{:?}", player.seen) };
    assert_eq!((seen.truncated, seen.params.is_none()), (true, true));
}

#[test]
fn a_batch_of_a_bulk_execution_is_not_taken_apart_again() {
    assert!(StatementParams::Split(&[]).is_none());
    let mut script = Script::new(MODERN & !CapabilityFlags::LONG_PASSWORD.bits());
    script.request(b"\x16INSERT INTO t VALUES (?), (?)");
    script.server(&[0, 7, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]).definitions(2);
    // Two sets of two TINYINTs, with their types.
    script.request(b"\xfa\x07\0\0\0\x80\0\x01\0\x01\0\0\x01\0\x02\0\x03\0\x04").ok(4, "", AUTOCOMMIT);
    let seen = split(&script);
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(seen[0].params, Some(vec![text("1"), text("2")]));
    assert_eq!((seen.len(), seen[1].params.as_deref()), (2, Some(&[text("3"), text("4")][..])));
}
