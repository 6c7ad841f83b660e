//! Which commands of a session are executed on the second server.

use std::collections::HashSet;
use std::net::IpAddr;

use super::config::MirrorConfig;
use crate::message::{Criteria, Criterion, Subject};
use crate::mysql::sql::{Lexis, Safety, StatementKind, StatementSummary, use_database};
use crate::mysql::wire::{Command, StatusFlags};
use crate::recording::{RecordedCommand, SessionBegin};

/// What becomes of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is executed.
    Play,
    /// A filter leaves it out.
    LeftOut,
    /// It is not allowed.
    Refused(Safety),
    /// It belongs to a statement that was not prepared on the target, for one of these reasons.
    Follows,
    /// Its transaction began before the session was mirrored.
    Torn,
}

/// Decides for one session.
#[derive(Debug)]
pub(super) struct Gate {
    allow_writes: bool,
    criteria: Criteria,
    needs_kind: bool,
    user: Option<String>,
    client: Option<IpAddr>,
    database: Option<String>,
    lexis: Lexis,
    /// Prepared statements that the target does not have, by the recorded id: no more than the recorded server had open.
    missing: HashSet<u32>,
    /// A transaction of before is not over.
    is_torn: bool,
}

impl Gate {
    pub(super) fn new(config: &MirrorConfig, client: Option<IpAddr>, begin: &SessionBegin) -> Self {
        let criteria = &config.criteria;
        let is_kind = |criterion: &Criterion| matches!(criterion, Criterion::Kind(_));
        let mut gate = Self {
            allow_writes: config.allow_writes,
            criteria: criteria.clone(),
            needs_kind: criteria.only.iter().chain(&criteria.skip).any(is_kind),
            user: begin.user.clone(),
            client,
            database: begin.database.clone(),
            // It is the other server that executes the comments meant for one of them: in doubt all of them.
            lexis: Lexis { flavor: None, version: None, ..begin.lexis() },
            missing: HashSet::new(),
            is_torn: begin.in_transaction,
        };
        let refused = begin.prepared.iter().filter(|prepared| !gate.allows(gate.safety(&prepared.sql)));
        gate.missing = refused.map(|prepared| prepared.id).collect();
        gate
    }

    /// What was prepared before, and may be prepared on the target.
    pub(super) fn admit(&self, begin: &mut SessionBegin) {
        begin.prepared.retain(|prepared| !self.missing.contains(&prepared.id));
    }

    /// How the session's texts are read.
    pub(super) fn lexis(&self) -> Lexis {
        self.lexis
    }

    /// What becomes of a command; it is told of every one, in their order.
    pub(super) fn judge(&mut self, command: &RecordedCommand) -> Verdict {
        let verdict = self.verdict(command);
        self.follow(command, verdict);
        self.follow_status(command);
        verdict
    }

    fn verdict(&mut self, command: &RecordedCommand) -> Verdict {
        let is_torn = self.is_torn;
        self.is_torn = is_torn && command.in_transaction() != Some(false);
        if command.statement.is_some_and(|id| self.missing.contains(&id)) && command.command != Command::StmtPrepare {
            // Which would be counted with its execution: what it says of itself is enough.
            let is_execution = matches!(command.command, Command::StmtExecute | Command::StmtBulkExecute);
            return match command.sql.as_deref().filter(|_| is_execution) {
                Some(sql) if !self.allows(self.safety(sql)) => Verdict::Refused(self.safety(sql)),
                Some(_) => Verdict::LeftOut,
                None => Verdict::Follows,
            };
        }
        let safety = match (Safety::of_command(command.command), command.sql.as_deref()) {
            (Some(safety), _) => safety,
            (None, Some(sql)) => self.safety(sql),
            // The player says that it cannot.
            (None, None) => return Verdict::Play,
        };
        if !self.allows(safety) {
            return Verdict::Refused(safety);
        }
        if !self.passes(command) {
            return Verdict::LeftOut;
        }
        // What outlives a transaction is done all the same.
        let outlives =
            matches!(command.command, Command::StmtPrepare | Command::StmtClose | Command::InitDb | Command::SetOption);
        if is_torn && !outlives {
            return Verdict::Torn;
        }
        Verdict::Play
    }

