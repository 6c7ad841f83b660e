//! What a statement in a QUERY event means for the stream.

/// A statement's kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StatementKind {
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
    /// What means nothing to a stream of rows: XA START, XA END, RELEASE SAVEPOINT.
    Neutral,
    /// XA COMMIT, XA ROLLBACK: what became of a transaction whose rows came when it was prepared.
    XaEnd,
    /// Rows were changed, but the binlog has only the text.
    Dml,
    /// Definitions, accounts and the rest, which commit by themselves.
    Other,
}

/// The server writes BEGIN, COMMIT and the like itself, always in the same form; users' statements come as they were typed.
pub(super) fn classify(sql: &[u8]) -> StatementKind {
    let mut words = Words { rest: sql };
    let first = words.next().to_ascii_uppercase();
    match first.as_slice() {
        b"BEGIN" => StatementKind::Begin,
        b"START" => StatementKind::Begin,
        b"COMMIT" => StatementKind::Commit,
        b"ROLLBACK" => {
            let mut name = words.next();
            if !name.eq_ignore_ascii_case(b"TO") {
                return StatementKind::Rollback;
            }
            name = words.next();
            if name.eq_ignore_ascii_case(b"SAVEPOINT") {
                name = words.next();
            }
            StatementKind::RollbackTo(identifier(name))
        }
        b"SAVEPOINT" => StatementKind::Savepoint(identifier(words.next())),
        b"RELEASE" => StatementKind::Neutral,
        b"XA" => {
            let second = words.next();
            let ends = [&b"COMMIT"[..], b"ROLLBACK"].iter().any(|word| second.eq_ignore_ascii_case(word));
            if ends { StatementKind::XaEnd } else { StatementKind::Neutral }
        }
        b"INSERT" | b"UPDATE" | b"DELETE" | b"REPLACE" | b"LOAD" | b"CALL" | b"DO" | b"WITH" | b"SELECT" => {
            StatementKind::Dml
        }
        _ => StatementKind::Other,
    }
}

/// Whether a statement may change definitions.
pub(super) fn is_definition(sql: &[u8]) -> bool {
    classify(sql) == StatementKind::Other
}

/// A savepoint's name without its quotes, in lower case: the servers do not tell cases apart.
fn identifier(word: &[u8]) -> Vec<u8> {
    let word = word.strip_prefix(b"`").and_then(|word| word.strip_suffix(b"`")).unwrap_or(word);
    word.to_ascii_lowercase()
}

/// Words, with the comments between them left out.
struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    fn next(&mut self) -> &'a [u8] {
        loop {
            self.rest = self.rest.trim_ascii_start();
            let after =
                if self.rest.starts_with(b"/*") && !self.rest.starts_with(b"/*!") && !self.rest.starts_with(b"/*M!") {
                    memchr::memmem::find(self.rest, b"*/").map(|at| at + 2)
                } else if self.rest.starts_with(b"#") || self.rest.starts_with(b"-- ") {
                    memchr::memchr(b'\n', self.rest).map(|at| at + 1)
                } else {
                    break;
                };
            self.rest = after.and_then(|at| self.rest.get(at..)).unwrap_or_default();
        }
        let quoted = self.rest.strip_prefix(b"`").and_then(|name| memchr::memchr(b'`', name)).map(|at| at + 2);
        let plain = || self.rest.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'(' | b';'));
        let end = quoted.or_else(plain).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = rest;
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_as_the_servers_log_them() {
        for (sql, kind) in [
            ("BEGIN", StatementKind::Begin),
            ("COMMIT", StatementKind::Commit),
            ("ROLLBACK", StatementKind::Rollback),
            ("SAVEPOINT `A b`", StatementKind::Savepoint(b"a b".to_vec())),
            ("SAVEPOINT `sp1`", StatementKind::Savepoint(b"sp1".to_vec())),
            ("ROLLBACK TO `sp1`", StatementKind::RollbackTo(b"sp1".to_vec())),
            ("rollback to savepoint SP1", StatementKind::RollbackTo(b"sp1".to_vec())),
            ("XA START X'61',X'',1", StatementKind::Neutral),
            ("XA END X'61',X'',1", StatementKind::Neutral),
            ("XA COMMIT X'61',X'',1", StatementKind::XaEnd),
            ("/* who */ -- why\n insert into t values (1)", StatementKind::Dml),
            ("CREATE TABLE t (a int)", StatementKind::Other),
            ("/* only a comment", StatementKind::Other),
            ("", StatementKind::Other),
        ] {
            assert_eq!(classify(sql.as_bytes()), kind, "{sql}");
        }
    }
}
