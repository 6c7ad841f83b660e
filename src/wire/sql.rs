//! As much of SQL as observing a session needs: the first keyword, where the statements of a multi-statement text part,
//! and which session state a statement sets or shows.
//!
//! This is a scanner, not a parser: it never fails, and what it does not recognise it leaves alone.

use std::borrow::Cow;
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Keyword, name, number, variable: letters, digits, `_ $ @ .` and everything above ASCII.
    Word,
    /// `'..'`, `".."`, `` `..` `` or `$tag$..$tag$`
    Quoted,
    Semicolon,
    Comma,
    Open,
    Close,
    Other,
}

#[derive(Debug, Clone)]
struct Token {
    kind: Kind,
    range: Range<usize>,
}

/// Tokens of a text; white space and comments are passed over, the content of `/*! .. */` is not, since it is executed.
#[derive(Debug, Clone)]
struct Tokens<'a> {
    sql: &'a [u8],
    at: usize,
    lexis: Lexis,
    dollar_quotes: bool,
}

/// What the session's settings make of a text's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lexis {
    /// False under `NO_BACKSLASH_ESCAPES`.
    pub backslash_escapes: bool,
    /// Whether the second byte of a character may look like a quote or a backslash: big5, gbk, gb18030, sjis, cp932.
    pub double_byte: bool,
}

impl Default for Lexis {
    fn default() -> Self {
        Self { backslash_escapes: true, double_byte: false }
    }
}

/// Whether [`Lexis::double_byte`] holds for a character set's name.
pub fn is_double_byte_charset(name: &[u8]) -> bool {
    ["big5", "gbk", "gb18030", "sjis", "cp932"].into_iter().any(|unsafe_| name.eq_ignore_ascii_case(unsafe_.as_bytes()))
}

/// Whether [`Lexis::double_byte`] holds for a collation id (`SELECT id, character_set_name FROM information_schema.collations`).
pub fn is_double_byte_collation(id: u16) -> bool {
    matches!(id, 1 | 84 | 13 | 88 | 28 | 87 | 95 | 96 | 248..=250)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'@' | b'.') || byte >= 0x80
}

impl<'a> Tokens<'a> {
    fn new(sql: &'a [u8]) -> Self {
        Self { sql, at: 0, lexis: Lexis::default(), dollar_quotes: false }
    }

