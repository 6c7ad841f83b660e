//! Sessions as a holder of statements sees them: what is published, and what of it with an unknown outcome.

use super::*;
use crate::mysql::sql::{Flavor, Lexis};
use crate::mysql::wire::{EofPacket, ErrPacket, OkPacket, RowEnd, StatusFlags};
use crate::session::facts::SessionFacts;
use crate::session::listener::EndReason;
use crate::session::outcome::{Outcome, UnknownOutcome};
use crate::session::statement::{BatchPart, Statement, StatementParams};
use crate::session::time::Now;

const AUTO: StatusFlags = StatusFlags::AUTOCOMMIT;
const OPEN: StatusFlags = StatusFlags::AUTOCOMMIT.union(StatusFlags::IN_TRANS);
/// Without autocommit.
const NONE: StatusFlags = StatusFlags::empty();
const OPEN_MANUAL: StatusFlags = StatusFlags::IN_TRANS;

/// Holds statements as the tracker says, and publishes them.
#[derive(Default)]
struct Session {
    tracker: TransactionTracker,
    facts: SessionFacts,
    held: Vec<String>,
    /// What is published; with a question mark where the outcome is unknown.
    published: Vec<String>,
    prepared: Vec<(Xid, Vec<String>)>,
}

impl Session {
    fn mariadb() -> Self {
        let facts = SessionFacts { flavor: Some(Flavor::MariaDb), version: Some(101_100), ..SessionFacts::default() };
        Self { facts, ..Self::default() }
    }

    fn apply(&mut self, change: Option<Change>) {
        let Some(change) = change else { return };
        let unknown = |text: String| format!("{text}?");
        let at = |mark: &Mark| usize::try_from(*mark).unwrap();
        let held = &mut self.held;
        match &change {
            Change::Commit => self.published.append(held),
            Change::Rollback => held.clear(),
            Change::Unknown => self.published.extend(held.drain(..).map(unknown)),
            Change::RollbackTo(mark) => held.truncate(at(mark)),
            Change::CommitFrom(mark) => {
                self.published.extend(held.drain(..at(mark)).map(unknown));
                self.published.append(held);
            }
            Change::RollbackFrom(mark) => {
                self.published.extend(held.drain(..at(mark)).map(unknown));
                held.clear();
            }
            Change::Prepare(xid) => self.prepared.push((xid.clone(), std::mem::take(held))),
            Change::CommitPrepared(xid) | Change::RollbackPrepared(xid) | Change::UnknownPrepared(xid) => {
                for (_, texts) in self.prepared.extract_if(.., |(known, _)| known == xid) {
                    match &change {
                        Change::CommitPrepared(_) => self.published.extend(texts),
                        Change::UnknownPrepared(_) => self.published.extend(texts.into_iter().map(unknown)),
                        _ => {}
                    }
                }
            }
        }
    }

    fn statement(&mut self, sql: &str, outcome: Outcome<'_>) -> &mut Self {
        self.hear(sql, outcome, true)
    }

    /// COM_STMT_PREPARE is refused.
    fn refused(&mut self, sql: &str, code: u16) -> &mut Self {
        self.hear(sql, Outcome::Error(ErrPacket { code, sql_state: None, message: b"" }), false)
    }

    fn hear(&mut self, sql: &str, outcome: Outcome<'_>, was_executed: bool) -> &mut Self {
        let (succeeded, lexis) = (outcome.error().is_none(), Lexis::default());
        self.facts.named.follow(sql.as_bytes(), lexis, succeeded);
        self.facts.status = outcome.status().or(self.facts.status);
        let statement = Statement {
            session: &self.facts,
            sql: Some(sql.as_bytes()),
            truncated: false,
            params: StatementParams::None,
            started: Now::default(),
            duration_ns: 1,
            outcome,
            was_executed,
            batch_part: BatchPart::Last,
            command: 1,
            reading: self.facts.reading(),
        };
        let step = self.tracker.statement(&statement, None, self.held.len() as u64);
        self.apply(step.before);
        match step.place {
            Place::Inside => self.held.push(sql.to_owned()),
            Place::Outside => self.published.push(sql.to_owned()),
        }
        self.apply(step.after);
        self
    }

    fn ok(&mut self, sql: &str, status: StatusFlags) -> &mut Self {
        self.statement(sql, Outcome::Ok(OkPacket::new(0, 0, status, 0, b"")))
    }

    fn warned(&mut self, sql: &str, status: StatusFlags) -> &mut Self {
        self.statement(sql, Outcome::Ok(OkPacket::new(0, 0, status, 1, b"")))
    }

