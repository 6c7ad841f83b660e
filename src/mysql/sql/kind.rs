//! What a statement does, as far as its text tells.

use super::fronts::{begins_block, skip_statement_variables};
use super::lexis::Lexis;
use super::quoted::unquote;
use super::statements::next_statement;
use super::tokens::{Kind, Token, Tokens};

bitflags::bitflags! {
    /// What a statement may change.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Effects: u8 {
        /// Rows: INSERT, UPDATE, DELETE, REPLACE, LOAD DATA, LOAD XML, BINLOG, DO, and what runs them.
        const ROWS = 1;
        /// Definitions, and tables as a whole: CREATE, ALTER, DROP, TRUNCATE, RENAME, IMPORT, OPTIMIZE, REPAIR, ANALYZE TABLE.
        const DEFINITIONS = 2;
        /// Whatever a stored procedure changes: CALL.
        const CALLS = 4;
        /// Its text does not tell: EXECUTE of what is not known.
        const UNKNOWN = 8;
    }
}

/// How many results a statement is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResultCount {
    /// One.
    #[default]
    One,
    /// Result sets, then an OK: CALL, and MariaDB's compound statements.
    Several,
    /// One, or several.
    Unknown,
}

/// What there is to know about a statement besides its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatementSummary {
    /// What it may change.
    pub effects: Effects,
    /// How many results it has.
    pub results: ResultCount,
}

impl StatementSummary {
    const NOTHING: Self = Self { effects: Effects::empty(), results: ResultCount::One };
    const UNKNOWN: Self = Self { effects: Effects::UNKNOWN, results: ResultCount::Unknown };

    fn changing(effects: Effects) -> Self {
        Self { effects, results: ResultCount::One }
    }

    /// Of one statement. `named` tells what `EXECUTE name` runs, by the name as it is written.
    pub fn of(sql: &[u8], lexis: Lexis, named: &dyn Fn(&[u8]) -> Option<Self>) -> Self {
        Self::nested(sql, lexis, named, 2)
    }

    /// Of all statements of a text together.
    pub fn of_text(sql: &[u8], lexis: Lexis, named: &dyn Fn(&[u8]) -> Option<Self>) -> Self {
        let mut all = Self::NOTHING;
        let mut from = 0;
        while let Some(piece) = next_statement(sql, from, lexis) {
            let one = Self::of(sql.get(piece.range).unwrap_or_default(), lexis, named);
            all.effects |= one.effects;
            if from > 0 || one.results != ResultCount::One {
                all.results = one.results;
            }
            if !piece.is_certain {
                all.effects |= Effects::UNKNOWN;
            }
            from = piece.next;
        }
        all
    }

