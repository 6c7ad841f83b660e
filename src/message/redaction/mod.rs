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
pub(super) use answer::{redacted_error, redacted_info};
use literal::Reading;

/// The literals of a text that are not to be shown. What the server could not read either may be anything: all of them, if something in it
/// is secret.
pub(super) fn hidden_literals<'r>(statement: &Statement<'_>, redactions: &'r Redactions) -> Cow<'r, [Range<usize>]> {
    let is_unread = matches!(&statement.outcome, Outcome::Error(error) if error.code == ER_PARSE_ERROR);
    match statement.sql {
        Some(sql) if is_unread && redactions.mentions_secret => {
            let lexis = statement.reading.lexis;
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
        _ => Cow::Borrowed(&redactions.literals),
    }
}

const ER_PARSE_ERROR: u16 = 1064;

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
