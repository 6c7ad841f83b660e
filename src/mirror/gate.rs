//! Which commands of a session are executed on the second server.

use std::collections::HashSet;
use std::net::IpAddr;

use super::config::MirrorConfig;
use crate::message::{Criteria, Subject};
use crate::mysql::sql::{Digest, Lexis, Safety};
use crate::mysql::wire::Command;
use crate::player::{Boundary, Judge, Judged, Permits};
use crate::recording::{RecordedCommand, SessionBegin, SessionState};

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
    permits: Permits,
    criteria: Criteria,
    client: Option<IpAddr>,
    judge: Judge,
    state: SessionState,
    /// Prepared statements that the target does not have, by the recorded id: no more than the recorded server had open.
    missing: HashSet<u32>,
    boundary: Boundary<()>,
}

impl Gate {
    pub(super) fn new(config: &MirrorConfig, client: Option<IpAddr>, begin: &SessionBegin) -> Self {
        let permits = Permits { writes: config.allow_writes, admin: false };
        // It is the other server that executes the comments meant for one of them: in doubt all of them.
        let judge = Judge::of_session(begin, Lexis::default());
        let refused = begin.prepared.iter().filter(|prepared| !permits.allow(judge.of_prepared(&prepared.sql)));
        let missing = refused.map(|prepared| prepared.id).collect();
        let mut state = SessionState::new(begin);
        state.forget_prepared();
        let boundary = Boundary::cut(begin.in_transaction, ());
        Self { permits, criteria: config.criteria.clone(), client, judge, state, missing, boundary }
    }

    /// What was prepared before, and may be prepared on the target.
    pub(super) fn admit(&self, begin: &mut SessionBegin) {
        begin.prepared.retain(|prepared| !self.missing.contains(&prepared.id));
    }

    /// How the session's texts are read.
    pub(super) fn lexis(&self) -> Lexis {
        self.judge.lexis()
    }

    /// What becomes of a command; it is told of every one, in their order. `target`: how the target reads its text, as far as that is known.
    pub(super) fn judge(&mut self, command: &RecordedCommand, target: Lexis) -> Verdict {
        self.judge.read_as(target);
        let judged = self.judge.judge(command);
        let verdict = self.verdict(command, judged);
        self.follow(command, verdict);
        verdict
    }

    fn verdict(&mut self, command: &RecordedCommand, judged: Judged) -> Verdict {
        let is_torn = self.boundary.pass(command, judged).is_some();
        let is_allowed = self.permits.allow(judged.safety);
        if command.statement.is_some_and(|id| self.missing.contains(&id)) && command.command != Command::StmtPrepare {
            // Which would be counted with its execution: what it says of itself is enough.
            let is_execution = matches!(command.command, Command::StmtExecute | Command::StmtBulkExecute);
            return match judged.kind.filter(|_| is_execution) {
                Some(_) if !is_allowed => Verdict::Refused(judged.safety),
                Some(_) => Verdict::LeftOut,
                None => Verdict::Follows,
            };
        }
        if command.sql.is_none() && Safety::of_command(command.command).is_none() {
            // The player says that it cannot.
            return Verdict::Play;
        }
        if !is_allowed {
            return Verdict::Refused(judged.safety);
        }
        if !self.passes(command, judged) {
            return Verdict::LeftOut;
        }
        if is_torn { Verdict::Torn } else { Verdict::Play }
    }

