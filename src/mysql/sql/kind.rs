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
        /// Its text does not tell: EXECUTE of what is not known, and what is no statement as far as is known here.
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

/// What a statement is, in one word: for filters, and for whoever reads messages.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum StatementKind {
    /// SELECT, TABLE, VALUES, WITH .. SELECT, HANDLER
    Select,
    /// INSERT
    Insert,
    /// UPDATE
    Update,
    /// DELETE
    Delete,
    /// REPLACE
    Replace,
    /// LOAD DATA, LOAD XML
    Load,
    /// CALL
    Call,
    /// CREATE, ALTER, DROP, RENAME, TRUNCATE of anything but accounts; IMPORT TABLE
    Ddl,
    /// Accounts and privileges: CREATE USER, GRANT, SET PASSWORD and the like
    Account,
    /// BEGIN, START TRANSACTION
    Begin,
    /// COMMIT
    Commit,
    /// ROLLBACK, not to a savepoint
    Rollback,
    /// SAVEPOINT, ROLLBACK TO, RELEASE SAVEPOINT
    Savepoint,
    /// XA, all of it
    Xa,
    /// SET
    Set,
    /// USE
    Use,
    /// SHOW, DESCRIBE, EXPLAIN of what is not executed, HELP
    Show,
    /// PREPARE, DEALLOCATE, and EXECUTE of what is not known
    Prepare,
    /// LOCK, UNLOCK
    Lock,
    /// ANALYZE, CHECK, CHECKSUM, OPTIMIZE and REPAIR of tables, FLUSH, KILL, SHUTDOWN, replication and whatever else manages a server
    Admin,
    /// Several statements of different kinds, or a compound statement
    Block,
    /// No statement, or one that is not recognised
    #[default]
    Other,
}

impl StatementKind {
    /// Whether it is about the session alone, and what comes after it relies on it: settings, the current database, prepared statements,
    /// transactions.
    pub fn is_of_session(self) -> bool {
        matches!(
            self,
            Self::Set | Self::Use | Self::Prepare | Self::Begin | Self::Commit | Self::Rollback | Self::Savepoint
        )
    }
}

/// What there is to know about a statement besides its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatementSummary {
    /// What it is. What EXPLAIN ANALYZE, WITH and EXECUTE run counts, not these words.
    pub kind: StatementKind,
    /// What it may change.
    pub effects: Effects,
    /// How many results it has.
    pub results: ResultCount,
}

impl StatementSummary {
    const NOTHING: Self = Self { kind: StatementKind::Other, effects: Effects::empty(), results: ResultCount::One };
    const UNKNOWN: Self =
        Self { kind: StatementKind::Prepare, effects: Effects::UNKNOWN, results: ResultCount::Unknown };

    fn new(kind: StatementKind, effects: Effects) -> Self {
        Self { kind, effects, results: ResultCount::One }
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
            if from == 0 {
                all.kind = one.kind;
            } else if all.kind != one.kind {
                all.kind = StatementKind::Block;
            }
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
                return Self {
                    kind: StatementKind::Block,
                    effects: Effects::ROWS | Effects::DEFINITIONS,
                    results: ResultCount::Several,
                };
            }
            return match Verb::of(&tokens, &first) {
                Verb::Is(kind) => Self::new(kind, Effects::empty()),
                Verb::Rows(kind) => Self::new(kind, Effects::ROWS),
                Verb::Definitions => Self::new(defined(&mut tokens), Effects::DEFINITIONS),
                Verb::Tables => Self::new(StatementKind::Admin, Effects::DEFINITIONS),
                Verb::Call => {
                    Self { kind: StatementKind::Call, effects: Effects::CALLS, results: ResultCount::Several }
                }
                Verb::With => after_with(&mut tokens),
                Verb::Explain => {
                    if explained(&mut tokens) {
                        continue;
                    }
                    Self::new(StatementKind::Show, Effects::empty())
                }
                Verb::Analyze => {
                    if analyzed(&mut tokens) {
                        continue;
                    }
                    Self::new(StatementKind::Admin, Effects::DEFINITIONS)
                }
                Verb::Load => {
                    let is_index = tokens.next().is_some_and(|token| tokens.is(&token, "index"));
                    if is_index {
                        Self::new(StatementKind::Admin, Effects::empty())
                    } else {
                        Self::new(StatementKind::Load, Effects::ROWS)
                    }
                }
                Verb::Rollback => {
                    let is_part = tokens.any(|token| tokens_is_to(sql, &token));
                    Self::new(
                        if is_part { StatementKind::Savepoint } else { StatementKind::Rollback },
                        Effects::empty(),
                    )
                }
                Verb::Start => {
                    let is_transaction = tokens.next().is_some_and(|token| tokens.is(&token, "transaction"));
                    Self::new(
                        if is_transaction { StatementKind::Begin } else { StatementKind::Admin },
                        Effects::empty(),
                    )
                }
                Verb::Set => {
                    let kind = tokens.next().map_or(StatementKind::Set, |token| {
                        let is_account = tokens.is(&token, "password")
                            || (tokens.is_any(&token, &["role", "default"])
                                && tokens.peek().is_some_and(|next| next.kind != Kind::Other));
                        if is_account { StatementKind::Account } else { StatementKind::Set }
                    });
                    Self::new(kind, Effects::empty())
                }
                Verb::Unknown => Self::new(StatementKind::Other, Effects::UNKNOWN),
                Verb::Execute => executed(&mut tokens, named, depth),
            };
        }
    }
}

