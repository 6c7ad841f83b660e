//! Session state that statements set or show.

use super::fronts::skip_statement_variables;
use super::lexis::{Lexis, SqlMode};
use super::quoted::unquote;
use super::tokens::{Kind, Token, Tokens};
use crate::mysql::charset::Charset;

/// Transaction isolation levels, with the numbers that messages use (those of `java.sql.Connection`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are SQL's own")]
pub enum IsolationLevel {
    ReadUncommitted = 1,
    ReadCommitted = 2,
    RepeatableRead = 4,
    Serializable = 8,
}

impl IsolationLevel {
    /// As the variable's value has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "READ-UNCOMMITTED",
            Self::ReadCommitted => "READ-COMMITTED",
            Self::RepeatableRead => "REPEATABLE-READ",
            Self::Serializable => "SERIALIZABLE",
        }
    }

    /// From the value of `transaction_isolation`, such as `REPEATABLE-READ`, or its number 0..3.
    pub fn from_variable(value: &[u8]) -> Option<Self> {
        const NAMES: [(&[u8], &[u8], IsolationLevel); 4] = [
            (b"READ-UNCOMMITTED", b"0", IsolationLevel::ReadUncommitted),
            (b"READ-COMMITTED", b"1", IsolationLevel::ReadCommitted),
            (b"REPEATABLE-READ", b"2", IsolationLevel::RepeatableRead),
            (b"SERIALIZABLE", b"3", IsolationLevel::Serializable),
        ];
        let matches = |(name, number, _): &&(&[u8], &[u8], Self)| value.eq_ignore_ascii_case(name) || value == *number;
        NAMES.iter().find(matches).map(|(_, _, level)| *level)
    }
}

/// Session state that messages show, and a value for it; `None` where a statement sets it to something that its text does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionSetting {
    /// `time_zone`
    TimeZone(Option<String>),
    /// `transaction_isolation`
    Isolation(Option<IsolationLevel>),
    /// `character_set_client`, the character set of statements
    ClientCharset(Option<Charset>),
    /// `character_set_results`, that of errors; `binary` where it is NULL: both mean that nothing is converted
    ResultsCharset(Option<Charset>),
    /// `sql_mode`
    SqlMode(Option<SqlModeValue>),
}

/// A value of `sql_mode`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlModeValue {
    /// What of it matters for how texts are read.
    pub mode: SqlMode,
    /// The whole: names, or a number.
    pub text: String,
}

impl SqlModeValue {
    fn new(value: &[u8]) -> Self {
        Self { mode: SqlMode::from_value(value), text: String::from_utf8_lossy(value).into_owned() }
    }
}

impl SessionSetting {
    /// The setting that a variable of this name (without scope) stands for.
    pub fn from_variable(name: &[u8], value: Option<&[u8]>) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"time_zone") {
            Some(Self::TimeZone(value.map(|value| String::from_utf8_lossy(value).into_owned())))
        } else if name.eq_ignore_ascii_case(b"transaction_isolation") || name.eq_ignore_ascii_case(b"tx_isolation") {
            Some(Self::Isolation(value.and_then(IsolationLevel::from_variable)))
        } else if name.eq_ignore_ascii_case(b"character_set_client") {
            Some(Self::ClientCharset(value.and_then(charset)))
        } else if name.eq_ignore_ascii_case(b"character_set_results") {
            let is_null = |value: &[u8]| value.is_empty() || value.eq_ignore_ascii_case(b"null");
            let unless_null = |value: &[u8]| if is_null(value) { Some(Charset::Binary) } else { charset(value) };
            Some(Self::ResultsCharset(value.and_then(unless_null)))
        } else if name.eq_ignore_ascii_case(b"sql_mode") {
            Some(Self::SqlMode(value.map(SqlModeValue::new)))
        } else {
            None
        }
    }
}

/// The character set of a variable's value: its name, or a collation's number.
fn charset(value: &[u8]) -> Option<Charset> {
    let value = std::str::from_utf8(value).ok()?;
    value.parse().map_or_else(|_| Charset::from_name(value), Charset::from_collation)
}

