//! Which statements are about a table.

use std::str::FromStr;

use crate::mysql::sql::{Kind, Lexis, Tokens, tables_named, unquote};
use crate::rules::names::split;
use crate::rules::wildcard::Wildcard;

/// A table of a filter: `NAME` or `DATABASE.NAME`, each in any case of letters, with `*` for any characters unless it is in backticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    database: Option<Wildcard>,
    table: Wildcard,
}

impl FromStr for TableName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.to_lowercase();
        let parts = split(&text, '.')?;
        match parts.as_slice() {
            [table] if !table.is_empty() => Ok(Self { database: None, table: table.parse()? }),
            [database, table] if !database.is_empty() && !table.is_empty() => {
                Ok(Self { database: Some(database.parse()?), table: table.parse()? })
            }
            _ => Err(format!("'{text}' is no table: it is NAME or DATABASE.NAME")),
        }
    }
}

impl TableName {
    /// Whether a statement names the table. `database` is the one of tables that are named alone.
    ///
    /// Where the text does not tell its tables for certain (definitions, calls, what cannot be parsed) each of its names may be one: rather one
    /// statement too many than one too few.
    pub fn is_in(&self, sql: &[u8], lexis: Lexis, database: Option<&str>) -> bool {
        match tables_named(sql, lexis) {
            Some(tables) => tables.iter().any(|parts| match parts.as_slice() {
                [table] => self.is(database.map(str::to_lowercase).as_deref(), table),
                [.., database, table] => self.is(Some(database), table),
                [] => false,
            }),
            None => names(sql, lexis).any(|name| self.table.matches(&name)),
        }
    }

    fn is(&self, database: Option<&str>, table: &str) -> bool {
        let is_there = |wanted: &Wildcard| database.is_some_and(|database| wanted.matches(database));
        self.table.matches(table) && self.database.as_ref().is_none_or(is_there)
    }
}

/// Every word and name of a text, in lower case.
fn names(sql: &[u8], lexis: Lexis) -> impl Iterator<Item = String> {
    let names = Tokens::new(sql, lexis).filter(|token| matches!(token.kind, Kind::Word | Kind::Name));
    names.filter_map(move |token| {
        let name = sql.get(token.range())?;
        Some(String::from_utf8_lossy(&unquote(name, lexis)).to_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_about_a_table() {
        let is_in = |table: &str, sql: &str| {
            table.parse::<TableName>().unwrap().is_in(sql.as_bytes(), Lexis::default(), Some("Shop"))
        };
        for (table, sql) in [
            ("orders", "SELECT * FROM Orders WHERE id = 1"),
            ("ORDERS", "UPDATE orders SET a = 1"),
            ("shop.orders", "DELETE FROM orders"),
            ("shop.orders", "INSERT INTO `shop`.`orders` VALUES (1)"),
            ("ord*", "SELECT 1 FROM a JOIN orders USING (id)"),
            ("st*.*", "SELECT 1 FROM stock.items"),
            // What the parser does not tell.
            ("orders", "ALTER TABLE `Orders` ADD c INT"),
            ("orders", "SELECT f(1) FROM orders"),
        ] {
            assert!(is_in(table, sql), "{table}: {sql}");
        }
        for (table, sql) in [
            ("orders", "SELECT 'orders' FROM items /* orders */"),
            ("orders", "SELECT orders FROM items"),
            ("stock.orders", "SELECT * FROM orders"),
            ("orders", "ALTER TABLE items COMMENT 'orders'"),
            ("`ord*`", "SELECT * FROM orders"),
        ] {
            assert!(!is_in(table, sql), "{table}: {sql}");
        }
        for wrong in ["", ".", "a.b.c", "a.", "`a"] {
            assert!(wrong.parse::<TableName>().is_err(), "{wrong}");
        }
    }
}
