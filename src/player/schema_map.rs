//! Other databases in the place of the recorded ones, so that copies of a session do not meet.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use super::error::Unplayable;
use crate::mysql::sql::{Kind, Lexis, Token, Tokens, unquote};

/// Which database stands for which: `app=app_{n}`, several with commas between. `{n}` is the number of the session's copy, from 0.
///
/// Names are recognized as the lexer sees them, and never in strings: what a statement compares with `information_schema`'s columns, or prepares
/// as a text, stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaMap {
    names: BTreeMap<String, String>,
}

/// What stands for the copy's number.
const NUMBER: &str = "{n}";
/// The longest name that the servers take, in characters.
const LONGEST_NAME: usize = 64;

impl FromStr for SchemaMap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut names = BTreeMap::new();
        for pair in text.split(',') {
            let (from, to) = pair
                .split_once('=')
                .map(|(from, to)| (from.trim(), to.trim()))
                .filter(|(from, to)| !from.is_empty() && !to.is_empty())
                .ok_or_else(|| format!("'{pair}' is not DATABASE=NAME, with {NUMBER} in NAME for the copy's number"))?;
            if to.replace(NUMBER, "").chars().count() > LONGEST_NAME {
                return Err(format!("'{to}' is longer than {LONGEST_NAME} characters"));
            }
            if names.insert(from.to_owned(), to.to_owned()).is_some() {
                return Err(format!("the database '{from}' is named twice"));
            }
        }
        Ok(Self { names })
    }
}

/// Where a name stands that may be a database's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A database's beyond doubt: `USE app`, `app.t.c`.
    Database,
    /// `app.x`: a database's, unless something in the statement has the name `app`.
    Qualifier,
    /// Something else has the name: an alias, a table, a column.
    Other,
}

impl SchemaMap {
    /// What stands for a database in this copy; `None` if the map does not name it.
    pub fn name(&self, database: &str, copy: u32) -> Option<String> {
        Some(self.names.get(database)?.replace(NUMBER, &copy.to_string()))
    }

    /// The names of all databases that it names, and what stands for them in this copy.
    pub fn pairs(&self, copy: u32) -> impl Iterator<Item = (&str, String)> {
        self.names.keys().filter_map(move |from| Some((from.as_str(), self.name(from, copy)?)))
    }

    /// A text with the databases of this copy. An error where a name may be a database's or something else's.
    pub fn rewrite<'a>(&self, sql: &'a [u8], copy: u32, lexis: Lexis) -> Result<Cow<'a, [u8]>, Unplayable> {
        if !self.names.keys().any(|name| memchr::memmem::find(sql, name.as_bytes()).is_some()) {
            return Ok(Cow::Borrowed(sql));
        }
        let mut edits = Vec::new();
        // By name: qualifiers are seen, and so is something else of the name.
        let mut doubts: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
        for (token, name, role) in self.places(sql, lexis) {
            let (is_qualifier, is_other) = doubts.entry(name).or_default();
            *is_qualifier |= role == Role::Qualifier;
            *is_other |= role == Role::Other;
            if role != Role::Other {
                edits.push((token, name));
            }
        }
        if doubts.values().any(|(is_qualifier, is_other)| *is_qualifier && *is_other) {
            return Err(Unplayable::SchemaInDoubt);
        }
        let mut out = Vec::with_capacity(sql.len() + edits.len() * 8);
        let mut from = 0;
        for (token, name) in edits {
            out.extend_from_slice(sql.get(from..token.start).unwrap_or_default());
            let to = self.name(name, copy).unwrap_or_default();
            out.extend_from_slice(format!("`{}`", to.replace('`', "``")).as_bytes());
            from = token.end;
        }
        out.extend_from_slice(sql.get(from..).unwrap_or_default());
        Ok(Cow::Owned(out))
    }

    /// Every token that says the name of a mapped database.
    fn places(&self, sql: &[u8], lexis: Lexis) -> Vec<(Token, &str, Role)> {
        let tokens: Vec<_> = Tokens::new(sql, lexis).collect();
        let text = |index: usize| tokens.get(index).and_then(|token| sql.get(token.range())).unwrap_or_default();
        let mut places = Vec::new();
        for (index, token) in tokens.iter().enumerate() {
            let is_string =
                token.kind == Kind::Text && !(lexis.ansi_quotes == Some(true) && text(index).starts_with(b"\""));
            if is_string || !matches!(token.kind, Kind::Word | Kind::Name | Kind::Text) {
                continue;
            }
            let said = unquote(text(index), lexis);
            let named = self.names.keys().find(|name| name.as_bytes() == &*said);
            if let Some(name) = named {
                places.push((*token, name.as_str(), Place { sql, tokens: &tokens, index }.role()));
            }
        }
        places
    }
}

