//! What a statement may do to the server and its data, for whoever executes statements of others.
//!
//! Judged by what is executed, never by the first word: `WITH .. DELETE`, `EXPLAIN ANALYZE UPDATE`, `SELECT .. INTO OUTFILE`, what stands
//! in executable comments, and functions that nobody knows here. In doubt it is the worse. What a text cannot tell: a view may call a
//! function that writes.

use super::functions::is_own;
use super::kind::{Effects, StatementKind, StatementSummary};
use super::lexis::Lexis;
use super::quoted::unquote;
use super::statements::next_statement;
use super::tokens::{Kind, Token, Tokens};
use crate::mysql::wire::Command;

/// What a statement may do at worst.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Safety {
    /// It reads.
    ReadOnly,
    /// It changes what is the session's own: variables, the current database, temporary tables, prepared statements; or begins and ends
    /// transactions.
    Session,
    /// It holds locks that others wait for: FOR UPDATE, LOCK TABLES, GET_LOCK.
    Locks,
    /// It changes data or definitions, or writes files; or it is not known to do none of it.
    Writes,
    /// It manages the server: SHUTDOWN, KILL, SET GLOBAL, accounts, replication, FLUSH, plugins.
    Admin,
}

impl Safety {
    /// Of a text, which may have several statements: the worst of them. What EXECUTE runs is not known.
    pub fn of(sql: &[u8], lexis: Lexis) -> Self {
        Self::with_names(sql, lexis, &|_| None)
    }

    /// The same; `named` tells of what was prepared under a name (in lower case, without quotes), in SQL.
    pub fn with_names(sql: &[u8], lexis: Lexis, named: &dyn Fn(&[u8]) -> Option<Self>) -> Self {
        let worst = Self::as_read(sql, lexis, named);
        let has_marks = memchr::memmem::find_iter(sql, b"/*").any(|at| matches!(sql.get(at + 2), Some(b'!' | b'M')));
        if !has_marks || lexis.version.is_some() && lexis.flavor.is_some() {
            return worst;
        }
        // Which comments are executed is not known: all of them, or none.
        let all = Self::as_read(sql, Lexis { flavor: None, version: None, ..lexis }, named);
        let none = Self::as_read(sql, Lexis { version: Some(0), ..lexis }, named);
        worst.max(all).max(none)
    }

    /// Of a command that has no text; `None` for those with a text.
    pub fn of_command(command: Command) -> Option<Self> {
        match command {
            Command::Query | Command::StmtPrepare | Command::StmtExecute | Command::StmtBulkExecute => None,
            Command::Quit
            | Command::Ping
            | Command::Statistics
            | Command::ProcessInfo
            | Command::FieldList
            | Command::Sleep
            | Command::StmtFetch => Some(Self::ReadOnly),
            Command::InitDb
            | Command::ChangeUser
            | Command::ResetConnection
            | Command::SetOption
            | Command::StmtClose
            | Command::StmtReset
            | Command::StmtSendLongData => Some(Self::Session),
            Command::CreateDb | Command::DropDb => Some(Self::Writes),
            _ => Some(Self::Admin),
        }
    }

    fn as_read(sql: &[u8], lexis: Lexis, named: &dyn Fn(&[u8]) -> Option<Self>) -> Self {
        let (mut worst, mut from) = (Self::ReadOnly, 0);
        while let Some(piece) = next_statement(sql, from, lexis) {
            if !piece.is_certain {
                worst = worst.max(Self::Writes);
            }
            worst = worst.max(Self::of_one(sql.get(piece.range).unwrap_or_default(), lexis, named, DEPTH));
            from = piece.next;
        }
        worst
    }

    fn of_one(sql: &[u8], lexis: Lexis, named: &dyn Fn(&[u8]) -> Option<Self>, depth: u8) -> Self {
        if let Some(executed) = of_named(sql, lexis, named, depth) {
            return executed;
        }
        // The one classifier says what is executed, EXPLAIN ANALYZE, WITH and their like seen through.
        let summary = StatementSummary::of(sql, lexis, &|_| None);
        let facts = Facts::of(sql, lexis);
        facts.manages_server(summary.kind).max(of_kind(summary, &facts)).max(facts.mentioned)
    }
}

