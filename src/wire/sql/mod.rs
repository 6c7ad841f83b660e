//! As much of SQL as observing a session needs: the first keyword, where the statements of a multi-statement text part,
//! and which session state a statement sets or shows.
//!
//! This is a scanner, not a parser: it never fails, and what it does not recognise it leaves alone.

mod pieces;
mod settings;
#[cfg(test)]
mod tests;
mod tokens;

use std::borrow::Cow;

pub use pieces::StatementPieces;
pub use settings::{IsolationLevel, SessionSetting, variables_selected, variables_set};
use tokens::{Kind, Tokens, is_word};
pub use tokens::{Lexis, is_double_byte_charset, is_double_byte_collation};

/// The statement's first word, behind comments and opening parentheses; empty if there is none.
pub fn first_keyword(sql: &[u8]) -> &[u8] {
    // The usual case first: this runs for every statement.
    if sql.first().is_some_and(u8::is_ascii_alphabetic) {
        let length = sql.iter().position(|byte| !is_word(*byte)).unwrap_or(sql.len());
        return sql.get(..length).unwrap_or_default();
    }
    let mut tokens = Tokens::new(sql);
    match tokens.find(|token| token.kind != Kind::Open) {
        Some(token) if token.kind == Kind::Word => tokens.text(&token),
        _ => &[],
    }
}

fn unquote(text: &[u8]) -> Cow<'_, [u8]> {
    match text {
        [quote @ (b'\'' | b'"' | b'`'), inner @ .., last] if quote == last => {
            if !inner.contains(quote) && !inner.contains(&b'\\') {
                return Cow::Borrowed(inner);
            }
            let mut plain = Vec::with_capacity(inner.len());
            let mut bytes = inner.iter();
            while let Some(byte) = bytes.next() {
                if byte == quote || (*byte == b'\\' && *quote != b'`') {
                    plain.extend(bytes.next());
                } else {
                    plain.push(*byte);
                }
            }
            Cow::Owned(plain)
        }
        _ => Cow::Borrowed(text),
    }
}

/// The database that a `USE name` statement selects; `None` for any other statement.
pub fn use_database(sql: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut tokens = Tokens::new(sql);
    let keyword = tokens.next()?;
    if !tokens.is(&keyword, "use") {
        return None;
    }
    let name = tokens.next()?;
    match name.kind {
        Kind::Word | Kind::Quoted => {
            let ends = tokens.next().is_none_or(|token| token.kind == Kind::Semicolon);
            ends.then(|| unquote(tokens.text(&name)))
        }
        _ => None,
    }
}
