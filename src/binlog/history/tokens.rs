//! The words of a definition's text.
//!
//! Not `sqlparser`: it fails as a whole at one clause that it does not know, of which both servers have many, and its lexer knows no
//! `sql_mode`. What matters here is a small part of the grammar, and everything else is skipped.

/// A word of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword, or a name without quotes.
    Word(String),
    /// A name in backticks, or in double quotes under `ANSI_QUOTES`.
    Name(String),
    /// A string.
    Text(String),
    /// A number without a sign.
    Number(String),
    /// Any other character.
    Symbol(char),
}

/// `MODE_ANSI_QUOTES` of `sql_mode`.
const ANSI_QUOTES: u64 = 4;
/// `MODE_NO_BACKSLASH_ESCAPES` of `sql_mode`.
const NO_BACKSLASH_ESCAPES: u64 = 1 << 20;

/// The words of a text. `None` where a quote does not end, or where a backslash may mean two things and the mode is not known.
///
/// The content of `/*! .. */` counts: what the source has not executed, it has logged as a plain comment (MySQL's `sql/sql_lex.cc`).
pub(super) fn tokens(sql: &str, sql_mode: Option<u64>) -> Option<Vec<Token>> {
    let mode = sql_mode.unwrap_or(0);
    let mut scanner = Scanner {
        rest: sql,
        ansi_quotes: mode & ANSI_QUOTES != 0,
        backslash: sql_mode.map(|mode| mode & NO_BACKSLASH_ESCAPES == 0),
    };
    let mut tokens = Vec::new();
    loop {
        scanner.skip_blank();
        let Some(first) = scanner.rest.chars().next() else { return Some(tokens) };
        tokens.push(scanner.token(first)?);
    }
}

struct Scanner<'a> {
    rest: &'a str,
    ansi_quotes: bool,
    /// Whether a backslash escapes, where that is known.
    backslash: Option<bool>,
}

impl Scanner<'_> {
    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn skip_past(&mut self, end: &str) {
        let at = self.rest.find(end).map_or(self.rest.len(), |at| at + end.len());
        self.skip(at);
    }

    fn skip_blank(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.starts_with("/*!") || self.rest.starts_with("/*M!") {
                self.skip_past("!");
                self.rest = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
            } else if self.rest.starts_with("/*") {
                self.skip_past("*/");
            } else if self.rest.starts_with("*/") {
                self.skip(2);
            } else if self.rest.starts_with('#') || is_dashes(self.rest) {
                self.skip_past("\n");
            } else {
                return;
            }
        }
    }

    fn token(&mut self, first: char) -> Option<Token> {
        Some(match first {
            '`' => Token::Name(self.quoted('`')?),
            '"' if self.ansi_quotes => Token::Name(self.quoted('"')?),
            '\'' | '"' => Token::Text(self.quoted(first)?),
            _ if is_word(first) => {
                let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
                let word = self.rest.get(..end)?.to_owned();
                self.skip(end);
                let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
                if is_number { Token::Number(word) } else { Token::Word(word) }
            }
            _ => {
                self.skip(first.len_utf8());
                Token::Symbol(first)
            }
        })
    }

    /// A quoted text without its quotes and escapes.
    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1).peekable();
        while let Some((at, character)) = chars.next() {
            if character == quote {
                if chars.next_if(|(_, next)| *next == quote).is_none() {
                    self.skip(at + quote.len_utf8());
                    return Some(text);
                }
            } else if character == '\\' && quote != '`' && !(quote == '"' && self.ansi_quotes) && self.backslash? {
                escaped(chars.next()?.1, &mut text);
                continue;
            }
            text.push(character);
        }
        None
    }
}

/// What a character behind a backslash stands for (both servers' "String Literals").
fn escaped(character: char, text: &mut String) {
    match character {
        'n' => text.push('\n'),
        'r' => text.push('\r'),
        't' => text.push('\t'),
        'b' => text.push('\u{8}'),
        '0' => text.push('\0'),
        'Z' => text.push('\u{1a}'),
        '%' | '_' => text.extend(['\\', character]),
        other => text.push(other),
    }
}

fn is_dashes(text: &str) -> bool {
    text.strip_prefix("--").is_some_and(|rest| rest.chars().next().is_none_or(char::is_whitespace))
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || matches!(character, '_' | '$')
        || (character > '\u{7f}' && !character.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sql: &str, mode: Option<u64>) -> Option<String> {
        Some(format!("{:?}", tokens(sql, mode)?))
    }

    #[test]
    fn quotes_and_comments() {
        let found = tokens("/*!40101 ALTER*/ -- x\n TABLE/* y */`a``b` 'it''s\\n' \"q\" 12 c1;", Some(0)).unwrap();
        let word = |text: &str| Token::Word(text.into());
        let text = |text: &str| Token::Text(text.into());
        assert_eq!(
            found,
            [
                word("ALTER"),
                word("TABLE"),
                Token::Name("a`b".into()),
                text("it's\n"),
                text("q"),
                Token::Number("12".into()),
                word("c1"),
                Token::Symbol(';')
            ]
        );
        assert_eq!(tokens("\"q\"", Some(ANSI_QUOTES)), Some(vec![Token::Name("q".into())]));
        assert_eq!(tokens(r"'a\'", Some(NO_BACKSLASH_ESCAPES)), Some(vec![text(r"a\")]));
        assert_eq!(shown(r"'a\' '", None), None);
        assert_eq!(shown("'open", Some(0)), None);
    }
}
