//! SQL in colour, on one line or on several where the terminal is narrow.

use crate::pretty::keywords::{is_keyword, kind_of};
use crate::pretty::line::Line;
use crate::pretty::palette::Style;

/// Writes `sql` with whitespace collapsed and keywords, literals and comments coloured, until the line is full.
pub(crate) fn highlight(sql: &str, line: &mut Line<'_>) {
    let mut rest = sql.trim();
    let mut seen_keyword = false;
    while let Some(first) = rest.chars().next() {
        if line.is_full() {
            return;
        }
        let (token, style, length) = next_token(rest, first, &mut seen_keyword);
        rest = rest.get(length..).unwrap_or_default();
        if !(first.is_whitespace() && line.wrap_before(rest, token.len())) {
            line.text(style, token);
        }
    }
}

/// The next token's text as shown, its style, and how many bytes of `rest` it is.
fn next_token<'a>(rest: &'a str, first: char, seen_keyword: &mut bool) -> (&'a str, Style, usize) {
    let take = |length: usize| rest.get(..length).unwrap_or(rest);
    if first.is_whitespace() {
        let length = rest.len() - rest.trim_start().len();
        return (" ", Style::Plain, length);
    }
    if rest.starts_with("/*") {
        let length = rest.find("*/").map_or(rest.len(), |end| end + 2);
        // Hints and version comments are code.
        let style = if rest.starts_with("/*!") || rest.starts_with("/*+") { Style::Plain } else { Style::Comment };
        return (take(length), style, length);
    }
    if first == '#' || rest.starts_with("-- ") {
        let length = rest.find('\n').unwrap_or(rest.len());
        return (take(length), Style::Comment, length);
    }
    match first {
        '\'' | '"' => {
            let length = quoted_length(rest, first, true);
            (take(length), Style::Literal, length)
        }
        '`' => {
            let length = quoted_length(rest, first, false);
            (take(length), Style::Name, length)
        }
        '?' => (take(1), Style::Placeholder, 1),
        '0'..='9' => {
            let length = span(rest, |c| c.is_alphanumeric() || c == '.' || c == '_');
            (take(length), Style::Number, length)
        }
        c if is_word(c) => {
            let length = span(rest, is_word);
            let word = take(length);
            let style = if !*seen_keyword {
                *seen_keyword = true;
                kind_of(word)
            } else if is_keyword(word) {
                Style::Keyword
            } else {
                Style::Plain
            };
            (word, style, length)
        }
        _ => {
            let length = span(rest, |c| {
                !c.is_whitespace()
                    && !is_word(c)
                    && !c.is_ascii_digit()
                    && !matches!(c, '\'' | '"' | '`' | '?' | '#' | '/' | '-')
            });
            (take(length.max(first.len_utf8())), Style::Plain, length.max(first.len_utf8()))
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphabetic() || matches!(c, '_' | '@' | '$') || (c.is_numeric() && !c.is_ascii_digit()) || c.is_ascii_digit()
}

fn span(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// The length of a quoted text; a doubled quote, and after a backslash any character, belongs to it.
fn quoted_length(text: &str, quote: char, backslash_escapes: bool) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((index, c)) = chars.next() {
        if c == '\\' && backslash_escapes {
            chars.next();
        } else if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return index + quote.len_utf8();
        }
    }
    text.len()
}