    /// Commands that are the session's own pass all filters: later ones rely on them.
    fn passes(&self, command: &RecordedCommand, judged: Judged) -> bool {
        let Some(sql) = command.sql.as_deref() else { return true };
        let facts = self.state.facts();
        let subject = Subject {
            user: facts.user.as_deref(),
            database: facts.database.as_deref(),
            client: self.client,
            kind: judged.kind,
            digest: self.criteria.have_digests().then(|| Digest::of(sql, self.judge.lexis())),
            text: Some((sql, self.judge.lexis())),
        };
        self.criteria.is_empty() || self.criteria.pass(&subject)
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
                self.boundary = Boundary::Passed;
            }
            _ => {}
        }
        self.state.apply(command);
        // The player knows them.
        self.state.forget_prepared();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, query, result};
    use super::*;
    use crate::mysql::sql::ClientCharset;
    use crate::mysql::wire::StatusFlags;
    use crate::recording::{PreparedBefore, RecordedAnswer};

    fn prepared(command: Command, id: u32, sql: &str) -> RecordedCommand {
        RecordedCommand { command, statement: Some(id), ..query(sql) }
    }

    /// On a target of which nothing is known.
    fn judge(gate: &mut Gate, command: &RecordedCommand) -> Verdict {
        gate.judge(command, Lexis { charset: ClientCharset::Unknown, ..Lexis::default() })
    }

    #[test]
    fn what_changes_something_is_refused_with_all_that_belongs_to_it() {
        let mut gate = Gate::new(&config(), None, &SessionBegin::default());
        assert_eq!(judge(&mut gate, &query("SELECT 1")), Verdict::Play);
        assert_eq!(judge(&mut gate, &query("SET @a = 'it\\'s'")), Verdict::Play);
        assert_eq!(judge(&mut gate, &query("SELECT a FROM t FOR UPDATE")), Verdict::Play);
        assert_eq!(judge(&mut gate, &query("EXECUTE s")), Verdict::Refused(Safety::Writes));
        assert_eq!(judge(&mut gate, &query("PREPARE s FROM 'SELECT 1'")), Verdict::Play);
        assert_eq!(judge(&mut gate, &query("EXECUTE s")), Verdict::Play);
        assert_eq!(judge(&mut gate, &query("SELECT 1; DELETE FROM t")), Verdict::Refused(Safety::Writes));
        assert_eq!(judge(&mut gate, &query("SHUTDOWN")), Verdict::Refused(Safety::Admin));
        for (id, sql, verdict) in
            [(1, "DELETE FROM t", Verdict::Refused(Safety::Writes)), (2, "SELECT ?", Verdict::Play)]
        {
            let follows = if verdict == Verdict::Play { Verdict::Play } else { Verdict::Follows };
            assert_eq!(judge(&mut gate, &prepared(Command::StmtPrepare, id, sql)), verdict);
            assert_eq!(judge(&mut gate, &prepared(Command::StmtExecute, id, sql)), verdict);
            let without_text = |command| RecordedCommand { sql: None, ..prepared(command, id, sql) };
            assert_eq!(judge(&mut gate, &without_text(Command::StmtSendLongData)), follows);
            assert_eq!(judge(&mut gate, &without_text(Command::StmtReset)), follows);
            assert_eq!(judge(&mut gate, &without_text(Command::StmtClose)), follows);
        }
        // Its id is free again.
        assert_eq!(judge(&mut gate, &prepared(Command::StmtPrepare, 1, "SELECT 2")), Verdict::Play);
        assert_eq!(judge(&mut gate, &prepared(Command::StmtExecute, 1, "SELECT 2")), Verdict::Play);
    }

    #[test]
    fn with_writes_only_what_manages_the_server_is_refused() {
        let mut gate = Gate::new(&MirrorConfig { allow_writes: true, ..config() }, None, &SessionBegin::default());
        assert_eq!(judge(&mut gate, &query("DELETE FROM t")), Verdict::Play);
        assert_eq!(judge(&mut gate, &query("LOCK TABLES t WRITE")), Verdict::Play);
        assert_eq!(judge(&mut gate, &query("SET GLOBAL max_connections = 1")), Verdict::Refused(Safety::Admin));
    }

    #[test]
    fn texts_are_judged_as_the_target_reads_them() {
        let mut gate = Gate::new(&config(), None, &SessionBegin::default());
        let quoted = query(r"SELECT '\'; DELETE FROM t; -- '");
        let read_there = |backslash_escapes| Lexis { backslash_escapes: Some(backslash_escapes), ..Lexis::default() };
        // The client's server has told that it takes backslashes for escapes.
        assert_eq!(judge(&mut gate, &query("DO 1")), Verdict::Play);
        assert_eq!(gate.judge(&quoted, read_there(true)), Verdict::Play);
        assert_eq!(gate.judge(&quoted, read_there(false)), Verdict::Refused(Safety::Writes));
    }

    #[test]
    fn a_transaction_of_before_is_left_out_to_its_end() {
        let begin = SessionBegin { in_transaction: true, ..SessionBegin::default() };
        let mut gate = Gate::new(&config(), None, &begin);
        let inside = |sql: &str| RecordedCommand {
            results: vec![result(RecordedAnswer::Packet, Some(StatusFlags::IN_TRANS))],
            ..query(sql)
        };
        assert_eq!(judge(&mut gate, &inside("SELECT 1")), Verdict::Torn);
        // Whose answer does not tell.
        let answer = RecordedAnswer::Prepared { params: 0, columns: 1 };
        let preparation = prepared(Command::StmtPrepare, 1, "SELECT 2");
        let preparation = RecordedCommand { results: vec![result(answer, None)], ..preparation };
        assert_eq!(judge(&mut gate, &preparation), Verdict::Play);
        let failed = RecordedCommand { results: vec![result(RecordedAnswer::Packet, None)], ..query("SELECT nothing") };
        assert_eq!(judge(&mut gate, &failed), Verdict::Torn);
        assert_eq!(judge(&mut gate, &query("COMMIT")), Verdict::Torn);
        assert_eq!(judge(&mut gate, &query("SELECT 1")), Verdict::Play);
    }

    #[test]
    fn filters_choose_by_what_the_session_is_then() {
        let only = ["database=shop", "kind=select"].map(|text| text.parse().unwrap()).to_vec();
        let criteria = Criteria { only, skip: Vec::new() };
        let mut gate = Gate::new(&MirrorConfig { criteria, ..config() }, None, &SessionBegin::default());
        assert_eq!(judge(&mut gate, &query("SELECT 1")), Verdict::LeftOut);
        assert_eq!(judge(&mut gate, &query("USE shop")), Verdict::Play);
        assert_eq!(judge(&mut gate, &query("SELECT 1")), Verdict::Play);
        assert_eq!(judge(&mut gate, &query("SHOW TABLES")), Verdict::LeftOut);
        assert_eq!(judge(&mut gate, &query("BEGIN")), Verdict::Play);
        let other =
            RecordedCommand { command: Command::InitDb, sql: None, argument: Some("other".into()), ..query("") };
        assert_eq!(judge(&mut gate, &other), Verdict::Play);
        assert_eq!(judge(&mut gate, &query("SELECT 1")), Verdict::LeftOut);
    }

    #[test]
    fn what_is_the_sessions_own_passes_every_filter() {
        let only = vec!["database=shop".parse().unwrap()];
        let criteria = Criteria { only, skip: Vec::new() };
        let mut gate = Gate::new(&MirrorConfig { criteria, ..config() }, None, &SessionBegin::default());
        for (sql, verdict) in [
            ("SELECT 1", Verdict::LeftOut),
            ("SET NAMES latin1", Verdict::Play),
            // The second server must be told, or all that follows finds another database.
            ("SELECT 1; USE shop", Verdict::LeftOut),
            ("USE shop", Verdict::Play),
            ("SELECT 1", Verdict::Play),
        ] {
            assert_eq!(judge(&mut gate, &query(sql)), verdict, "{sql}");
        }
    }

    #[test]
    fn databases_alone_and_digests_are_chosen_by_too() {
        let digest = format!("digest={}", Digest::of(b"SELECT 1", Lexis::default()));
        let only = ["database=shop", &digest].map(|text| text.parse().unwrap());
        let gate = |criteria| Gate::new(&MirrorConfig { criteria, ..config() }, None, &SessionBegin::default());
        for chosen in [&only[..1], &only] {
            let mut gate = gate(Criteria { only: chosen.to_vec(), skip: Vec::new() });
            assert_eq!(judge(&mut gate, &query("SELECT 1")), Verdict::LeftOut);
            assert_eq!(judge(&mut gate, &query("USE shop")), Verdict::Play);
            assert_eq!(judge(&mut gate, &query("SELECT 2")), Verdict::Play);
        }
        let mut gate = gate(Criteria { only: Vec::new(), skip: only[1..].to_vec() });
        assert_eq!(judge(&mut gate, &query("SELECT 3")), Verdict::LeftOut);
        assert_eq!(judge(&mut gate, &query("SELECT a")), Verdict::Play);
    }

    #[test]
    fn what_was_prepared_before_is_admitted_if_it_reads() {
        let statement = |id, sql: &'static str| PreparedBefore { id, sql: sql.into() };
        let prepared_before = vec![statement(1, "SELECT 1"), statement(2, "DELETE FROM t")];
        let mut begin = SessionBegin { prepared: prepared_before, ..SessionBegin::default() };
        let mut gate = Gate::new(&config(), None, &begin);
        gate.admit(&mut begin);
        assert_eq!(begin.prepared.iter().map(|prepared| prepared.id).collect::<Vec<_>>(), [1]);
        assert_eq!(judge(&mut gate, &prepared(Command::StmtExecute, 1, "SELECT 1")), Verdict::Play);
        let refused = Verdict::Refused(Safety::Writes);
        assert_eq!(judge(&mut gate, &prepared(Command::StmtExecute, 2, "DELETE FROM t")), refused);
    }
}
