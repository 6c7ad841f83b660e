//! A session's state at the recording's beginning, as the target gets it.

use crate::mysql::charset::Charset;
use crate::recording::SessionSettings;

/// What the target's session has after the login, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AfterLogin<'a> {
    /// The recorded login's collation is in force.
    pub(super) has_collation: bool,
    pub(super) autocommit: Option<bool>,
    pub(super) time_zone: Option<&'a str>,
    pub(super) sql_mode: Option<&'a str>,
}

/// Statements that bring the session's variables to what is known of them, where they are not there already. Each is one variable, so that a
/// target that lacks a value keeps the others.
pub(super) fn statements(settings: &SessionSettings, here: AfterLogin<'_>) -> Vec<String> {
    let mut statements = charsets(settings, here.has_collation);
    if let Some(zone) = settings.time_zone.as_deref()
        && here.time_zone != Some(zone)
    {
        statements.push(format!("SET time_zone = {}", quoted(zone)));
    }
    if let Some(mode) = settings.sql_mode.as_deref()
        && here.sql_mode != Some(mode)
    {
        statements.push(format!("SET sql_mode = {}", quoted(mode)));
    }
    if let Some(isolation) = settings.isolation.as_deref().and_then(isolation) {
        statements.push(format!("SET SESSION TRANSACTION ISOLATION LEVEL {isolation}"));
    }
    if let Some(autocommit) = settings.autocommit
        && here.autocommit != Some(autocommit)
    {
        statements.push(format!("SET autocommit = {}", u8::from(autocommit)));
    }
    statements
}

/// The login's collation says it all, unless the target lacks it or the session has set something else since.
fn charsets(settings: &SessionSettings, has_collation: bool) -> Vec<String> {
    let of_login = settings.login_collation.and_then(Charset::from_collation).map(Charset::name);
    let client = settings.client_charset.as_deref().or(of_login);
    let is_there = has_collation && client == of_login;
    let mut statements = Vec::new();
    if let Some(client) = client.filter(|name| !is_there && is_name(name)) {
        statements.push(format!("SET NAMES {client}"));
    }
    if let Some(results) = settings.results_charset.as_deref().filter(|name| is_name(name))
        && client != Some(results)
    {
        statements.push(format!("SET character_set_results = {results}"));
    }
    statements
}

/// What comes from a recording becomes part of a statement.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `REPEATABLE-READ` or `repeatable read`, as the statement has it.
fn isolation(name: &str) -> Option<&'static str> {
    let name = name.replace(['-', '_'], " ").to_ascii_uppercase();
    ["READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"].into_iter().find(|known| *known == name)
}

/// As a literal, whatever the session's sql_mode says of backslashes: those are no part of names of zones and modes.
fn quoted(text: &str) -> String {
    let text: String = text.chars().filter(|char| *char != '\\').collect();
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAME: AfterLogin<'_> =
        AfterLogin { has_collation: true, autocommit: Some(true), time_zone: Some("SYSTEM"), sql_mode: None };
    const OTHER: AfterLogin<'_> = AfterLogin { has_collation: false, ..SAME };

    #[test]
    fn nothing_is_known_and_nothing_is_set() {
        assert_eq!(statements(&SessionSettings::default(), OTHER), [""; 0]);
    }

    #[test]
    fn what_is_known_is_set() {
        let all = SessionSettings {
            client_charset: Some("latin1".into()),
            results_charset: Some("binary".into()),
            login_collation: Some(45),
            time_zone: Some("+02:00".into()),
            isolation: Some("READ-COMMITTED".into()),
            sql_mode: Some("ANSI,NO_ZERO_DATE".into()),
            autocommit: Some(false),
        };
        let expected = [
            "SET NAMES latin1",
            "SET character_set_results = binary",
            "SET time_zone = '+02:00'",
            "SET sql_mode = 'ANSI,NO_ZERO_DATE'",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "SET autocommit = 0",
        ];
        assert_eq!(statements(&all, SAME), expected);
    }

    #[test]
    fn the_logins_character_set_is_repeated_only_where_it_may_not_be_in_force() {
        let login = SessionSettings {
            client_charset: Some("utf8mb4".into()),
            results_charset: Some("utf8mb4".into()),
            login_collation: Some(255),
            ..SessionSettings::default()
        };
        assert_eq!(statements(&login, SAME), [""; 0]);
        assert_eq!(statements(&login, OTHER), ["SET NAMES utf8mb4"]);
        let later =
            SessionSettings { client_charset: Some("gbk".into()), results_charset: Some("gbk".into()), ..login };
        assert_eq!(statements(&later, SAME), ["SET NAMES gbk"]);
    }

    #[test]
    fn a_variable_that_has_the_value_already_is_left_alone() {
        let zone = |name: &str| SessionSettings { time_zone: Some(name.into()), ..SessionSettings::default() };
        assert_eq!(statements(&zone("SYSTEM"), SAME), [""; 0]);
        assert_eq!(statements(&zone("UTC"), SAME), ["SET time_zone = 'UTC'"]);
    }

    #[test]
    fn autocommit_is_set_where_it_differs() {
        for (recorded, expected) in [(None, None), (Some(true), None), (Some(false), Some("SET autocommit = 0"))] {
            let settings = SessionSettings { autocommit: recorded, ..SessionSettings::default() };
            assert_eq!(statements(&settings, SAME).first().map(String::as_str), expected);
        }
    }

    #[test]
    fn a_recording_cannot_smuggle_in_statements() {
        let evil = SessionSettings {
            client_charset: Some("utf8; DROP TABLE t".into()),
            time_zone: Some(r"\'; DROP TABLE t -- ".into()),
            isolation: Some("SERIALIZABLE; DROP TABLE t".into()),
            ..SessionSettings::default()
        };
        assert_eq!(statements(&evil, OTHER), ["SET time_zone = '''; DROP TABLE t -- '"]);
    }
}
