//! What a statement in a QUERY event means for the stream.

use crate::binlog::gtid::{MariaDbExtraFlags, MariaDbGtidEvent};
use crate::mysql::sql::{Lexis, Tokens, Xid, skip_statement_variables, unquote};

/// A statement's kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StatementKind {
    /// A transaction begins.
    Begin,
    /// It is committed.
    Commit,
    /// It is rolled back.
    Rollback,
    /// A point to roll back to.
    Savepoint(Vec<u8>),
    /// The rows since a savepoint are taken back.
    RollbackTo(Vec<u8>),
    /// What means nothing to a stream of rows: RELEASE SAVEPOINT.
    Neutral,
    /// An XA transaction begins.
    XaStart,
    /// Its statements end; XA PREPARE follows.
    XaEnd,
    /// An XA transaction is committed that was prepared before.
    XaCommit(Option<Xid>),
    /// One is rolled back that was prepared before, or not.
    XaRollback(Option<Xid>),
    /// Rows were changed, but the binlog has only the text.
    Dml,
    /// Definitions, accounts and the rest, which commit by themselves.
    Other,
}

/// The server writes BEGIN, COMMIT and the like itself, always in the same form; users' statements come as they were typed.
pub(crate) fn classify(sql: &[u8]) -> StatementKind {
    let lexis = Lexis::logged(None);
    let mut words = Tokens::new(sql, lexis);
    while skip_statement_variables(&mut words) {}
    let Some(first) = words.next() else { return StatementKind::Other };
    let is = |known: &[&str]| words.is_any(&first, known);
    if is(&["begin", "start"]) {
        StatementKind::Begin
    } else if is(&["commit"]) {
        StatementKind::Commit
    } else if is(&["rollback"]) {
        roll_back(&mut words)
    } else if is(&["savepoint"]) {
        StatementKind::Savepoint(identifier(&mut words))
    } else if is(&["release"]) {
        StatementKind::Neutral
    } else if is(&["xa"]) {
        let second = words.next();
        let is = |known: &[&str]| second.is_some_and(|second| words.is_any(&second, known));
        match () {
            () if is(&["start", "begin"]) => StatementKind::XaStart,
            () if is(&["end"]) => StatementKind::XaEnd,
            () if is(&["commit"]) => StatementKind::XaCommit(Xid::read(&mut words)),
            () if is(&["rollback"]) => StatementKind::XaRollback(Xid::read(&mut words)),
            () => StatementKind::Neutral,
        }
    } else if is(&["insert", "update", "delete", "replace", "load", "call", "do", "with", "select"]) {
        StatementKind::Dml
    } else {
        StatementKind::Other
    }
}

/// Whether a statement may change definitions.
pub(crate) fn is_definition(sql: &[u8]) -> bool {
    classify(sql) == StatementKind::Other
}

fn roll_back(words: &mut Tokens<'_>) -> StatementKind {
    let mut word = words.next();
    if word.is_some_and(|word| words.is(&word, "work")) {
        word = words.next();
    }
    if !word.is_some_and(|word| words.is(&word, "to")) {
        return StatementKind::Rollback;
    }
    let mut ahead = words.clone();
    if ahead.next().is_some_and(|word| ahead.is(&word, "savepoint")) && ahead.peek().is_some() {
        *words = ahead;
    }
    StatementKind::RollbackTo(identifier(words))
}

/// A savepoint's name without its quotes.
fn identifier(words: &mut Tokens<'_>) -> Vec<u8> {
    words.next().map(|name| unquote(words.text(&name), words.lexis()).into()).unwrap_or_default()
}

/// Whether a statement after this GTID changes definitions: an ALTER TABLE in two parts does so with the second, unless that takes it
/// back (MariaDB's `binlog_alter_two_phase`).
pub(crate) fn is_of_effect(gtid: &MariaDbGtidEvent<'_>) -> bool {
    !gtid.extra_flags.intersects(MariaDbExtraFlags::START_ALTER | MariaDbExtraFlags::ROLLBACK_ALTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_as_the_servers_log_them() {
        let xid = || Some(Xid { global: b"a".to_vec(), branch: Vec::new(), format: 1 });
        for (sql, kind) in [
            ("BEGIN", StatementKind::Begin),
            ("COMMIT", StatementKind::Commit),
            ("ROLLBACK", StatementKind::Rollback),
            ("SAVEPOINT `A b`", StatementKind::Savepoint(b"A b".to_vec())),
            ("SAVEPOINT `a``b`", StatementKind::Savepoint(b"a`b".to_vec())),
            ("ROLLBACK TO ```a``\"`", StatementKind::RollbackTo(b"`a`\"".to_vec())),
            ("SAVEPOINT \"a \"\"`b\"", StatementKind::Savepoint(b"a \"`b".to_vec())),
            ("SAVEPOINT `sp1`", StatementKind::Savepoint(b"sp1".to_vec())),
            ("ROLLBACK TO `sp1`", StatementKind::RollbackTo(b"sp1".to_vec())),
            ("rollback to savepoint SP1", StatementKind::RollbackTo(b"SP1".to_vec())),
            ("XA START X'61',X'',1", StatementKind::XaStart),
            ("XA END X'61',X'',1", StatementKind::XaEnd),
            ("XA COMMIT X'61',X'',1", StatementKind::XaCommit(xid())),
            ("XA ROLLBACK X'61',X'',1", StatementKind::XaRollback(xid())),
            ("/* who */ -- why\n insert into t values (1)", StatementKind::Dml),
            ("CREATE TABLE t (a int)", StatementKind::Other),
            ("/* only a comment", StatementKind::Other),
            ("", StatementKind::Other),
            ("SAVEPOINT `a``;b`", StatementKind::Savepoint(b"a`;b".to_vec())),
            ("ROLLBACK TO `savepoint`", StatementKind::RollbackTo(b"savepoint".to_vec())),
            ("ROLLBACK WORK TO savepoint savepoint", StatementKind::RollbackTo(b"savepoint".to_vec())),
            ("ROLLBACK WORK", StatementKind::Rollback),
            ("SET STATEMENT sql_log_bin=1, x = IF(1, 'FOR', 2) FOR INSERT INTO t VALUES (1)", StatementKind::Dml),
            ("SET STATEMENT max_statement_time=1 FOR CREATE TABLE t (a int)", StatementKind::Other),
            ("SET @a = 1", StatementKind::Other),
        ] {
            assert_eq!(classify(sql.as_bytes()), kind, "{sql}");
        }
    }
}
