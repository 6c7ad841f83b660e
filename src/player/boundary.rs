//! Transactions are played from their beginnings, or not at all.

use super::permit::Judged;
use crate::mysql::sql::{Safety, StatementKind};
use crate::mysql::wire::Command;
use crate::recording::RecordedCommand;

/// Whether a session's commands may be played: none of a transaction whose beginning was not, for a reason that the caller has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Boundary<Why> {
    /// The transaction that is open was played from its beginning, or none is.
    #[default]
    Passed,
    /// A transaction is open whose beginning was not played.
    Awaited(Why),
}

impl<Why: Copy> Boundary<Why> {
    /// From here on: `in_transaction` if one is open.
    pub fn cut(in_transaction: bool, why: Why) -> Self {
        if in_transaction { Self::Awaited(why) } else { Self::Passed }
    }

    /// Whether commands of the open transaction are not played.
    pub fn is_awaited(self) -> bool {
        matches!(self, Self::Awaited(_))
    }

    /// Takes in the next command: why it is not played. Its recorded answer tells whether the transaction goes on; where it does not, nothing
    /// changes.
    pub fn pass(&mut self, command: &RecordedCommand, judged: Judged) -> Option<Why> {
        let Self::Awaited(why) = *self else { return None };
        let begins_another = begins_another(command, judged);
        if begins_another || command.in_transaction() == Some(false) {
            *self = Self::Passed;
        }
        (!begins_another && is_part(command, judged)).then_some(why)
    }
}

/// Whether a command ends the open transaction, and begins another: BEGIN, COMMIT AND CHAIN.
fn begins_another(command: &RecordedCommand, judged: Judged) -> bool {
    use StatementKind as Is;
    match judged.kind {
        Some(Is::Begin) => command.error().is_none(),
        Some(Is::Commit | Is::Rollback) => command.in_transaction() == Some(true),
        _ => false,
    }
}

/// Whether a command is done within the transaction that was open before it. What is the session's own outlives the transaction; what commits
/// by itself, as definitions do, or comes after a deadlock ended the transaction, leaves none open.
fn is_part(command: &RecordedCommand, judged: Judged) -> bool {
    use StatementKind as Is;
    match (command.command, judged.kind) {
        (Command::StmtPrepare | Command::StmtClose | Command::InitDb | Command::SetOption, _) => false,
        (Command::ResetConnection | Command::ChangeUser, _) => false,
        (_, Some(Is::Set | Is::Use | Is::Prepare | Is::Ddl)) if judged.safety == Safety::Session => {
            command.error().is_some()
        }
        // Which may have done something before they committed.
        (_, Some(Is::Commit | Is::Rollback | Is::Savepoint | Is::Xa | Is::Call | Is::Block)) => true,
        (_, Some(_)) => command.results.len() != 1 || command.in_transaction() != Some(false),
        (_, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::sql::Lexis;
    use crate::mysql::wire::StatusFlags;
    use crate::player::Judge;
    use crate::recording::{RecordedAnswer, RecordedResult};

    fn answered(command: RecordedCommand, status: Option<StatusFlags>) -> RecordedCommand {
        let answer = RecordedAnswer::Ok { affected_rows: 0, last_insert_id: 0 };
        RecordedCommand { results: vec![RecordedResult { answer, status, warnings: Some(0) }], ..command }
    }

    fn query(sql: &str, status: Option<StatusFlags>) -> RecordedCommand {
        let sql = Some(sql.as_bytes().into());
        answered(RecordedCommand { sql, ..RecordedCommand::new(Command::Query) }, status)
    }

    const INSIDE: Option<StatusFlags> = Some(StatusFlags::IN_TRANS);
    const OUTSIDE: Option<StatusFlags> = Some(StatusFlags::AUTOCOMMIT);

    /// Whether each command is played, in a session that begins within a transaction.
    fn played(commands: &[RecordedCommand]) -> Vec<bool> {
        let (mut boundary, mut judge) = (Boundary::cut(true, ()), Judge::new(Lexis::default()));
        commands.iter().map(|command| boundary.pass(command, judge.judge(command)).is_none()).collect()
    }

    #[test]
    fn a_transaction_is_passed_over_to_its_end() {
        let failed = query("SELECT nothing", None);
        let commands = [
            query("SELECT 1", INSIDE),
            failed,
            query("SAVEPOINT a", INSIDE),
            query("ROLLBACK TO a", INSIDE),
            query("COMMIT", OUTSIDE),
            query("SELECT 1", OUTSIDE),
            query("SELECT 1", INSIDE),
        ];
        assert_eq!(played(&commands), [false, false, false, false, false, true, true]);
        assert_eq!(Boundary::cut(false, ()), Boundary::Passed);
    }

    #[test]
    fn what_outlives_the_transaction_is_played_within_it() {
        for sql in [
            "SET NAMES latin1",
            "SET @a = 1",
            "USE shop",
            "PREPARE s FROM 'SELECT 1'",
            "CREATE TEMPORARY TABLE x (a INT)",
        ] {
            assert_eq!(played(&[query(sql, INSIDE), query("SELECT 1", INSIDE)]), [true, false], "{sql}");
        }
        let preparation =
            RecordedCommand { sql: Some(b"SELECT 2"[..].into()), ..RecordedCommand::new(Command::StmtPrepare) };
        assert_eq!(played(&[answered(preparation, None), query("SELECT 1", INSIDE)]), [true, false]);
        for sql in ["EXECUTE s", "SET @a = f()", "INSERT INTO t VALUES (1)"] {
            assert_eq!(played(&[query(sql, INSIDE)]), [false], "{sql}");
        }
    }

    #[test]
    fn what_ends_the_transaction_by_itself_is_played() {
        for sql in ["SET autocommit = 1", "CREATE TABLE t (a INT)", "SELECT 'after a deadlock'"] {
            assert_eq!(played(&[query(sql, OUTSIDE), query("SELECT 1", INSIDE)]), [true, true], "{sql}");
        }
        for sql in ["BEGIN", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN"] {
            assert_eq!(played(&[query(sql, INSIDE), query("SELECT 1", INSIDE)]), [true, true], "{sql}");
        }
        // A part of it was done within the transaction.
        let both = query("INSERT INTO t VALUES (1); COMMIT", INSIDE);
        let results = [&both.results[..], &query("", OUTSIDE).results[..]].concat();
        assert_eq!(played(&[RecordedCommand { results, ..both }]), [false]);
    }
}