    fn text(&self, token: &Token) -> &'a [u8] {
        self.sql.get(token.range.clone()).unwrap_or_default()
    }

    fn is(&self, token: &Token, word: &str) -> bool {
        token.kind == Kind::Word && self.text(token).eq_ignore_ascii_case(word.as_bytes())
    }

    fn end_of(&self, needle: &[u8], from: usize) -> usize {
        let rest = self.sql.get(from..).unwrap_or_default();
        memchr::memmem::find(rest, needle).map_or(self.sql.len(), |found| from + found + needle.len())
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.sql.get(self.at..).unwrap_or_default();
            match rest {
                [byte, ..] if byte.is_ascii_whitespace() || *byte == 0x0b => self.at += 1,
                [b'#', ..] => self.at = self.end_of(b"\n", self.at),
                [b'-', b'-'] => self.at += 2,
                [b'-', b'-', next, ..] if next.is_ascii_whitespace() || next.is_ascii_control() => {
                    self.at = self.end_of(b"\n", self.at);
                }
                [b'/', b'*', b'M', b'!', ..] => self.skip_version(4),
                [b'/', b'*', b'!', ..] => self.skip_version(3),
                [b'/', b'*', ..] => self.at = self.end_of(b"*/", self.at + 2),
                // The end of an executed comment.
                [b'*', b'/', ..] => self.at += 2,
                _ => return,
            }
        }
    }

    fn skip_version(&mut self, marker: usize) {
        self.at += marker;
        while self.sql.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn quoted_end(&self, quote: u8) -> usize {
        let mut at = self.at + 1;
        let escapes = self.lexis.backslash_escapes && quote != b'`';
        if self.lexis.double_byte {
            return self.quoted_end_double_byte(quote, escapes);
        }
        loop {
            let rest = self.sql.get(at..).unwrap_or_default();
            let found = if escapes { memchr::memchr2(quote, b'\\', rest) } else { memchr::memchr(quote, rest) };
            let Some(found) = found else { return self.sql.len() };
            at += found;
            let escape = escapes && self.sql.get(at) == Some(&b'\\');
            let doubled = self.sql.get(at + 1) == Some(&quote);
            if !escape && !doubled {
                return at + 1;
            }
            at += 2;
        }
    }

    fn quoted_end_double_byte(&self, quote: u8, escapes: bool) -> usize {
        let mut at = self.at + 1;
        while let Some(&byte) = self.sql.get(at) {
            let next = self.sql.get(at + 1);
            if byte >= 0x81 || (escapes && byte == b'\\') || (byte == quote && next == Some(&quote)) {
                at += 2;
            } else if byte == quote {
                return at + 1;
            } else {
                at += 1;
            }
        }
        self.sql.len()
    }

    /// `$$` or `$tag$` at the current place, as MySQL 9 allows around a routine's body in another language.
    fn dollar_tag(&self) -> Option<&'a [u8]> {
        let rest = self.sql.get(self.at..)?;
        let end = 1 + rest.get(1..)?.iter().position(|byte| *byte == b'$')?;
        let tag = rest.get(..=end)?;
        tag[1..end].iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').then_some(tag)
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blank();
        let start = self.at;
        let first = *self.sql.get(start)?;
        let (kind, end) = match first {
            b'\'' | b'"' | b'`' => (Kind::Quoted, self.quoted_end(first)),
            b'$' if self.dollar_quotes && self.dollar_tag().is_some() => {
                let tag = self.dollar_tag().unwrap_or_default();
                (Kind::Quoted, self.end_of(tag, start + tag.len()))
            }
            b';' => (Kind::Semicolon, start + 1),
            b',' => (Kind::Comma, start + 1),
            b'(' => (Kind::Open, start + 1),
            b')' => (Kind::Close, start + 1),
            byte if is_word(byte) => {
                let rest = self.sql.get(start..).unwrap_or_default();
                let length = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
                (Kind::Word, start + length)
            }
            _ => (Kind::Other, start + 1),
        };
        self.at = end;
        Some(Token { kind, range: start..end })
    }
}

/// The statement's first word, behind comments and opening parentheses; empty if there is none.
pub fn first_keyword(sql: &[u8]) -> &[u8] {
    // The usual case first: this runs for every statement.
    if sql.first().is_some_and(u8::is_ascii_alphabetic) {
        let length = sql.iter().position(|byte| !is_word(*byte)).unwrap_or(sql.len());
        return sql.get(..length).unwrap_or_default();
    }
    let mut tokens = Tokens::new(sql);
    match tokens.find(|token| token.kind != Kind::Open) {
        Some(token) if token.kind == Kind::Word => tokens.text(&token),
        _ => &[],
    }
}

fn unquote(text: &[u8]) -> Cow<'_, [u8]> {
    match text {
        [quote @ (b'\'' | b'"' | b'`'), inner @ .., last] if quote == last => {
            if !inner.contains(quote) && !inner.contains(&b'\\') {
                return Cow::Borrowed(inner);
            }
            let mut plain = Vec::with_capacity(inner.len());
            let mut bytes = inner.iter();
            while let Some(byte) = bytes.next() {
                if byte == quote || (*byte == b'\\' && *quote != b'`') {
                    plain.extend(bytes.next());
                } else {
                    plain.push(*byte);
                }
            }
            Cow::Owned(plain)
        }
        _ => Cow::Borrowed(text),
    }
}

/// The database that a `USE name` statement selects; `None` for any other statement.
pub fn use_database(sql: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut tokens = Tokens::new(sql);
    let keyword = tokens.next()?;
    if !tokens.is(&keyword, "use") {
        return None;
    }
    let name = tokens.next()?;
    match name.kind {
        Kind::Word | Kind::Quoted => {
            let ends = tokens.next().is_none_or(|token| token.kind == Kind::Semicolon);
            ends.then(|| unquote(tokens.text(&name)))
        }
        _ => None,
    }
}

