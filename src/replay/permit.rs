//! What is not played because of what it would do.

use std::sync::Arc;

use crate::mysql::charset::Charset;
use crate::mysql::sql::{
    ClientCharset, Lexis, NamedSafety, Safety, SessionSetting, SqlMode, StatementKind, StatementSummary, variables_set,
};
use crate::mysql::wire::Command;
use crate::recording::{RecordedCommand, SessionBegin};

/// What may be done to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Permits {
    /// Data and definitions may be changed.
    pub(crate) writes: bool,
    /// The server may be managed.
    pub(crate) admin: bool,
}

impl Permits {
    fn allow(self, safety: Safety) -> bool {
        match safety {
            Safety::ReadOnly | Safety::Session | Safety::Locks => true,
            Safety::Writes => self.writes,
            Safety::Admin => self.admin,
        }
    }
}

/// What was refused, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    safety: Safety,
    kind: Option<StatementKind>,
    command: Command,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let option = if self.safety == Safety::Admin { "--allow-admin" } else { "--allow-writes" };
        match self.kind {
            Some(kind) => write!(f, "{kind} (refused without {option})"),
            None => write!(f, "{:?} (refused without {option})", self.command),
        }
    }
}

/// What is known of a command's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) safety: Safety,
    pub(super) kind: Option<StatementKind>,
}

/// Judges one session's commands, in their order.
#[derive(Debug)]
pub(super) struct Judge {
    lexis: Lexis,
    names: NamedSafety,
    /// The prepared statement that was judged last: a loop executes the same one again and again.
    last: Option<(Arc<[u8]>, Judged)>,
}

impl Judge {
    /// `lexis`: how the session's texts are read on the target.
    pub(super) fn new(lexis: Lexis) -> Self {
        Self { lexis, names: NamedSafety::default(), last: None }
    }

    /// For a session that begins like this; `lexis`: how the target reads texts of a session that set nothing.
    pub(super) fn of_session(begin: &SessionBegin, lexis: Lexis) -> Self {
        let settings = &begin.settings;
        let mode = settings.sql_mode.as_deref().map(|mode| SqlMode::from_value(mode.as_bytes()));
        let login = settings.login_collation.and_then(Charset::from_collation);
        let charset = settings.client_charset.as_deref().and_then(Charset::from_name).or(login);
        Self::new(Lexis {
            ansi_quotes: mode.map_or(lexis.ansi_quotes, |mode| Some(mode.ansi_quotes)),
            backslash_escapes: mode.map_or(lexis.backslash_escapes, |mode| Some(!mode.no_backslash_escapes)),
            charset: charset.map_or(lexis.charset, |charset| ClientCharset::of(Some(charset))),
            ..lexis
        })
    }

    /// What the session's next command would do at worst.
    pub(super) fn judge(&mut self, command: &RecordedCommand) -> Judged {
        let Some(sql) = &command.sql else {
            // One whose text is not known cannot be played, whatever it does.
            let safety = Safety::of_command(command.command).unwrap_or(Safety::Writes);
            return Judged { safety, kind: None };
        };
        if command.command != Command::Query
            && let Some((text, judged)) = &self.last
            && Arc::ptr_eq(text, sql)
        {
            return *judged;
        }
        let kind = Some(StatementSummary::of_text(sql, self.lexis, &|_| None).kind);
        let is_text = command.command == Command::Query;
        let safety = if is_text { self.names.next(sql, self.lexis) } else { Safety::of(sql, self.lexis) };
        let judged = Judged { safety, kind };
        if is_text {
            self.follow(sql);
        } else {
            self.last = Some((Arc::clone(sql), judged));
        }
        judged
    }

    /// A statement may change how those after it are read.
    fn follow(&mut self, sql: &[u8]) {
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
            self.last = None;
        }
    }

    /// How the session's texts are read now.
    pub(super) fn lexis(&self) -> Lexis {
        self.lexis
    }
}

/// Whether a command may be played; what it is refused as, if not.
pub(super) fn refused(permits: Permits, judged: Judged, command: &RecordedCommand) -> Option<Refusal> {
    let refusal = Refusal { safety: judged.safety, kind: judged.kind, command: command.command };
    (!permits.allow(judged.safety)).then_some(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::samples;

    fn refusals(permits: Permits, commands: &[RecordedCommand]) -> Vec<Option<String>> {
        let mut judge = Judge::new(Lexis::default());
        let refused = |command| refused(permits, judge.judge(command), command).map(|refusal| refusal.to_string());
        commands.iter().map(refused).collect()
    }

    #[test]
    fn writes_and_administration_are_refused_unless_allowed() {
        let commands =
            ["SELECT 1", "SET @a = 1", "INSERT INTO t VALUES (1)", "SHUTDOWN", "SELECT f(1)"].map(samples::query);
        let write = |kind: &str| Some(format!("{kind} (refused without --allow-writes)"));
        let admin = Some("admin (refused without --allow-admin)".to_owned());
        assert_eq!(
            refusals(Permits::default(), &commands),
            [None, None, write("insert"), admin.clone(), write("select")]
        );
        assert_eq!(refusals(Permits { writes: true, admin: false }, &commands), [None, None, None, admin, None]);
        assert_eq!(refusals(Permits { writes: true, admin: true }, &commands), [const { None }; 5]);
    }

    #[test]
    fn prepared_statements_are_judged_by_their_texts_and_names_are_remembered() {
        let text: Arc<[u8]> = Arc::from(&b"DELETE FROM t"[..]);
        let execute =
            |sql: Arc<[u8]>| RecordedCommand { command: Command::StmtExecute, sql: Some(sql), ..samples::query("") };
        let commands = [
            execute(Arc::clone(&text)),
            execute(text),
            execute(Arc::from(&b"SELECT 1"[..])),
            samples::query("PREPARE s FROM 'SELECT 1'"),
            samples::query("EXECUTE s"),
            RecordedCommand { command: Command::Shutdown, sql: None, ..samples::query("") },
        ];
        let found = refusals(Permits::default(), &commands);
        assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false, false, false, true]);
        assert_eq!(found[5].as_deref(), Some("Shutdown (refused without --allow-admin)"));
    }

    #[test]
    fn how_texts_are_read_is_followed() {
        let mut judge = Judge::new(Lexis { backslash_escapes: Some(true), ..Lexis::default() });
        let sql = r"SELECT '\'; DELETE FROM t; -- '";
        assert_eq!(judge.judge(&samples::query(sql)).safety, Safety::ReadOnly);
        judge.judge(&samples::query("SET sql_mode = 'NO_BACKSLASH_ESCAPES'"));
        assert_eq!(judge.judge(&samples::query(sql)).safety, Safety::Writes);
    }
}
