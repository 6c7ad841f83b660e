//! A statement's literals and placeholders, and the names that it mentions.

use std::borrow::Cow;
use std::ops::Range;

use super::fronts::skip_statement_variables;
use super::keys::Keys;
use super::lexis::Lexis;
use super::quoted::unquote;
use super::tokens::{Kind, Token, Tokens};

/// How many sites of a statement are told apart. What comes after them is one.
pub(super) const MOST_SITES: usize = 100_000;

/// What stands at a place of a statement where a value may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SiteKind {
    /// A string, with those beside it that the servers join to it.
    Text,
    /// `x'..'`, `0b..` and the like
    Binary,
    /// A number, with the sign that belongs to it.
    Number,
    /// `?`
    Placeholder,
}

/// A literal or a placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) kind: SiteKind,
    /// Its bytes: quotes and the introducer of a character set included.
    pub(super) span: Range<usize>,
    /// Its text contains a key.
    pub(super) has_key: bool,
    /// The length of a type in a table's definition: no value.
    pub(super) is_length: bool,
}

/// What a statement is made of, as far as its values are concerned.
#[derive(Debug)]
pub(super) struct Sites {
    /// In the order of the text.
    pub(super) sites: Vec<Site>,
    /// A name that contains a key, whatever it is the name of.
    pub(super) names_key: bool,
    /// From here on it is not known where tokens end, or there are too many sites.
    pub(super) unclear_from: Option<usize>,
    /// Rows are inserted into columns that are not named.
    pub(super) has_unnamed_columns: bool,
    /// The first word.
    pub(super) verb: Verb,
}

/// What kind of statement it is, as far as its literals are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// About rows: its literals are values.
    Data,
    /// PREPARE, EXECUTE: its literals are statements.
    Prepare,
    /// Accounts, replication, servers: `PASSWORD` is a word of its grammar, and `secrets` knows what it means.
    Account,
    /// CREATE TABLE, ALTER TABLE.
    Table,
    /// SHOW, DESCRIBE: its literals are patterns of names.
    Show,
    /// Anything else.
    Other,
}

impl Verb {
    fn of(sql: &[u8], lexis: Lexis) -> Self {
        let mut tokens = Tokens::new(sql, lexis);
        while skip_statement_variables(&mut tokens) {}
        let mut next = tokens.next();
        while next.is_some_and(|token| token.kind == Kind::Open) {
            next = tokens.next();
        }
        let Some(first) = next else { return Self::Other };
        let is = |words: &[&str]| tokens.is_any(&first, words);
        if is(&[
            "select", "insert", "update", "delete", "replace", "load", "with", "call", "values", "table", "do",
            "handler",
        ]) {
            return Self::Data;
        }
        if is(&["prepare", "execute"]) {
            return Self::Prepare;
        }
        if is(&["show", "desc", "describe", "help"]) {
            return Self::Show;
        }
        if is(&["create", "alter"]) {
            let mut words = tokens.clone().take(4).take_while(|token| token.kind == Kind::Word);
            if words.any(|token| tokens.is(&token, "table")) {
                return Self::Table;
            }
        }
        let mut ahead = tokens.clone();
        let mut second = ahead.next();
        if second.is_some_and(|token| ahead.is(&token, "or")) {
            ahead.next();
            second = ahead.next();
        }
        let second_is = |words: &[&str]| second.is_some_and(|token| ahead.is_any(&token, words));
        let is_account = is(&["grant", "revoke", "change", "start", "clone"])
            || (is(&["create", "alter", "drop", "rename"]) && second_is(&["user", "role", "server"]))
            || (is(&["set"]) && second_is(&["password"]));
        if is_account { Self::Account } else { Self::Other }
    }
}

/// Words of account statements' grammar that contain the usual keys.
const GRAMMAR_WORDS: [&[u8]; 8] = [
    b"password",
    b"old_password",
    b"master_password",
    b"source_password",
    b"password_lock_time",
    b"network_namespace",
    b"get_source_public_key",
    b"get_master_public_key",
];

impl Sites {
    /// Of one statement.
    pub(super) fn of(sql: &[u8], lexis: Lexis, keys: &Keys) -> Self {
        let verb = Verb::of(sql, lexis);
        let found = Self { sites: Vec::new(), names_key: false, unclear_from: None, has_unnamed_columns: false, verb };
        let mut reader = Reader::new(found, keys, lexis);
        let mut tokens = Tokens::new(sql, lexis);
        while let Some(token) = tokens.next() {
            if tokens.is_doubtful() {
                reader.unclear(token.start, sql);
                break;
            }
            reader.token(&tokens, &token);
            reader.last = [reader.last[1], Some(token)];
        }
        reader.found
    }
}

/// What two statements have in common that differ in nothing but the values of their literals.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// Each token: its kind, and its length and text unless it is a literal.
    pub(super) bytes: Vec<u8>,
    /// The literals and placeholders.
    pub(super) sites: Vec<Site>,
}

