//! What a session's commands do at worst, and what of it may be done to the target: one rule for whoever plays sessions.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::mysql::charset::Charset;
use crate::mysql::sql::{
    ClientCharset, Lexis, NamedSafety, Safety, SessionSetting, SqlMode, StatementKind, StatementSummary, TextMemo,
    named_command, next_statement, variables_set,
};
use crate::mysql::wire::{Command, StatusFlags};
use crate::recording::{RecordedCommand, SessionBegin};

/// What may be done to the target.
///
/// Locks are always allowed: a session holds them there as it did here, and for as long; nothing is changed by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permits {
    /// Data and definitions may be changed.
    pub writes: bool,
    /// The server may be managed.
    pub admin: bool,
}

impl Permits {
    /// Whether a command that does this at worst may be played.
    pub fn allow(self, safety: Safety) -> bool {
        match safety {
            Safety::ReadOnly | Safety::Session | Safety::Locks => true,
            Safety::Writes => self.writes,
            Safety::Admin => self.admin,
        }
    }
}

/// What is known of a command's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// What it does at worst.
    pub safety: Safety,
    /// What it is; `None` for a command without a text.
    pub kind: Option<StatementKind>,
}

/// What was found out about texts that came lately. Sessions that share it find out once.
#[derive(Debug, Clone, Default)]
pub struct JudgedTexts(Arc<Mutex<TextMemo<Alone>>>);

/// What a text tells by itself.
#[derive(Debug, Clone, Copy)]
enum Alone {
    /// All: nothing in it depends on the session, and nothing changes how what comes after it is read.
    All(Judged),
    /// Not all: names of statements that were prepared in SQL, or variables that are set.
    Part,
}

impl Alone {
    fn of(sql: &[u8], lexis: Lexis) -> Self {
        let mut from = 0;
        while let Some(piece) = next_statement(sql, from, lexis) {
            let one = sql.get(piece.range).unwrap_or_default();
            if named_command(one, lexis).is_some() || !variables_set(one, lexis).is_empty() {
                return Self::Part;
            }
            from = piece.next;
        }
        Self::All(Judged { safety: Safety::of(sql, lexis), kind: kind(sql, lexis) })
    }
}

fn kind(sql: &[u8], lexis: Lexis) -> Option<StatementKind> {
    Some(StatementSummary::of_text(sql, lexis, &|_| None).kind)
}

impl JudgedTexts {
    fn lock(&self) -> MutexGuard<'_, TextMemo<Alone>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, sql: &[u8], lexis: Lexis) -> Alone {
        let known = self.lock().get(sql, lexis);
        known.unwrap_or_else(|| {
            // Others need not wait for a long text.
            let found = Alone::of(sql, lexis);
            self.lock().put(sql, lexis, found);
            found
        })
    }
}

/// Judges one session's commands, in their order.
#[derive(Debug)]
pub struct Judge {
    /// How the target reads texts of a session that set nothing.
    unset: Lexis,
    lexis: Lexis,
    names: NamedSafety,
    texts: JudgedTexts,
}

impl Judge {
    /// `lexis`: how the session's texts are read on the target.
    pub fn new(lexis: Lexis) -> Self {
        Self { unset: lexis, lexis, names: NamedSafety::default(), texts: JudgedTexts::default() }
    }

    /// For a session that begins like this; `unset`: how the target reads texts of a session that set nothing.
    pub fn of_session(begin: &SessionBegin, unset: Lexis) -> Self {
        let settings = &begin.settings;
        let mode = settings.sql_mode.as_deref().map(|mode| SqlMode::from_value(mode.as_bytes()));
        let login = settings.login_collation.and_then(Charset::from_collation);
        let charset = settings.client_charset.as_deref().and_then(Charset::from_name).or(login);
        let lexis = Lexis {
            ansi_quotes: mode.map_or(unset.ansi_quotes, |mode| Some(mode.ansi_quotes)),
            backslash_escapes: mode.map_or(unset.backslash_escapes, |mode| Some(!mode.no_backslash_escapes)),
            charset: charset.map_or(unset.charset, |charset| ClientCharset::of(Some(charset))),
            ..unset
        };
        Self { unset, ..Self::new(lexis) }
    }

