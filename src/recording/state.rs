//! A session's state, followed from its beginning through its commands.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::model::{PreparedBefore, RecordedAnswer, RecordedCommand, SessionBegin};
use crate::mysql::charset::Charset;
use crate::mysql::sql::{
    Flavor, IsolationLevel, Lexis, SessionSetting, dropped_database, first_keyword, next_statement, use_database,
    variables_set,
};
use crate::mysql::wire::{Command, StatusFlags};

/// Follows a session, so that its recording can begin again at any of its commands.
///
/// It knows what a [`SessionBegin`] has, and no more: user variables and temporary tables it does not.
#[derive(Debug, Clone)]
pub struct SessionState {
    begin: SessionBegin,
    /// Open prepared statements, by their ids.
    prepared: BTreeMap<u32, Arc<[u8]>>,
    prepared_bytes: usize,
    /// As the last answer had it.
    status: Option<StatusFlags>,
    /// How the settings have its texts read.
    lexis: Lexis,
}

impl SessionState {
    /// As it is at this beginning.
    pub fn new(begin: &SessionBegin) -> Self {
        let mut begin = begin.clone();
        let prepared = std::mem::take(&mut begin.prepared);
        let prepared: BTreeMap<_, _> = prepared.into_iter().map(|it| (it.id, Arc::from(&it.sql[..]))).collect();
        let prepared_bytes = prepared.values().map(|sql: &Arc<[u8]>| sql.len()).sum();
        let lexis = begin.lexis();
        Self { begin, prepared, prepared_bytes, status: None, lexis }
    }

    /// About how much memory its prepared statements take.
    pub fn prepared_bytes(&self) -> usize {
        self.prepared_bytes
    }

    /// What is known of the session now, but for its prepared statements: [`Self::begin`] has all.
    pub fn facts(&self) -> &SessionBegin {
        &self.begin
    }

    /// The text of a prepared statement that is open.
    pub fn prepared_text(&self, id: u32) -> Option<&[u8]> {
        self.prepared.get(&id).map(|sql| &**sql)
    }

    /// Forgets its prepared statements, which take too much.
    pub(crate) fn forget_prepared(&mut self) {
        self.prepared.clear();
        self.prepared_bytes = 0;
    }

    /// A beginning as of now.
    pub fn begin(&self) -> SessionBegin {
        let prepared = self.prepared.iter();
        let prepared = prepared.map(|(id, sql)| PreparedBefore { id: *id, sql: Bytes::copy_from_slice(sql) });
        SessionBegin { began_before: true, prepared: prepared.collect(), ..self.begin.clone() }
    }

    /// Takes in the next command, with what it was answered.
    pub fn apply(&mut self, command: &RecordedCommand) {
        if let Some(status) = command.results.iter().rev().find_map(|result| result.status) {
            self.status = Some(status);
            self.begin.in_transaction = status.contains(StatusFlags::IN_TRANS);
            self.begin.settings.autocommit = Some(status.contains(StatusFlags::AUTOCOMMIT));
        }
        let succeeded = command.error().is_none();
        match command.command {
            Command::StmtClose => self.close(command.statement),
            Command::ResetConnection if succeeded => self.reset(),
            Command::ChangeUser => {
                self.reset();
                self.change_user(command, succeeded);
            }
            Command::StmtPrepare if succeeded => self.prepare(command),
            Command::InitDb if succeeded => {
                let name = command.argument.as_deref().unwrap_or_default();
                self.begin.database = Some(String::from_utf8_lossy(name).into_owned());
            }
            Command::Query | Command::StmtExecute => self.statements(command),
            _ => {}
        }
    }

    fn prepare(&mut self, command: &RecordedCommand) {
        let (Some(id), Some(sql)) = (command.statement, &command.sql) else { return };
        self.close(Some(id));
        self.prepared_bytes += sql.len();
        self.prepared.insert(id, Arc::clone(sql));
    }

    fn close(&mut self, id: Option<u32>) {
        if let Some(sql) = id.and_then(|id| self.prepared.remove(&id)) {
            self.prepared_bytes -= sql.len();
        }
    }

    /// The server began the session again: what its variables are now is not shown.
    fn reset(&mut self) {
        self.prepared.clear();
        self.prepared_bytes = 0;
        let settings = &mut self.begin.settings;
        settings.time_zone = None;
        settings.isolation = None;
        settings.sql_mode = None;
        settings.autocommit = None;
        settings.client_charset = None;
        settings.results_charset = None;
        self.begin.in_transaction = false;
        self.lexis = self.begin.lexis();
    }