/// EXECUTE IMMEDIATE within EXECUTE IMMEDIATE is followed this far.
const DEPTH: u8 = 2;

/// Of PREPARE, EXECUTE and DEALLOCATE.
fn of_named(sql: &[u8], lexis: Lexis, named: &dyn Fn(&[u8]) -> Option<Safety>, depth: u8) -> Option<Safety> {
    use super::named::NamedCommand as Does;
    let unknown = Safety::Writes;
    let executed = match super::named::named_command(sql, lexis)? {
        Does::Prepare(..) | Does::Deallocate(_) => Safety::Session,
        Does::Execute(name) => named(&name).unwrap_or(unknown),
        Does::Immediate(Some(text)) if depth > 0 => Safety::of_one(&text, lexis, named, depth - 1),
        Does::Immediate(_) => unknown,
    };
    // What the values of USING and the text's expression do, too.
    Some(executed.max(Facts::of(sql, lexis).mentioned))
}

fn of_kind(summary: StatementSummary, facts: &Facts) -> Safety {
    use StatementKind as Is;
    if summary.effects.intersects(Effects::UNKNOWN | Effects::CALLS) {
        return Safety::Writes;
    }
    match summary.kind {
        // DO, SIGNAL and GET DIAGNOSTICS: what functions do counts by itself.
        Is::Select | Is::Show | Is::Other => Safety::ReadOnly,
        Is::Begin | Is::Commit | Is::Rollback | Is::Savepoint | Is::Set | Is::Use | Is::Prepare => Safety::Session,
        Is::Lock => Safety::Locks,
        Is::Ddl if facts.is_temporary => Safety::Session,
        Is::Insert | Is::Update | Is::Delete | Is::Replace | Is::Load | Is::Call | Is::Ddl => Safety::Writes,
        // A prepared transaction may be another session's.
        Is::Xa | Is::Block => Safety::Writes,
        // SET ROLE is the session's own.
        Is::Account if facts.first == First::SetRole => Safety::Session,
        Is::Account => Safety::Admin,
        Is::Admin => match facts.first {
            First::Checksum => Safety::ReadOnly,
            First::OfTables => Safety::Writes,
            _ => Safety::Admin,
        },
    }
}

/// Whether a text may call a function that is stored on the server, or draw from a sequence.
pub(super) fn may_call_stored(sql: &[u8], lexis: Lexis) -> bool {
    Facts::of(sql, lexis).mentioned >= Safety::Writes
}

/// What the first words say, where it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    SetRole,
    Set,
    Checksum,
    /// ANALYZE, CHECK, OPTIMIZE, REPAIR of tables.
    OfTables,
    /// CREATE, ALTER or DROP of what belongs to the server, not to a database.
    OfServer,
    /// LOCK INSTANCE
    LockInstance,
    Other,
}

/// What a statement's tokens tell.
#[derive(Debug)]
struct Facts {
    first: First,
    is_temporary: bool,
    /// What functions and clauses do, wherever they stand.
    mentioned: Safety,
    /// A name in the `mysql` schema, or its own.
    names_system: bool,
    /// A word that a compound statement manages the server with, or that makes a function of a library.
    says_admin: bool,
    /// A variable of the server's, or one that hides changes from replicas, is assigned.
    sets_global: bool,
}

/// Words that manage a server, in a compound statement.
const ADMIN_WORDS: [&str; 19] = [
    "shutdown",
    "kill",
    "grant",
    "revoke",
    "flush",
    "reset",
    "purge",
    "change",
    "install",
    "uninstall",
    "global",
    "user",
    "role",
    "slave",
    "replica",
    "execute",
    "soname",
    "server",
    "backup",
];

/// Variables of the session that hide its changes from replicas and backups, or forge where they come from.
const REPLICATION_VARIABLES: [&[u8]; 10] = [
    b"sql_log_bin",
    b"gtid_next",
    b"gtid_domain_id",
    b"gtid_seq_no",
    b"server_id",
    b"binlog_format",
    b"pseudo_slave_mode",
    b"pseudo_replica_mode",
    b"sql_log_off",
    b"skip_replication",
];

