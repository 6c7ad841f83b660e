//! The front of CREATE and ALTER: which of them have a body, and where it begins.

use super::fronts::{begins_block, skip_statement_variables};
use super::tokens::Kind;
use super::walk::{Frame, Shape, Step, Walk};

impl Walk<'_, '_> {
    pub(super) fn head(&mut self) -> (Shape, Step) {
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

    pub(super) fn routine(&mut self, is_function: bool) -> Step {
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
}