    fn rows(&mut self, sql: &str, status: StatusFlags) -> &mut Self {
        self.statement(sql, Outcome::Rows { count: 1, end: Some(RowEnd::Eof(EofPacket { warnings: 0, status })) })
    }

    fn err(&mut self, sql: &str, code: u16) -> &mut Self {
        self.statement(sql, Outcome::Error(ErrPacket { code, sql_state: None, message: b"" }))
    }

    fn lost(&mut self, sql: &str) -> &mut Self {
        self.statement(sql, Outcome::Unknown(UnknownOutcome::ConnectionLost)).close()
    }

    fn close(&mut self) -> &mut Self {
        let change = self.tracker.end(&EndReason::Closed, self.held.len() as u64);
        self.apply(change);
        assert!(self.held.is_empty(), "left over: {:?}", self.held);
        self
    }

    fn reset(&mut self) -> &mut Self {
        let change = self.tracker.reset(self.held.len() as u64);
        self.apply(change);
        self
    }

    /// What was published since this was last asked.
    #[track_caller]
    fn publishes(&mut self, expected: &[&str]) -> &mut Self {
        assert_eq!(self.published, expected);
        self.published.clear();
        self
    }
}

#[test]
fn a_statement_by_itself_is_published_at_once() {
    let mut session = Session::default();
    session.ok("INSERT 1", AUTO).rows("SELECT 1", AUTO).publishes(&["INSERT 1", "SELECT 1"]);
    session.err("INSERT 2", 1062).ok("COMMIT", AUTO).ok("ROLLBACK", AUTO);
    session.publishes(&["INSERT 2", "COMMIT", "ROLLBACK"]).close().publishes(&[]);
}

#[test]
fn a_transaction_waits_for_its_end() {
    let mut session = Session::default();
    session.ok("BEGIN", OPEN).ok("INSERT 1", OPEN).publishes(&[]);
    session.err("INSERT 2", 1062).publishes(&["INSERT 2"]);
    session.ok("COMMIT", AUTO).publishes(&["BEGIN", "INSERT 1", "COMMIT"]);
    session.ok("START TRANSACTION", OPEN).ok("INSERT 3", OPEN).ok("ROLLBACK", AUTO).publishes(&[]);
    session.ok("BEGIN", OPEN).ok("INSERT 4", OPEN).close().publishes(&[]);
}

#[test]
fn flags_that_stay_set_hide_no_end() {
    let mut session = Session::default();
    session.ok("BEGIN", OPEN).ok("INSERT 1", OPEN).ok("COMMIT AND CHAIN", OPEN);
    session.publishes(&["BEGIN", "INSERT 1", "COMMIT AND CHAIN"]);
    session.ok("INSERT 2", OPEN).ok("ROLLBACK AND CHAIN", OPEN).ok("INSERT 3", OPEN).publishes(&[]);
    session.ok("BEGIN", OPEN).publishes(&["INSERT 3"]);
    session.ok("INSERT 4", OPEN).ok("EXECUTE IMMEDIATE 'COMMIT'", OPEN);
    session.publishes(&["BEGIN", "INSERT 4", "EXECUTE IMMEDIATE 'COMMIT'"]);
    session
        .ok("PREPARE c FROM 'COMMIT'", OPEN)
        .ok("EXECUTE c", AUTO)
        .publishes(&["PREPARE c FROM 'COMMIT'", "EXECUTE c"]);
}

#[test]
fn without_autocommit() {
    let mut session = Session::default();
    session.ok("SET autocommit=0", NONE).ok("INSERT 1", OPEN_MANUAL).publishes(&["SET autocommit=0"]);
    session.ok("COMMIT", NONE).publishes(&["INSERT 1", "COMMIT"]);
    session.ok("INSERT 2", OPEN_MANUAL).ok("ROLLBACK", NONE).publishes(&[]);
    session.ok("INSERT 3", OPEN_MANUAL).ok("SET autocommit=1", AUTO).publishes(&["INSERT 3", "SET autocommit=1"]);
    // In the middle of a transaction it only says what comes after it.
    session.ok("BEGIN", OPEN).ok("INSERT 4", OPEN).ok("SET autocommit=0", OPEN_MANUAL).ok("INSERT 5", OPEN_MANUAL);
    session.publishes(&[]).ok("ROLLBACK", NONE).publishes(&[]);
    session.ok("INSERT 6", OPEN_MANUAL).ok("LOCK TABLES t WRITE", OPEN_MANUAL).publishes(&["INSERT 6"]);
    session.ok("UNLOCK TABLES", NONE).publishes(&["LOCK TABLES t WRITE", "UNLOCK TABLES"]);
}

