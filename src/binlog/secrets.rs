//! Passwords in account statements, which the binlog has as hashes, are nobody's business who reads rows.

use std::borrow::Cow;

const MASK: &str = "'***'";

/// The statement with every password or hash in it replaced; statements about anything but accounts and servers come back as they
/// are.
///
/// Source: MySQL's manual, "CREATE USER", "ALTER USER", "SET PASSWORD", "CREATE SERVER", "CHANGE REPLICATION SOURCE TO".
pub(super) fn without_secrets(sql: &str) -> Cow<'_, str> {
    let words: Vec<String> = Tokens { rest: sql }
        .filter_map(|token| matches!(token.kind, Kind::Word).then(|| token.text.to_ascii_uppercase()))
        .take(8)
        .collect();
    let has = |word: &str| words.iter().any(|known| known == word);
    let concerns = match words.first().map(String::as_str) {
        Some("CREATE" | "ALTER") => has("USER") || has("SERVER"),
        Some("SET") => has("PASSWORD"),
        Some("GRANT") => true,
        Some("CHANGE") => has("REPLICATION") || has("MASTER"),
        _ => false,
    };
    if !concerns {
        return Cow::Borrowed(sql);
    }
    let is_assignment = words.first().is_some_and(|word| word == "SET");
    let mut out = String::with_capacity(sql.len());
    let mut secret_follows = false;
    for token in (Tokens { rest: sql }) {
        match token.kind {
            Kind::Literal => {
                out.push_str(if secret_follows { MASK } else { token.text });
                secret_follows = false;
                continue;
            }
            Kind::Word => secret_follows = SECRET_FOLLOWS.iter().any(|word| token.text.eq_ignore_ascii_case(word)),
            Kind::Other if matches!(token.text, "=" | ":=") => secret_follows |= is_assignment,
            Kind::Other => secret_follows &= token.text == "(" || token.text.trim().is_empty(),
        }
        out.push_str(token.text);
    }
    Cow::Owned(out)
}

/// Behind these words a literal is a secret.
const SECRET_FOLLOWS: [&str; 7] = ["BY", "AS", "PASSWORD", "USING", "REPLACE", "MASTER_PASSWORD", "SOURCE_PASSWORD"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    /// A string, or a hexadecimal number.
    Literal,
    Other,
}

struct Token<'a> {
    kind: Kind,
    text: &'a str,
}

struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let first = self.rest.chars().next()?;
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
        let (kind, end) = match first {
            '\'' | '"' => (Kind::Literal, quoted_end(self.rest, first)),
            '`' => (Kind::Other, quoted_end(self.rest, first)),
            _ if self.rest.starts_with("/*") && !self.rest.starts_with("/*!") => {
                (Kind::Other, self.rest.find("*/").map_or(self.rest.len(), |at| at + 2))
            }
            '0' if self.rest.starts_with("0x") => (Kind::Literal, run(self.rest, is_word)),
            c if is_word(c) => (Kind::Word, run(self.rest, is_word)),
            c if c.is_whitespace() => (Kind::Other, run(self.rest, char::is_whitespace)),
            _ if self.rest.starts_with(":=") => (Kind::Other, 2),
            c => (Kind::Other, c.len_utf8()),
        };
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(Token { kind, text })
    }
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// The end of a quoted text, with doubled quotes and backslashes in it.
fn quoted_end(text: &str, quote: char) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == '\\' && quote != '`' {
            characters.next();
        } else if c == quote {
            match characters.peek() {
                Some((_, next)) if *next == quote => {
                    characters.next();
                }
                _ => return at + quote.len_utf8(),
            }
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_names_are_not() {
        for (sql, shown) in [
            (
                "CREATE USER 'a''b'@'%' IDENTIFIED WITH 'caching_sha2_password' AS '$A$005$x' REQUIRE NONE",
                "CREATE USER 'a''b'@'%' IDENTIFIED WITH 'caching_sha2_password' AS '***' REQUIRE NONE",
            ),
            (
                "create user u identified by \"pw\", v identified by 'p\\'w'",
                "create user u identified by '***', v identified by '***'",
            ),
            (
                "ALTER USER u IDENTIFIED WITH p AS 0x2441 REPLACE 'old'",
                "ALTER USER u IDENTIFIED WITH p AS '***' REPLACE '***'",
            ),
            ("SET PASSWORD FOR 'u'@'h' = 'secret'", "SET PASSWORD FOR 'u'@'h' = '***'"),
            ("SET PASSWORD FOR `u`@`h`='*ABC'", "SET PASSWORD FOR `u`@`h`='***'"),
            ("SET PASSWORD = PASSWORD('x')", "SET PASSWORD = PASSWORD('***')"),
            (
                "GRANT ALL ON *.* TO u@h IDENTIFIED BY PASSWORD '*AB'",
                "GRANT ALL ON *.* TO u@h IDENTIFIED BY PASSWORD '***'",
            ),
            (
                "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER 'u', PASSWORD 'p', HOST 'h')",
                "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER 'u', PASSWORD '***', HOST 'h')",
            ),
            (
                "/* who */ CREATE /*!50001 OR */ USER u IDENTIFIED BY 'x",
                "/* who */ CREATE /*!50001 OR */ USER u IDENTIFIED BY '***'",
            ),
            (
                "CREATE TABLE t (password TEXT DEFAULT 'x') COMMENT 'by'",
                "CREATE TABLE t (password TEXT DEFAULT 'x') COMMENT 'by'",
            ),
        ] {
            assert_eq!(without_secrets(sql), shown);
        }
    }

    #[test]
    fn a_user_named_in_quotes_stays() {
        let sql = "GRANT SELECT ON shop.* TO 'reader'@'10.%'";
        assert_eq!(without_secrets(sql), sql);
    }
}
