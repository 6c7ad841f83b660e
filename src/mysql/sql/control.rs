//! What a statement does to the session's transaction, as far as its text tells.
//!
//! The servers' lists of statements that commit (`CF_AUTO_COMMIT_TRANS`, `CF_IMPLICIT_COMMIT_BEGIN` in `sql/sql_parse.cc`, and the exceptions
//! in `stmt_causes_implicit_commit`) differ by server and version. They need not be followed to the letter: after a statement that went well
//! its status flags say whether the transaction is still open. The text only has to say which way it can have ended.

use super::fronts::skip_statement_variables;
use super::kind::{Effects, StatementKind, StatementSummary};
use super::lexis::Lexis;
use super::named::{NamedCommand, named_command};
use super::savepoints::savepoint_name;
use super::statements::next_statement;
use super::tokens::{Kind, Token, Tokens};
use super::xid::Xid;

/// What a statement may do to the session's transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TransactionControl {
    /// Nothing: it belongs to the one that is open, or is one of its own.
    #[default]
    Nothing,
    /// BEGIN, START TRANSACTION: commits what is open, and begins another one.
    Begin,
    /// COMMIT, with or without CHAIN and RELEASE.
    Commit,
    /// ROLLBACK, with or without CHAIN and RELEASE.
    Rollback,
    /// SAVEPOINT name
    Savepoint(String),
    /// ROLLBACK TO name
    RollbackTo(String),
    /// RELEASE SAVEPOINT name
    Release(String),
    /// XA
    Xa(XaControl),
    /// It commits what is open before it does anything: most of DDL and administration, LOCK TABLES.
    Commits,
    /// It commits what is open, or leaves it alone: SET autocommit, UNLOCK TABLES.
    MayCommit,
    /// What was prepared under this name (in lower case) decides.
    Execute(Vec<u8>),
    /// It may commit, roll back, and begin: CALL, what is not known, several of these at once.
    Anything,
}

/// What a statement does to an XA transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum XaControl {
    /// XA START, XA BEGIN
    Start(Xid),
    /// XA END, XA RECOVER: nothing that matters here.
    Other,
    /// XA PREPARE
    Prepare(Xid),
    /// XA COMMIT
    Commit {
        /// Of which one.
        xid: Xid,
        /// ONE PHASE: it was not prepared.
        one_phase: bool,
    },
    /// XA ROLLBACK, of one that was prepared or not.
    Rollback(Xid),
}

/// EXECUTE IMMEDIATE within EXECUTE IMMEDIATE is followed this far.
const DEPTH: u8 = 2;

impl TransactionControl {
    /// Of one statement.
    pub fn of(sql: &[u8], lexis: Lexis) -> Self {
        Self::nested(sql, lexis, DEPTH)
    }

    /// Of all statements of a text together, which have one outcome. `summary`: of that text.
    pub fn of_text(sql: &[u8], lexis: Lexis, summary: StatementSummary) -> Self {
        if is_harmless(summary.kind) && !summary.effects.contains(Effects::UNKNOWN) {
            return Self::Nothing;
        }
        let (mut all, mut from) = (Self::Nothing, 0);
        while let Some(piece) = next_statement(sql, from, lexis) {
            let one = Self::of(sql.get(piece.range.clone()).unwrap_or_default(), lexis);
            match (from, piece.is_certain, one) {
                (_, false, _) => return Self::Anything,
                (_, _, Self::Nothing) => {}
                (0, true, one) if piece.is_last() => all = one,
                _ => all = Self::Anything,
            }
            from = piece.next;
        }
        all
    }

    fn nested(sql: &[u8], lexis: Lexis, depth: u8) -> Self {
        use StatementKind as Is;
        // The one classifier says what is executed, EXPLAIN ANALYZE, WITH and their like seen through.
        let kind = StatementSummary::of(sql, lexis, &|_| None).kind;
        if is_harmless(kind) {
            return Self::Nothing;
        }
        let mut tokens = Tokens::new(sql, lexis);
        while skip_statement_variables(&mut tokens) {}
        let Some(verb) = tokens.find(|token| token.kind != Kind::Open) else { return Self::Nothing };
        if tokens.is(&verb, "execute") {
            return executed(sql, lexis, depth);
        }
        match kind {
            Is::Begin => Self::Begin,
            Is::Commit => Self::Commit,
            Is::Rollback => Self::Rollback,
            Is::Savepoint => savepoint(&mut tokens, &verb),
            Is::Xa => xa(&mut tokens).map_or(Self::Anything, Self::Xa),
            Is::Ddl => definition(&mut tokens, &verb),
            Is::Account => account(&mut tokens, &verb),
            Is::Set => set(&mut tokens),
            Is::Lock => lock(&mut tokens, &verb),
            Is::Admin => administration(&mut tokens, &verb),
            Is::Call => Self::Anything,
            Is::Block => block(&mut tokens),
            // PREPARE and DEALLOCATE, and what was left by then.
            _ => Self::Nothing,
        }
    }
}

