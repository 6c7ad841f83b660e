//! What of a statement is not shown: literals, parameters, and what the server's answer repeats of them.

mod answer;
mod literal;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use super::text::{MessageText, SqlText};
use crate::mysql::sql::{Kind, Lexis, Redactions, Tokens};
use crate::rules::redaction::Redactor;
use crate::session::{Outcome, Statement};
pub(crate) use answer::redacted_words;
pub(super) use answer::{redacted_error, redacted_info};
use literal::Reading;

/// The literals of a text that are not to be shown. What the server could not read either may be anything: all of them, if something in it
/// is secret.
pub(super) fn hidden_literals<'r>(statement: &Statement<'_>, redactions: &'r Redactions) -> Cow<'r, [Range<usize>]> {
    let is_unread = matches!(&statement.outcome, Outcome::Error(error) if error.code == ER_PARSE_ERROR);
    hidden_literals_of(statement.sql.unwrap_or_default(), is_unread, statement.reading.lexis, redactions)
}

/// The same of a text; `is_unread`: the server could not read it.
pub(crate) fn hidden_literals_of<'r>(
    sql: &[u8],
    is_unread: bool,
    lexis: Lexis,
    redactions: &'r Redactions,
) -> Cow<'r, [Range<usize>]> {
    match is_unread && redactions.mentions_secret {
        true => {
            // What is in a comment is shown as well; a name in double quotes may be a string.
            let ansi_quotes = lexis.ansi_quotes.filter(|is_name| !is_name);
            let tokens = Tokens::new(sql, Lexis { flavor: None, version: None, ansi_quotes, ..lexis });
            let literals = tokens.filter(|token| matches!(token.kind, Kind::Text | Kind::Binary | Kind::Number));
            let mut spans: Vec<_> = literals.map(|token| token.range()).collect();
            spans.extend(redactions.literals.iter().cloned());
            spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
            let mut end = 0;
            spans.retain(|span| {
                span.start >= end && {
                    end = span.end;
                    true
                }
            });
            Cow::Owned(spans)
        }
        false => Cow::Borrowed(&redactions.literals),
    }
}

/// What both servers say of a text that they cannot read.
pub(crate) const ER_PARSE_ERROR: u16 = 1064;

/// The text without these literals, in the character set in which it is.
pub(crate) fn redacted_bytes(
    text: &[u8],
    truncated: bool,
    literals: &[Range<usize>],
    reading: crate::session::Reading,
    redactor: &Redactor,
) -> Vec<u8> {
    let mut shown = Vec::with_capacity(text.len());
    let mut from = 0;
    let piece = |range: Range<usize>| text.get(range).unwrap_or_default();
    for literal in literals {
        shown.extend_from_slice(piece(from..literal.start));
        let is_torn = truncated && literal.end >= text.len();
        let whole = Some(piece(literal.clone())).filter(|_| !is_torn);
        let mut instead = String::new();
        literal::push(&mut instead, whole, Reading { lexis: reading.lexis, charset: reading.text }, redactor);
        shown.extend_from_slice(instead.as_bytes());
        from = literal.end;
    }
    shown.extend_from_slice(piece(from..text.len()));
    shown
}

/// What stands for a value that is not shown, given its plain text; the mask where that is not known.
pub(crate) fn instead_of(plain: Option<&[u8]>, redactor: &Redactor) -> String {
    let pseudonym = plain.and_then(|plain| redactor.pseudonym(plain));
    pseudonym.map_or_else(|| redactor.mask().to_owned(), |pseudonym| pseudonym.to_string())
}

/// The text without these literals.
pub(super) fn redacted_sql<'a>(
    text: SqlText<'a>,
    literals: &[Range<usize>],
    lexis: Lexis,
    redactor: &Redactor,
) -> MessageText<'a> {
    if literals.is_empty() {
        return MessageText::Shown(text);
    }
    let reading = Reading { lexis, charset: text.charset };
    let mut shown = String::with_capacity(text.bytes.len());
    let mut from = 0;
    let piece = |range: Range<usize>| text.bytes.get(range).unwrap_or_default();
    for literal in literals {
        let between = SqlText { bytes: piece(from..literal.start), truncated: false, ..text };
        shown.push_str(&between.to_utf8());
        let is_torn = text.truncated && literal.end >= text.bytes.len();
        let whole = Some(piece(literal.clone())).filter(|_| !is_torn);
        literal::push(&mut shown, whole, reading, redactor);
        from = literal.end;
    }
    shown.push_str(&SqlText { bytes: piece(from..text.bytes.len()), ..text }.to_utf8());
    MessageText::Redacted(shown)
}
