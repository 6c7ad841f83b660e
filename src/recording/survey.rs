//! What a recording has, and how much of it a replay will do.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::model::{Event, Record, RecordedAnswer, RecordedCommand, SessionId};
use super::state::SessionState;
use crate::mysql::sql::{Safety, StatementSummary};
use crate::mysql::wire::Command;

/// Names are counted up to this many; the others together.
const MAX_NAMES: usize = 200;
const OTHERS: &str = "(others)";

/// Why a replay leaves a command out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, strum::Display)]
#[serde(rename_all = "snake_case")]
pub enum NotReplayed {
    /// A text, a value or a file was longer than what is recorded.
    #[strum(to_string = "longer than what is recorded of a text, a value or a file")]
    Truncated,
    /// Parameters that could not be understood.
    #[strum(to_string = "with parameters that could not be understood")]
    Undecodable,
    /// The text of a prepared statement is not known.
    #[strum(to_string = "executions of statements whose text is not known")]
    UnknownText,
    /// Part of a transaction whose beginning is missing.
    #[strum(to_string = "in transactions that began before the recording")]
    OpenTransaction,
    /// It changes data.
    #[strum(to_string = "changing data: replayed with --allow-writes")]
    Writes,
    /// It manages the server.
    #[strum(to_string = "managing the server: replayed with --allow-admin")]
    Admin,
}

/// What was found in a recording's records.
#[derive(Debug, Default, Serialize)]
pub struct Survey {
    /// Sessions that are there from their beginning.
    pub sessions: u64,
    /// Sessions that had begun before the recording.
    pub sessions_begun_before: u64,
    /// Sessions whose login was refused.
    pub sessions_refused: u64,
    /// Where a session's recording was interrupted.
    pub gaps: u64,
    /// Records of all kinds.
    pub records: u64,
    /// Commands.
    pub commands: u64,
    /// Commands that were answered with an error.
    pub errors: u64,
    /// Commands whose outcome is not known: they are replayed, and not compared.
    pub without_outcome: u64,
    /// Commands that a replay does.
    pub replayed: u64,
    /// Those that it leaves out, by reason.
    pub not_replayed: BTreeMap<NotReplayed, u64>,
    /// Commands by what their statements are; those without a text by the protocol's name.
    pub kinds: BTreeMap<String, u64>,
    /// Commands by user.
    pub users: BTreeMap<String, u64>,
    /// Commands by current database.
    pub databases: BTreeMap<String, u64>,
    /// Server versions that the sessions were greeted with.
    pub server_versions: BTreeSet<String>,
    /// When the first record started, in milliseconds since 1970-01-01 UTC.
    pub first_ms: Option<u64>,
    /// When the last one started.
    pub last_ms: Option<u64>,
    #[serde(skip)]
    open: HashMap<SessionId, Open>,
}

#[derive(Debug)]
struct Open {
    state: SessionState,
    /// In a transaction that began before the recording did.
    in_old_transaction: bool,
}

impl Survey {
    /// Takes in the next record, in the order of files or of time.
    pub fn add(&mut self, record: &Record) {
        self.records += 1;
        let time = record.started.epoch_ms;
        self.first_ms = Some(self.first_ms.map_or(time, |first| first.min(time)));
        self.last_ms = Some(self.last_ms.map_or(time, |last| last.max(time)));
        match &record.event {
            Event::Begin(begin) => {
                match (begin.refused.is_some(), begin.began_before) {
                    (true, _) => self.sessions_refused += 1,
                    (false, true) => self.sessions_begun_before += 1,
                    (false, false) => self.sessions += 1,
                }
                if let Some(version) = begin.server_version.as_ref().filter(|_| self.server_versions.len() < MAX_NAMES)
                {
                    self.server_versions.insert(version.clone());
                }
                let open = Open { state: SessionState::new(begin), in_old_transaction: begin.in_transaction };
                self.open.insert(record.session, open);
            }
            Event::Command(command) => self.command(record.session, command),
            Event::Lost(_) => {
                self.gaps += 1;
                self.open.remove(&record.session);
            }
            Event::End(_) => {
                self.open.remove(&record.session);
            }
        }
    }

    fn command(&mut self, session: SessionId, command: &RecordedCommand) {
        self.commands += 1;
        let is_unknown = |answer: &RecordedAnswer| matches!(answer, RecordedAnswer::Unknown(_));
        if command.error().is_some() {
            self.errors += 1;
        }
        let has_answer = !matches!(command.command, Command::StmtClose | Command::StmtSendLongData);
        if has_answer && (command.results.is_empty() || command.results.iter().any(|it| is_unknown(&it.answer))) {
            self.without_outcome += 1;
        }
        // A record without its session's beginning is a mistake of whoever wrote it.
        let open = self.open.entry(session).or_insert_with(|| Open {
            state: SessionState::new(&super::SessionBegin::default()),
            in_old_transaction: false,
        });
        let facts = open.state.facts();
        count(&mut self.users, facts.user.as_deref().unwrap_or("(unknown)"));
        count(&mut self.databases, facts.database.as_deref().unwrap_or("(none)"));
        count(&mut self.kinds, &kind(&open.state, command));
        match open.refusal(command) {
            Some(reason) => *self.not_replayed.entry(reason).or_default() += 1,
            None => self.replayed += 1,
        }
        open.state.apply(command);
        if command.in_transaction() == Some(false) {
            open.in_old_transaction = false;
        }
    }
}