    /// Commands that are the session's own pass all filters: later ones rely on them.
    fn passes(&self, command: &RecordedCommand) -> bool {
        if self.criteria.is_empty() {
            return true;
        }
        let Some(sql) = command.sql.as_deref() else { return true };
        let needs = self.needs_kind.then(|| StatementSummary::of_text(sql, self.lexis, &|_| None).kind);
        let is_own = needs.is_some_and(|kind| {
            matches!(
                kind,
                StatementKind::Set
                    | StatementKind::Use
                    | StatementKind::Begin
                    | StatementKind::Commit
                    | StatementKind::Rollback
                    | StatementKind::Savepoint
            )
        });
        let subject = Subject {
            user: self.user.as_deref(),
            database: self.database.as_deref(),
            client: self.client,
            kind: needs,
        };
        is_own || self.criteria.pass(&subject)
    }

    fn safety(&self, sql: &[u8]) -> Safety {
        Safety::of(sql, self.lexis)
    }

    fn allows(&self, safety: Safety) -> bool {
        match safety {
            Safety::ReadOnly | Safety::Session => true,
            Safety::Locks | Safety::Writes => self.allow_writes,
            Safety::Admin => false,
        }
    }

    /// Keeps in mind what later commands depend on.
    fn follow(&mut self, command: &RecordedCommand, verdict: Verdict) {
        match (command.command, command.statement) {
            (Command::StmtPrepare, Some(id)) if verdict == Verdict::Play => {
                self.missing.remove(&id);
            }
            (Command::StmtPrepare, Some(id)) => {
                self.missing.insert(id);
            }
            (Command::StmtClose, Some(id)) => {
                self.missing.remove(&id);
            }
            (Command::ResetConnection | Command::ChangeUser, _) => {
                self.missing.clear();
                self.is_torn = false;
            }
            _ => {}
        }
        if command.error().is_some() {
            return;
        }
        match command.command {
            Command::InitDb => {
                self.database = command.argument.as_deref().map(|name| String::from_utf8_lossy(name).into_owned());
            }
            Command::Query => {
                let name = command.sql.as_deref().and_then(|sql| use_database(sql, self.lexis));
                if let Some(name) = name {
                    self.database = Some(String::from_utf8_lossy(&name).into_owned());
                }
            }
            Command::ChangeUser => {
                if let Some(change) = command.change_user.as_deref() {
                    self.user = Some(change.user.clone());
                    self.database.clone_from(&change.database);
                }
            }
            _ => {}
        }
    }