    fn change_user(&mut self, command: &RecordedCommand, succeeded: bool) {
        let Some(change) = command.change_user.as_ref().filter(|_| succeeded) else { return };
        self.begin.user = Some(change.user.clone());
        self.begin.database = change.database.clone();
        if let Some(collation) = change.collation {
            self.begin.settings.login_collation = Some(collation);
            let charset = Charset::from_collation(collation).map(|charset| charset.name().to_owned());
            self.begin.settings.client_charset = charset.clone();
            self.begin.settings.results_charset = charset;
            self.lexis = self.begin.lexis();
        }
    }

    /// Each statement of a text has its own answer; those after an error are not run.
    fn statements(&mut self, command: &RecordedCommand) {
        let Some(sql) = &command.sql else { return };
        if command.truncated {
            return;
        }
        let succeeded = |index: usize| {
            command
                .results
                .get(index)
                .is_some_and(|result| !matches!(result.answer, RecordedAnswer::Error(_) | RecordedAnswer::Unknown(_)))
        };
        let lexis = self.lexis();
        if command.results.len() < 2 {
            if succeeded(0) {
                self.statement(sql, lexis);
            }
            return;
        }
        let (mut from, mut index) = (0, 0);
        while let Some(piece) = next_statement(sql, from, lexis).filter(|_| succeeded(index)) {
            self.statement(sql.get(piece.range.clone()).unwrap_or_default(), lexis);
            if piece.is_last() {
                break;
            }
            from = piece.next;
            index += 1;
        }
    }

    /// How its texts are read now.
    pub fn lexis(&self) -> Lexis {
        debug_assert_eq!(self.lexis, self.begin.lexis(), "a setting changed");
        let Some(status) = self.status else { return self.lexis };
        // Only MariaDB's status tells it.
        let is_mariadb = self.lexis.flavor == Some(Flavor::MariaDb);
        let ansi_quotes = is_mariadb.then(|| status.contains(StatusFlags::ANSI_QUOTES));
        Lexis {
            ansi_quotes: ansi_quotes.or(self.lexis.ansi_quotes),
            backslash_escapes: Some(!status.contains(StatusFlags::NO_BACKSLASH_ESCAPES)),
            ..self.lexis
        }
    }

    fn statement(&mut self, sql: &[u8], lexis: Lexis) {
        // The usual case first: this runs for every statement.
        let keyword = first_keyword(sql, lexis);
        if !["set", "use", "drop", "create"].iter().any(|word| keyword.eq_ignore_ascii_case(word.as_bytes())) {
            return;
        }
        if let Some(database) = use_database(sql, lexis) {
            self.begin.database = Some(self.text(&database));
        } else if dropped_database(sql, lexis).is_some_and(|it| Some(self.text(&it)) == self.begin.database) {
            self.begin.database = None;
        }
        let set = variables_set(sql, lexis);
        let changes = !set.is_empty();
        for setting in set {
            let settings = &mut self.begin.settings;
            let name = |charset: Option<Charset>| charset.map(|charset| charset.name().to_owned());
            match setting {
                SessionSetting::TimeZone(value) => settings.time_zone = value,
                SessionSetting::Isolation(level) => settings.isolation = level.map(isolation_name).map(str::to_owned),
                SessionSetting::ClientCharset(charset) => settings.client_charset = name(charset),
                SessionSetting::ResultsCharset(charset) => settings.results_charset = name(charset),
                SessionSetting::SqlMode(mode) => settings.sql_mode = mode.map(|mode| mode.text),
            }
        }
        if changes {
            self.lexis = self.begin.lexis();
        }
    }

    fn text(&self, name: &[u8]) -> String {
        let charset = self.begin.settings.client_charset.as_deref().and_then(Charset::from_name);
        charset.unwrap_or(Charset::Utf8mb4).to_text(name, false).into_owned()
    }
}

fn isolation_name(level: IsolationLevel) -> &'static str {
    match level {
        IsolationLevel::ReadUncommitted => "READ-UNCOMMITTED",
        IsolationLevel::ReadCommitted => "READ-COMMITTED",
        IsolationLevel::RepeatableRead => "REPEATABLE-READ",
        IsolationLevel::Serializable => "SERIALIZABLE",
    }
}