/// Which value of a variable is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// No scope given: the session, for plain names.
    Default,
    Session,
    /// GLOBAL, PERSIST: not this session.
    Elsewhere,
    /// `@@name`: for the isolation level this means the next transaction only.
    AtAt,
}

/// A variable's name without its `@@scope.` prefix, and the scope that prefix gives.
fn split_scope(name: &[u8]) -> (Scope, &[u8]) {
    let Some(bare) = name.strip_prefix(b"@@") else { return (Scope::Default, name) };
    match memchr::memchr(b'.', bare) {
        None => (Scope::AtAt, bare),
        Some(dot) => {
            let (scope, rest) = bare.split_at(dot);
            let session = scope.eq_ignore_ascii_case(b"session") || scope.eq_ignore_ascii_case(b"local");
            (if session { Scope::Session } else { Scope::Elsewhere }, rest.get(1..).unwrap_or_default())
        }
    }
}

/// Tokens of one assignment or one select item that are looked at: what matters here is shorter.
const ITEM_TOKENS: usize = 12;

/// What goes on from one item of a SET's list to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListOf {
    /// Assignments, with the scope of the last one.
    Assignments(Scope),
    /// The characteristics of `SET SESSION TRANSACTION`, or those of the next transaction alone.
    Characteristics { is_session: bool },
}

/// What a `SET` statement changes of the session state that messages show; empty for any other statement.
///
/// What `SET STATEMENT .. FOR` sets ends with its statement, and does not count here.
pub fn variables_set(sql: &[u8], lexis: Lexis) -> Vec<SessionSetting> {
    let mut tokens = Tokens::new(sql, lexis);
    while skip_statement_variables(&mut tokens) {}
    match tokens.next() {
        Some(token) if tokens.is(&token, "set") => {}
        _ => return Vec::new(),
    }
    let mut settings = Vec::new();
    let mut list = ListOf::Assignments(Scope::Default);
    let mut item: Vec<Token> = Vec::new();
    let mut depth = 0usize;
    loop {
        let token = tokens.next();
        match token {
            Some(token) if depth > 0 || !matches!(token.kind, Kind::Comma | Kind::Semicolon) => {
                match token.kind {
                    Kind::Open => depth += 1,
                    Kind::Close => depth = depth.saturating_sub(1),
                    _ => {}
                }
                if item.len() < ITEM_TOKENS {
                    item.push(token);
                }
            }
            separator => {
                read_item(&tokens, &item, &mut list, &mut settings);
                item.clear();
                if separator.is_none_or(|token| token.kind == Kind::Semicolon) {
                    return settings;
                }
            }
        }
    }
}

fn read_item(tokens: &Tokens<'_>, mut item: &[Token], list: &mut ListOf, settings: &mut Vec<SessionSetting>) {
    let ListOf::Assignments(mut scope) = *list else {
        settings.extend(characteristic(tokens, item, *list));
        return;
    };
    let Some(first) = item.first() else { return };
    let mut said_session = false;
    if tokens.is_any(first, &["session", "local", "global", "persist", "persist_only"]) && item.len() > 1 {
        said_session = tokens.is_any(first, &["session", "local"]);
        scope = if said_session { Scope::Session } else { Scope::Elsewhere };
        item = &item[1..];
    }
    *list = ListOf::Assignments(scope);
    let Some((name, rest)) = item.split_first() else { return };
    if tokens.is(name, "transaction") {
        // Without SESSION it is for the next transaction only.
        *list = ListOf::Characteristics { is_session: said_session };
        settings.extend(characteristic(tokens, rest, *list));
    } else if let Some(charset) = names(tokens, name, rest) {
        let known = Some(charset).filter(|charset| !tokens.is(charset, "default"));
        let value = known.map(|charset| unquote(tokens.text(charset), tokens.lexis()));
        let variables: [&[u8]; 2] = [b"character_set_client", b"character_set_results"];
        settings.extend(variables.iter().filter_map(|name| SessionSetting::from_variable(name, value.as_deref())));
    } else {
        settings.extend(assignment(tokens, name, rest, scope));
    }
}