    /// The same, which finds out about texts together with others.
    #[must_use]
    pub fn with_texts(self, texts: &JudgedTexts) -> Self {
        Self { texts: texts.clone(), ..self }
    }

    /// What the session's next command does at worst. Its recorded answer tells how the next one is read.
    pub fn judge(&mut self, command: &RecordedCommand) -> Judged {
        let judged = self.of_command(command);
        self.answered(command);
        judged
    }

    /// What a text does at worst that was prepared as a statement of the protocol.
    pub fn of_prepared(&self, sql: &[u8]) -> Safety {
        Safety::of(sql, self.lexis)
    }

    fn of_command(&mut self, command: &RecordedCommand) -> Judged {
        let Some(sql) = &command.sql else {
            // One whose text is not known cannot be played, whatever it does.
            let safety = Safety::of_command(command.command).unwrap_or(Safety::Writes);
            return Judged { safety, kind: None };
        };
        if let Alone::All(judged) = self.texts.get(sql, self.lexis) {
            return judged;
        }
        let is_text = command.command == Command::Query;
        let kind = kind(sql, self.lexis);
        let safety = if is_text { self.of_text(sql) } else { self.of_prepared(sql) };
        if command.command == Command::StmtExecute && command.error().is_none() {
            self.follow(sql);
        }
        Judged { safety, kind }
    }

    /// Of several statements each may change how those after it are read.
    fn of_text(&mut self, sql: &[u8]) -> Safety {
        let mut worst = self.names.next(sql, self.lexis);
        if memchr::memchr(b';', sql).is_none() {
            self.follow(sql);
            return worst;
        }
        let mut from = 0;
        while let Some(piece) = next_statement(sql, from, self.lexis) {
            from = piece.next;
            if self.follow(sql.get(piece.range.clone()).unwrap_or_default()) && !piece.is_last() {
                worst = worst.max(self.names.next(sql.get(from..).unwrap_or_default(), self.lexis));
            }
        }
        worst
    }

    /// A statement may change how those after it are read. Whether it does.
    fn follow(&mut self, sql: &[u8]) -> bool {
        let before = self.lexis;
        for setting in variables_set(sql, self.lexis) {
            match setting {
                SessionSetting::SqlMode(mode) => {
                    self.lexis.ansi_quotes = mode.as_ref().map(|value| value.mode.ansi_quotes);
                    self.lexis.backslash_escapes = mode.map(|value| !value.mode.no_backslash_escapes);
                }
                SessionSetting::ClientCharset(charset) => {
                    self.lexis.charset = ClientCharset::of(charset);
                }
                _ => {}
            }
        }
        self.lexis != before
    }

    fn answered(&mut self, command: &RecordedCommand) {
        if command.error().is_none() && matches!(command.command, Command::ResetConnection | Command::ChangeUser) {
            let collation = command.change_user.as_deref().and_then(|change| change.collation);
            let charset = collation.and_then(Charset::from_collation).map(|charset| ClientCharset::of(Some(charset)));
            self.lexis = Lexis { charset: charset.unwrap_or(self.unset.charset), ..self.unset };
            self.names = NamedSafety::default();
        }
        if let Some(status) = command.results.last().and_then(|result| result.status) {
            self.lexis.backslash_escapes = Some(!status.contains(StatusFlags::NO_BACKSLASH_ESCAPES));
        }
    }

    /// How the target reads the session's next text, which it knows better than what was recorded: a `SET` may have been passed over, or
    /// refused there. Of what nobody told, what is known here is right.
    pub fn read_as(&mut self, target: Lexis) {
        let is_told = target.charset != ClientCharset::Unknown;
        self.lexis = Lexis {
            ansi_quotes: target.ansi_quotes.or(self.lexis.ansi_quotes),
            backslash_escapes: target.backslash_escapes.or(self.lexis.backslash_escapes),
            charset: if is_told { target.charset } else { self.lexis.charset },
            ..self.lexis
        };
    }

