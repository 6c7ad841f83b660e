//! Which tables a text names, by a parser that others wrote.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{ObjectName, Statement, visit_relations};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::dialect::Bounded;
use super::lexis::Lexis;
use super::safety::may_call_stored;

/// A longer text is not parsed.
const LONGEST: usize = 64 << 10;
const DEEPEST: usize = 40;

/// The tables that a text's statements are about, each with its database if that is named; in lower case.
///
/// `None` where the text does not tell: it cannot be parsed, calls what is stored on the server, or is about definitions. What views,
/// triggers and foreign keys bring in no text tells.
pub fn tables_named(sql: &[u8], lexis: Lexis) -> Option<BTreeSet<Vec<String>>> {
    let has_marks = memchr::memmem::find_iter(sql, b"/*").any(|at| matches!(sql.get(at + 2), Some(b'!' | b'M')));
    let is_usual = lexis.ansi_quotes != Some(true) && lexis.backslash_escapes != Some(false);
    if sql.len() > LONGEST || has_marks || !is_usual || may_call_stored(sql, lexis) {
        return None;
    }
    let text = std::str::from_utf8(sql).ok()?;
    let dialect = Bounded::default();
    let mut parser = Parser::new(&dialect).with_recursion_limit(DEEPEST).try_with_sql(text).ok()?;
    let mut names = BTreeSet::new();
    loop {
        while parser.consume_token(&Token::SemiColon) {}
        if parser.peek_token_ref().token == Token::EOF {
            return Some(names);
        }
        let statement = parser.parse_statement().ok()?;
        if !tells_its_tables(&statement) {
            return None;
        }
        let _ = visit_relations(&statement, |name: &ObjectName| {
            let parts = name.0.iter().filter_map(|part| part.as_ident());
            names.insert(parts.map(|ident| ident.value.to_lowercase()).collect());
            ControlFlow::<()>::Continue(())
        });
    }
}

fn tells_its_tables(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Query(_)
            | Statement::Insert(_)
            | Statement::Update(_)
            | Statement::Delete(_)
            | Statement::StartTransaction { .. }
            | Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::Savepoint { .. }
            | Statement::ReleaseSavepoint { .. }
            | Statement::Set(_)
            | Statement::Use(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sql: &str) -> Option<String> {
        let names = tables_named(sql.as_bytes(), Lexis::default())?;
        Some(names.iter().map(|parts| parts.join(".")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn tables_of_statements() {
        let some = |names: &str| Some(names.to_owned());
        for (sql, expected) in [
            ("SELECT 1", some("")),
            ("SELECT * FROM A JOIN other.b ON a.x = b.x WHERE y IN (SELECT z FROM `c d`)", some("a c d other.b")),
            ("INSERT INTO t (a) SELECT a FROM u", some("t u")),
            ("INSERT INTO d.t (a) VALUES (1)", some("d.t")),
            ("INSERT IGNORE t (a) SELECT f(1) FROM u", None),
            ("INSERT INTO t SELECT f (1) FROM u", None),
            ("UPDATE t JOIN u ON t.a = u.b SET t.a = 1", some("t u")),
            // The parser does not know it.
            ("UPDATE t, u SET t.a = u.a", None),
            ("DELETE FROM t WHERE a = 'x from y'", some("t")),
            ("REPLACE INTO t VALUES (1)", some("t")),
            ("SELECT 1 FROM t FOR UPDATE; DELETE FROM u;", some("t u")),
            ("COMMIT", some("")),
            ("", some("")),
            ("CALL p()", None),
            ("CREATE TABLE t (a INT)", None),
            ("SELECT f(1) FROM t", None),
            ("INSERT INTO t VALUES (f(1))", None),
            ("LOAD DATA INFILE 'x' INTO TABLE t", None),
            ("SELECT 1 /*! FROM t */", None),
            ("NOT SQL", None),
        ] {
            assert_eq!(of(sql), expected, "{sql}");
        }
    }
}