/// The character set of SET NAMES x, SET CHARACTER SET x, SET CHAR SET x, SET CHARSET x.
fn names<'t>(tokens: &Tokens<'_>, name: &Token, rest: &'t [Token]) -> Option<&'t Token> {
    let charset = match rest {
        [charset, ..] if tokens.is_any(name, &["names", "charset"]) => charset,
        [set, charset, ..] if tokens.is_any(name, &["character", "char"]) && tokens.is(set, "set") => charset,
        _ => return None,
    };
    matches!(charset.kind, Kind::Word | Kind::Name | Kind::Text).then_some(charset)
}

fn assignment(tokens: &Tokens<'_>, name: &Token, rest: &[Token], scope: Scope) -> Option<SessionSetting> {
    let (own_scope, bare) = match name.kind {
        Kind::Word | Kind::Variable => split_scope(tokens.text(name)),
        Kind::Name | Kind::Text => (Scope::Default, tokens.text(name)),
        _ => return None,
    };
    let bare = unquote(bare, tokens.lexis());
    let in_force = if own_scope == Scope::Default { scope } else { own_scope };
    let setting = SessionSetting::from_variable(&bare, None)?;
    if in_force == Scope::Elsewhere || (in_force == Scope::AtAt && matches!(setting, SessionSetting::Isolation(_))) {
        return None;
    }
    // "=" or ":=", then one literal; anything else is a value that the text does not tell.
    let value = match rest {
        [equals, value] if matches!(tokens.text(equals), b"=" | b":=") => Some(value),
        _ => None,
    };
    let value = value.filter(|value| matches!(value.kind, Kind::Text | Kind::Name | Kind::Word | Kind::Number));
    let text = value.map(|value| unquote(tokens.text(value), tokens.lexis()));
    let text = text.filter(|text| !text.eq_ignore_ascii_case(b"default"));
    SessionSetting::from_variable(&bare, text.as_deref())
}

/// `ISOLATION LEVEL READ COMMITTED` among others, in any order.
fn characteristic(tokens: &Tokens<'_>, item: &[Token], list: ListOf) -> Option<SessionSetting> {
    match item {
        [isolation, level, name @ ..]
            if list == (ListOf::Characteristics { is_session: true })
                && tokens.is(isolation, "isolation")
                && tokens.is(level, "level") =>
        {
            let words: Vec<_> = name.iter().map(|word| tokens.text(word)).collect();
            Some(SessionSetting::Isolation(IsolationLevel::from_variable(&words.join(&b'-'))))
        }
        _ => None,
    }
}

/// Which columns of a `SELECT @@..` hold session state that messages show: column number and the variable's name.
pub fn variables_selected(sql: &[u8], lexis: Lexis) -> Vec<(usize, &[u8])> {
    let mut found = Vec::new();
    // Nearly every SELECT leaves here.
    if memchr::memmem::find(sql, b"@@").is_none() {
        return found;
    }
    let mut tokens = Tokens::new(sql, lexis);
    match tokens.next() {
        Some(token) if tokens.is(&token, "select") => {}
        _ => return found,
    }
    let mut item: Vec<Token> = Vec::new();
    let mut column = 0;
    let mut depth = 0usize;
    loop {
        let token = tokens.next();
        if let Some(token) = &token {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            let ends_list = ["from", "limit", "into"].into_iter().any(|word| tokens.is(token, word));
            if depth > 0 || !(ends_list || matches!(token.kind, Kind::Comma | Kind::Semicolon)) {
                if item.len() < ITEM_TOKENS {
                    item.push(*token);
                }
                continue;
            }
        }
        // One variable, and at most "AS alias" after it.
        if let Some((variable, alias)) = item.split_first()
            && alias.len() <= 2
            && alias.iter().all(|token| matches!(token.kind, Kind::Word | Kind::Name | Kind::Text))
        {
            let (scope, name) = split_scope(tokens.text(variable));
            if matches!(scope, Scope::AtAt | Scope::Session) && SessionSetting::from_variable(name, None).is_some() {
                found.push((column, name));
            }
        }
        item.clear();
        column += 1;
        if token.is_none_or(|token| token.kind != Kind::Comma) {
            return found;
        }
    }
}
