//! The lexer.
//!
//! It reads as `lex_one_token` in `sql/sql_lex.cc` of both servers does, as far as the ends of tokens are concerned.

use std::ops::Range;

use super::lexis::{Flavor, Lexis};
use super::quoted::{End, quoted_end};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A keyword, or a name without quotes.
    Word,
    /// A name in quotes, or one after a dot, which is no keyword.
    Name,
    /// A string: `'..'`, `".."`, `N'..'`, `$tag$..$tag$`.
    Text,
    /// `x'..'`, `b'..'`, `0x..`, `0b..`
    Binary,
    /// A number without its sign.
    Number,
    /// `@name`, `@'name'`, `@@scope.name`; of an account, `@host`.
    Variable,
    /// `;`
    Semicolon,
    /// `,`
    Comma,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `.` between names
    Dot,
    /// Any other character, and `:=`, `..`, `<<`, `>>`.
    Other,
}

/// A token's kind and place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

impl Token {
    /// Its bytes' range.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// The tokens of a text. White space and comments are passed over; the content of `/*! .. */` is not, where the server executes it.
#[derive(Debug, Clone)]
pub struct Tokens<'a> {
    sql: &'a [u8],
    at: usize,
    lexis: Lexis,
    /// Within an executed comment, whose end is no token.
    in_comment: bool,
    after_dot: bool,
    /// A quote or comment does not end, or something stands where no server accepts it.
    is_broken: bool,
    /// Where a token ends depends on what is not known.
    is_doubtful: bool,
}

impl<'a> Tokens<'a> {
    /// The tokens of `sql`.
    pub fn new(sql: &'a [u8], lexis: Lexis) -> Self {
        Self::starting_at(sql, 0, lexis)
    }

    pub(super) fn starting_at(sql: &'a [u8], at: usize, lexis: Lexis) -> Self {
        Self { sql, at, lexis, in_comment: false, after_dot: false, is_broken: false, is_doubtful: false }
    }

    /// The same again from an earlier place.
    pub(super) fn continuing(tokens: &Self, at: usize) -> Self {
        Self { at, after_dot: false, ..tokens.clone() }
    }

    /// Where the next token is looked for.
    pub fn position(&self) -> usize {
        self.at
    }

    /// What the text is read by.
    pub fn lexis(&self) -> Lexis {
        self.lexis
    }

    /// Whether no server accepts the text as far as it was read: a quote or comment does not end.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Whether settings that are not known decide where the tokens so far end.
    pub fn is_doubtful(&self) -> bool {
        self.is_doubtful
    }

    /// Whether the last token was within `/*! .. */`.
    pub(super) fn is_in_comment(&self) -> bool {
        self.in_comment
    }