    /// How the session's texts are read now.
    pub fn lexis(&self) -> Lexis {
        self.lexis
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{RecordedAnswer, RecordedResult};

    fn query(sql: &str) -> RecordedCommand {
        RecordedCommand { sql: Some(Arc::from(sql.as_bytes())), ..RecordedCommand::new(Command::Query) }
    }

    fn execute(sql: &Arc<[u8]>) -> RecordedCommand {
        RecordedCommand { sql: Some(Arc::clone(sql)), ..RecordedCommand::new(Command::StmtExecute) }
    }

    fn with_status(command: RecordedCommand, status: StatusFlags) -> RecordedCommand {
        let answer = RecordedAnswer::Ok { affected_rows: 0, last_insert_id: 0 };
        RecordedCommand { results: vec![RecordedResult { answer, status: Some(status), warnings: None }], ..command }
    }

    fn judged(commands: &[RecordedCommand]) -> Vec<Safety> {
        let mut judge = Judge::new(Lexis { backslash_escapes: Some(true), ..Lexis::default() });
        commands.iter().map(|command| judge.judge(command).safety).collect()
    }

    #[test]
    fn only_what_is_permitted_is_allowed() {
        let allowed = |permits: Permits| {
            [Safety::ReadOnly, Safety::Session, Safety::Locks, Safety::Writes, Safety::Admin]
                .map(|safety| permits.allow(safety))
        };
        assert_eq!(allowed(Permits::default()), [true, true, true, false, false]);
        assert_eq!(allowed(Permits { writes: true, admin: false }), [true, true, true, true, false]);
        assert_eq!(allowed(Permits { writes: true, admin: true }), [true; 5]);
    }

    #[test]
    fn prepared_statements_are_judged_by_their_texts_and_names_are_remembered() {
        let text: Arc<[u8]> = Arc::from(&b"DELETE FROM t"[..]);
        let commands = [
            execute(&text),
            execute(&text),
            execute(&Arc::from(&b"SELECT 1"[..])),
            query("PREPARE s FROM 'SELECT 1'"),
            query("EXECUTE s"),
            RecordedCommand::new(Command::Shutdown),
            with_status(RecordedCommand::new(Command::ResetConnection), StatusFlags::AUTOCOMMIT),
            query("EXECUTE s"),
        ];
        use Safety::{Admin, ReadOnly, Session, Writes};
        assert_eq!(judged(&commands), [Writes, Writes, ReadOnly, Session, ReadOnly, Admin, Session, Writes]);
    }

    #[test]
    fn the_target_knows_better_how_it_reads() {
        let mut judge = Judge::new(Lexis { backslash_escapes: Some(true), ..Lexis::default() });
        assert_eq!(judge.judge(&query(HIDDEN)).safety, Safety::ReadOnly);
        judge.read_as(Lexis { backslash_escapes: Some(false), charset: ClientCharset::Unknown, ..Lexis::default() });
        assert_eq!(judge.lexis().charset, ClientCharset::Plain);
        assert_eq!(judge.judge(&query(HIDDEN)).safety, Safety::Writes);
    }

    const HIDDEN: &str = r"SELECT '\'; DELETE FROM t; -- '";

    #[test]
    fn how_texts_are_read_is_followed() {
        let set = "SET sql_mode = 'NO_BACKSLASH_ESCAPES'";
        let quiet = || with_status(query("SELECT 1"), StatusFlags::NO_BACKSLASH_ESCAPES);
        let prepared = execute(&Arc::from(set.as_bytes()));
        let reset = RecordedCommand::new(Command::ResetConnection);
        for (commands, last) in [
            (vec![query(HIDDEN)], Safety::ReadOnly),
            (vec![query(set), query(HIDDEN)], Safety::Writes),
            (vec![prepared, query(HIDDEN)], Safety::Writes),
            (vec![query(&format!("SELECT 1; {set}")), query(HIDDEN)], Safety::Writes),
            // Which the server reads statement by statement.
            (vec![query(&format!("{set}; {HIDDEN}"))], Safety::Writes),
            // What nobody has seen being set.
            (vec![quiet(), query(HIDDEN)], Safety::Writes),
            (vec![query(set), reset, query(HIDDEN)], Safety::ReadOnly),
        ] {
            assert_eq!(judged(&commands).last(), Some(&last), "{commands:?}");
        }
        let names = query(r#"SELECT "\"; DELETE FROM t; -- ""#);
        assert_eq!(judged(&[query("SET sql_mode = 'ANSI_QUOTES'"), names])[1], Safety::Writes);
    }
}