/// The statements of a multi-statement text: byte ranges, trimmed, without their semicolons, empty ones left out.
///
/// Semicolons inside strings, comments and the bodies of stored programs do not part statements.
#[derive(Debug, Clone)]
pub struct StatementPieces<'a> {
    tokens: Tokens<'a>,
}

impl<'a> StatementPieces<'a> {
    /// The pieces of `sql`.
    pub fn new(sql: &'a [u8], lexis: Lexis) -> Self {
        Self { tokens: Tokens { lexis, ..Tokens::new(sql) } }
    }
}

/// Where in a stored program's body the scanner is.
#[derive(Debug, Default)]
struct Body {
    /// Whether the statement creates a stored program.
    program: bool,
    /// Open BEGINs and CASEs.
    depth: usize,
    /// The word before was END.
    after_end: bool,
}

impl Body {
    fn word(&mut self, tokens: &Tokens<'_>, token: &Token, position: usize) {
        let is = |word| tokens.is(token, word);
        if position == 0 {
            self.program = false;
        }
        if !self.program {
            return;
        }
        let after_end = std::mem::take(&mut self.after_end);
        if after_end && ["if", "loop", "while", "repeat", "for"].into_iter().any(is) {
            // END IF and its like close what was not counted.
            self.depth += 1;
        } else if after_end && is("case") {
        } else if is("begin") || is("case") {
            self.depth += 1;
        } else if is("end") {
            self.depth = self.depth.saturating_sub(1);
            self.after_end = true;
        }
    }
}

impl Iterator for StatementPieces<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let tokens = &mut self.tokens;
        // A comment in front belongs to its statement.
        let mut start = tokens.at;
        let mut end = tokens.sql.len();
        let mut body = Body::default();
        let (mut creates, mut position) = (false, 0);
        while let Some(token) = tokens.next() {
            if token.kind == Kind::Semicolon && body.depth == 0 {
                let text = tokens.sql.get(start..token.range.start).unwrap_or_default();
                if text.trim_ascii().is_empty() {
                    start = token.range.end;
                    continue;
                }
                end = token.range.start;
                break;
            }
            if token.kind == Kind::Word {
                if position == 0 {
                    creates = tokens.is(&token, "create");
                }
                body.word(tokens, &token, position);
                let makes_program = ["procedure", "function", "trigger", "event", "package"];
                if creates && makes_program.into_iter().any(|word| tokens.is(&token, word)) {
                    body.program = true;
                    tokens.dollar_quotes = true;
                }
                // MariaDB's anonymous block.
                if position == 1
                    && tokens.is(&token, "not")
                    && first_keyword(&tokens.sql[start..]).eq_ignore_ascii_case(b"begin")
                {
                    (body.program, body.depth) = (true, 1);
                }
            }
            position += 1;
        }
        tokens.dollar_quotes = false;
        let text = tokens.sql.get(start..end).unwrap_or_default();
        let start = start + (text.len() - text.trim_ascii_start().len());
        let length = text.trim_ascii().len();
        (length > 0).then_some(start..start + length)
    }
}

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
    ClientCharset(Option<String>),
}

impl SessionSetting {
    /// The setting that a variable of this name (without scope) stands for.
    pub fn from_variable(name: &[u8], value: Option<&[u8]>) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"time_zone") {
            Some(Self::TimeZone(value.map(|value| String::from_utf8_lossy(value).into_owned())))
        } else if name.eq_ignore_ascii_case(b"transaction_isolation") || name.eq_ignore_ascii_case(b"tx_isolation") {
            Some(Self::Isolation(value.and_then(IsolationLevel::from_variable)))
        } else if name.eq_ignore_ascii_case(b"character_set_client") {
            Some(Self::ClientCharset(value.map(|value| String::from_utf8_lossy(value).into_owned())))
        } else {
            None
        }
    }
}

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

