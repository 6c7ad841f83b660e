//! The scanner: tokens of a text, and what the session's settings make of its bytes.

use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
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
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
}

/// Tokens of a text; white space and comments are passed over, the content of `/*! .. */` is not, since it is executed.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    pub(super) sql: &'a [u8],
    pub(super) at: usize,
    pub(super) lexis: Lexis,
    pub(super) dollar_quotes: bool,
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

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'@' | b'.') || byte >= 0x80
}

impl<'a> Tokens<'a> {
    pub(super) fn new(sql: &'a [u8]) -> Self {
        Self { sql, at: 0, lexis: Lexis::default(), dollar_quotes: false }
    }

    pub(super) fn text(&self, token: &Token) -> &'a [u8] {
        self.sql.get(token.range.clone()).unwrap_or_default()
    }

    pub(super) fn is(&self, token: &Token, word: &str) -> bool {
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
