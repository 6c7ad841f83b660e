//! Where a statement ends that has statements of its own: stored programs, and MariaDB's compound statements.
//!
//! It follows `sql/sql_yacc.yy` of both servers: MySQL's `sp_proc_stmt`, MariaDB's too and in its ORACLE mode. The modes need not be known: a
//! statement's first words tell which applies, since each mode's are errors in the other.

use super::tokens::{Kind, Token, Tokens};
use super::walk::{Frame, Shape, Step, Until, Walk};

/// Statements within statements that are followed. The servers' parsers give up earlier.
const DEPTH_LIMIT: usize = 10_000;

/// Steps over one statement, up to and with its semicolon, which is returned.
pub(super) fn statement_extent(tokens: &mut Tokens<'_>) -> (Shape, Option<Token>) {
    let mut walk = Walk { tokens, held: None, frames: Vec::new() };
    let (shape, step) = walk.head();
    (shape, walk.run(step))
}

impl Walk<'_, '_> {
    fn run(&mut self, first: Step) -> Option<Token> {
        let mut step = first;
        loop {
            let token = self.next()?;
            if self.frames.len() > DEPTH_LIMIT {
                return None;
            }
            step = match (token.kind, step) {
                (Kind::Semicolon, _) => match self.frames.last() {
                    None => return Some(token),
                    Some(Frame::Statements) => Step::Statement,
                    Some(Frame::Declarations) => Step::Declaration,
                    Some(Frame::Package) => Step::Element,
                },
                (_, Step::Rest) => Step::Rest,
                (_, Step::Statement) => self.statement(token),
                (_, Step::Declaration) => self.declaration(token),
                (_, Step::Element) => self.element(token),
                (_, Step::Expression { until, cases, parens }) => self.expression(token, until, cases, parens),
            };
        }
    }

    fn statement(&mut self, token: Token) -> Step {
        if self.is_symbol(&token, b"<<") {
            // <<label>>
            self.skip_one();
            self.skip_one();
            return Step::Statement;
        }
        if matches!(token.kind, Kind::Word | Kind::Name) && self.peek().is_some_and(|next| self.is_symbol(&next, b":"))
        {
            self.next();
            return Step::Statement;
        }
        if token.kind != Kind::Word {
            return Step::Rest;
        }
        let begins = |until| if until == Until::End { Step::Statement } else { Step::until(until) };
        const OPENING: [(&str, Until); 6] = [
            ("if", Until::Then),
            ("case", Until::When),
            ("while", Until::Do),
            ("for", Until::Do),
            ("loop", Until::End),
            ("repeat", Until::End),
        ];
        if self.is_any(&token, &["begin"]) {
            self.push(Frame::Statements);
            return self.block();
        }
        if let Some((_, until)) = OPENING.iter().find(|(word, _)| self.tokens.is(&token, word)) {
            self.push(Frame::Statements);
            return begins(*until);
        }
        if self.is_any(&token, &["declare"]) {
            return self.declare();
        }
        if self.frames.is_empty() {
            return Step::Rest;
        }
        if self.is_any(&token, &["end"]) {
            self.frames.pop();
            Step::Rest
        } else if self.is_any(&token, &["else", "exception"]) {
            Step::Statement
        } else if self.is_any(&token, &["elseif", "elsif", "when"]) {
            Step::until(Until::Then)
        } else if self.is_any(&token, &["until"]) {
            Step::until(Until::End)
        } else {
            Step::Rest
        }
    }

    /// After BEGIN.
    fn block(&mut self) -> Step {
        if self.take(&["not"]) {
            self.take(&["atomic"]);
        }
        Step::Statement
    }

    fn declare(&mut self) -> Step {
        if let Some(step) = self.handler() {
            return step;
        }
        if self.frames.is_empty() {
            self.push(Frame::Declarations);
            return Step::Declaration;
        }
        Step::Rest
    }

    /// `EXIT HANDLER FOR conditions`, and then a statement.
    fn handler(&mut self) -> Option<Step> {
        let mut ahead = self.tokens.clone();
        let is_handler = self.held.is_none()
            && ahead.next().is_some_and(|token| ahead.is_any(&token, &["continue", "exit", "undo"]))
            && ahead.next().is_some_and(|token| ahead.is(&token, "handler"))
            && ahead.next().is_some_and(|token| ahead.is(&token, "for"));
        if !is_handler {
            return None;
        }
        *self.tokens = ahead;
        loop {
            if self.take(&["not"]) {
                self.take(&["found"]);
            } else if self.take(&["sqlstate"]) {
                self.take(&["value"]);
                self.skip_one();
            } else {
                self.skip_name();
            }
            if self.peek().is_none_or(|token| token.kind != Kind::Comma) {
                return Some(Step::Statement);
            }
            self.next();
        }
    }

    fn declaration(&mut self, token: Token) -> Step {
        if self.is_any(&token, &["begin"]) {
            self.replace(Frame::Statements);
            return self.block();
        }
        if self.is_any(&token, &["procedure", "function"]) {
            let is_function = self.is_any(&token, &["function"]);
            return self.routine(is_function);
        }
        if self.is_any(&token, &["continue", "exit", "undo"]) && self.next_is(&["handler"]) {
            // As after DECLARE.
            *self.tokens = Tokens::continuing(self.tokens, token.start);
            return self.handler().unwrap_or(Step::Rest);
        }
        Step::Rest
    }

    fn element(&mut self, token: Token) -> Step {
        if self.is_any(&token, &["end"]) {
            self.frames.pop();
            Step::Rest
        } else if self.is_any(&token, &["begin"]) {
            self.replace(Frame::Statements);
            self.block()
        } else if self.is_any(&token, &["procedure", "function"]) {
            let is_function = self.is_any(&token, &["function"]);
            self.routine(is_function)
        } else {
            Step::Rest
        }
    }

    fn expression(&mut self, token: Token, until: Until, mut cases: usize, mut parens: usize) -> Step {
        let is_outside = cases == 0 && parens == 0;
        match token.kind {
            Kind::Open => parens += 1,
            Kind::Close => parens = parens.saturating_sub(1),
            Kind::Word => {
                let ends = match until {
                    Until::Then => self.is_any(&token, &["then"]),
                    Until::When => self.is_any(&token, &["when"]),
                    Until::Do => self.is_any(&token, &["do", "loop"]),
                    Until::End => self.is_any(&token, &["end"]),
                };
                if ends && is_outside {
                    return match until {
                        Until::Then | Until::Do => Step::Statement,
                        Until::When => Step::until(Until::Then),
                        Until::End => {
                            self.frames.pop();
                            Step::Rest
                        }
                    };
                }
                if self.is_any(&token, &["case"]) {
                    cases += 1;
                } else if self.is_any(&token, &["end"]) {
                    cases = cases.saturating_sub(1);
                }
            }
            _ => {}
        }
        Step::Expression { until, cases, parens }
    }
}
