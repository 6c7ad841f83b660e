//! Steps through a statement that has statements of its own.

use super::tokens::{Kind, Token, Tokens};

/// What a statement is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// No statements within it, or none that are told from its own text.
    Simple,
    /// It creates or alters a stored program.
    Definition,
    /// Statements that are executed one after the other: `BEGIN NOT ATOMIC`, `IF`, `FOR` and the like.
    Block,
    /// Nothing before its semicolon, which the servers refuse.
    Empty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// BEGIN, IF, CASE, LOOP, WHILE, REPEAT, FOR: statements up to END.
    Statements,
    /// Between AS or DECLARE and BEGIN, in ORACLE mode.
    Declarations,
    /// CREATE PACKAGE: routines and variables up to END.
    Package,
}

/// What ends an expression within a compound statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    Then,
    When,
    Do,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Statement,
    Declaration,
    Element,
    /// Up to the semicolon.
    Rest,
    /// Within an expression: open CASEs and parentheses.
    Expression {
        until: Until,
        cases: usize,
        parens: usize,
    },
}

impl Step {
    pub(super) fn until(until: Until) -> Self {
        Self::Expression { until, cases: 0, parens: 0 }
    }
}

pub(super) struct Walk<'t, 'a> {
    pub(super) tokens: &'t mut Tokens<'a>,
    pub(super) held: Option<Token>,
    pub(super) frames: Vec<Frame>,
}

impl Walk<'_, '_> {
    pub(super) fn next(&mut self) -> Option<Token> {
        self.held.take().or_else(|| self.tokens.next())
    }

    pub(super) fn peek(&self) -> Option<Token> {
        self.held.or_else(|| self.tokens.peek())
    }

    pub(super) fn hold(&mut self, token: Token) {
        self.held = Some(token);
    }

    pub(super) fn is_any(&self, token: &Token, words: &[&str]) -> bool {
        self.tokens.is_any(token, words)
    }

    pub(super) fn next_is(&self, words: &[&str]) -> bool {
        self.peek().is_some_and(|token| self.is_any(&token, words))
    }

    pub(super) fn take(&mut self, words: &[&str]) -> bool {
        let is = self.next_is(words);
        if is {
            self.next();
        }
        is
    }

    /// Steps over a token, but not over the statement's end.
    pub(super) fn skip_one(&mut self) {
        if let Some(token) = self.next()
            && token.kind == Kind::Semicolon
        {
            self.hold(token);
        }
    }

    /// A name with what its dots part.
    pub(super) fn skip_name(&mut self) {
        self.skip_one();
        while self.peek().is_some_and(|token| token.kind == Kind::Dot) {
            self.next();
            self.skip_one();
        }
    }

    /// The rest of a group whose parenthesis is open.
    pub(super) fn skip_group(&mut self) {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next() {
                None => return,
                Some(token) => match token.kind {
                    Kind::Open => depth += 1,
                    Kind::Close => depth -= 1,
                    Kind::Semicolon => return self.hold(token),
                    _ => {}
                },
            }
        }
    }

    pub(super) fn push(&mut self, frame: Frame) {
        self.frames.push(frame);
    }

    pub(super) fn replace(&mut self, frame: Frame) {
        self.frames.pop();
        self.frames.push(frame);
    }

    pub(super) fn is_symbol(&self, token: &Token, symbol: &[u8]) -> bool {
        token.kind == Kind::Other && self.tokens.text(token) == symbol
    }
}