impl Facts {
    fn of(sql: &[u8], lexis: Lexis) -> Self {
        let mut facts = Self {
            first: first_words(sql, lexis),
            is_temporary: is_temporary(sql, lexis),
            mentioned: Safety::ReadOnly,
            names_system: false,
            says_admin: false,
            sets_global: false,
        };
        let mut tokens = Tokens::new(sql, lexis);
        let begins_with_set = tokens.peek().is_some_and(|token| tokens.is(&token, "set"));
        // Of a temporary table's columns only what fills them can do anything.
        let mut is_definition = facts.is_temporary;
        let (mut before, mut last) = (None, None);
        let mut insertion = Insertion::None;
        while let Some(token) = tokens.next() {
            is_definition &= !tokens.is_any(&token, &["select", "values", "table"])
                || last.is_none_or(|last: Token| tokens.is(&last, "temporary"));
            let seen = Seen { tokens: &tokens, before, last, token, is_insertion: insertion == Insertion::Table };
            if !is_definition {
                facts.mentioned = facts.mentioned.max(seen.call()).max(seen.clause());
            }
            facts.says_admin |= tokens.is_any(&token, &ADMIN_WORDS);
            facts.names_system |= seen.is_system();
            facts.sets_global |= begins_with_set && seen.is_global();
            insertion = insertion.after(&tokens, &token);
            (before, last) = (last, Some(token));
        }
        facts
    }

    /// Whether it manages the server in a way that its kind does not say.
    fn manages_server(&self, kind: StatementKind) -> Safety {
        use StatementKind as Is;
        let manages = match kind {
            _ if self.sets_global => true,
            Is::Block => self.says_admin || self.names_system,
            Is::Ddl => self.first == First::OfServer || self.names_system,
            Is::Lock => self.first == First::LockInstance,
            Is::Insert | Is::Update | Is::Delete | Is::Replace | Is::Load | Is::Call => self.names_system,
            _ => false,
        };
        if manages { Safety::Admin } else { Safety::ReadOnly }
    }
}

fn first_words(sql: &[u8], lexis: Lexis) -> First {
    let mut tokens = Tokens::new(sql, lexis);
    while super::fronts::skip_statement_variables(&mut tokens) {}
    let Some(verb) = tokens.next() else { return First::Other };
    let second = tokens.next();
    let second_is = |words: &[&str]| second.is_some_and(|token| tokens.is_any(&token, words));
    if tokens.is(&verb, "set") {
        return if second_is(&["role"]) { First::SetRole } else { First::Set };
    }
    if tokens.is(&verb, "checksum") {
        return First::Checksum;
    }
    if tokens.is_any(&verb, &["analyze", "check", "optimize", "repair"]) {
        return First::OfTables;
    }
    if tokens.is_any(&verb, &["lock", "unlock"]) && second_is(&["instance"]) {
        return First::LockInstance;
    }
    const OF_SERVER: [&str; 6] = ["server", "tablespace", "undo", "logfile", "resource", "instance"];
    let is_definition = tokens.is_any(&verb, &["create", "alter", "drop"]);
    let mut rest = tokens.clone();
    // `CREATE FUNCTION .. SONAME 'library.so'`
    if is_definition && (second_is(&OF_SERVER) || rest.any(|token| tokens.is(&token, "soname"))) {
        return First::OfServer;
    }
    First::Other
}

/// CREATE or DROP of a temporary table.
fn is_temporary(sql: &[u8], lexis: Lexis) -> bool {
    let mut tokens = Tokens::new(sql, lexis);
    while super::fronts::skip_statement_variables(&mut tokens) {}
    let is_verb = tokens.next().is_some_and(|token| tokens.is_any(&token, &["create", "drop"]));
    let mut word = tokens.next();
    if word.is_some_and(|word| tokens.is(&word, "or")) {
        tokens.next();
        word = tokens.next();
    }
    // MariaDB has temporary sequences, too: a call of theirs counts by itself.
    is_verb && word.is_some_and(|word| tokens.is(&word, "temporary"))
}

/// How far the name of a table is that rows go into: the parenthesis after it opens a list of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Insertion {
    None,
    /// The table's name, or another part of it, is next.
    Awaited,
    Table,
}