    /// A token's bytes.
    pub fn text(&self, token: &Token) -> &'a [u8] {
        self.sql.get(token.range()).unwrap_or_default()
    }

    /// Whether a token is this keyword.
    pub fn is(&self, token: &Token, word: &str) -> bool {
        token.kind == Kind::Word && self.text(token).eq_ignore_ascii_case(word.as_bytes())
    }

    /// Whether a token is one of these keywords.
    pub fn is_any(&self, token: &Token, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(token, word))
    }

    /// The token after this place.
    pub fn peek(&self) -> Option<Token> {
        self.clone().next()
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.sql.get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.sql.get(self.at..).unwrap_or_default()
    }

    fn skip_past(&mut self, from: usize, end: &[u8]) {
        let rest = self.sql.get(from..).unwrap_or_default();
        match memchr::memmem::find(rest, end) {
            Some(found) => self.at = from + found + end.len(),
            None => {
                self.is_broken = true;
                self.at = self.sql.len();
            }
        }
    }

    fn skip_line(&mut self) {
        // The servers end such a comment at a zero byte too.
        self.at += memchr::memchr2(b'\n', 0, self.rest()).unwrap_or_else(|| self.rest().len());
    }

    fn skip_blank(&mut self) {
        loop {
            match self.rest() {
                [byte, ..] if self.lexis.is_space(*byte) => self.at += 1,
                [b'#', ..] => self.skip_line(),
                [b'-', b'-'] => self.at += 2,
                [b'-', b'-', next, ..] if self.lexis.is_space(*next) || next.is_ascii_control() => self.skip_line(),
                [b'/', b'*', ..] => self.comment(),
                [b'*', b'/', ..] if self.in_comment => {
                    self.in_comment = false;
                    self.at += 2;
                }
                _ => return,
            }
        }
    }

    /// `/* .. */`, or the front of `/*! .. */` if its content counts.
    fn comment(&mut self) {
        let marker = match self.rest() {
            [b'/', b'*', b'!', ..] => 3,
            [b'/', b'*', b'M', b'!', ..] if self.lexis.may_be_mariadb() => 4,
            _ => return self.skip_past(self.at + 2, b"*/"),
        };
        let digits = self.rest().iter().skip(marker).take(7).take_while(|byte| byte.is_ascii_digit()).count();
        let length = match (digits, self.lexis.flavor) {
            (..=4, _) => 0,
            (6.., Some(Flavor::MariaDb)) => 6,
            // MySQL's six digits are told by the white space after them.
            (6, _) if self.byte(marker + 6).is_some_and(|next| next.is_ascii_whitespace()) => 6,
            (6.., None) => 6,
            _ => 5,
        };
        let number = self.rest().iter().skip(marker).take(length);
        let version = number.fold(0_u32, |number, digit| number * 10 + u32::from(digit - b'0'));
        if length == 0 || self.executes(version, marker == 4) {
            self.at += marker + length;
            self.in_comment = true;
        } else {
            self.skip_version_comment(marker);
        }
    }

    fn executes(&self, version: u32, is_mariadbs: bool) -> bool {
        let Some(own) = self.lexis.version else { return true };
        // MariaDB does not take what MySQL has had since 5.7 for its own.
        let is_foreign =
            self.lexis.flavor == Some(Flavor::MariaDb) && (50_700..=99_999).contains(&version) && !is_mariadbs;
        version <= own && !is_foreign
    }

    /// A comment for another version may have plain ones inside.
    fn skip_version_comment(&mut self, marker: usize) {
        let mut at = self.at + marker;
        loop {
            let rest = self.sql.get(at..).unwrap_or_default();
            let Some(found) = memchr::memchr2(b'/', b'*', rest) else {
                self.is_broken = true;
                self.at = self.sql.len();
                return;
            };
            at += found;
            match self.sql.get(at..at + 2) {
                Some(b"*/") => {
                    self.at = at + 2;
                    return;
                }
                Some(b"/*") => {
                    self.skip_past(at + 2, b"*/");
                    at = self.at;
                }
                _ => at += 1,
            }
        }
    }

    /// The end of a run of name characters; where characters have two bytes the second may be any.
    fn word_end(&self, from: usize) -> usize {
        let mut at = from;
        while let Some(&byte) = self.sql.get(at) {
            if !self.lexis.is_word(byte) {
                break;
            }
            let rest = self.sql.get(at..).unwrap_or_default();
            at += if byte >= 0x80 { self.lexis.charset.character_length(rest) } else { 1 };
        }
        at
    }

    fn quoted(&mut self, at: usize) -> usize {
        match quoted_end(self.sql, at, self.lexis) {
            End::At(end) => end,
            End::Doubtful(end) => {
                self.is_doubtful = true;
                end
            }
            End::Open => {
                self.is_broken = true;
                self.sql.len()
            }
        }
    }

    /// `$$` or `$tag$` here, where MySQL begins a text in another language.
    fn dollar_tag(&self) -> Option<&'a [u8]> {
        let rest = self.rest();
        let end = 1 + rest
            .get(1..)?
            .iter()
            .position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80))?;
        (rest.get(end) == Some(&b'$')).then(|| rest.get(..=end))?
    }

    fn number(&self) -> (Kind, usize) {
        let start = self.at;
        let digits_from = |from: usize, belongs: fn(&u8) -> bool| {
            let rest = self.sql.get(from..).unwrap_or_default();
            from + rest.iter().take_while(|byte| belongs(byte)).count()
        };
        let radix: Option<fn(&u8) -> bool> = match self.rest() {
            [b'0', b'x', ..] => Some(u8::is_ascii_hexdigit),
            [b'0', b'b', ..] => Some(|byte| matches!(byte, b'0' | b'1')),
            _ => None,
        };
        if let Some(belongs) = radix {
            let end = digits_from(start + 2, belongs);
            let whole = self.word_end(start);
            return if end == whole && end > start + 2 { (Kind::Binary, end) } else { (Kind::Word, whole) };
        }
        let mut end = digits_from(start, u8::is_ascii_digit);
        let exponent = |at: usize| match self.sql.get(at..).unwrap_or_default() {
            [b'e' | b'E', b'+' | b'-', digit, ..] if digit.is_ascii_digit() => Some(at + 2),
            [b'e' | b'E', digit, ..] if digit.is_ascii_digit() => Some(at + 1),
            _ => None,
        };
        if let Some(digits) = exponent(end) {
            return (Kind::Number, digits_from(digits, u8::is_ascii_digit));
        }
        let next = self.sql.get(end).copied();
        if next.is_some_and(|next| self.lexis.is_word(next)) {
            return (Kind::Word, self.word_end(start));
        }
        // `1..10` is a range of MariaDB's.
        if next == Some(b'.') && self.sql.get(end + 1) != Some(&b'.') {
            end = digits_from(end + 1, u8::is_ascii_digit);
            end = exponent(end).map_or(end, |digits| digits_from(digits, u8::is_ascii_digit));
        }
        (Kind::Number, end)
    }

    /// After `@`: a variable, or the host of an account.
    fn variable(&mut self) -> (Kind, usize) {
        let mut at = self.at + 1;
        if self.sql.get(at) == Some(&b'@') {
            at += 1;
        }
        loop {
            match self.sql.get(at) {
                Some(b'\'' | b'"' | b'`') => at = self.quoted(at),
                _ => at = self.word_end(at),
            }
            let is_part = |next: &u8| self.lexis.is_word(*next) || matches!(next, b'`' | b'.');
            if self.sql.get(at) != Some(&b'.') || !self.sql.get(at + 1).is_some_and(is_part) {
                break;
            }
            at += 1;
        }
        if at == self.at + 1 { (Kind::Other, at) } else { (Kind::Variable, at) }
    }

    fn symbol(&mut self, first: u8) -> (Kind, usize) {
        let next = self.byte(1);
        let pair = (Kind::Other, self.at + 2);
        let single = |kind| (kind, self.at + 1);
        match (first, next) {
            (b';', _) => single(Kind::Semicolon),
            (b',', _) => single(Kind::Comma),
            (b'(', _) => single(Kind::Open),
            (b')', _) => single(Kind::Close),
            (b'.', Some(b'.')) | (b':', Some(b'=')) | (b'<', Some(b'<')) | (b'>', Some(b'>')) => pair,
            (b'.', _) => single(Kind::Dot),
            // NULL, as LOAD DATA writes it.
            (b'\\', Some(b'N')) => pair,
            (b'\\', _) => {
                self.is_broken = true;
                (Kind::Other, self.at + 1)
            }
            _ => single(Kind::Other),
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let before = self.at;
        self.skip_blank();
        let start = self.at;
        let Some(&first) = self.sql.get(start) else {
            self.is_broken |= self.in_comment;
            return None;
        };
        // A name's own dot, not that of a number such as `.5`.
        let after_dot = std::mem::take(&mut self.after_dot) && before == start;
        let next = self.byte(1);
        let (kind, end) = match first {
            b'\'' => (Kind::Text, self.quoted(start)),
            b'"' => {
                let is_name = self.lexis.ansi_quotes == Some(true);
                (if is_name { Kind::Name } else { Kind::Text }, self.quoted(start))
            }
            b'`' => (Kind::Name, self.quoted(start)),
            b'@' => self.variable(),
            _ if after_dot && self.lexis.is_word(first) => (Kind::Name, self.word_end(start)),
            b'N' | b'n' if next == Some(b'\'') => (Kind::Text, self.quoted(start + 1)),
            b'x' | b'X' | b'b' | b'B' if next == Some(b'\'') => (Kind::Binary, self.quoted(start + 1)),
            b'$' if self.lexis.has_dollar_quotes() && self.dollar_tag().is_some() => {
                let tag = self.dollar_tag().unwrap_or_default();
                self.skip_past(start + tag.len(), tag);
                (Kind::Text, self.at)
            }
            b'0'..=b'9' => self.number(),
            b'.' if next.is_some_and(|next| next.is_ascii_digit()) && !self.follows_name(start) => {
                self.at += 1;
                let (_, end) = self.number();
                (Kind::Number, end)
            }
            _ if self.lexis.is_word(first) => (Kind::Word, self.word_end(start)),
            _ => self.symbol(first),
        };
        self.at = end.max(start + 1).min(self.sql.len());
        self.after_dot = kind == Kind::Dot;
        Some(Token { kind, start, end: self.at })
    }
}

impl Tokens<'_> {
    /// Whether a name ends right before this place.
    fn follows_name(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| self.sql.get(before));
        before.is_some_and(|before| self.lexis.is_word(*before) || matches!(before, b'`' | b'"'))
    }
}
