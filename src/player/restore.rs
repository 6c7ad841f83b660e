//! A session's state at the recording's beginning, as the target gets it.

use crate::mysql::charset::Charset;
use crate::recording::{SessionBegin, SessionSettings};

/// Statements that bring the session's variables to what is known of them. Each is one variable, so that a target that lacks a value keeps
/// the others; `has_collation`: the login's collation is in force on the target.
pub(super) fn settings(begin: &SessionBegin, has_collation: bool) -> Vec<String> {
    let settings = &begin.settings;
    let mut statements = charsets(settings, begin.began_before || !has_collation);
    if let Some(zone) = &settings.time_zone {
        statements.push(format!("SET time_zone = {}", quoted(zone)));
    }
    if let Some(mode) = &settings.sql_mode {
        statements.push(format!("SET sql_mode = {}", quoted(mode)));
    }
    if let Some(isolation) = settings.isolation.as_deref().and_then(isolation) {
        statements.push(format!("SET SESSION TRANSACTION ISOLATION LEVEL {isolation}"));
    }
    if let Some(autocommit) = settings.autocommit {
        statements.push(format!("SET autocommit = {}", u8::from(autocommit)));
    }
    statements
}

/// The login's collation says it all, unless the target lacks it or the recording begins in the session's middle.
fn charsets(settings: &SessionSettings, is_needed: bool) -> Vec<String> {
    let of_login = settings.login_collation.and_then(Charset::from_collation).map(Charset::name);
    let client = settings.client_charset.as_deref().or(of_login);
    let mut statements = Vec::new();
    let differs_from_login = client.is_some() && of_login.is_some() && client != of_login;
    if let Some(client) = client.filter(|_| is_needed || differs_from_login).filter(|name| is_name(name)) {
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

    fn begin(settings: SessionSettings) -> SessionBegin {
        SessionBegin { settings, ..SessionBegin::default() }
    }

    #[test]
    fn nothing_is_known_and_nothing_is_set() {
        assert_eq!(settings(&begin(SessionSettings::default()), false), [""; 0]);
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
        assert_eq!(settings(&begin(all), true), expected);
    }

    #[test]
    fn the_logins_character_set_is_repeated_only_where_it_may_not_be_in_force() {
        let login = SessionSettings {
            client_charset: Some("utf8mb4".into()),
            results_charset: Some("utf8mb4".into()),
            login_collation: Some(255),
            ..SessionSettings::default()
        };
        assert_eq!(settings(&begin(login.clone()), true), [""; 0]);
        assert_eq!(settings(&begin(login.clone()), false), ["SET NAMES utf8mb4"]);
        let mut before = begin(login);
        before.began_before = true;
        assert_eq!(settings(&before, true), ["SET NAMES utf8mb4"]);
    }

    #[test]
    fn a_recording_cannot_smuggle_in_statements() {
        let evil = SessionSettings {
            client_charset: Some("utf8; DROP TABLE t".into()),
            time_zone: Some(r"\'; DROP TABLE t -- ".into()),
            isolation: Some("SERIALIZABLE; DROP TABLE t".into()),
            ..SessionSettings::default()
        };
        assert_eq!(settings(&begin(evil), false), ["SET time_zone = '''; DROP TABLE t -- '"]);
    }
}
