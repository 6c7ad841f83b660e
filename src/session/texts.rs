//! Texts of several statements, and which of their results is whose.
//!
//! Every statement of a text is answered by a result of its own, and CALL by several. The texts say how many that are, except for EXECUTE of what
//! was prepared out of sight. From there on, one message says all that is left of the text; where texts and results do not agree,
//! it says the whole: it names nothing that did not run, and leaves nothing out.

use std::ops::Range;

use super::outcome::Outcome;
use crate::mysql::sql::{Lexis, Piece, ResultCount, next_statement};

/// Where in a text of several statements its results have arrived.
#[derive(Debug)]
pub(super) enum Pieces {
    /// The text is one statement, or may not be more.
    Whole,
    /// This statement's results are due. How it is read depends on those before it.
    At(Piece),
    /// Whose results are due is not known any more: they are for this part, up to the text's end.
    Rest(Range<usize>),
}

/// What a result is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// One of several of its statement: its last is awaited.
    Earlier,
    /// The statement's last: this is its text.
    Last(Range<usize>),
}

impl Pieces {
    /// Of a text whose first result is there. `truncated`: only the front of it is known.
    pub(super) fn first(text: &[u8], truncated: bool, lexis: Lexis) -> Self {
        match Self::after(text, 0, truncated, lexis) {
            Self::At(piece) if piece.is_last() => Self::Whole,
            Self::Rest(_) => Self::Whole,
            several => several,
        }
    }

    fn after(text: &[u8], from: usize, truncated: bool, lexis: Lexis) -> Self {
        match next_statement(text, from, lexis) {
            Some(piece) if piece.is_certain && !(truncated && piece.is_last()) => Self::At(piece),
            Some(piece) => Self::Rest(piece.range.start..piece.text_end),
            None => Self::Rest(from..text.len()),
        }
    }

    /// The text of the statement whose result is due.
    pub(super) fn current(&self, text: &[u8]) -> Range<usize> {
        match self {
            Self::Whole => 0..text.len(),
            Self::At(piece) => piece.range.clone(),
            Self::Rest(rest) => rest.clone(),
        }
    }

    /// What is left of the text.
    pub(super) fn left(&self, text: &[u8]) -> Range<usize> {
        match self {
            Self::At(piece) => piece.range.start..piece.text_end,
            _ => self.current(text),
        }
    }

    /// A result has arrived; `count` tells how many its statement has.
    pub(super) fn result(
        &mut self,
        text: &[u8],
        outcome: &Outcome<'_>,
        more: bool,
        count: impl FnOnce(&[u8]) -> ResultCount,
    ) -> Verdict {
        let Self::At(piece) = self else {
            return if more { Verdict::Earlier } else { Verdict::Last(self.current(text)) };
        };
        // With more results than statements, or fewer, those before this one may be wrong already.
        let mut start = 0;
        if more && matches!(outcome, Outcome::Rows { .. }) {
            match count(text.get(piece.range.clone()).unwrap_or_default()) {
                ResultCount::Several => return Verdict::Earlier,
                ResultCount::One if !piece.is_last() => return Verdict::Last(piece.range.clone()),
                // It may be the front of an answer, or all of it.
                ResultCount::Unknown => start = piece.range.start,
                ResultCount::One => {}
            }
        } else if piece.is_last() != more || outcome.is_error() {
            return Verdict::Last(piece.range.clone());
        }
        *self = Self::Rest(start..piece.text_end);
        if more { Verdict::Earlier } else { Verdict::Last(self.current(text)) }
    }

    /// The next statement's results are due.
    pub(super) fn advance(&mut self, text: &[u8], truncated: bool, lexis: Lexis) {
        if let Self::At(piece) = self {
            *self = Self::after(text, piece.next, truncated, lexis);
        }
    }
}