#[test]
fn savepoints() {
    let mut session = Session::default();
    session.ok("BEGIN", OPEN).ok("SAVEPOINT a", OPEN).ok("INSERT 1", OPEN).ok("SAVEPOINT b", OPEN).ok("INSERT 2", OPEN);
    session.ok("ROLLBACK TO `B`", OPEN).ok("INSERT 3", OPEN).ok("RELEASE SAVEPOINT b", OPEN).err("ROLLBACK TO b", 1305);
    session.publishes(&["ROLLBACK TO b"]);
    session.ok("COMMIT", AUTO);
    session.publishes(&[
        "BEGIN",
        "SAVEPOINT a",
        "INSERT 1",
        "SAVEPOINT b",
        "INSERT 3",
        "RELEASE SAVEPOINT b",
        "COMMIT",
    ]);
    // One that is set again is the later one; without autocommit one may be set before the transaction's first statement.
    session
        .ok("SET autocommit=0", NONE)
        .ok("SAVEPOINT a", NONE)
        .ok("INSERT 1", OPEN_MANUAL)
        .ok("SAVEPOINT A", OPEN_MANUAL);
    session.ok("INSERT 2", OPEN_MANUAL).ok("ROLLBACK TO á", OPEN_MANUAL).ok("COMMIT", NONE);
    session.publishes(&["SET autocommit=0", "SAVEPOINT a", "INSERT 1", "SAVEPOINT A", "COMMIT"]);
    session.ok("SAVEPOINT a", NONE).ok("INSERT 1", OPEN_MANUAL).ok("ROLLBACK TO a", OPEN_MANUAL).ok("COMMIT", NONE);
    session.publishes(&["SAVEPOINT a", "COMMIT"]);
}

#[test]
fn definitions_commit_even_if_they_fail() {
    let mut session = Session::default();
    session.ok("BEGIN", OPEN).ok("INSERT 1", OPEN).ok("CREATE TABLE t (a INT)", AUTO);
    session.publishes(&["BEGIN", "INSERT 1", "CREATE TABLE t (a INT)"]);
    session.ok("BEGIN", OPEN).ok("CREATE TEMPORARY TABLE u (a INT)", OPEN).ok("ROLLBACK", AUTO).publishes(&[]);
    // The next flags say whether it had come that far.
    session.ok("BEGIN", OPEN).ok("INSERT 2", OPEN).err("CREATE TABLE t (a INT)", 1050).ok("SELECT 1", AUTO);
    session.publishes(&["CREATE TABLE t (a INT)", "BEGIN", "INSERT 2", "SELECT 1"]);
    session.ok("BEGIN", OPEN).ok("INSERT 3", OPEN).err("CREATE TABLE t (a INT)", 1290).ok("SELECT 1", OPEN);
    session.ok("ROLLBACK", AUTO).publishes(&["CREATE TABLE t (a INT)"]);
    // Where they do not, the code does.
    session.ok("BEGIN", OPEN).ok("INSERT 4", OPEN).err("CREATE TABLE t (a INT)", 1050).ok("ROLLBACK", AUTO);
    session.publishes(&["CREATE TABLE t (a INT)", "BEGIN", "INSERT 4", "ROLLBACK"]);
    session.ok("BEGIN", OPEN).ok("INSERT 5", OPEN).err("CREATE TABEL", 1064).ok("ROLLBACK", AUTO);
    session.publishes(&["CREATE TABEL"]);
    session.ok("BEGIN", OPEN).ok("INSERT 6", OPEN).err("DROP TABLE t", 1051).close();
    session.publishes(&["DROP TABLE t", "BEGIN", "INSERT 6"]);
    // An error before it that left the transaction open makes no difference.
    session
        .ok("BEGIN", OPEN)
        .ok("INSERT 7", OPEN)
        .err("ROLLBACK TO a", 1305)
        .err("CREATE DATABASE d", 1007)
        .ok("COMMIT", AUTO);
    session.publishes(&["ROLLBACK TO a", "CREATE DATABASE d", "BEGIN", "INSERT 7", "COMMIT"]);
    // What is refused when it is prepared has done nothing.
    session
        .ok("BEGIN", OPEN)
        .ok("INSERT 7", OPEN)
        .refused("BEGIN", 1295)
        .refused("CREATE TABLE t LIKE u", 1146)
        .ok("ROLLBACK", AUTO);
    session.publishes(&["BEGIN", "CREATE TABLE t LIKE u"]);
    // Rows may end with the flags as they were before.
    session.ok("BEGIN", OPEN).ok("INSERT 7", OPEN).rows("ANALYZE TABLE t", OPEN).ok("BEGIN", OPEN);
    session.publishes(&["BEGIN", "INSERT 7", "ANALYZE TABLE t"]);
}

