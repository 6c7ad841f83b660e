//! Where the statements of a multi-statement text part.

use std::ops::Range;

use super::first_keyword;
use super::tokens::{Kind, Lexis, Token, Tokens};

/// The statements of a multi-statement text: byte ranges, trimmed, without their semicolons, empty ones left out.
///
/// Semicolons inside strings, comments and the bodies of stored programs do not part statements.
#[derive(Debug, Clone)]
pub struct StatementPieces<'a> {
    tokens: Tokens<'a>,
}

impl<'a> StatementPieces<'a> {
    /// The pieces of `sql`.
    pub fn new(sql: &'a [u8], lexis: Lexis) -> Self {
        Self { tokens: Tokens { lexis, ..Tokens::new(sql) } }
    }
}

/// Where in a stored program's body the scanner is.
#[derive(Debug, Default)]
struct Body {
    /// Whether the statement creates a stored program.
    program: bool,
    /// Open BEGINs and CASEs.
    depth: usize,
    /// The word before was END.
    after_end: bool,
}

impl Body {
    fn word(&mut self, tokens: &Tokens<'_>, token: &Token, position: usize) {
        let is = |word| tokens.is(token, word);
        if position == 0 {
            self.program = false;
        }
        if !self.program {
            return;
        }
        let after_end = std::mem::take(&mut self.after_end);
        if after_end && ["if", "loop", "while", "repeat", "for"].into_iter().any(is) {
            // END IF and its like close what was not counted.
            self.depth += 1;
        } else if after_end && is("case") {
        } else if is("begin") || is("case") {
            self.depth += 1;
        } else if is("end") {
            self.depth = self.depth.saturating_sub(1);
            self.after_end = true;
        }
    }
}

impl Iterator for StatementPieces<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let tokens = &mut self.tokens;
        // A comment in front belongs to its statement.
        let mut start = tokens.at;
        let mut end = tokens.sql.len();
        let mut body = Body::default();
        let (mut creates, mut position) = (false, 0);
        while let Some(token) = tokens.next() {
            if token.kind == Kind::Semicolon && body.depth == 0 {
                let text = tokens.sql.get(start..token.range.start).unwrap_or_default();
                if text.trim_ascii().is_empty() {
                    start = token.range.end;
                    continue;
                }
                end = token.range.start;
                break;
            }
            if token.kind == Kind::Word {
                if position == 0 {
                    creates = tokens.is(&token, "create");
                }
                body.word(tokens, &token, position);
                let makes_program = ["procedure", "function", "trigger", "event", "package"];
                if creates && makes_program.into_iter().any(|word| tokens.is(&token, word)) {
                    body.program = true;
                    tokens.dollar_quotes = true;
                }
                // MariaDB's anonymous block.
                if position == 1
                    && tokens.is(&token, "not")
                    && first_keyword(&tokens.sql[start..]).eq_ignore_ascii_case(b"begin")
                {
                    (body.program, body.depth) = (true, 1);
                }
            }
            position += 1;
        }
        tokens.dollar_quotes = false;
        let text = tokens.sql.get(start..end).unwrap_or_default();
        let start = start + (text.len() - text.trim_ascii_start().len());
        let length = text.trim_ascii().len();
        (length > 0).then_some(start..start + length)
    }
}