/// Tokens of one assignment or one select item that are looked at: what is of interest here is shorter.
const ITEM_TOKENS: usize = 12;

/// What a `SET` statement changes of the session state that messages show; empty for any other statement.
pub fn variables_set(sql: &[u8]) -> Vec<SessionSetting> {
    let mut tokens = Tokens::new(sql);
    match tokens.next() {
        Some(token) if tokens.is(&token, "set") => {}
        _ => return Vec::new(),
    }
    let mut settings = Vec::new();
    let mut scope = Scope::Default;
    let mut assignment: Vec<Token> = Vec::new();
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
                if assignment.len() < ITEM_TOKENS {
                    assignment.push(token);
                }
            }
            separator => {
                settings.extend(read_assignment(&tokens, &assignment, &mut scope));
                assignment.clear();
                if separator.is_none_or(|token| token.kind == Kind::Semicolon) {
                    return settings;
                }
            }
        }
    }
}

fn read_assignment(tokens: &Tokens<'_>, mut assignment: &[Token], scope: &mut Scope) -> Option<SessionSetting> {
    let is = |token: &Token, words: &[&str]| words.iter().any(|word| tokens.is(token, word));
    let first = assignment.first()?;
    let mut said_session = false;
    if is(first, &["session", "local", "global", "persist", "persist_only"]) && assignment.len() > 1 {
        said_session = is(first, &["session", "local"]);
        *scope = if said_session { Scope::Session } else { Scope::Elsewhere };
        assignment = &assignment[1..];
    }
    let (name, rest) = assignment.split_first()?;
    if is(name, &["transaction"]) {
        // Without SESSION it is for the next transaction only.
        return (said_session).then(|| isolation_clause(tokens, rest)).flatten();
    }
    // SET NAMES x, SET CHARACTER SET x, SET CHARSET x
    let charset = match rest {
        [charset, ..] if is(name, &["names", "charset"]) => Some(charset),
        [set, charset, ..] if is(name, &["character"]) && is(set, &["set"]) => Some(charset),
        _ => None,
    };
    if let Some(charset) = charset {
        return SessionSetting::from_variable(b"character_set_client", Some(&unquote(tokens.text(charset))));
    }
    let (own_scope, bare) = match name.kind {
        Kind::Word => split_scope(tokens.text(name)),
        Kind::Quoted => (Scope::Default, tokens.text(name)),
        _ => return None,
    };
    let bare = unquote(bare);
    let in_force = if own_scope == Scope::Default { *scope } else { own_scope };
    let setting = SessionSetting::from_variable(&bare, None)?;
    if in_force == Scope::Elsewhere || (in_force == Scope::AtAt && matches!(setting, SessionSetting::Isolation(_))) {
        return None;
    }
    // "=" or ":=", then one literal; anything else is a value that the text does not tell.
    let value = match rest {
        [equals, value] if tokens.text(equals) == b"=" => Some(value),
        [colon, equals, value] if tokens.text(colon) == b":" && tokens.text(equals) == b"=" => Some(value),
        _ => None,
    };
    let value = value.filter(|value| {
        value.kind == Kind::Quoted || (value.kind == Kind::Word && tokens.text(value).first() != Some(&b'@'))
    });
    let text = value.map(|value| unquote(tokens.text(value)));
    let text = text.filter(|text| !text.eq_ignore_ascii_case(b"default"));
    SessionSetting::from_variable(&bare, text.as_deref())
}

/// `ISOLATION LEVEL READ COMMITTED` in a SET SESSION TRANSACTION's list.
fn isolation_clause(tokens: &Tokens<'_>, clause: &[Token]) -> Option<SessionSetting> {
    match clause {
        [isolation, level, name @ ..] if tokens.is(isolation, "isolation") && tokens.is(level, "level") => {
            let words: Vec<_> = name.iter().map(|word| tokens.text(word)).collect();
            Some(SessionSetting::Isolation(IsolationLevel::from_variable(&words.join(&b'-'))))
        }
        _ => None,
    }
}