    fn nested(sql: &[u8], lexis: Lexis, named: &dyn Fn(&[u8]) -> Option<Self>, depth: u8) -> Self {
        let mut tokens = Tokens::new(sql, lexis);
        loop {
            while skip_statement_variables(&mut tokens) {}
            let Some(first) = tokens.next() else { return Self::NOTHING };
            if first.kind == Kind::Open {
                continue;
            }
            if begins_block(&tokens, &first) {
                return Self { effects: Effects::ROWS | Effects::DEFINITIONS, results: ResultCount::Several };
            }
            return match Verb::of(&tokens, &first) {
                Verb::Rows => Self::changing(Effects::ROWS),
                Verb::Definitions => Self::changing(Effects::DEFINITIONS),
                Verb::Call => Self { effects: Effects::CALLS, results: ResultCount::Several },
                Verb::With => after_with(&mut tokens),
                Verb::Explain => {
                    if explained(&mut tokens) {
                        continue;
                    }
                    Self::NOTHING
                }
                Verb::Analyze => {
                    if analyzed(&mut tokens) {
                        continue;
                    }
                    Self::changing(Effects::DEFINITIONS)
                }
                Verb::Load => {
                    let is_index = tokens.next().is_some_and(|token| tokens.is(&token, "index"));
                    if is_index { Self::NOTHING } else { Self::changing(Effects::ROWS) }
                }
                Verb::Execute => executed(&mut tokens, named, depth),
                Verb::Other => Self::NOTHING,
            };
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Rows,
    Definitions,
    Call,
    With,
    Explain,
    Analyze,
    Load,
    Execute,
    Other,
}

impl Verb {
    fn of(tokens: &Tokens<'_>, first: &Token) -> Self {
        const VERBS: [(&str, Verb); 23] = [
            ("select", Verb::Other),
            ("insert", Verb::Rows),
            ("update", Verb::Rows),
            ("delete", Verb::Rows),
            ("replace", Verb::Rows),
            ("load", Verb::Load),
            ("call", Verb::Call),
            ("execute", Verb::Execute),
            ("with", Verb::With),
            ("create", Verb::Definitions),
            ("alter", Verb::Definitions),
            ("drop", Verb::Definitions),
            ("truncate", Verb::Definitions),
            ("rename", Verb::Definitions),
            ("import", Verb::Definitions),
            ("optimize", Verb::Definitions),
            ("repair", Verb::Definitions),
            ("analyze", Verb::Analyze),
            ("explain", Verb::Explain),
            ("describe", Verb::Explain),
            ("desc", Verb::Explain),
            // A function's rows; a row event.
            ("do", Verb::Rows),
            ("binlog", Verb::Rows),
        ];
        VERBS.iter().find(|(word, _)| tokens.is(first, word)).map_or(Self::Other, |(_, verb)| *verb)
    }
}

/// Words that begin what a WITH or an EXPLAIN is about. All of them are reserved.
const QUERY_VERBS: [&str; 7] = ["select", "insert", "update", "delete", "replace", "table", "values"];

/// The statement that the common table expressions are for.
fn after_with(tokens: &mut Tokens<'_>) -> StatementSummary {
    let mut depth = 0_usize;
    while let Some(token) = tokens.next() {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 && tokens.is_any(&token, &["insert", "update", "delete", "replace"]) => {
                return StatementSummary::changing(Effects::ROWS);
            }
            Kind::Word if depth == 0 && tokens.is_any(&token, &QUERY_VERBS) => return StatementSummary::NOTHING,
            _ => {}
        }
    }
    // `WITH .. (SELECT ..)`
    StatementSummary::NOTHING
}

/// Steps up to the statement of `EXPLAIN ANALYZE`, which is executed. False for what is only explained.
fn explained(tokens: &mut Tokens<'_>) -> bool {
    if !tokens.next().is_some_and(|token| tokens.is(&token, "analyze")) {
        return false;
    }
    skip_to_query(tokens)
}

/// Steps up to the statement that MariaDB's ANALYZE executes. False for ANALYZE TABLE.
fn analyzed(tokens: &mut Tokens<'_>) -> bool {
    let is_table = |token| tokens.is_any(&token, &["table", "tables", "local", "no_write_to_binlog"]);
    if tokens.peek().is_none_or(is_table) {
        return false;
    }
    skip_to_query(tokens)
}

fn skip_to_query(tokens: &mut Tokens<'_>) -> bool {
    loop {
        let Some(token) = tokens.peek() else { return false };
        if token.kind == Kind::Open || tokens.is_any(&token, &QUERY_VERBS) || tokens.is(&token, "with") {
            return true;
        }
        tokens.next();
    }
}

/// `EXECUTE name`, `EXECUTE IMMEDIATE 'text'`.
fn executed(tokens: &mut Tokens<'_>, named: &dyn Fn(&[u8]) -> Option<StatementSummary>, depth: u8) -> StatementSummary {
    let lexis = tokens.lexis();
    let Some(name) = tokens.next() else { return StatementSummary::UNKNOWN };
    let next = tokens.next();
    if tokens.is(&name, "immediate")
        && let Some(text) = next.filter(|text| text.kind == Kind::Text)
    {
        let is_whole = tokens.next().is_none_or(|token| token.kind == Kind::Semicolon || tokens.is(&token, "using"));
        if !is_whole || depth == 0 {
            return StatementSummary::UNKNOWN;
        }
        let sql = unquote(tokens.text(&text), lexis);
        return StatementSummary::nested(&sql, lexis, named, depth - 1);
    }
    if next.is_some_and(|next| next.kind != Kind::Semicolon && !tokens.is(&next, "using")) {
        return StatementSummary::UNKNOWN;
    }
    named(tokens.text(&name)).unwrap_or(StatementSummary::UNKNOWN)
}
