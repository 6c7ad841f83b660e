//! The lexer.
//!
//! It reads as `lex_one_token` in `sql/sql_lex.cc` of both servers does, as far as the ends of tokens are concerned.

use std::ops::Range;

use super::lexis::Lexis;
use super::quoted::{End, quoted_end, rest_of_quoted};

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
    /// A comment, or the front or end of one that is executed: only from [`Tokens::with_comments`].
    Comment,
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

/// What does not end within the bytes that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Open {
    /// `-- ..`, `# ..`
    Line,
    /// `/* .. */`
    Comment,
    /// `/*! .. */` for another version; `in_plain`: within a plain comment in it.
    Version { in_plain: bool },
    /// A text in this quote.
    Quote(u8),
    /// `$tag$ .. $tag$`
    Dollar(Vec<u8>),
}

/// Where a part of a text begins.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// The first byte that counts: what is in front of it was used already.
    pub(super) at: usize,
    pub(super) in_comment: bool,
    pub(super) after_dot: bool,
    /// What began before the part.
    pub(super) open: Option<Open>,
}

/// The tokens of a text. White space and comments are passed over; the content of `/*! .. */` is not, where the server executes it.
#[derive(Debug, Clone)]
pub struct Tokens<'a> {
    pub(super) sql: &'a [u8],
    pub(super) at: usize,
    pub(super) lexis: Lexis,
    /// Within an executed comment, whose end is no token.
    pub(super) in_comment: bool,
    after_dot: bool,
    /// A quote or comment does not end, or something stands where no server accepts it.
    pub(super) is_broken: bool,
    /// Where a token ends depends on what is not known.
    is_doubtful: bool,
    /// What the end of the bytes cuts off, and the first byte that decides how it goes on.
    pub(super) open: Option<(Open, usize)>,
    /// Where the last comment or mark of a comment begins, and whether that is within `/*! .. */`.
    pub(super) last_blank: (usize, bool),
    pub(super) shows_comments: bool,
    /// More of the text comes after these bytes.
    is_part: bool,
}

impl<'a> Tokens<'a> {
    /// The tokens of `sql`.
    pub fn new(sql: &'a [u8], lexis: Lexis) -> Self {
        Self::starting_at(sql, 0, lexis)
    }

    pub(super) fn starting_at(sql: &'a [u8], at: usize, lexis: Lexis) -> Self {
        let state = State { at, ..State::default() };
        Self::resumed(sql, lexis, &state, true)
    }

    /// The tokens of `sql` and its comments, for whoever shows it.
    pub fn with_comments(sql: &'a [u8], lexis: Lexis) -> Self {
        Self { shows_comments: true, ..Self::new(sql, lexis) }
    }

    /// The tokens of a text's part.
    pub(super) fn resumed(sql: &'a [u8], lexis: Lexis, state: &State, is_last: bool) -> Self {
        let &State { at, in_comment, after_dot, ref open } = state;
        let mut tokens = Self {
            sql,
            at,
            lexis,
            in_comment,
            after_dot,
            is_broken: false,
            is_doubtful: false,
            open: None,
            last_blank: (0, false),
            shows_comments: false,
            is_part: !is_last,
        };
        match open {
            None => {}
            Some(Open::Line) => tokens.skip_line(),
            Some(Open::Comment) => tokens.skip_past(at, b"*/", Open::Comment),
            Some(Open::Version { in_plain }) => tokens.skip_version_comment(at, *in_plain),
            Some(Open::Quote(quote)) => match rest_of_quoted(sql, at, *quote, lexis, is_last) {
                Ok(end) => tokens.at = end,
                Err(from) => tokens.cut_off(Open::Quote(*quote), from),
            },
            Some(Open::Dollar(tag)) => tokens.skip_past(at, tag, Open::Dollar(tag.clone())),
        }
        tokens
    }

    /// Something goes on past the end; `from` is the first byte that decides where it ends.
    pub(super) fn cut_off(&mut self, open: Open, from: usize) {
        self.is_broken |= open != Open::Line;
        self.at = self.sql.len();
        self.open = Some((open, from));
    }

    /// What the end of the bytes cuts off, and the first byte that decides how it goes on.
    pub(super) fn open(&self) -> Option<(Open, usize)> {
        self.open.clone()
    }

    /// Where the last comment or mark of a comment begins, and whether that is within `/*! .. */`.
    pub(super) fn last_blank(&self) -> (usize, bool) {
        self.last_blank
    }

    /// Whether a dot was the last token.
    pub(super) fn is_after_dot(&self) -> bool {
        self.after_dot
    }

    /// The same again from an earlier place.
    pub(super) fn continuing(tokens: &Self, at: usize) -> Self {
        Self { at, after_dot: false, open: None, ..tokens.clone() }
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

    /// Whether a quote or a comment of several lines began and does not end.
    pub fn is_cut_off(&self) -> bool {
        self.in_comment || self.open.as_ref().is_some_and(|(open, _)| *open != Open::Line)
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

    pub(super) fn byte(&self, ahead: usize) -> Option<u8> {
        self.sql.get(self.at + ahead).copied()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.sql.get(self.at..).unwrap_or_default()
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
            // The next byte may be another quote.
            End::At(end) if self.is_part && end == self.sql.len() => self.unclosed(at),
            End::At(end) => end,
            End::Doubtful(end) => {
                self.is_doubtful = true;
                end
            }
            End::Open => self.unclosed(at),
        }
    }

    fn unclosed(&mut self, at: usize) -> usize {
        let quote = self.sql.get(at).copied().unwrap_or_default();
        let from = rest_of_quoted(self.sql, at + 1, quote, self.lexis, false).err();
        self.cut_off(Open::Quote(quote), from.unwrap_or(self.sql.len()));
        self.sql.len()
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
        if self.shows_comments && self.skip_comment() {
            self.after_dot = false;
            return Some(Token { kind: Kind::Comment, start, end: self.at });
        }
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
                self.skip_past(start + tag.len(), tag, Open::Dollar(tag.to_vec()));
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
