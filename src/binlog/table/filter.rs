//! Which tables and which kinds of events are wanted.

use std::collections::HashMap;
use std::str::FromStr;

use crate::binlog::event::decoder::TableFilter;
use crate::binlog::table::history::Subject;
use crate::rules::names::{Name, split, written};

/// `schema.table`, `schema.*` or `*.table`; a name with a dot, an asterisk or a comma stands in backticks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TablePattern {
    /// One table.
    Exact(String, String),
    /// All tables of that name.
    Table(String),
    /// All tables of a database.
    Database(String),
}

impl FromStr for TablePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORMS: &str =
            "it is schema.table, schema.* or *.table, with names in backticks that have a dot, an asterisk or a comma";
        let explain = |reason: String| format!("{reason}: {FORMS}");
        let parts = split(text, '.').map_err(explain)?;
        // Without backticks the first dot is the one between the names.
        let (database, table) = match parts.as_slice() {
            [database, table] => (*database, *table),
            [_, _, ..] if !text.contains('`') => text.split_once('.').unwrap_or_default(),
            [_] => return Err(format!("'{text}' has no '.': {FORMS}")),
            _ => return Err(format!("'{text}' has more than two names: {FORMS}")),
        };
        if database.is_empty() || table.is_empty() {
            return Err(format!("'{text}' lacks a name: {FORMS}"));
        }
        match (Name::parse(database).map_err(explain)?, Name::parse(table).map_err(explain)?) {
            (Name::Any, Name::Any) => Err("*.* is everything, which needs no rule".into()),
            (Name::Any, Name::Is(table)) => Ok(Self::Table(table)),
            (Name::Is(database), Name::Any) => Ok(Self::Database(database)),
            (Name::Is(database), Name::Is(table)) => Ok(Self::Exact(database, table)),
        }
    }
}

impl std::fmt::Display for TablePattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(database, table) => write!(f, "{}.{}", written(database), written(table)),
            Self::Table(table) => write!(f, "*.{}", written(table)),
            Self::Database(database) => write!(f, "{}.*", written(database)),
        }
    }
}

/// The rules for tables: the most specific one decides (one table over `*.table` over `schema.*`); a table without a rule is wanted
/// unless something is included.
#[derive(Debug, Clone, Default)]
pub struct TableRules {
    rules: HashMap<TablePattern, bool>,
    has_includes: bool,
}

impl TableRules {
    /// Refuses a pattern that is in both lists.
    pub fn new(include: &[TablePattern], exclude: &[TablePattern]) -> Result<Self, String> {
        let mut rules: HashMap<_, _> = include.iter().map(|pattern| (pattern.clone(), true)).collect();
        for pattern in exclude {
            if rules.insert(pattern.clone(), false) == Some(true) {
                return Err(format!("'{pattern}' is in --include and in --exclude"));
            }
        }
        Ok(Self { rules, has_includes: !include.is_empty() })
    }

    /// Whether rows of this table are wanted.
    pub fn wants(&self, database: &str, table: &str) -> bool {
        let patterns = [
            TablePattern::Exact(database.to_owned(), table.to_owned()),
            TablePattern::Table(table.to_owned()),
            TablePattern::Database(database.to_owned()),
        ];
        patterns.iter().find_map(|pattern| self.rules.get(pattern).copied()).unwrap_or(!self.has_includes)
    }
}

