//! Statements that are prepared by name, in SQL.

use std::borrow::Cow;

use super::fronts::skip_statement_variables;
use super::lexis::Lexis;
use super::quoted::unquote;
use super::tokens::{Kind, Tokens};

/// `PREPARE name FROM ..`, `EXECUTE name`, `DEALLOCATE PREPARE name`, with the name in lower case: the servers ignore case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedCommand<'a> {
    /// The text, where the statement says it: not one in a variable.
    Prepare(Vec<u8>, Option<Cow<'a, [u8]>>),
    /// Runs it.
    Execute(Vec<u8>),
    /// Drops it.
    Deallocate(Vec<u8>),
    /// `EXECUTE IMMEDIATE`, of a text where the statement says it.
    Immediate(Option<Cow<'a, [u8]>>),
}

/// What a statement does with names, if anything.
pub fn named_command(sql: &[u8], lexis: Lexis) -> Option<NamedCommand<'_>> {
    let mut tokens = Tokens::new(sql, lexis);
    while skip_statement_variables(&mut tokens) {}
    let verb = tokens.next()?;
    if !tokens.is_any(&verb, &["prepare", "execute", "deallocate", "drop"]) {
        return None;
    }
    if tokens.is_any(&verb, &["deallocate", "drop"]) && !tokens.next().is_some_and(|token| tokens.is(&token, "prepare"))
    {
        return None;
    }
    let name = tokens.next()?;
    let lowered = || unquote(tokens.text(&name), lexis).to_ascii_lowercase();
    if tokens.is(&verb, "execute") {
        if tokens.is(&name, "immediate") && tokens.peek().is_some_and(|next| !tokens.is(&next, "using")) {
            return Some(NamedCommand::Immediate(only_text(&mut tokens)));
        }
        return Some(NamedCommand::Execute(lowered()));
    }
    let lowered = lowered();
    if !tokens.is(&verb, "prepare") {
        return Some(NamedCommand::Deallocate(lowered));
    }
    if !tokens.next().is_some_and(|token| tokens.is(&token, "from")) {
        return None;
    }
    Some(NamedCommand::Prepare(lowered, only_text(&mut tokens)))
}

/// A string, if the statement has nothing else from here on.
fn only_text<'a>(tokens: &mut Tokens<'a>) -> Option<Cow<'a, [u8]>> {
    let text = tokens.next().filter(|token| token.kind == Kind::Text)?;
    let ends = tokens.next().is_none_or(|token| token.kind == Kind::Semicolon || tokens.is(&token, "using"));
    ends.then(|| unquote(tokens.text(&text), tokens.lexis()))
}
