//! What a statement in a QUERY event means for the stream.

use crate::binlog::gtid::{MariaDbExtraFlags, MariaDbGtidEvent};
use crate::mysql::sql::{Effects, Lexis, StatementKind, StatementSummary, TransactionControl, XaControl, Xid};

/// What a statement means for the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Logged {
    /// A transaction begins.
    Begin,
    /// It is committed.
    Commit,
    /// It is rolled back.
    Rollback,
    /// A point to roll back to.
    Savepoint(String),
    /// The rows since a savepoint are taken back.
    RollbackTo(String),
    /// What means nothing to a stream of rows: RELEASE SAVEPOINT.
    Neutral,
    /// An XA transaction begins.
    XaStart,
    /// Its statements end; XA PREPARE follows.
    XaEnd,
    /// An XA transaction is committed that was prepared before.
    XaCommit(Xid),
    /// One is rolled back that was prepared before, or not.
    XaRollback(Xid),
    /// Rows were changed, but the binlog has only the text.
    Dml,
    /// Definitions, accounts and the rest, which commit by themselves.
    Other,
}

/// The server writes BEGIN, COMMIT and the like itself, always in the same form; users' statements come as they were typed.
pub(crate) fn classify(sql: &[u8]) -> Logged {
    let lexis = Lexis::logged(None);
    let summary = StatementSummary::of(sql, lexis, &|_| None);
    match summary.kind {
        StatementKind::Begin => Logged::Begin,
        StatementKind::Commit => Logged::Commit,
        StatementKind::Rollback => Logged::Rollback,
        StatementKind::Savepoint | StatementKind::Xa => match TransactionControl::of(sql, lexis) {
            TransactionControl::Savepoint(name) => Logged::Savepoint(name),
            TransactionControl::RollbackTo(name) => Logged::RollbackTo(name),
            TransactionControl::Xa(XaControl::Start(_)) => Logged::XaStart,
            TransactionControl::Xa(XaControl::Other) => Logged::XaEnd,
            TransactionControl::Xa(XaControl::Commit { xid, .. }) => Logged::XaCommit(xid),
            TransactionControl::Xa(XaControl::Rollback(xid)) => Logged::XaRollback(xid),
            _ => Logged::Neutral,
        },
        // A SELECT is logged because of its functions, CALL never is, but what it is taken for does no harm.
        StatementKind::Select | StatementKind::Call => Logged::Dml,
        StatementKind::Block | StatementKind::Ddl | StatementKind::Account => Logged::Other,
        _ if summary.effects.contains(Effects::ROWS) => Logged::Dml,
        _ => Logged::Other,
    }
}

/// Whether a statement may change definitions.
pub(crate) fn is_definition(sql: &[u8]) -> bool {
    classify(sql) == Logged::Other
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
        let xid = || Xid { global: b"a".to_vec(), branch: Vec::new(), format: 1 };
        for (sql, kind) in [
            ("BEGIN", Logged::Begin),
            ("COMMIT", Logged::Commit),
            ("ROLLBACK", Logged::Rollback),
            ("SAVEPOINT `A b`", Logged::Savepoint("A b".into())),
            ("SAVEPOINT `a``b`", Logged::Savepoint("a`b".into())),
            ("ROLLBACK TO ```a``\"`", Logged::RollbackTo("`a`\"".into())),
            ("SAVEPOINT \"a \"\"`b\"", Logged::Savepoint("a \"`b".into())),
            ("SAVEPOINT `sp1`", Logged::Savepoint("sp1".into())),
            ("ROLLBACK TO `sp1`", Logged::RollbackTo("sp1".into())),
            ("rollback to savepoint SP1", Logged::RollbackTo("SP1".into())),
            ("XA START X'61',X'',1", Logged::XaStart),
            ("XA END X'61',X'',1", Logged::XaEnd),
            ("XA COMMIT X'61',X'',1", Logged::XaCommit(xid())),
            ("XA ROLLBACK X'61',X'',1", Logged::XaRollback(xid())),
            ("/* who */ -- why\n insert into t values (1)", Logged::Dml),
            ("CREATE TABLE t (a int)", Logged::Other),
            ("/* only a comment", Logged::Other),
            ("", Logged::Other),
            ("SAVEPOINT `a``;b`", Logged::Savepoint("a`;b".into())),
            ("ROLLBACK TO `savepoint`", Logged::RollbackTo("savepoint".into())),
            ("ROLLBACK WORK TO savepoint savepoint", Logged::RollbackTo("savepoint".into())),
            ("ROLLBACK WORK", Logged::Rollback),
            ("SET STATEMENT sql_log_bin=1, x = IF(1, 'FOR', 2) FOR INSERT INTO t VALUES (1)", Logged::Dml),
            ("SET STATEMENT max_statement_time=1 FOR CREATE TABLE t (a int)", Logged::Other),
            ("SET @a = 1", Logged::Other),
            ("ANALYZE DELETE FROM t", Logged::Dml),
            ("(SELECT f())", Logged::Dml),
            ("DO f()", Logged::Dml),
        ] {
            assert_eq!(classify(sql.as_bytes()), kind, "{sql}");
        }
    }
}