/// Which columns of a `SELECT @@..` hold session state that messages show: column number and the variable's name.
pub fn variables_selected(sql: &[u8]) -> Vec<(usize, &[u8])> {
    let mut found = Vec::new();
    // Nearly every SELECT leaves here.
    if memchr::memmem::find(sql, b"@@").is_none() {
        return found;
    }
    let mut tokens = Tokens::new(sql);
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
                    item.push(token.clone());
                }
                continue;
            }
        }
        // One variable, and at most "AS alias" behind it.
        if let Some((variable, alias)) = item.split_first()
            && alias.len() <= 2
            && alias.iter().all(|token| matches!(token.kind, Kind::Word | Kind::Quoted))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(sql: &str) -> Vec<&str> {
        StatementPieces::new(sql.as_bytes(), Lexis::default()).map(|range| &sql[range]).collect()
    }

    #[test]
    fn first_keywords() {
        for (sql, keyword) in [
            ("SELECT 1", "SELECT"),
            ("  /* lead */ -- line\n # other\n(select 1)", "select"),
            ("/*!40101 SET NAMES utf8 */", "SET"),
            ("/*M!100100 set x=1 */", "set"),
            ("", ""),
            ("-- only a comment", ""),
            (";", ""),
        ] {
            assert_eq!(first_keyword(sql.as_bytes()), keyword.as_bytes(), "{sql}");
        }
    }

    #[test]
    fn use_statements() {
        for (sql, name) in [
            ("USE shop", Some("shop")),
            ("use `a``b`;", Some("a`b")),
            ("/* leading comment */ USE golden_a", Some("golden_a")),
            ("USE shop -- now", Some("shop")),
            ("SELECT 1", None),
            ("USE", None),
            ("USER x", None),
        ] {
            assert_eq!(use_database(sql.as_bytes()).as_deref(), name.map(str::as_bytes), "{sql}");
        }
    }

    #[test]
    fn pieces_part_at_semicolons_only() {
        assert_eq!(
            pieces("SELECT 1; SELECT ';' ; ;/* ; */ SELECT `;`;\n"),
            ["SELECT 1", "SELECT ';'", "/* ; */ SELECT `;`"]
        );
        assert_eq!(pieces(r"SELECT 'it''s \'; '; SELECT 2"), [r"SELECT 'it''s \'; '", "SELECT 2"]);
        assert_eq!(pieces("SELECT 1 -- ;\n; SELECT 2"), ["SELECT 1 -- ;", "SELECT 2"]);
        assert_eq!(pieces(" ;; "), [] as [&str; 0]);
        // Comments are text, and one alone is a statement with an answer of its own.
        assert_eq!(pieces("SELECT 1 /* a */; SELECT 2 /* e;f */ "), ["SELECT 1 /* a */", "SELECT 2 /* e;f */"]);
        assert_eq!(pieces("SELECT 1; -- done"), ["SELECT 1", "-- done"]);
        let lexis = Lexis { backslash_escapes: false, ..Lexis::default() };
        assert_eq!(StatementPieces::new(br"SELECT '\'; SELECT 2", lexis).count(), 2);
        // In gbk the backslash is the second byte of a character.
        let gbk = b"INSERT INTO t VALUES ('\xd5\x5c'); SELECT 2";
        assert_eq!(StatementPieces::new(gbk, Lexis { double_byte: true, ..Lexis::default() }).count(), 2);
        assert_eq!(StatementPieces::new(gbk, Lexis::default()).count(), 1);
    }

    #[test]
    fn stored_programs_stay_whole() {
        let body = "CREATE PROCEDURE p(IN a INT) BEGIN IF a > 1 THEN SELECT 1; ELSE SELECT CASE a WHEN 1 THEN 2 END; END IF; \
                    CASE a WHEN 1 THEN SELECT 3; END CASE; WHILE a > 0 DO SET a = a - 1; END WHILE; END";
        let sql = format!("{body}; CALL p(1)");
        assert_eq!(pieces(&sql), [body, "CALL p(1)"]);
        let js = "CREATE FUNCTION f() RETURNS INT LANGUAGE JAVASCRIPT AS $$ return 1; $$";
        assert_eq!(pieces(&format!("{js}; SELECT 1")), [js, "SELECT 1"]);
        // BEGIN of a transaction is a statement.
        assert_eq!(pieces("BEGIN; SELECT 1; COMMIT"), ["BEGIN", "SELECT 1", "COMMIT"]);
        assert_eq!(
            pieces("BEGIN NOT ATOMIC SELECT 1; SELECT 2; END; SELECT 3"),
            ["BEGIN NOT ATOMIC SELECT 1; SELECT 2; END", "SELECT 3"]
        );
    }

    #[test]
    fn set_statements() {
        use SessionSetting::*;
        let zone = |value: &str| TimeZone(Some(value.to_owned()));
        for (sql, settings) in [
            ("SET time_zone = '+02:00'", vec![zone("+02:00")]),
            (
                "set NAMES utf8mb4 COLLATE utf8mb4_bin, @@session.time_zone := \"SYSTEM\"",
                vec![ClientCharset(Some("utf8mb4".into())), zone("SYSTEM")],
            ),
            ("SET CHARACTER SET 'gbk'", vec![ClientCharset(Some("gbk".into()))]),
            ("SET GLOBAL time_zone = '+02:00'", vec![]),
            ("SET GLOBAL max_connections = 5, time_zone = '+02:00'", vec![]),
            ("SET GLOBAL max_connections = 5, SESSION time_zone = 'UTC'", vec![zone("UTC")]),
            ("SET time_zone = DEFAULT", vec![TimeZone(None)]),
            ("SET time_zone = @old", vec![TimeZone(None)]),
            ("SET time_zone = ?", vec![TimeZone(None)]),
            (
                "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                vec![Isolation(Some(IsolationLevel::Serializable))],
            ),
            (
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY",
                vec![Isolation(Some(IsolationLevel::ReadCommitted))],
            ),
            ("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", vec![]),
            ("SET transaction_isolation = 'READ-UNCOMMITTED'", vec![Isolation(Some(IsolationLevel::ReadUncommitted))]),
            ("SET @@transaction_isolation = 'READ-UNCOMMITTED'", vec![]),
            ("SET @@SESSION.tx_isolation = 2", vec![Isolation(Some(IsolationLevel::RepeatableRead))]),
            ("SET @x = (SELECT 1, time_zone), time_zone='UTC'", vec![zone("UTC")]),
            ("UPDATE t SET time_zone = 'UTC'", vec![]),
        ] {
            assert_eq!(variables_set(sql.as_bytes()), settings, "{sql}");
        }
    }

    #[test]
    fn selected_variables() {
        let sql = b"/* mysql-connector-j */SELECT  @@session.auto_increment_increment AS a, IF(@@x, 1, 2), @@time_zone AS time_zone, \
                    @@global.time_zone, @@transaction_isolation iso FROM dual";
        let names: Vec<_> = variables_selected(sql)
            .into_iter()
            .map(|(column, name)| (column, String::from_utf8_lossy(name).into_owned()))
            .collect();
        assert_eq!(names, [(2, "time_zone".into()), (4, "transaction_isolation".into())]);
        assert_eq!(variables_selected(b"SELECT time_zone FROM t"), []);
        assert_eq!(variables_selected(b"SELECT @@time_zone + 1"), []);
    }

    #[test]
    fn torn_text_is_harmless() {
        for sql in [
            "'",
            "\"\\",
            "`a",
            "/*",
            "/*!",
            "--",
            "$$",
            "CREATE FUNCTION $",
            "SET",
            "SET a",
            "SET ,",
            "SELECT @@",
            "use `",
        ] {
            let _ = (pieces(sql), first_keyword(sql.as_bytes()), use_database(sql.as_bytes()));
            let _ = (variables_set(sql.as_bytes()), variables_selected(sql.as_bytes()));
        }
    }
}