impl Insertion {
    fn after(self, tokens: &Tokens<'_>, token: &Token) -> Self {
        const VERBS: [&str; 7] = ["insert", "replace", "into", "ignore", "delayed", "low_priority", "high_priority"];
        match (self, token.kind) {
            (_, Kind::Word) if tokens.is_any(token, &VERBS) => Self::Awaited,
            (Self::Awaited, Kind::Word | Kind::Name) => Self::Table,
            (Self::Table, Kind::Dot) => Self::Awaited,
            _ => Self::None,
        }
    }
}

/// A token and those before it.
struct Seen<'t, 'a> {
    tokens: &'t Tokens<'a>,
    before: Option<Token>,
    last: Option<Token>,
    token: Token,
    /// Whether what came before is the name of a table that rows go into.
    is_insertion: bool,
}

impl Seen<'_, '_> {
    fn last_is(&self, words: &[&str]) -> bool {
        self.last.is_some_and(|last| self.tokens.is_any(&last, words))
    }

    /// Of a function that is called here: the token is its parenthesis.
    fn call(&self) -> Safety {
        let (Some(name), Kind::Open) = (self.last, self.token.kind) else { return Safety::ReadOnly };
        let before_is = |kinds: &[Kind]| self.before.is_some_and(|before| kinds.contains(&before.kind));
        match name.kind {
            Kind::Word if !before_is(&[Kind::Dot]) => {}
            Kind::Word | Kind::Name => return if self.is_list() { Safety::ReadOnly } else { Safety::Writes },
            _ => return Safety::ReadOnly,
        }
        let is = |words: &[&str]| self.tokens.is_any(&name, words);
        if is(&["get_lock", "release_lock", "release_all_locks"]) {
            return Safety::Locks;
        }
        if is(&["nextval", "setval"]) {
            return Safety::Writes;
        }
        let is_own = is_own(self.tokens.text(&name), name.end != self.token.start, self.tokens.lexis());
        if is_own || self.is_list() || self.is_grammar(&name) { Safety::ReadOnly } else { Safety::Writes }
    }

    /// Whether the parenthesis is of a list of columns: `AS name (..)`, `(SELECT ..) name (..)`, `name (..) AS (`.
    fn is_list(&self) -> bool {
        let named_before =
            self.before.is_some_and(|before| before.kind == Kind::Close || self.tokens.is(&before, "as"));
        named_before || self.is_insertion || self.is_followed_by_query()
    }

    /// Whether `AS (` comes after the group that opens here.
    fn is_followed_by_query(&self) -> bool {
        let mut ahead = self.tokens.clone();
        let mut depth = 1_usize;
        while depth > 0 {
            match ahead.next().map(|token| token.kind) {
                Some(Kind::Open) => depth += 1,
                Some(Kind::Close) => depth -= 1,
                // A list of columns has nothing else.
                Some(Kind::Word | Kind::Name | Kind::Comma) if depth == 1 => {}
                _ => return false,
            }
        }
        ahead.next().is_some_and(|token| ahead.is(&token, "as"))
            && ahead.next().is_some_and(|token| token.kind == Kind::Open)
    }

    /// Whether a word belongs to the grammar here although a function may have its name elsewhere.
    fn is_grammar(&self, name: &Token) -> bool {
        let Some(before) = self.before else { return false };
        let is = |words: &[&str]| self.tokens.is_any(name, words);
        (is(&["any", "some"]) && before.kind == Kind::Other)
            || (is(&["columns"]) && before.kind == Kind::Text)
            || (is(&["of"]) && self.tokens.is(&before, "member"))
    }

    /// Of a clause that ends with this token.
    fn clause(&self) -> Safety {
        let is = |words: &[&str]| self.tokens.is_any(&self.token, words);
        if is(&["outfile", "dumpfile"]) && self.last_is(&["into"]) {
            return Safety::Writes;
        }
        if is(&["value"])
            && self.last_is(&["next"])
            && self.tokens.peek().is_some_and(|next| self.tokens.is(&next, "for"))
        {
            return Safety::Writes;
        }
        // `sequence.NEXTVAL`, in MariaDB's ORACLE mode.
        if self.token.kind == Kind::Name && self.last.is_some_and(|last| last.kind == Kind::Dot) {
            let name = unquote(self.tokens.text(&self.token), self.tokens.lexis());
            if name.eq_ignore_ascii_case(b"nextval") {
                return Safety::Writes;
            }
        }
        let is_locking = is(&["update", "share"]) && self.last_is(&["for"]) || is(&["share"]) && self.last_is(&["in"]);
        if is_locking { Safety::Locks } else { Safety::ReadOnly }
    }

