//! The tokens of a text that comes in pieces and may be larger than what is kept of it.
//!
//! The lexer sees windows of a fixed size, so that the tokens do not depend on how the text is cut. What a window's end may cut in two
//! is seen again with what follows it; strings and comments, which may be of any length, are passed over as they come.

use super::lexis::Lexis;
use super::tokens::{Kind, State, Tokens};

/// How much of a text is looked at once.
const WINDOW: usize = 64 * 1024;
/// A token that ends this close to a window's end may go on after it.
const MARGIN: usize = 64;

/// What becomes of a token: its kind and text. Of a string only the front may be there.
pub(super) type Taker<'a> = dyn FnMut(Kind, &[u8]) + 'a;

/// A lexer for a text in pieces.
#[derive(Debug)]
pub(super) struct PartLexer {
    lexis: Lexis,
    /// What was not used yet, and in front of it the byte before it.
    window: Vec<u8>,
    /// How long the window is to become before it is looked at.
    wanted: usize,
    state: State,
}

impl PartLexer {
    pub(super) fn new(lexis: Lexis) -> Self {
        Self { lexis, window: Vec::new(), wanted: WINDOW, state: State::default() }
    }

    /// The text's next bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8], take: &mut Taker<'_>) {
        while !bytes.is_empty() {
            let room = self.wanted.saturating_sub(self.window.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.window.extend_from_slice(now);
            bytes = later;
            if self.window.len() >= self.wanted {
                self.state = lex(&mut self.window, self.lexis, &self.state, take);
                self.wanted = WINDOW.max(self.window.len() + MARGIN);
            }
        }
    }

    /// The text is complete.
    pub(super) fn finish(self, take: &mut Taker<'_>) {
        let mut tokens = Tokens::resumed(&self.window, self.lexis, &self.state, true);
        while let Some(token) = tokens.next() {
            take(token.kind, tokens.text(&token));
        }
    }
}

/// Takes the tokens that are whole; what is left of the window is for the next time.
fn lex(window: &mut Vec<u8>, lexis: Lexis, state: &State, take: &mut Taker<'_>) -> State {
    let sure = window.len().saturating_sub(MARGIN);
    let may_grow = window.len() < WINDOW + 4 * MARGIN;
    let mut tokens = Tokens::resumed(window, lexis, state, false);
    let mut end = tokens.position();
    // Where the next window begins, and what is true there.
    let (from, mut next) = loop {
        let after_dot = tokens.is_after_dot();
        let token = if tokens.open().is_none() { tokens.next() } else { None };
        let in_comment = tokens.is_in_comment();
        let (blank, was_in_comment) = tokens.last_blank();
        if blank >= end && blank > sure {
            break (blank, State { in_comment: was_in_comment, ..State::default() });
        }
        match (token, tokens.open()) {
            (Some(token), Some((open, from))) if token.kind == Kind::Text => {
                take(token.kind, tokens.text(&token));
                break (from, State { in_comment, open: Some(open), ..State::default() });
            }
            // A comment that goes on, or what was taken at last.
            (None, Some((open, from))) => break (from, State { in_comment, open: Some(open), ..State::default() }),
            (None, None) => break (window.len(), State { in_comment, ..State::default() }),
            // One that is longer than any server accepts is taken in pieces.
            (Some(token), _) if token.end > sure && (token.start > 1 || may_grow) => {
                let after_dot = after_dot && token.start == end;
                break (token.start, State { in_comment, after_dot, ..State::default() });
            }
            (Some(token), _) => {
                take(token.kind, tokens.text(&token));
                end = token.end;
            }
        }
    };
    // The lexer looks at the byte before a token, too.
    if next.open.is_none() && from > 0 {
        next.at = 1;
        window.drain(..from - 1);
    } else {
        window.drain(..from);
    }
    next
}