/// `ROLLBACK [WORK] TO [SAVEPOINT] name`
fn tokens_is_to(sql: &[u8], token: &Token) -> bool {
    token.kind == Kind::Word && sql.get(token.range()).is_some_and(|word| word.eq_ignore_ascii_case(b"to"))
}

/// What CREATE, ALTER, DROP or RENAME is about: accounts, or anything else.
fn defined(tokens: &mut Tokens<'_>) -> StatementKind {
    let next = tokens.next();
    // CREATE OR REPLACE USER
    let next = match next {
        Some(token) if tokens.is(&token, "or") => {
            tokens.next();
            tokens.next()
        }
        next => next,
    };
    let is_account = next.is_some_and(|token| tokens.is_any(&token, &["user", "role"]));
    if is_account { StatementKind::Account } else { StatementKind::Ddl }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    /// It changes neither rows nor definitions.
    Is(StatementKind),
    Rows(StatementKind),
    Definitions,
    /// Tables as a whole.
    Tables,
    Call,
    With,
    Explain,
    Analyze,
    Load,
    Rollback,
    Start,
    Set,
    Execute,
    /// Of no statement that is known here.
    Unknown,
}

impl Verb {
    fn of(tokens: &Tokens<'_>, first: &Token) -> Self {
        use StatementKind as Is;
        // The most frequent ones first.
        const VERBS: [(&str, Verb); 61] = [
            ("select", Verb::Is(Is::Select)),
            ("insert", Verb::Rows(Is::Insert)),
            ("update", Verb::Rows(Is::Update)),
            ("delete", Verb::Rows(Is::Delete)),
            ("commit", Verb::Is(Is::Commit)),
            ("begin", Verb::Is(Is::Begin)),
            ("start", Verb::Start),
            ("set", Verb::Set),
            ("rollback", Verb::Rollback),
            ("replace", Verb::Rows(Is::Replace)),
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
            ("optimize", Verb::Tables),
            ("repair", Verb::Tables),
            ("analyze", Verb::Analyze),
            ("explain", Verb::Explain),
            ("describe", Verb::Explain),
            ("desc", Verb::Explain),
            // A function's rows; a row event.
            ("do", Verb::Rows(Is::Other)),
            ("binlog", Verb::Rows(Is::Admin)),
            ("table", Verb::Is(Is::Select)),
            ("values", Verb::Is(Is::Select)),
            ("handler", Verb::Is(Is::Select)),
            ("show", Verb::Is(Is::Show)),
            ("help", Verb::Is(Is::Show)),
            ("use", Verb::Is(Is::Use)),
            ("savepoint", Verb::Is(Is::Savepoint)),
            ("release", Verb::Is(Is::Savepoint)),
            ("xa", Verb::Is(Is::Xa)),
            ("prepare", Verb::Is(Is::Prepare)),
            ("deallocate", Verb::Is(Is::Prepare)),
            ("lock", Verb::Is(Is::Lock)),
            ("unlock", Verb::Is(Is::Lock)),
            ("grant", Verb::Is(Is::Account)),
            ("revoke", Verb::Is(Is::Account)),
            ("check", Verb::Is(Is::Admin)),
            ("checksum", Verb::Is(Is::Admin)),
            ("flush", Verb::Is(Is::Admin)),
            ("kill", Verb::Is(Is::Admin)),
            ("reset", Verb::Is(Is::Admin)),
            ("purge", Verb::Is(Is::Admin)),
            ("change", Verb::Is(Is::Admin)),
            ("stop", Verb::Is(Is::Admin)),
            ("shutdown", Verb::Is(Is::Admin)),
            ("restart", Verb::Is(Is::Admin)),
            ("clone", Verb::Is(Is::Admin)),
            ("install", Verb::Is(Is::Admin)),
            ("uninstall", Verb::Is(Is::Admin)),
            ("cache", Verb::Is(Is::Admin)),
            ("backup", Verb::Is(Is::Admin)),
            ("signal", Verb::Is(Is::Other)),
            ("resignal", Verb::Is(Is::Other)),
            ("get", Verb::Is(Is::Other)),
        ];
        VERBS.iter().find(|(word, _)| tokens.is(first, word)).map_or(Self::Unknown, |(_, verb)| *verb)
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
            Kind::Word if depth == 0 && tokens.is_any(&token, &QUERY_VERBS) => {
                return match Verb::of(tokens, &token) {
                    Verb::Rows(kind) => StatementSummary::new(kind, Effects::ROWS),
                    _ => StatementSummary::new(StatementKind::Select, Effects::empty()),
                };
            }
            _ => {}
        }
    }
    // `WITH .. (SELECT ..)`
    StatementSummary::new(StatementKind::Select, Effects::empty())
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
