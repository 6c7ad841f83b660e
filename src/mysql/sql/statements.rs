//! Where the statements of a text part.

use std::ops::Range;

use super::lexis::Lexis;
use super::program::statement_extent;
use super::tokens::Tokens;
use super::walk::Shape;

/// One statement of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its bytes, without its semicolon and the white space around it. Comments in front belong to it.
    pub range: Range<usize>,
    /// Where the next one is looked for.
    pub next: usize,
    /// Where the text ends, as the servers take it. If `next` is there, this is the last.
    pub text_end: usize,
    /// Whether it has an end that no setting could move. If not, its end is uncertain.
    pub is_certain: bool,
    /// Whether no server accepts it, as far as can be told; what follows it is then not executed.
    pub is_broken: bool,
}

impl Piece {
    /// Whether no other statement follows.
    pub fn is_last(&self) -> bool {
        self.next >= self.text_end
    }
}

/// A text as the servers take it: without white space at its front, and white space and semicolons at its end (`alloc_query` in
/// `sql/sql_parse.cc`).
fn trimmed_text(sql: &[u8], lexis: Lexis) -> Range<usize> {
    let end = sql.iter().rposition(|byte| !lexis.is_space(*byte) && *byte != b';').map_or(0, |last| last + 1);
    let start = sql.get(..end).and_then(|text| text.iter().position(|byte| !lexis.is_space(*byte))).unwrap_or(end);
    start..end
}

/// The statement of `sql` that begins at `from`, the end of the one before; `None` after the last.
///
/// Asked for one by one, because each may change how the next is read: `SET sql_mode`, `SET NAMES`.
pub fn next_statement(sql: &[u8], from: usize, lexis: Lexis) -> Option<Piece> {
    let text = sql.get(..trimmed_text(sql, lexis).end)?;
    let start = from + text.get(from..)?.iter().position(|byte| !lexis.is_space(*byte))?;
    let mut tokens = Tokens::starting_at(text, start, lexis);
    let (shape, semicolon) = statement_extent(&mut tokens);
    if shape == Shape::Empty {
        // Refused, and with it all that follows.
        return Some(Piece {
            range: start..text.len(),
            next: text.len(),
            text_end: text.len(),
            is_certain: true,
            is_broken: true,
        });
    }
    let (end, next) = semicolon.map_or((text.len(), text.len()), |token| (token.start, token.end));
    let length = text.get(start..end)?.iter().rposition(|byte| !lexis.is_space(*byte))? + 1;
    Some(Piece {
        range: start..start + length,
        next,
        text_end: text.len(),
        is_certain: !tokens.is_doubtful(),
        is_broken: tokens.is_broken(),
    })
}
