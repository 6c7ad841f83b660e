//! The words of a definition's text.
//!
//! Not those of a parser's crate: it fails as a whole at one clause that it does not know, of which both servers have many. What
//! matters here is a small part of the grammar, and everything else is skipped.

use crate::mysql::sql::{Kind, Lexis, Tokens, unquote};

/// A word of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// A keyword, or a name without quotes.
    Plain(String),
    /// A name in backticks, or in double quotes under `ANSI_QUOTES`, or after a dot.
    Name(String),
    /// A string.
    Text(String),
    /// A number without a sign.
    Number(String),
    /// Any other character.
    Symbol(char),
}

/// The words of a text. `None` where a quote does not end, or where a backslash may mean two things and the mode is not known.
pub(crate) fn words(sql: &str, sql_mode: Option<u64>) -> Option<Vec<Word>> {
    let lexis = Lexis::logged(sql_mode);
    let mut tokens = Tokens::new(sql.as_bytes(), lexis);
    let mut words = Vec::new();
    for token in tokens.by_ref() {
        let text = sql.get(token.range())?;
        let plain = || String::from_utf8_lossy(&unquote(text.as_bytes(), lexis)).into_owned();
        words.push(match token.kind {
            Kind::Word => Word::Plain(text.to_owned()),
            Kind::Name => Word::Name(plain()),
            Kind::Text if sql_mode.is_none() && text.contains('\\') => return None,
            Kind::Text => Word::Text(plain()),
            Kind::Number | Kind::Binary => Word::Number(text.to_owned()),
            _ => {
                words.extend(text.chars().next().map(Word::Symbol));
                continue;
            }
        });
    }
    (!tokens.is_broken() && !tokens.is_doubtful()).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `MODE_ANSI_QUOTES` and `MODE_NO_BACKSLASH_ESCAPES`.
    const ANSI_QUOTES: u64 = 4;
    const NO_BACKSLASH_ESCAPES: u64 = 1 << 20;

    fn shown(sql: &str, mode: Option<u64>) -> Option<String> {
        Some(format!("{:?}", words(sql, mode)?))
    }

    #[test]
    fn quotes_and_comments() {
        let found = words("/*!40101 ALTER*/ -- x\n TABLE/* y */`a``b` 'it''s\\n' \"q\" 12 c1;", Some(0)).unwrap();
        let word = |text: &str| Word::Plain(text.into());
        let text = |text: &str| Word::Text(text.into());
        assert_eq!(
            found,
            [
                word("ALTER"),
                word("TABLE"),
                Word::Name("a`b".into()),
                text("it's\n"),
                text("q"),
                Word::Number("12".into()),
                word("c1"),
                Word::Symbol(';')
            ]
        );
        assert_eq!(words("\"q\"", Some(ANSI_QUOTES)), Some(vec![Word::Name("q".into())]));
        assert_eq!(words(r"'a\'", Some(NO_BACKSLASH_ESCAPES)), Some(vec![text(r"a\")]));
        assert_eq!(shown(r"'a\' '", None), None);
        assert_eq!(shown("'open", Some(0)), None);
    }
}