#[test]
fn errors_that_roll_back() {
    let mut session = Session::default();
    session.ok("BEGIN", OPEN).ok("INSERT 1", OPEN).err("UPDATE 1", 1213).ok("INSERT 2", AUTO);
    session.publishes(&["UPDATE 1", "INSERT 2"]);
    // Somebody has only said so.
    session.ok("BEGIN", OPEN).ok("INSERT 3", OPEN).err("SIGNAL", 1213).ok("INSERT 4", OPEN).ok("COMMIT", AUTO);
    session.publishes(&["SIGNAL", "BEGIN", "INSERT 3", "INSERT 4", "COMMIT"]);
    session.ok("BEGIN", OPEN).ok("INSERT 5", OPEN).err("UPDATE 1", 1213).ok("COMMIT", AUTO);
    session.publishes(&["UPDATE 1", "COMMIT"]);
    // One statement alone, unless innodb_rollback_on_timeout is on.
    session.ok("BEGIN", OPEN).ok("INSERT 6", OPEN).err("UPDATE 1", 1205).ok("COMMIT", AUTO);
    session.publishes(&["UPDATE 1", "BEGIN", "INSERT 6", "COMMIT"]);
    session.ok("BEGIN", OPEN).ok("INSERT 7", OPEN).err("UPDATE 1", 1205).rows("SELECT 1", AUTO);
    session.publishes(&["UPDATE 1", "SELECT 1"]);
    session.ok("SET autocommit=0", NONE).ok("INSERT 8", OPEN_MANUAL).err("UPDATE 1", 1213).ok("INSERT 9", OPEN_MANUAL);
    session.ok("COMMIT", NONE).publishes(&["SET autocommit=0", "UPDATE 1", "INSERT 9", "COMMIT"]);
    session.ok("BEGIN", OPEN_MANUAL).ok("INSERT 10", OPEN_MANUAL).err("COMMIT", 3101).close().publishes(&["COMMIT"]);
    session.ok("BEGIN", OPEN_MANUAL).ok("INSERT 10", OPEN_MANUAL).err("COMMIT", 1180).close();
    session.publishes(&["COMMIT", "BEGIN?", "INSERT 10?"]);
}

#[test]
fn tables_without_transactions_leave_it_open_what_is_taken_back() {
    let mut session = Session::default();
    session.ok("BEGIN", OPEN).ok("INSERT 1", OPEN).warned("ROLLBACK", AUTO).publishes(&[
        "BEGIN?",
        "INSERT 1?",
        "ROLLBACK?",
    ]);
    session.ok("BEGIN", OPEN).ok("SAVEPOINT a", OPEN).ok("INSERT 1", OPEN).warned("ROLLBACK TO a", OPEN);
    session.ok("INSERT 2", OPEN).ok("COMMIT", AUTO);
    session.publishes(&["BEGIN?", "SAVEPOINT a?", "INSERT 1?", "ROLLBACK TO a", "INSERT 2", "COMMIT"]);
}

#[test]
fn a_call_may_do_anything() {
    let mut session = Session::default();
    session.ok("CALL p()", AUTO).publishes(&["CALL p()"]);
    session.ok("BEGIN", OPEN).ok("INSERT 1", OPEN).ok("CALL p()", AUTO).publishes(&[
        "BEGIN?",
        "INSERT 1?",
        "CALL p()?",
    ]);
    // It may have ended the transaction and begun another one.
    session.ok("BEGIN", OPEN).ok("CALL p()", OPEN).ok("INSERT 2", OPEN).ok("COMMIT", AUTO);
    session.publishes(&["BEGIN?", "CALL p()", "INSERT 2", "COMMIT"]);
    session.ok("BEGIN", OPEN).ok("CALL p()", OPEN).ok("INSERT 3", OPEN).ok("ROLLBACK", AUTO);
    session.publishes(&["BEGIN?", "CALL p()?"]);
    session.ok("BEGIN", OPEN).ok("CALL p()", OPEN).ok("INSERT 3", OPEN).close().publishes(&["BEGIN?", "CALL p()?"]);
    // It has not where a savepoint is still there.
    session.ok("BEGIN", OPEN).ok("SAVEPOINT a", OPEN).ok("CALL p()", OPEN).ok("ROLLBACK TO a", OPEN).ok("COMMIT", AUTO);
    session.publishes(&["BEGIN", "SAVEPOINT a", "COMMIT"]);
    session.ok("BEGIN", OPEN).err("CALL p()", 1305).ok("INSERT 4", OPEN).ok("COMMIT", AUTO);
    session.publishes(&["CALL p()", "BEGIN", "INSERT 4", "COMMIT"]);
    session.ok("BEGIN", OPEN).ok("INSERT 5", OPEN).err("CALL p()", 1644).ok("INSERT 6", AUTO);
    session.publishes(&["CALL p()", "BEGIN?", "INSERT 5?", "INSERT 6"]);
}