    /// The answer to a command tells how the next one is read.
    fn follow_status(&mut self, command: &RecordedCommand) {
        if let Some(status) = command.results.last().and_then(|result| result.status) {
            self.lexis.backslash_escapes = Some(!status.contains(StatusFlags::NO_BACKSLASH_ESCAPES));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, query, result};
    use super::*;
    use crate::mysql::wire::StatusFlags;
    use crate::recording::{PreparedBefore, RecordedAnswer};

    fn prepared(command: Command, id: u32, sql: &str) -> RecordedCommand {
        RecordedCommand { command, statement: Some(id), ..query(sql) }
    }

    #[test]
    fn what_changes_something_is_refused_with_all_that_belongs_to_it() {
        let mut gate = Gate::new(&config(), None, &SessionBegin::default());
        assert_eq!(gate.judge(&query("SELECT 1")), Verdict::Play);
        assert_eq!(gate.judge(&query("SET @a = 'it\\'s'")), Verdict::Play);
        assert_eq!(gate.judge(&query("SELECT a FROM t FOR UPDATE")), Verdict::Refused(Safety::Locks));
        assert_eq!(gate.judge(&query("SELECT 1; DELETE FROM t")), Verdict::Refused(Safety::Writes));
        assert_eq!(gate.judge(&query("SHUTDOWN")), Verdict::Refused(Safety::Admin));
        for (id, sql, verdict) in
            [(1, "DELETE FROM t", Verdict::Refused(Safety::Writes)), (2, "SELECT ?", Verdict::Play)]
        {
            let follows = if verdict == Verdict::Play { Verdict::Play } else { Verdict::Follows };
            assert_eq!(gate.judge(&prepared(Command::StmtPrepare, id, sql)), verdict);
            assert_eq!(gate.judge(&prepared(Command::StmtExecute, id, sql)), verdict);
            let without_text = |command| RecordedCommand { sql: None, ..prepared(command, id, sql) };
            assert_eq!(gate.judge(&without_text(Command::StmtSendLongData)), follows);
            assert_eq!(gate.judge(&without_text(Command::StmtReset)), follows);
            assert_eq!(gate.judge(&without_text(Command::StmtClose)), follows);
        }
        // Its id is free again.
        assert_eq!(gate.judge(&prepared(Command::StmtPrepare, 1, "SELECT 2")), Verdict::Play);
        assert_eq!(gate.judge(&prepared(Command::StmtExecute, 1, "SELECT 2")), Verdict::Play);
    }

    #[test]
    fn with_writes_only_what_manages_the_server_is_refused() {
        let mut gate = Gate::new(&MirrorConfig { allow_writes: true, ..config() }, None, &SessionBegin::default());
        assert_eq!(gate.judge(&query("DELETE FROM t")), Verdict::Play);
        assert_eq!(gate.judge(&query("LOCK TABLES t WRITE")), Verdict::Play);
        assert_eq!(gate.judge(&query("SET GLOBAL max_connections = 1")), Verdict::Refused(Safety::Admin));
    }

    #[test]
    fn a_transaction_of_before_is_left_out_to_its_end() {
        let begin = SessionBegin { in_transaction: true, ..SessionBegin::default() };
        let mut gate = Gate::new(&config(), None, &begin);
        let inside = |sql: &str| RecordedCommand {
            results: vec![result(RecordedAnswer::Packet, Some(StatusFlags::IN_TRANS))],
            ..query(sql)
        };
        assert_eq!(gate.judge(&inside("SELECT 1")), Verdict::Torn);
        // Whose answer does not tell.
        let answer = RecordedAnswer::Prepared { params: 0, columns: 1 };
        let preparation = prepared(Command::StmtPrepare, 1, "SELECT 2");
        let preparation = RecordedCommand { results: vec![result(answer, None)], ..preparation };
        assert_eq!(gate.judge(&preparation), Verdict::Play);
        let failed = RecordedCommand { results: vec![result(RecordedAnswer::Packet, None)], ..query("SELECT nothing") };
        assert_eq!(gate.judge(&failed), Verdict::Torn);
        assert_eq!(gate.judge(&query("COMMIT")), Verdict::Torn);
        assert_eq!(gate.judge(&query("SELECT 1")), Verdict::Play);
    }

    #[test]
    fn filters_choose_by_what_the_session_is_then() {
        let only = ["database=shop", "kind=select"].map(|text| text.parse().unwrap()).to_vec();
        let criteria = Criteria { only, skip: Vec::new() };
        let mut gate = Gate::new(&MirrorConfig { criteria, ..config() }, None, &SessionBegin::default());
        assert_eq!(gate.judge(&query("SELECT 1")), Verdict::LeftOut);
        assert_eq!(gate.judge(&query("USE shop")), Verdict::Play);
        assert_eq!(gate.judge(&query("SELECT 1")), Verdict::Play);
        assert_eq!(gate.judge(&query("SHOW TABLES")), Verdict::LeftOut);
        assert_eq!(gate.judge(&query("BEGIN")), Verdict::Play);
        let other =
            RecordedCommand { command: Command::InitDb, sql: None, argument: Some("other".into()), ..query("") };
        assert_eq!(gate.judge(&other), Verdict::Play);
        assert_eq!(gate.judge(&query("SELECT 1")), Verdict::LeftOut);
    }

    #[test]
    fn what_was_prepared_before_is_admitted_if_it_reads() {
        let statement = |id, sql: &'static str| PreparedBefore { id, sql: sql.into() };
        let prepared_before = vec![statement(1, "SELECT 1"), statement(2, "DELETE FROM t")];
        let mut begin = SessionBegin { prepared: prepared_before, ..SessionBegin::default() };
        let mut gate = Gate::new(&config(), None, &begin);
        gate.admit(&mut begin);
        assert_eq!(begin.prepared.iter().map(|prepared| prepared.id).collect::<Vec<_>>(), [1]);
        assert_eq!(gate.judge(&prepared(Command::StmtExecute, 1, "SELECT 1")), Verdict::Play);
        let refused = Verdict::Refused(Safety::Writes);
        assert_eq!(gate.judge(&prepared(Command::StmtExecute, 2, "DELETE FROM t")), refused);
    }
}
