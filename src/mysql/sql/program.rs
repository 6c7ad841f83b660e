//! Where a statement ends that has statements of its own: stored programs, and MariaDB's compound statements.
//!
//! Followed are `sql/sql_yacc.yy` of both servers: MySQL's `sp_proc_stmt`, MariaDB's too and in its ORACLE mode. The modes need not be known: a
//! statement's first words tell them, since the one's are errors in the other.

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

/// Statements within statements that are followed. The servers' parsers give up earlier.
const DEPTH_LIMIT: usize = 10_000;

/// Steps over one statement, up to and with its semicolon, which is returned.
pub(super) fn statement_extent(tokens: &mut Tokens<'_>) -> (Shape, Option<Token>) {
    let mut walk = Walk { tokens, held: None, frames: Vec::new() };
    let (shape, step) = walk.head();
    (shape, walk.run(step))
}

/// The front of a statement that `SET STATEMENT .. FOR` gives variables: steps over it. Whether there was one.
pub fn skip_statement_variables(tokens: &mut Tokens<'_>) -> bool {
    let mut ahead = tokens.clone();
    let is_set = ahead.next().is_some_and(|token| ahead.is(&token, "set"));
    if !is_set || !ahead.lexis().may_be_mariadb() || !ahead.next().is_some_and(|token| ahead.is(&token, "statement")) {
        return false;
    }
    // `SET statement = 1` is an assignment.
    if ahead.peek().is_none_or(|token| !matches!(token.kind, Kind::Word | Kind::Name)) {
        return false;
    }
    let mut depth = 0_usize;
    loop {
        let Some(token) = ahead.next() else { return false };
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Semicolon => return false,
            Kind::Word if depth == 0 && ahead.is(&token, "for") => {
                *tokens = ahead;
                return true;
            }
            _ => {}
        }
    }
}

/// Whether this token and what follows it begin a compound statement that is executed by itself.
pub(super) fn begins_block(tokens: &Tokens<'_>, first: &Token) -> bool {
    if first.kind != Kind::Word || !tokens.lexis().may_be_mariadb() {
        return false;
    }
    if tokens.is(first, "begin") {
        // Alone, or with WORK, it begins a transaction.
        let next = tokens.peek();
        return next.is_some_and(|next| next.kind != Kind::Semicolon && !tokens.is(&next, "work"));
    }
    tokens.is_any(first, &["if", "case", "loop", "while", "repeat", "for", "declare"])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    /// BEGIN, IF, CASE, LOOP, WHILE, REPEAT, FOR: statements up to END.
    Statements,
    /// Between AS or DECLARE and BEGIN, in ORACLE mode.
    Declarations,
    /// CREATE PACKAGE: routines and variables up to END.
    Package,
}

/// What ends an expression within a compound statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Then,
    When,
    Do,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
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
    fn until(until: Until) -> Self {
        Self::Expression { until, cases: 0, parens: 0 }
    }
}

struct Walk<'t, 'a> {
    tokens: &'t mut Tokens<'a>,
    held: Option<Token>,
    frames: Vec<Frame>,
}

impl Walk<'_, '_> {
    fn next(&mut self) -> Option<Token> {
        self.held.take().or_else(|| self.tokens.next())
    }

    fn peek(&self) -> Option<Token> {
        self.held.or_else(|| self.tokens.peek())
    }

    fn hold(&mut self, token: Token) {
        self.held = Some(token);
    }

    fn is_any(&self, token: &Token, words: &[&str]) -> bool {
        self.tokens.is_any(token, words)
    }

    fn next_is(&self, words: &[&str]) -> bool {
        self.peek().is_some_and(|token| self.is_any(&token, words))
    }

    fn take(&mut self, words: &[&str]) -> bool {
        let is = self.next_is(words);
        if is {
            self.next();
        }
        is
    }

    /// Steps over a token, but not over the statement's end.
    fn skip_one(&mut self) {
        if let Some(token) = self.next()
            && token.kind == Kind::Semicolon
        {
            self.hold(token);
        }
    }

    /// A name with what its dots part.
    fn skip_name(&mut self) {
        self.skip_one();
        while self.peek().is_some_and(|token| token.kind == Kind::Dot) {
            self.next();
            self.skip_one();
        }
    }

