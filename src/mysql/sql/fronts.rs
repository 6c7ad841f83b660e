//! What may stand in front of a statement's verb, and what else MariaDB takes for a statement.

use super::tokens::{Kind, Token, Tokens};

/// The front of a statement that `SET STATEMENT .. FOR` gives variables: steps over it. Whether there was one.
pub fn skip_statement_variables(tokens: &mut Tokens<'_>) -> bool {
    let mut ahead = tokens.clone();
    let is_set = ahead.next().is_some_and(|token| ahead.is(&token, "set"));
    if !is_set || !ahead.lexis().may_be_mariadb() || !ahead.next().is_some_and(|token| ahead.is(&token, "statement")) {
        return false;
    }
    // `SET statement = 1` is an assignment.
    if ahead.peek().is_none_or(|token| !matches!(token.kind, Kind::Word | Kind::Name)) {
        return false;
    }
    let mut depth = 0_usize;
    loop {
        let Some(token) = ahead.next() else { return false };
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Semicolon => return false,
            Kind::Word if depth == 0 && ahead.is(&token, "for") => {
                *tokens = ahead;
                return true;
            }
            _ => {}
        }
    }
}

/// Whether this token and what follows it begin a compound statement that is executed by itself.
pub(super) fn begins_block(tokens: &Tokens<'_>, first: &Token) -> bool {
    if first.kind != Kind::Word || !tokens.lexis().may_be_mariadb() {
        return false;
    }
    if tokens.is(first, "begin") {
        // Alone, or with WORK, it begins a transaction.
        let next = tokens.peek();
        return next.is_some_and(|next| next.kind != Kind::Semicolon && !tokens.is(&next, "work"));
    }
    tokens.is_any(first, &["if", "case", "loop", "while", "repeat", "for", "declare"])
}