    /// Whether a name in the schema `mysql`, or `sys` and `performance_schema`, which configure the server, begins here.
    fn is_system(&self) -> bool {
        if !matches!(self.token.kind, Kind::Word | Kind::Name) {
            return false;
        }
        let name = unquote(self.tokens.text(&self.token), self.tokens.lexis());
        let is_schema =
            [&b"mysql"[..], b"performance_schema", b"sys"].iter().any(|known| name.eq_ignore_ascii_case(known));
        is_schema
            && (self.tokens.peek().is_some_and(|next| next.kind == Kind::Dot)
                || self.last_is(&["database", "schema", "exists"]))
    }

    /// Whether a variable of the server's is named here, or one that has to do with replication.
    fn is_global(&self) -> bool {
        let text = self.tokens.text(&self.token);
        let is_first = self.last.is_some_and(|last| last.kind == Kind::Comma || self.tokens.is(&last, "set"));
        // `SET @@global . name`: what stands around the dot does not matter.
        if is_first && self.token.kind == Kind::Variable && is_scope_of_server(text) {
            return true;
        }
        let name = match self.token.kind {
            Kind::Word if self.tokens.is_any(&self.token, &["global", "persist", "persist_only"]) => {
                return is_first;
            }
            Kind::Word | Kind::Name | Kind::Variable => unquote(text, self.tokens.lexis()),
            _ => return false,
        };
        let is_assigned = self.tokens.peek().is_some_and(|next| matches!(self.tokens.text(&next), b"=" | b":="));
        let lowered = name.to_ascii_lowercase();
        let is_scoped =
            [&b"@@global."[..], b"@@persist.", b"@@persist_only."].iter().any(|scope| lowered.starts_with(scope));
        // `SET RESOURCE GROUP`
        let is_group = self.tokens.is(&self.token, "resource") && self.last_is(&["set"]);
        let bare = lowered.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
        let bare = bare.strip_prefix(b"@@").unwrap_or(bare);
        is_group || is_assigned && (is_scoped || REPLICATION_VARIABLES.contains(&bare))
    }
}

/// Whether a variable's text is the scope alone, with or without quotes: the name comes after it.
fn is_scope_of_server(text: &[u8]) -> bool {
    let scope: Vec<u8> = text.iter().filter(|byte| !b"`\"@".contains(byte)).copied().collect();
    text.starts_with(b"@@")
        && [&b"global"[..], b"persist", b"persist_only"].iter().any(|known| scope.eq_ignore_ascii_case(known))
}

/// Statements that a session prepared by name, in SQL, and how safe they are.
#[derive(Debug, Clone, Default)]
pub struct NamedSafety {
    /// In the order in which they were prepared.
    names: Vec<(Vec<u8>, Safety)>,
}

impl NamedSafety {
    /// More names than this are not remembered; what is forgotten counts as writing.
    const MOST: usize = 1000;

    /// Of the session's next text, whose names count afterwards.
    pub fn next(&mut self, sql: &[u8], lexis: Lexis) -> Safety {
        use super::named::NamedCommand as Does;
        let known = |name: &[u8]| self.names.iter().find(|(known, _)| known == name).map(|(_, safety)| *safety);
        let safety = Safety::with_names(sql, lexis, &known);
        let mut from = 0;
        while let Some(piece) = next_statement(sql, from, lexis) {
            match super::named::named_command(sql.get(piece.range.clone()).unwrap_or_default(), lexis) {
                Some(Does::Prepare(name, text)) => {
                    let prepared = text.map_or(Safety::Writes, |text| Safety::of(&text, lexis));
                    self.names.retain(|(known, _)| *known != name);
                    if self.names.len() < Self::MOST {
                        self.names.push((name, prepared));
                    }
                }
                Some(Does::Deallocate(name)) => self.names.retain(|(known, _)| *known != name),
                _ => {}
            }
            from = piece.next;
        }
        safety
    }
}
