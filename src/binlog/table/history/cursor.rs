//! A place among the words of a statement.

use crate::binlog::table::hidden::Hidden;
use crate::binlog::table::history::words::Word;

/// Goes through the words; nothing is lost by asking beyond the end.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    words: &'a [Word],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(words: &'a [Word]) -> Self {
        Self { words, at: 0 }
    }

    fn peek(&self) -> Option<&'a Word> {
        self.words.get(self.at)
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn go_back(&mut self, at: usize) {
        self.at = at;
    }

    pub(crate) fn skip(&mut self) {
        self.at += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.peek().is_none()
    }

    /// Whether this keyword comes.
    pub(crate) fn is(&self, keyword: &str) -> bool {
        matches!(self.peek(), Some(Word::Plain(word)) if word.eq_ignore_ascii_case(keyword))
    }

    /// Whether one of these keywords is the next but one.
    pub(crate) fn next_is(&self, keywords: &[&str]) -> bool {
        let next = Self { words: self.words, at: self.at + 1 };
        keywords.iter().any(|keyword| next.is(keyword))
    }

    /// Whether this character is the next but one.
    pub(crate) fn next_is_symbol(&self, symbol: char) -> bool {
        self.words.get(self.at + 1) == Some(&Word::Symbol(symbol))
    }

    /// Whether the list's element has no more words.
    pub(crate) fn ends_part(&self) -> bool {
        matches!(self.peek(), None | Some(Word::Symbol(',' | ')' | ';')))
    }

    /// Steps over all that is left.
    pub(crate) fn skip_all(&mut self) {
        self.at = self.at.max(self.words.len());
    }

    /// Whether this keyword comes anywhere after here.
    pub(crate) fn has_word(&self, keyword: &str) -> bool {
        let rest = self.words.get(self.at..).unwrap_or_default();
        rest.iter().any(|token| matches!(token, Word::Plain(word) if word.eq_ignore_ascii_case(keyword)))
    }

    /// Which hidden columns may come or go with the statement, at most: by keys that become unique, unique keys that may go, and versioning
    /// that is begun or ended.
    pub(crate) fn hides(&self) -> Hidden {
        let all = Self { words: self.words, at: 0 };
        let is_key = |at: &usize| {
            let here = Self { words: self.words, at: *at };
            here.is("UNIQUE") || here.is("DROP") && here.next_is(&["INDEX", "KEY", "CONSTRAINT"])
        };
        Hidden { versioned: all.has_word("VERSIONING"), hashes: (0..self.words.len()).filter(is_key).count() }
    }

    /// Steps over this keyword, if it comes.
    pub(crate) fn take(&mut self, keyword: &str) -> bool {
        let is = self.is(keyword);
        self.at += usize::from(is);
        is
    }

    pub(crate) fn expect(&mut self, keyword: &str) -> Option<()> {
        self.take(keyword).then_some(())
    }

    /// Steps over this character, if it comes.
    pub(crate) fn symbol(&mut self, symbol: char) -> bool {
        let is = self.peek() == Some(&Word::Symbol(symbol));
        self.at += usize::from(is);
        is
    }

    /// A keyword, in upper case.
    pub(crate) fn word(&mut self) -> Option<String> {
        let Some(Word::Plain(word)) = self.peek() else { return None };
        self.at += 1;
        Some(word.to_ascii_uppercase())
    }

    /// A name, with or without quotes. Names of columns may be in double quotes where the mode was not known.
    pub(crate) fn name(&mut self) -> Option<String> {
        let (Word::Plain(name) | Word::Name(name)) = self.peek()? else { return None };
        self.at += 1;
        Some(name.clone())
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        let Word::Text(text) = self.peek()? else { return None };
        self.at += 1;
        Some(text.clone())
    }

    pub(crate) fn name_or_text(&mut self) -> Option<String> {
        self.name().or_else(|| self.text())
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let Word::Number(number) = self.peek()? else { return None };
        self.at += 1;
        number.parse().ok()
    }

    /// The name in `[DEFAULT] CHARACTER SET [=] name` or `CHARSET [=] name`, if that comes; empty where no name follows.
    pub(crate) fn charset_clause(&mut self) -> Option<String> {
        let is_long = (self.is("CHARACTER") || self.is("CHAR")) && self.next_is(&["SET"]);
        if !is_long && !self.is("CHARSET") {
            return None;
        }
        self.at += if is_long { 2 } else { 1 };
        let _ = self.symbol('=');
        Some(self.name_or_text().unwrap_or_default())
    }

    /// Steps over anything up to a comma or closing parenthesis that belongs to the list we are in, or the end.
    pub(crate) fn skip_to_comma(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.peek() {
            match token {
                Word::Symbol('(') => depth += 1,
                Word::Symbol(',' | ')' | ';') if depth == 0 => return,
                Word::Symbol(')') => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Steps over a parenthesised group, if one comes.
    pub(crate) fn skip_group(&mut self) -> bool {
        if !self.symbol('(') {
            return false;
        }
        loop {
            self.skip_to_comma();
            if self.symbol(')') || self.is_empty() {
                return true;
            }
            self.at += 1;
        }
    }
}