impl Shape {
    /// Becomes the shape of one statement about rows. Whether that is all there is to it: for other statements what their literals say may
    /// matter as well.
    pub(super) fn read(&mut self, sql: &[u8], lexis: Lexis, keys: &Keys) -> bool {
        self.sites.clear();
        // What is executed of a comment depends on more than its tokens.
        let has_marks = memchr::memmem::find_iter(sql, b"/*").any(|at| matches!(sql.get(at + 2), Some(b'!' | b'M')));
        if has_marks || Verb::of(sql, lexis) != Verb::Data {
            return false;
        }
        let sites = std::mem::take(&mut self.sites);
        let found = Sites { sites, names_key: false, unclear_from: None, has_unnamed_columns: false, verb: Verb::Data };
        let mut reader = Reader::new(found, keys, lexis);
        let mut tokens = Tokens::new(sql, lexis);
        while let Some(token) = tokens.next() {
            if token.kind == Kind::Semicolon || tokens.is_doubtful() {
                return false;
            }
            let text = tokens.text(&token);
            self.bytes.push(token.kind as u8);
            if matches!(token.kind, Kind::Text | Kind::Binary | Kind::Number) {
                reader.value(&tokens, &token);
            } else {
                self.bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
                self.bytes.extend_from_slice(text);
                if text == b"?" {
                    reader.value(&tokens, &token);
                }
            }
            reader.last = [reader.last[1], Some(token)];
        }
        self.sites = reader.found.sites;
        !tokens.is_broken() && reader.found.unclear_from.is_none() && !self.sites.iter().any(|site| site.has_key)
    }
}

/// How far the front of an INSERT has come, in which its columns may be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inserting {
    No,
    /// After the verb.
    Verb,
    /// After the table's name.
    Table,
    /// After PARTITION, whose list is no list of columns.
    Partition,
    /// In a parenthesis after the name: what comes first in it decides.
    Opened,
}

struct Reader<'k> {
    found: Sites,
    keys: &'k Keys,
    lexis: Lexis,
    /// The two tokens before.
    last: [Option<Token>; 2],
    inserting: Inserting,
    /// A word after a name, which may be a column's type.
    type_at: Option<usize>,
}

impl<'k> Reader<'k> {
    fn new(found: Sites, keys: &'k Keys, lexis: Lexis) -> Self {
        Self { found, keys, lexis, last: [None; 2], inserting: Inserting::No, type_at: None }
    }

    fn unclear(&mut self, from: usize, sql: &[u8]) {
        let rest = sql.get(from..).unwrap_or_default();
        self.found.unclear_from = self.found.unclear_from.or(Some(from));
        // Whatever it is: a name, or a text with one.
        self.found.names_key |= self.keys.match_name(rest) || memchr::memchr(b'\\', rest).is_some();
        self.found.has_unnamed_columns |= self.inserting != Inserting::No;
    }

    fn token(&mut self, tokens: &Tokens<'_>, token: &Token) {
        let text = tokens.text(token);
        self.inserting = self.insertion(tokens, token);
        match token.kind {
            Kind::Text | Kind::Binary | Kind::Number => self.value(tokens, token),
            Kind::Other if text == b"?" => self.value(tokens, token),
            Kind::Word => {
                let follows_name = self.last[1].is_some_and(|last| {
                    matches!(last.kind, Kind::Word | Kind::Name)
                        && !tokens.is_any(&last, &["select", "distinct", "as", "default"])
                });
                if follows_name {
                    self.type_at = Some(token.start);
                }
                let is_grammar = self.found.verb == Verb::Account
                    && GRAMMAR_WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
                self.found.names_key |= !is_grammar && self.keys.match_name(text);
            }
            Kind::Name => self.found.names_key |= self.keys.match_name(&unquote(text, self.lexis)),
            Kind::Variable => self.found.names_key |= self.keys.match_name(text),
            _ => {}
        }
    }

    fn value(&mut self, tokens: &Tokens<'_>, token: &Token) {
        match token.kind {
            Kind::Text | Kind::Binary => self.literal(tokens, token),
            Kind::Number => self.number(tokens, token),
            _ => self.site(SiteKind::Placeholder, token.range(), false),
        }
    }

    fn site(&mut self, kind: SiteKind, span: Range<usize>, has_key: bool) {
        if self.found.sites.len() < MOST_SITES {
            self.found.sites.push(Site { kind, span, has_key, is_length: false });
        } else {
            self.found.unclear_from = self.found.unclear_from.or(Some(span.start));
            self.found.names_key |= has_key;
        }
    }

    fn literal(&mut self, tokens: &Tokens<'_>, token: &Token) {
        let text = tokens.text(token);
        let is_text = token.kind == Kind::Text;
        let has_key = is_text && self.says_key(text);
        let last = self.last[1];
        // Strings side by side are one string.
        if is_text
            && self.found.unclear_from.is_none()
            && last.is_some_and(|last| last.kind == Kind::Text)
            && let Some(site) = self.found.sites.last_mut()
        {
            site.span.end = token.end;
            // Together they may be what they are not alone.
            site.has_key |= has_key || !self.keys.is_empty();
            return;
        }
        let introducer = last.filter(|last| last.kind == Kind::Word && tokens.text(last).starts_with(b"_"));
        let start = introducer.map_or(token.start, |introducer| introducer.start);
        let kind = if is_text { SiteKind::Text } else { SiteKind::Binary };
        self.site(kind, start..token.end, has_key);
    }

