//! What of a statement is not shown: literals, parameters, and what the server's answer repeats of them.

mod answer;
mod literal;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::text::{MessageText, SqlText};
use crate::mysql::sql::{Lexis, Redactions};
use crate::rules::redaction::Redactor;
pub(super) use answer::{redacted_error, redacted_info};
use literal::Reading;

/// The text without the literals that are not to be shown.
pub(super) fn redacted_sql<'a>(
    text: SqlText<'a>,
    redactions: &Redactions,
    lexis: Lexis,
    redactor: &Redactor,
) -> MessageText<'a> {
    if redactions.literals.is_empty() {
        return MessageText::Shown(text);
    }
    let reading = Reading { lexis, charset: text.charset };
    let mut shown = String::with_capacity(text.bytes.len());
    let mut from = 0;
    let piece = |range: Range<usize>| text.bytes.get(range).unwrap_or_default();
    for literal in &redactions.literals {
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