    /// The rest of a group whose parenthesis is open.
    fn skip_group(&mut self) {
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

    fn push(&mut self, frame: Frame) {
        self.frames.push(frame);
    }

    fn replace(&mut self, frame: Frame) {
        self.frames.pop();
        self.frames.push(frame);
    }

    fn is_symbol(&self, token: &Token, symbol: &[u8]) -> bool {
        token.kind == Kind::Other && self.tokens.text(token) == symbol
    }

    // The front of a statement

    fn head(&mut self) -> (Shape, Step) {
        while skip_statement_variables(self.tokens) {}
        let Some(first) = self.next() else { return (Shape::Simple, Step::Rest) };
        if first.kind == Kind::Semicolon {
            self.hold(first);
            return (Shape::Empty, Step::Rest);
        }
        if self.is_any(&first, &["create", "alter"]) {
            return match self.object() {
                Some(step) => (Shape::Definition, step),
                None => (Shape::Simple, Step::Rest),
            };
        }
        if begins_block(self.tokens, &first) {
            if self.is_any(&first, &["declare"]) {
                self.push(Frame::Declarations);
                return (Shape::Block, Step::Declaration);
            }
            self.hold(first);
            return (Shape::Block, Step::Statement);
        }
        (Shape::Simple, Step::Rest)
    }

    /// What CREATE or ALTER is about, if that has a body.
    fn object(&mut self) -> Option<Step> {
        loop {
            let token = self.next()?;
            if self.is_any(&token, &["or", "replace", "aggregate"]) {
                continue;
            }
            if self.is_any(&token, &["definer"]) {
                // = 'name'@'host', CURRENT_USER()
                self.skip_one();
                self.skip_one();
                if self.peek().is_some_and(|token| token.kind == Kind::Variable) {
                    self.next();
                }
                if self.peek().is_some_and(|token| token.kind == Kind::Open) {
                    self.next();
                    self.skip_group();
                }
                continue;
            }
            return if self.is_any(&token, &["procedure", "function"]) {
                let is_function = self.is_any(&token, &["function"]);
                Some(self.routine(is_function))
            } else if self.is_any(&token, &["trigger"]) {
                Some(self.trigger())
            } else if self.is_any(&token, &["event"]) {
                Some(self.event())
            } else if self.is_any(&token, &["package"]) {
                Some(self.package())
            } else {
                self.hold(token);
                None
            };
        }
    }

    fn skip_condition(&mut self) {
        while self.take(&["if", "not", "exists"]) {}
    }

    fn routine(&mut self, is_function: bool) -> Step {
        // Characteristics, and words of a function's type.
        const PASSED: [&str; 30] = [
            "not",
            "deterministic",
            "contains",
            "no",
            "sql",
            "reads",
            "modifies",
            "data",
            "security",
            "definer",
            "invoker",
            "using",
            "unsigned",
            "signed",
            "zerofill",
            "binary",
            "byte",
            "ascii",
            "unicode",
            "varying",
            "precision",
            "varchar",
            "varcharacter",
            "varbinary",
            "type",
            "rowtype",
            "row",
            "table",
            "srid",
            "national",
        ];
        self.skip_condition();
        self.skip_name();
        let mut has_type = !is_function;
        loop {
            let Some(token) = self.next() else { return Step::Rest };
            match token.kind {
                Kind::Semicolon => {
                    self.hold(token);
                    return Step::Rest;
                }
                Kind::Open => self.skip_group(),
                Kind::Word if !has_type && self.is_any(&token, &["returns", "return"]) => {
                    has_type = true;
                    // TYPE OF has no name of a type in front.
                    if !self.next_is(&["type", "row"]) {
                        self.skip_name();
                    }
                }
                Kind::Word if self.is_any(&token, &["comment", "language", "collate", "charset"]) => self.skip_one(),
                Kind::Word if self.is_any(&token, &["character", "char"]) && !self.next_is(&["set"]) => {}
                Kind::Word if self.is_any(&token, &["character", "char"]) => {
                    self.next();
                    self.skip_one();
                }
                Kind::Word if self.is_any(&token, &["of"]) => self.skip_name(),
                Kind::Word if self.is_any(&token, &["as", "is"]) => {
                    // MySQL's body in another language.
                    if self.peek().is_none_or(|next| next.kind == Kind::Text) {
                        return Step::Rest;
                    }
                    self.push(Frame::Declarations);
                    return Step::Declaration;
                }
                Kind::Word if self.is_any(&token, &["soname"]) => return Step::Rest,
                Kind::Word if self.is_any(&token, &PASSED) => {}
                Kind::Word | Kind::Name => {
                    self.hold(token);
                    return Step::Statement;
                }
                Kind::Other if self.is_symbol(&token, b"<<") => {
                    self.hold(token);
                    return Step::Statement;
                }
                _ => {}
            }
        }
    }

    fn trigger(&mut self) -> Step {
        loop {
            let Some(token) = self.next() else { return Step::Rest };
            if token.kind == Kind::Semicolon {
                self.hold(token);
                return Step::Rest;
            }
            if self.is_any(&token, &["for"]) && self.take(&["each"]) && self.take(&["row"]) {
                if self.take(&["follows", "precedes"]) {
                    self.skip_name();
                }
                return Step::Statement;
            }
        }
    }

    fn event(&mut self) -> Step {
        self.skip_condition();
        self.skip_name();
        loop {
            let Some(token) = self.next() else { return Step::Rest };
            match token.kind {
                Kind::Semicolon => {
                    self.hold(token);
                    return Step::Rest;
                }
                Kind::Open => self.skip_group(),
                Kind::Word if self.is_any(&token, &["to"]) => self.skip_name(),
                Kind::Word if self.is_any(&token, &["comment"]) => self.skip_one(),
                Kind::Word if self.is_any(&token, &["do"]) => return Step::Statement,
                _ => {}
            }
        }
    }

    fn package(&mut self) -> Step {
        self.take(&["body"]);
        self.skip_condition();
        self.skip_name();
        self.push(Frame::Package);
        loop {
            if self.take(&["comment"]) {
                self.skip_one();
            } else if self.take(&["as", "is"]) || !self.take(&["sql", "security", "definer", "invoker"]) {
                return Step::Element;
            }
        }
    }

    // Bodies

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