/// Whether statements of this kind leave transactions alone. Nearly every statement is of one.
fn is_harmless(kind: StatementKind) -> bool {
    use StatementKind as Is;
    matches!(
        kind,
        Is::Select | Is::Insert | Is::Update | Is::Delete | Is::Replace | Is::Load | Is::Use | Is::Show | Is::Other
    )
}

/// `EXECUTE name`, `EXECUTE IMMEDIATE 'text'`.
fn executed(sql: &[u8], lexis: Lexis, depth: u8) -> TransactionControl {
    match named_command(sql, lexis) {
        Some(NamedCommand::Execute(name)) => TransactionControl::Execute(name),
        Some(NamedCommand::Immediate(Some(text))) if depth > 0 => TransactionControl::nested(&text, lexis, depth - 1),
        _ => TransactionControl::Anything,
    }
}

/// `SAVEPOINT name`, `ROLLBACK [WORK] TO [SAVEPOINT] name`, `RELEASE SAVEPOINT name`.
fn savepoint(tokens: &mut Tokens<'_>, verb: &Token) -> TransactionControl {
    let lexis = tokens.lexis();
    let name = |tokens: &mut Tokens<'_>| {
        let bare = tokens.next().map(|name| super::unquote(tokens.text(&name), lexis).into_owned());
        savepoint_name(&bare.unwrap_or_default(), lexis)
    };
    if tokens.is(verb, "savepoint") {
        return TransactionControl::Savepoint(name(tokens));
    }
    if tokens.is(verb, "release") {
        tokens.next();
        return TransactionControl::Release(name(tokens));
    }
    while tokens.next().is_some_and(|word| !tokens.is(&word, "to")) {}
    let mut ahead = tokens.clone();
    // A savepoint may be called so.
    if ahead.next().is_some_and(|word| ahead.is(&word, "savepoint"))
        && ahead.peek().is_some_and(|next| next.kind != Kind::Semicolon)
    {
        *tokens = ahead;
    }
    TransactionControl::RollbackTo(name(tokens))
}

/// `None` where its name cannot be read.
fn xa(tokens: &mut Tokens<'_>) -> Option<XaControl> {
    let word = tokens.next()?;
    if tokens.is_any(&word, &["end", "recover"]) {
        return Some(XaControl::Other);
    }
    let xid = Xid::read(tokens)?;
    let is = |words: &[&str]| tokens.is_any(&word, words);
    match () {
        () if is(&["start", "begin"]) => Some(XaControl::Start(xid)),
        () if is(&["prepare"]) => Some(XaControl::Prepare(xid)),
        () if is(&["commit"]) => {
            let one_phase = tokens.next().is_some_and(|token| tokens.is(&token, "one"));
            Some(XaControl::Commit { xid, one_phase })
        }
        () if is(&["rollback"]) => Some(XaControl::Rollback(xid)),
        () => None,
    }
}

/// CREATE, ALTER, DROP, RENAME, TRUNCATE, IMPORT: all of them commit but where a temporary table is named as one.
fn definition(tokens: &mut Tokens<'_>, verb: &Token) -> TransactionControl {
    let mut word = tokens.next();
    // CREATE OR REPLACE TEMPORARY TABLE
    if word.is_some_and(|word| tokens.is(&word, "or")) {
        tokens.next();
        word = tokens.next();
    }
    let is_temporary =
        tokens.is_any(verb, &["create", "drop"]) && word.is_some_and(|word| tokens.is(&word, "temporary"));
    if is_temporary { TransactionControl::Nothing } else { TransactionControl::Commits }
}