impl Open {
    fn refusal(&self, command: &RecordedCommand) -> Option<NotReplayed> {
        let is_execution = matches!(command.command, Command::StmtExecute | Command::StmtBulkExecute);
        let safety = match &command.sql {
            Some(sql) if !matches!(command.command, Command::StmtPrepare) => Some(Safety::of(sql, self.state.lexis())),
            _ => Safety::of_command(command.command),
        };
        match safety {
            _ if command.truncated => Some(NotReplayed::Truncated),
            _ if command.undecodable => Some(NotReplayed::Undecodable),
            _ if is_execution && command.sql.is_none() => Some(NotReplayed::UnknownText),
            _ if self.in_old_transaction => Some(NotReplayed::OpenTransaction),
            Some(Safety::Writes) => Some(NotReplayed::Writes),
            Some(Safety::Admin) => Some(NotReplayed::Admin),
            _ => None,
        }
    }
}

/// What a command is, by name.
fn kind(state: &SessionState, command: &RecordedCommand) -> String {
    match (&command.sql, command.command) {
        (Some(sql), Command::Query | Command::StmtExecute | Command::StmtBulkExecute) => {
            let kind = StatementSummary::of_text(sql, state.lexis(), &|_| None).kind;
            <&'static str>::from(kind).to_owned()
        }
        _ => command.command.name(),
    }
}

fn count(names: &mut BTreeMap<String, u64>, name: &str) {
    if let Some(known) = names.get_mut(name) {
        *known += 1;
    } else if names.len() < MAX_NAMES {
        names.insert(name.to_owned(), 1);
    } else {
        *names.entry(OTHERS.to_owned()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::wire::StatusFlags;
    use crate::recording::disk::samples::{begin, ok, query, record};
    use crate::recording::{RecordedResult, SessionBegin, SessionClose};

    fn surveyed(events: Vec<Event>) -> Survey {
        let mut survey = Survey::default();
        for (number, event) in events.into_iter().enumerate() {
            survey.add(&record(1, number as u64, number as u64 * 1_000_000, event));
        }
        survey
    }

    fn command(command: RecordedCommand) -> Event {
        Event::Command(Box::new(command))
    }

    #[test]
    fn what_a_replay_leaves_out_is_counted_by_reason() {
        let execution = RecordedCommand { command: Command::StmtExecute, sql: None, ..query("") };
        let survey = surveyed(vec![
            begin(),
            command(query("SELECT 1")),
            command(query("/* why */ WITH a AS (SELECT 1) DELETE FROM t")),
            command(query("SET GLOBAL max_connections = 1")),
            command(RecordedCommand { truncated: true, ..query("SELECT 2") }),
            command(RecordedCommand { undecodable: true, ..query("SELECT 3") }),
            command(execution),
            command(RecordedCommand { results: vec![], ..query("SELECT 4") }),
            Event::Lost("x".to_owned()),
            Event::End(SessionClose::Quit),
        ]);
        assert_eq!((survey.commands, survey.replayed, survey.gaps, survey.without_outcome), (7, 2, 1, 1));
        use NotReplayed::{Admin, Truncated, Undecodable, UnknownText, Writes};
        let expected = [Truncated, Undecodable, UnknownText, Writes, Admin].map(|reason| (reason, 1));
        assert_eq!(survey.not_replayed, BTreeMap::from(expected));
        assert_eq!(survey.kinds["select"], 4);
        assert_eq!(survey.kinds["delete"], 1);
        assert_eq!(survey.users, BTreeMap::from([("app".to_owned(), 7)]));
    }

    #[test]
    fn a_transaction_that_began_before_is_left_out_up_to_its_end() {
        let inside = |sql| {
            let status = Some(StatusFlags::IN_TRANS);
            command(RecordedCommand { results: vec![RecordedResult { status, ..ok(0) }], ..query(sql) })
        };
        let old = SessionBegin { began_before: true, in_transaction: true, ..SessionBegin::default() };
        let survey = surveyed(vec![
            Event::Begin(Box::new(old)),
            inside("SELECT 1"),
            command(query("COMMIT")),
            inside("SELECT 2"),
        ]);
        assert_eq!(survey.not_replayed, BTreeMap::from([(NotReplayed::OpenTransaction, 2)]));
        assert_eq!((survey.replayed, survey.sessions_begun_before), (1, 1));
    }

    #[test]
    fn names_are_bounded() {
        let mut names = BTreeMap::new();
        (0..1000).for_each(|number| count(&mut names, &number.to_string()));
        assert_eq!((names.len(), names[OTHERS]), (MAX_NAMES + 1, 800));
    }
}
