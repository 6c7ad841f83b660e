//! What a statement's first words tell.

use std::borrow::Cow;

use super::lexis::Lexis;
use super::quoted::unquote;
use super::tokens::{Kind, Tokens};

/// The statement's first word, after comments and opening parentheses; empty if there is no word.
pub fn first_keyword(sql: &[u8], lexis: Lexis) -> &[u8] {
    // The usual case first: this runs for every statement.
    if sql.first().is_some_and(u8::is_ascii_alphabetic) && sql.get(1) != Some(&b'\'') {
        let length = sql.iter().position(|byte| !lexis.is_word(*byte)).unwrap_or(sql.len());
        return sql.get(..length).unwrap_or_default();
    }
    let mut tokens = Tokens::new(sql, lexis);
    match tokens.find(|token| token.kind != Kind::Open) {
        Some(token) if token.kind == Kind::Word => tokens.text(&token),
        _ => &[],
    }
}

/// The database that a `USE name` statement selects; `None` for any other statement.
pub fn use_database(sql: &[u8], lexis: Lexis) -> Option<Cow<'_, [u8]>> {
    let mut tokens = Tokens::new(sql, lexis);
    let keyword = tokens.next()?;
    if !tokens.is(&keyword, "use") {
        return None;
    }
    let name = tokens.next()?;
    match name.kind {
        Kind::Word | Kind::Name | Kind::Text => {
            let ends = tokens.next().is_none_or(|token| token.kind == Kind::Semicolon);
            ends.then(|| unquote(tokens.text(&name), lexis))
        }
        _ => None,
    }
}

/// The database that a `DROP DATABASE name` statement drops, or MariaDB's `CREATE OR REPLACE DATABASE name`; `None` for any other
/// statement.
pub fn dropped_database(sql: &[u8], lexis: Lexis) -> Option<Cow<'_, [u8]>> {
    let mut tokens = Tokens::new(sql, lexis);
    let mut next_is = |words: &[&str]| tokens.next().is_some_and(|token| tokens.is_any(&token, words));
    let drops = match first_keyword(sql, lexis) {
        verb if verb.eq_ignore_ascii_case(b"drop") => next_is(&["drop"]),
        verb if verb.eq_ignore_ascii_case(b"create") => {
            next_is(&["create"]) && next_is(&["or"]) && next_is(&["replace"])
        }
        _ => false,
    };
    if !drops || !next_is(&["database", "schema"]) {
        return None;
    }
    let mut name = tokens.next()?;
    if tokens.is(&name, "if") {
        let exists = tokens.next()?;
        name = tokens.next()?;
        if !tokens.is(&exists, "exists") {
            return None;
        }
    }
    matches!(name.kind, Kind::Word | Kind::Name | Kind::Text).then(|| unquote(tokens.text(&name), lexis))
}