/// Accounts and privileges.
fn account(tokens: &mut Tokens<'_>, verb: &Token) -> TransactionControl {
    // SET ROLE is of the session alone, SET PASSWORD and SET DEFAULT ROLE are not.
    if tokens.is(verb, "set") && tokens.next().is_some_and(|word| tokens.is(&word, "role")) {
        return TransactionControl::MayCommit;
    }
    TransactionControl::Commits
}

/// SET commits where it switches autocommit on.
fn set(tokens: &mut Tokens<'_>) -> TransactionControl {
    const NAME: &[u8] = b"autocommit";
    let words = tokens.clone();
    let names_it = tokens.any(|token| {
        let text = words.text(&token);
        let is_name = matches!(token.kind, Kind::Word | Kind::Name | Kind::Variable);
        // `@@session.autocommit`, and in backticks.
        is_name && text.windows(NAME.len()).any(|part| part.eq_ignore_ascii_case(NAME))
    });
    if names_it { TransactionControl::MayCommit } else { TransactionControl::Nothing }
}

/// LOCK TABLES commits; UNLOCK TABLES if tables were locked; LOCK INSTANCE does not.
fn lock(tokens: &mut Tokens<'_>, verb: &Token) -> TransactionControl {
    let is_tables = tokens.next().is_some_and(|word| tokens.is_any(&word, &["table", "tables"]));
    match (is_tables, tokens.is(verb, "lock")) {
        (true, true) => TransactionControl::Commits,
        (true, false) => TransactionControl::MayCommit,
        (false, _) => TransactionControl::Nothing,
    }
}

/// Whatever manages a server and its tables.
fn administration(tokens: &mut Tokens<'_>, verb: &Token) -> TransactionControl {
    if tokens.is_any(verb, &["kill", "checksum", "binlog", "purge", "shutdown", "restart"]) {
        TransactionControl::Nothing
    } else {
        TransactionControl::MayCommit
    }
}

/// A compound statement may do what its statements say.
fn block(tokens: &mut Tokens<'_>) -> TransactionControl {
    const WORDS: [&str; 30] = [
        "savepoint",
        "release",
        "commit",
        "rollback",
        "start",
        "xa",
        "call",
        "execute",
        "create",
        "alter",
        "drop",
        "rename",
        "truncate",
        "grant",
        "revoke",
        "lock",
        "unlock",
        "analyze",
        "check",
        "optimize",
        "repair",
        "cache",
        "load",
        "flush",
        "reset",
        "install",
        "uninstall",
        "stop",
        "change",
        "set",
    ];
    while let Some(token) = tokens.next() {
        if tokens.is_any(&token, &WORDS) {
            return TransactionControl::Anything;
        }
    }
    TransactionControl::Nothing
}

#[cfg(test)]
mod tests {
    use super::super::lexis::Flavor;
    use super::*;

    fn control(sql: &str) -> TransactionControl {
        let lexis = Lexis { flavor: Some(Flavor::MariaDb), ..Lexis::default() };
        let summary = StatementSummary::of_text(sql.as_bytes(), lexis, &|_| None);
        TransactionControl::of_text(sql.as_bytes(), lexis, summary)
    }

    fn xid(global: &[u8]) -> Xid {
        Xid { global: global.to_vec(), branch: Vec::new(), format: 1 }
    }