    fn says_key(&self, text: &[u8]) -> bool {
        match unquote(text, self.lexis) {
            Cow::Borrowed(plain) => self.keys.match_name(plain),
            Cow::Owned(plain) => self.keys.match_name(&plain) || self.keys.match_name(text),
        }
    }

    fn number(&mut self, tokens: &Tokens<'_>, token: &Token) {
        let [before, sign] = self.last;
        let sign = sign.filter(|sign| sign.kind == Kind::Other && matches!(tokens.text(sign), b"-" | b"+"));
        let is_unary = before.is_none_or(|before| match before.kind {
            Kind::Open | Kind::Comma => true,
            Kind::Other => tokens.text(&before) != b"?",
            Kind::Word => SIGNED_AFTER.iter().any(|word| tokens.is(&before, word)),
            _ => false,
        });
        let start = sign.filter(|_| is_unary).map_or(token.start, |sign| sign.start);
        self.site(SiteKind::Number, start..token.end, false);
        if self.found.verb == Verb::Table && self.is_length(tokens) {
            self.found.sites.iter_mut().last().into_iter().for_each(|site| site.is_length = true);
        }
    }

    /// Whether a number here is the length of a column's type, or its second one: `name DECIMAL(10, 2)`.
    fn is_length(&self, tokens: &Tokens<'_>) -> bool {
        let [Some(before), Some(last)] = self.last else { return false };
        let follows_length =
            || self.found.sites.iter().rev().nth(1).is_some_and(|site| site.is_length && site.span.end == before.end);
        match last.kind {
            Kind::Open => self.type_at == Some(before.start) && tokens.is_any(&before, &TYPES),
            Kind::Comma => before.kind == Kind::Number && follows_length(),
            _ => false,
        }
    }

    /// Looks for `INSERT [INTO] name [PARTITION (..)]` without a list of columns, wherever it stands: in the body of a stored program,
    /// after EXPLAIN, after WITH.
    fn insertion(&mut self, tokens: &Tokens<'_>, token: &Token) -> Inserting {
        let last = self.last[1];
        let is = |words: &[&str]| tokens.is_any(token, words);
        match self.inserting {
            Inserting::No if is(&["insert", "replace"]) => {
                let is_other = last
                    .is_some_and(|last| tokens.is_any(&last, &["or", "before", "after", "grant", "revoke"]))
                    || tokens.peek().is_some_and(|next| {
                        matches!(next.kind, Kind::Open | Kind::Comma | Kind::Text)
                            || tokens.is_any(&next, &["on", "as", "select"])
                    });
                if is_other { Inserting::No } else { Inserting::Verb }
            }
            Inserting::No => Inserting::No,
            Inserting::Verb => match token.kind {
                Kind::Word if is(&["low_priority", "delayed", "high_priority", "ignore", "into"]) => Inserting::Verb,
                // LOAD DATA .. REPLACE INTO TABLE
                Kind::Word if is(&["table"]) => Inserting::No,
                Kind::Word | Kind::Name => Inserting::Table,
                _ => Inserting::No,
            },
            Inserting::Table => match token.kind {
                Kind::Dot | Kind::Name => Inserting::Table,
                Kind::Word if last.is_some_and(|last| last.kind == Kind::Dot) => Inserting::Table,
                Kind::Word if is(&["partition"]) => Inserting::Partition,
                Kind::Word if is(&["set"]) => Inserting::No,
                Kind::Open => Inserting::Opened,
                _ => self.unnamed(),
            },
            Inserting::Partition => {
                if token.kind == Kind::Close {
                    Inserting::Table
                } else {
                    Inserting::Partition
                }
            }
            Inserting::Opened => match token.kind {
                Kind::Word if is(&["select", "with", "values", "table"]) => self.unnamed(),
                Kind::Word | Kind::Name => Inserting::No,
                // `()`: no columns at all; nested parentheses are a query.
                _ => self.unnamed(),
            },
        }
    }

    fn unnamed(&mut self) -> Inserting {
        self.found.has_unnamed_columns |= !self.keys.is_empty();
        Inserting::No
    }
}

/// Types with a length.
const TYPES: [&str; 26] = [
    "char",
    "varchar",
    "nchar",
    "nvarchar",
    "binary",
    "varbinary",
    "bit",
    "tinyint",
    "smallint",
    "mediumint",
    "int",
    "integer",
    "bigint",
    "decimal",
    "dec",
    "numeric",
    "fixed",
    "float",
    "double",
    "real",
    "year",
    "time",
    "timestamp",
    "datetime",
    "text",
    "blob",
];

/// Words after which a sign belongs to the number.
const SIGNED_AFTER: [&str; 20] = [
    "and", "between", "by", "case", "default", "else", "in", "interval", "is", "like", "limit", "offset", "on", "or",
    "return", "select", "set", "then", "values", "when",
];