#[test]
fn a_connection_that_ends() {
    let mut session = Session::default();
    session.ok("BEGIN", OPEN).ok("INSERT 1", OPEN).lost("COMMIT").publishes(&["BEGIN?", "INSERT 1?", "COMMIT"]);
    let mut session = Session::default();
    session.ok("BEGIN", OPEN).ok("INSERT 1", OPEN).lost("INSERT 2").publishes(&["INSERT 2"]);
    let mut session = Session::default();
    session.ok("BEGIN", OPEN).ok("INSERT 1", OPEN).lost("INSERT 2; COMMIT").publishes(&[
        "BEGIN?",
        "INSERT 1?",
        "INSERT 2; COMMIT",
    ]);
    let mut session = Session::default();
    session.ok("BEGIN", OPEN).ok("INSERT 1", OPEN).reset().ok("INSERT 2", AUTO).publishes(&["INSERT 2"]);
    let mut session = Session::default();
    session.ok("BEGIN", OPEN).ok("INSERT 1", OPEN).statement("INSERT 2", Outcome::Unknown(UnknownOutcome::Gap));
    session.publishes(&["BEGIN?", "INSERT 1?", "INSERT 2"]).ok("INSERT 3", OPEN).ok("COMMIT", AUTO);
    session.publishes(&["INSERT 3", "COMMIT"]);
}

#[test]
fn xa_transactions() {
    let mut session = Session::mariadb();
    session
        .ok("XA START 'a'", OPEN)
        .ok("INSERT 1", OPEN)
        .ok("XA END 'a'", OPEN)
        .ok("XA PREPARE 'a'", OPEN)
        .publishes(&[]);
    session.ok("SET @a = 1", OPEN).publishes(&["SET @a = 1"]);
    session.ok("XA COMMIT X'61'", AUTO);
    session.publishes(&["XA START 'a'", "INSERT 1", "XA END 'a'", "XA PREPARE 'a'", "XA COMMIT X'61'"]);
    session.ok("XA START 'a'", OPEN).ok("INSERT 1", OPEN).ok("XA END 'a'", OPEN).ok("XA COMMIT 'a' ONE PHASE", AUTO);
    session.publishes(&["XA START 'a'", "INSERT 1", "XA END 'a'", "XA COMMIT 'a' ONE PHASE"]);
    session
        .ok("XA START 'a'", OPEN)
        .ok("INSERT 1", OPEN)
        .err("COMMIT", 1399)
        .ok("XA END 'a'", OPEN)
        .ok("XA ROLLBACK 'a'", AUTO);
    session.publishes(&["COMMIT"]);
    // CALL cannot end one.
    session
        .ok("XA START 'a'", OPEN)
        .ok("CALL p()", OPEN)
        .ok("XA END 'a'", OPEN)
        .ok("XA PREPARE 'a'", AUTO)
        .publishes(&[]);
    session.ok("XA ROLLBACK 'a'", AUTO).publishes(&["XA ROLLBACK 'a'"]);
    session
        .ok("XA START 'b'", OPEN)
        .ok("INSERT 1", OPEN)
        .ok("XA END 'b'", OPEN)
        .lost("XA PREPARE 'b'")
        .publishes(&["XA PREPARE 'b'"]);
    session.ok("XA COMMIT 'b'", AUTO).publishes(&["XA START 'b'", "INSERT 1", "XA END 'b'", "XA COMMIT 'b'"]);
    session.ok("XA START 'c'", OPEN).ok("XA END 'c'", OPEN).ok("XA PREPARE 'c'", AUTO).lost("XA COMMIT 'c'");
    session.publishes(&["XA START 'c'?", "XA END 'c'?", "XA PREPARE 'c'?", "XA COMMIT 'c'"]);
    session.ok("XA START 'd'", OPEN).ok("INSERT 1", OPEN).err("UPDATE 1", 1213).err("XA END 'd'", 1614);
    session.ok("XA ROLLBACK 'd'", AUTO).close().publishes(&["UPDATE 1", "XA END 'd'", "XA ROLLBACK 'd'"]);
}