    #[test]
    fn what_each_statement_may_do() {
        use TransactionControl as Does;
        let name = |name: &str| name.to_owned();
        for (sql, expected) in [
            ("BEGIN", Does::Begin),
            ("begin work", Does::Begin),
            ("START TRANSACTION READ ONLY, WITH CONSISTENT SNAPSHOT", Does::Begin),
            ("/* x */ COMMIT AND CHAIN NO RELEASE", Does::Commit),
            ("/*!50000 COMMIT */", Does::Commit),
            ("rollback work and no chain", Does::Rollback),
            ("SET STATEMENT max_statement_time=1 FOR COMMIT", Does::Commit),
            ("SAVEPOINT `a``b`", Does::Savepoint(name("a`b"))),
            ("SAVEPOINT é", Does::Savepoint(name("é"))),
            ("ROLLBACK TO a", Does::RollbackTo(name("a"))),
            ("ROLLBACK WORK TO SAVEPOINT a", Does::RollbackTo(name("a"))),
            ("ROLLBACK TO savepoint", Does::RollbackTo(name("savepoint"))),
            ("ROLLBACK TO `to`", Does::RollbackTo(name("to"))),
            ("RELEASE SAVEPOINT `A b`", Does::Release(name("A b"))),
            ("XA START 'a'", Does::Xa(XaControl::Start(xid(b"a")))),
            ("xa begin X'61'", Does::Xa(XaControl::Start(xid(b"a")))),
            ("XA END 'a'", Does::Xa(XaControl::Other)),
            ("XA RECOVER", Does::Xa(XaControl::Other)),
            ("XA PREPARE 'a'", Does::Xa(XaControl::Prepare(xid(b"a")))),
            ("XA COMMIT 'a'", Does::Xa(XaControl::Commit { xid: xid(b"a"), one_phase: false })),
            ("XA COMMIT 'a' ONE PHASE", Does::Xa(XaControl::Commit { xid: xid(b"a"), one_phase: true })),
            ("XA ROLLBACK 'a','',1", Does::Xa(XaControl::Rollback(xid(b"a")))),
            ("XA COMMIT", Does::Anything),
            ("EXECUTE `S`", Does::Execute(b"s".to_vec())),
            ("EXECUTE s USING @a", Does::Execute(b"s".to_vec())),
            ("EXECUTE IMMEDIATE 'COMMIT'", Does::Commit),
            ("EXECUTE IMMEDIATE CONCAT('COM', 'MIT')", Does::Anything),
            ("PREPARE s FROM 'COMMIT'", Does::Nothing),
            ("CALL p()", Does::Anything),
            ("BEGIN NOT ATOMIC INSERT INTO t VALUES (1); END", Does::Nothing),
            ("BEGIN NOT ATOMIC INSERT INTO t VALUES (1); COMMIT; END", Does::Anything),
            ("IF 1 THEN SAVEPOINT s; END IF", Does::Anything),
            ("INSERT INTO t VALUES ('COMMIT')", Does::Nothing),
            ("WITH a AS (SELECT 1) SELECT * FROM a", Does::Nothing),
            ("ANALYZE UPDATE t SET a = 1", Does::Nothing),
            ("SELECT 1; INSERT INTO t VALUES (1)", Does::Nothing),
            ("SELECT 1; COMMIT", Does::Anything),
            ("COMMIT; SELECT 1", Does::Anything),
            ("COMMIT;", Does::Commit),
            ("SET autocommit = 1", Does::MayCommit),
            ("SET @a = 1, @@session.AutoCommit = 1", Does::MayCommit),
            ("SET @a = 'autocommit'", Does::Nothing),
            ("", Does::Nothing),
        ] {
            assert_eq!(control(sql), expected, "{sql}");
        }
    }

    #[test]
    fn what_commits_by_itself() {
        for sql in [
            "CREATE TABLE t (a INT)",
            "CREATE OR REPLACE TABLE t (a INT)",
            "ALTER TABLE t ADD b INT",
            "DROP TABLE IF EXISTS t",
            "TRUNCATE t",
            "RENAME TABLE t TO u",
            "CREATE SEQUENCE s",
            "CREATE USER u",
            "GRANT r TO u",
            "SET PASSWORD FOR u = 'x'",
            "SET DEFAULT ROLE NONE TO u",
            "LOCK TABLES t WRITE",
            "SET STATEMENT max_statement_time=1 FOR CREATE TABLE t (a INT)",
            "EXECUTE IMMEDIATE 'DROP TABLE t'",
        ] {
            assert_eq!(control(sql), TransactionControl::Commits, "{sql}");
        }
        for sql in ["CREATE TEMPORARY TABLE t (a INT)", "DROP TEMPORARY TABLE t", "LOCK INSTANCE FOR BACKUP", "KILL 1"]
        {
            assert_eq!(control(sql), TransactionControl::Nothing, "{sql}");
        }
        for sql in ["CREATE OR REPLACE TEMPORARY TABLE t (a INT)", "UNLOCK INSTANCE", "DO 1", "HANDLER t OPEN"] {
            assert_eq!(control(sql), TransactionControl::Nothing, "{sql}");
        }
        for sql in ["UNLOCK TABLES", "FLUSH STATUS", "ANALYZE TABLE t", "SET ROLE r"] {
            assert_eq!(control(sql), TransactionControl::MayCommit, "{sql}");
        }
    }
}
