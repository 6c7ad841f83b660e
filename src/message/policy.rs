//! Which statements become messages.

use sqlparser::ast::{SetExpr, Statement};
use sqlparser::dialect::MySqlDialect;
use sqlparser::parser::Parser;

use crate::wire::first_keyword;

/// `INTERCEPTOR_CAPTURE_*` and `DEBUGQUERYINTERCEPTOR_STATEMENTLOGGING`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapturePolicy {
    /// False: no messages at all.
    pub enabled: bool,
    /// SELECTs and everything else. Otherwise statements that change data, and what the next two add.
    pub all: bool,
    /// DDL too.
    pub ddl: bool,
    /// CALL too.
    pub callproc: bool,
}

impl Default for CapturePolicy {
    fn default() -> Self {
        Self { enabled: true, all: true, ddl: false, callproc: true }
    }
}

/// What a statement does, as far as the capture policy asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementKind {
    /// INSERT, UPDATE, DELETE, REPLACE, LOAD DATA: rows change.
    Dml,
    /// CREATE, ALTER, DROP, TRUNCATE, RENAME: definitions change.
    Ddl,
    /// CALL.
    Call,
    /// Everything else: SELECT, SHOW, SET, transaction control.
    Other,
}

/// Longest text that is parsed only to know its kind.
const PARSED_LENGTH: usize = 64 * 1024;

impl StatementKind {
    /// The kind of a statement's text.
    pub fn of(sql: &[u8]) -> Self {
        const KINDS: [(&str, StatementKind); 13] = [
            ("INSERT", StatementKind::Dml),
            ("UPDATE", StatementKind::Dml),
            ("DELETE", StatementKind::Dml),
            ("REPLACE", StatementKind::Dml),
            ("LOAD", StatementKind::Dml),
            ("IMPORT", StatementKind::Ddl),
            ("CREATE", StatementKind::Ddl),
            ("ALTER", StatementKind::Ddl),
            ("DROP", StatementKind::Ddl),
            ("TRUNCATE", StatementKind::Ddl),
            ("RENAME", StatementKind::Ddl),
            ("CALL", StatementKind::Call),
            ("SELECT", StatementKind::Other),
        ];
        let keyword = first_keyword(sql);
        if keyword.eq_ignore_ascii_case(b"WITH") {
            return Self::of_with(sql);
        }
        let known = KINDS.iter().find(|(word, _)| keyword.eq_ignore_ascii_case(word.as_bytes()));
        known.map_or(Self::Other, |(_, kind)| *kind)
    }

    /// `WITH` may introduce an UPDATE or a DELETE: only a parser can tell.
    fn of_with(sql: &[u8]) -> Self {
        if sql.len() > PARSED_LENGTH {
            return Self::Dml;
        }
        let parsed = Parser::parse_sql(&MySqlDialect {}, &String::from_utf8_lossy(sql));
        match parsed.as_deref() {
            Ok([Statement::Query(query)]) => match *query.body {
                SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) => Self::Dml,
                _ => Self::Other,
            },
            // Rather a message too many than one too few.
            _ => Self::Dml,
        }
    }
}

impl CapturePolicy {
    /// Whether a statement of this text becomes a message.
    pub fn wants(&self, sql: &[u8]) -> bool {
        self.enabled
            && (self.all
                || match StatementKind::of(sql) {
                    StatementKind::Dml => true,
                    StatementKind::Ddl => self.ddl,
                    StatementKind::Call => self.callproc,
                    StatementKind::Other => false,
                })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (sql, kind) in [
            ("/* x */ insert into t values (1)", StatementKind::Dml),
            ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", StatementKind::Dml),
            ("TRUNCATE t", StatementKind::Ddl),
            ("call p()", StatementKind::Call),
            ("(SELECT 1)", StatementKind::Other),
            ("WITH c AS (SELECT 1 AS a) SELECT * FROM c", StatementKind::Other),
            ("WITH c AS (SELECT 1 AS a) DELETE FROM t WHERE a IN (SELECT a FROM c)", StatementKind::Dml),
            ("WITH c AS (SELECT 1 AS a) UPDATE t, c SET t.a = c.a", StatementKind::Dml),
        ] {
            assert_eq!(StatementKind::of(sql.as_bytes()), kind, "{sql}");
        }
    }

    #[test]
    fn what_is_wanted() {
        let some = CapturePolicy { all: false, ..CapturePolicy::default() };
        assert!(some.wants(b"UPDATE t SET a = 1") && some.wants(b"CALL p()"));
        assert!(!some.wants(b"SELECT 1") && !some.wants(b"CREATE TABLE t (a INT)"));
        assert!(CapturePolicy { ddl: true, ..some }.wants(b"CREATE TABLE t (a INT)"));
        assert!(!CapturePolicy { callproc: false, ..some }.wants(b"CALL p()"));
        assert!(!CapturePolicy { enabled: false, ..CapturePolicy::default() }.wants(b"SELECT 1"));
    }
}
