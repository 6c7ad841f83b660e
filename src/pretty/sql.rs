//! SQL in colour, on one line or on several where the terminal is narrow.

use crate::mysql::sql::{Kind, Lexis, Tokens};
use crate::pretty::keywords::{is_keyword, kind_of};
use crate::pretty::line::Line;
use crate::pretty::palette::Style;

/// Writes `sql` with whitespace collapsed and keywords, literals and comments coloured, until the line is full.
pub(crate) fn highlight(sql: &str, line: &mut Line<'_>) {
    let sql = sql.trim();
    let mut seen_keyword = false;
    let mut end = 0;
    // The message does not say which settings the statement was read by; mostly they make no difference.
    for token in Tokens::with_comments(sql.as_bytes(), Lexis::default()) {
        if line.is_full() {
            return;
        }
        let from_here = sql.get(token.start..).unwrap_or_default();
        if token.start > end && !line.wrap_before(from_here, 1) {
            line.text(Style::Plain, " ");
        }
        end = token.end;
        let text = sql.get(token.range()).unwrap_or_default();
        line.text(style(token.kind, text, &mut seen_keyword), text);
    }
}

fn style(kind: Kind, text: &str, seen_keyword: &mut bool) -> Style {
    let is_quoted = text.ends_with(['\'', '"', '`']);
    match kind {
        // Hints are code, and so is what is executed.
        Kind::Comment if text.starts_with("/*!") || text.starts_with("/*+") || text == "*/" => Style::Plain,
        Kind::Comment => Style::Comment,
        Kind::Text => Style::Literal,
        Kind::Binary if is_quoted => Style::Literal,
        Kind::Binary | Kind::Number => Style::Number,
        Kind::Name if is_quoted => Style::Name,
        Kind::Word if !*seen_keyword => {
            *seen_keyword = true;
            kind_of(text)
        }
        Kind::Word if is_keyword(text) => Style::Keyword,
        _ if text == "?" => Style::Placeholder,
        _ => Style::Plain,
    }
}
