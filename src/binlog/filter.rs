//! Which tables and which kinds of events are wanted.

use std::collections::HashMap;
use std::str::FromStr;

use super::decoder::TableFilter;

/// `schema.table`, `schema.*` or `*.table`.
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
        let forms = "it is schema.table, schema.* or *.table";
        let (database, table) = text.split_once('.').ok_or_else(|| format!("'{text}' has no '.': {forms}"))?;
        if database.is_empty() || table.is_empty() {
            return Err(format!("'{text}' lacks a name: {forms}"));
        }
        let embedded = |name: &str| name != "*" && name.contains('*');
        match (database, table) {
            ("*", "*") => Err("*.* is everything, which needs no rule".into()),
            _ if embedded(database) || embedded(table) => {
                Err(format!("'{text}' has a wildcard inside a name: {forms}"))
            }
            ("*", table) => Ok(Self::Table(table.to_owned())),
            (database, "*") => Ok(Self::Database(database.to_owned())),
            (database, table) => Ok(Self::Exact(database.to_owned(), table.to_owned())),
        }
    }
}

impl std::fmt::Display for TablePattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(database, table) => write!(f, "{database}.{table}"),
            Self::Table(table) => write!(f, "*.{table}"),
            Self::Database(database) => write!(f, "{database}.*"),
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
    fn wrong_patterns_are_refused() {
        for text in ["", "shop", ".t", "s.", "*.*", "sh*p.orders", "shop.o*", "**.t"] {
            assert!(text.parse::<TablePattern>().is_err(), "{text}");
        }
        assert!(rules(&["a.b"], &["a.b"]).is_err());
        assert!(rules(&["a.*"], &["a.b", "*.a"]).is_ok());
    }
}