/// A token among the others.
struct Place<'a> {
    sql: &'a [u8],
    tokens: &'a [Token],
    index: usize,
}

impl Place<'_> {
    fn kind(&self, offset: isize) -> Option<Kind> {
        let index = self.index.checked_add_signed(offset)?;
        self.tokens.get(index).map(|token| token.kind)
    }

    fn is_word(&self, offset: isize, words: &[&str]) -> bool {
        let token = self.index.checked_add_signed(offset).and_then(|index| self.tokens.get(index));
        let Some(token) = token.filter(|token| token.kind == Kind::Word) else { return false };
        let text = self.sql.get(token.range()).unwrap_or_default();
        words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
    }

    fn role(&self) -> Role {
        if self.kind(-1) == Some(Kind::Dot) {
            return Role::Other;
        }
        if self.kind(1) == Some(Kind::Dot) {
            // `app.t.c` has room for no alias.
            return if self.kind(3) == Some(Kind::Dot) { Role::Database } else { Role::Qualifier };
        }
        if self.names_database() { Role::Database } else { Role::Other }
    }

    /// After `USE`, `DATABASE`, `DATABASE IF EXISTS`, `DATABASE IF NOT EXISTS`, or `SHOW .. FROM`.
    fn names_database(&self) -> bool {
        const DATABASE: &[&str] = &["database", "schema"];
        let is_first = self.index == 1 || self.kind(-2) == Some(Kind::Semicolon);
        if self.is_word(-1, &["use"]) {
            return is_first;
        }
        if self.is_word(-1, DATABASE) {
            return true;
        }
        if self.is_word(-1, &["exists"]) {
            return self.is_word(-2, &["if"]) && self.is_word(-3, DATABASE)
                || self.is_word(-2, &["not"]) && self.is_word(-3, &["if"]) && self.is_word(-4, DATABASE);
        }
        self.is_word(-1, &["from", "in"]) && self.is_show_from()
    }

    /// `SHOW TABLES FROM app`, `SHOW COLUMNS FROM t FROM app`: of two, the second is the database.
    fn is_show_from(&self) -> bool {
        let index = isize::try_from(self.index).unwrap_or(isize::MAX);
        let begin = (1..=index).find(|back| self.kind(-back) == Some(Kind::Semicolon)).map_or(-index, |back| 1 - back);
        if !self.is_word(begin, &["show"]) {
            return false;
        }
        let of_table = &["columns", "fields", "index", "indexes", "keys"];
        let is_of_table = (begin + 1..-1).any(|offset| self.is_word(offset, of_table));
        let froms = (begin + 1..0).filter(|offset| self.is_word(*offset, &["from", "in"])).count();
        froms == if is_of_table { 2 } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::sql::Flavor;

    fn rewritten(sql: &str) -> Result<String, Unplayable> {
        let lexis = Lexis { flavor: Some(Flavor::MySql), ..Lexis::default() };
        let map: SchemaMap = "app=app_{n},o'dd=odd`{n}".parse().unwrap();
        map.rewrite(sql.as_bytes(), 3, lexis).map(|sql| String::from_utf8(sql.into_owned()).unwrap())
    }

    #[test]
    fn databases_are_renamed() {
        for (sql, expected) in [
            ("USE app", "USE `app_3`"),
            ("use `app`;", "use `app_3`;"),
            ("SELECT * FROM app.t", "SELECT * FROM `app_3`.t"),
            ("SELECT app.t.id FROM app.t, app . u", "SELECT `app_3`.t.id FROM `app_3`.t, `app_3` . u"),
            (
                "INSERT INTO `app`.`t` VALUES ('app.t', \"app.t\")",
                "INSERT INTO `app_3`.`t` VALUES ('app.t', \"app.t\")",
            ),
            ("CREATE DATABASE IF NOT EXISTS app", "CREATE DATABASE IF NOT EXISTS `app_3`"),
            ("DROP SCHEMA IF EXISTS app", "DROP SCHEMA IF EXISTS `app_3`"),
            ("SHOW TABLES FROM app LIKE 'app%'", "SHOW TABLES FROM `app_3` LIKE 'app%'"),
            ("SHOW COLUMNS FROM app FROM app", "SHOW COLUMNS FROM app FROM `app_3`"),
            ("SHOW CREATE TABLE app.t", "SHOW CREATE TABLE `app_3`.t"),
            ("SELECT app.f(1)", "SELECT `app_3`.f(1)"),
            ("SELECT 1 /* app.t */ -- app.t", "SELECT 1 /* app.t */ -- app.t"),
            ("SELECT /*! app.f(1) */", "SELECT /*! `app_3`.f(1) */"),
            ("SELECT `o'dd`.f()", "SELECT `odd``3`.f()"),
            ("SELECT 1; USE app; DELETE FROM app.t", "SELECT 1; USE `app_3`; DELETE FROM `app_3`.t"),
        ] {
            assert_eq!(rewritten(sql).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_only_has_the_same_name_stays() {
        for sql in [
            "SELECT app FROM t",
            "SELECT t.app, 'app', @app FROM t USE INDEX (app)",
            "SELECT x.id FROM t AS app JOIN x USING (app)",
            "SELECT apple.id FROM apple",
            "SELECT APP.id FROM t",
            "SHOW COLUMNS FROM app",
            "SELECT * FROM app",
            "SELECT * FROM app IN BOOLEAN MODE",
        ] {
            assert_eq!(rewritten(sql).as_deref(), Ok(sql));
        }
    }

    #[test]
    fn what_may_be_an_alias_is_refused() {
        for sql in [
            "SELECT app.id FROM t AS app",
            "SELECT app.id FROM app",
            "SELECT app.* FROM x.app",
            "SELECT EXTRACT(YEAR FROM app.d) FROM t app",
            "INSERT INTO app VALUES (1) ON DUPLICATE KEY UPDATE app.id = 2",
        ] {
            assert_eq!(rewritten(sql), Err(Unplayable::SchemaInDoubt), "{sql}");
        }
    }

    #[test]
    fn quotes_are_names_where_the_session_says_so() {
        let map: SchemaMap = "app=copy".parse().unwrap();
        let sql = b"SELECT * FROM \"app\".\"t\" WHERE x = 'app'";
        let ansi = Lexis { ansi_quotes: Some(true), ..Lexis::default() };
        let expected = b"SELECT * FROM `copy`.\"t\" WHERE x = 'app'";
        assert_eq!(map.rewrite(sql, 0, ansi).unwrap(), &expected[..]);
        let plain = Lexis { ansi_quotes: Some(false), ..Lexis::default() };
        assert_eq!(map.rewrite(sql, 0, plain).unwrap(), &sql[..]);
    }

    #[test]
    fn maps_are_read_and_mistakes_named() {
        let map: SchemaMap = "app=app_{n}, web = {n}web{n}".parse().unwrap();
        assert_eq!(map.name("web", 12), Some("12web12".into()));
        assert_eq!(map.name("other", 1), None);
        assert_eq!(map.pairs(1).collect::<Vec<_>>(), [("app", "app_1".to_owned()), ("web", "1web1".to_owned())]);
        for text in ["", "app", "app=", "=x", "app=x,app=y", &format!("app={}", "x".repeat(65))] {
            assert!(text.parse::<SchemaMap>().is_err(), "{text}");
        }
    }
}