impl TableRules {
    /// Whether a definition is wanted: where one of its tables is, or may be in its database. What is in no database is wanted
    /// unless something is included.
    pub(crate) fn wants_definition(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Tables(tables) => tables.iter().any(|(database, table)| self.wants(database, table)),
            Subject::Database(database) => self.may_want(database),
            Subject::Other => !self.has_includes,
        }
    }

    /// Whether there may be wanted tables in a database.
    pub(crate) fn may_want(&self, database: &str) -> bool {
        if !self.has_includes {
            return self.rules.get(&TablePattern::Database(database.to_owned())) != Some(&false);
        }
        self.rules.iter().any(|(pattern, wanted)| {
            let is_of_it = match pattern {
                TablePattern::Exact(of, _) | TablePattern::Database(of) => of == database,
                TablePattern::Table(_) => true,
            };
            *wanted && is_of_it
        })
    }

    /// Whether everything is wanted.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl TableFilter for TableRules {
    fn wants(&mut self, database: &[u8], table: &[u8]) -> bool {
        if self.rules.is_empty() {
            return true;
        }
        Self::wants(self, &String::from_utf8_lossy(database), &String::from_utf8_lossy(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(include: &[&str], exclude: &[&str]) -> Result<TableRules, String> {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        TableRules::new(&parse(include), &parse(exclude))
    }

    #[test]
    fn the_more_specific_rule_wins() {
        let rules = rules(&["shop.*", "*.audit", "bank.audit"], &["*.tmp", "shop.audit"]).unwrap();
        for (database, table, wanted) in [
            ("shop", "orders", true),
            ("shop", "tmp", false),
            ("shop", "audit", false),
            ("bank", "audit", true),
            ("bank", "tmp", false),
            ("bank", "orders", false),
            ("other", "audit", true),
        ] {
            assert_eq!(rules.wants(database, table), wanted, "{database}.{table}");
        }
    }

    #[test]
    fn without_includes_everything_else_is_wanted() {
        let rules = rules(&[], &["mysql.*"]).unwrap();
        assert!(rules.wants("shop", "orders") && !rules.wants("mysql", "user"));
    }

    #[test]
    fn definitions_are_wanted_where_their_tables_may_be() {
        let table = |database: &str, table: &str| Subject::Tables(vec![(database.into(), table.into())]);
        let database = |name: &str| Subject::Database(name.into());
        let included = rules(&["shop.orders", "bank.*"], &["bank.tmp"]).unwrap();
        for (subject, wanted) in [
            (table("shop", "orders"), true),
            (table("shop", "other"), false),
            (table("bank", "tmp"), false),
            (Subject::Tables(vec![("shop".into(), "new".into()), ("shop".into(), "orders".into())]), true),
            (database("shop"), true),
            (database("other"), false),
            (Subject::Other, false),
        ] {
            assert_eq!(included.wants_definition(&subject), wanted, "{subject:?}");
        }
        assert!(rules(&["*.orders"], &[]).unwrap().wants_definition(&database("any")));
        let excluded = rules(&[], &["shop.tmp", "bank.*"]).unwrap();
        for (subject, wanted) in [
            (table("shop", "tmp"), false),
            (table("shop", "orders"), true),
            (database("bank"), false),
            (database("shop"), true),
            (Subject::Other, true),
        ] {
            assert_eq!(excluded.wants_definition(&subject), wanted, "{subject:?}");
        }
    }

    #[test]
    fn names_in_backticks_may_have_any_character() {
        let rules = rules(&["`a.b`.`c*`", "*.`*`", "`x,y`.*", "a.b.c"], &["`a.b`.*"]).unwrap();
        for (database, table, wanted) in [
            ("a.b", "c*", true),
            ("a.b", "cc", false),
            ("any", "*", true),
            ("any", "c*", false),
            ("x,y", "t", true),
            // As it was before there were backticks.
            ("a", "b.c", true),
        ] {
            assert_eq!(rules.wants(database, table), wanted, "{database}.{table}");
        }
        for text in ["`a.b`.`c*`", "*.`*`", "`a``b`.*", "shop.orders"] {
            assert_eq!(text.parse::<TablePattern>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn wrong_patterns_are_refused() {
        for text in [
            "",
            "shop",
            ".t",
            "s.",
            "*.*",
            "sh*p.orders",
            "shop.o*",
            "**.t",
            "`a.b`",
            "a.b.`c`",
            "`a`.``",
            "`a`b.c",
            "`a.b",
        ] {
            assert!(text.parse::<TablePattern>().is_err(), "{text}");
        }
        assert!(rules(&["a.b"], &["a.b"]).is_err());
        assert!(rules(&["a.*"], &["a.b", "*.a"]).is_ok());
    }
}
