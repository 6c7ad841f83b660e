//! Which columns' values are left out or made unreadable.

use std::str::FromStr;

use crate::rules::names::{Name, split};
use crate::rules::redaction::Redactor;

/// Columns that are left out: `column` in every table, `table.column` in every schema, or `schema.table.column`; schema and table may
/// be `*`. A name with a dot, an asterisk or a comma is written in backticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnPattern {
    schema: Option<String>,
    table: Option<String>,
    column: String,
}

impl FromStr for ColumnPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORMS: &str = "it is COLUMN, TABLE.COLUMN or SCHEMA.TABLE.COLUMN, where SCHEMA and TABLE may be *; \
                             names with a dot, an asterisk or a comma stand in backticks";
        let explain = |reason: String| format!("{reason}: {FORMS}");
        let parts = split(text, '.').map_err(explain)?;
        let names = parts.into_iter().map(Name::parse).collect::<Result<Vec<_>, _>>().map_err(explain)?;
        let named = |name: Option<Name>| match name {
            Some(Name::Is(name)) => Some(name),
            Some(Name::Any) | None => None,
        };
        let mut names = names.into_iter().rev();
        let (column, table, schema) = (names.next(), names.next(), names.next());
        match column {
            Some(Name::Is(column)) if names.next().is_none() => {
                Ok(Self { schema: named(schema), table: named(table), column })
            }
            _ => Err(FORMS.into()),
        }
    }
}

impl ColumnPattern {
    /// Column names match in any case; schema and table names must match exactly.
    fn matches(&self, schema: &str, table: &str, column: &str) -> bool {
        self.schema.as_deref().is_none_or(|name| name == schema)
            && self.table.as_deref().is_none_or(|name| name == table)
            && self.column.to_lowercase() == column.to_lowercase()
    }
}

/// What is done to columns by their names.
#[derive(Debug, Clone, Default)]
pub struct ColumnRules {
    /// Columns that are left out, as if they were not in the images.
    pub drop: Vec<ColumnPattern>,
    /// Columns whose values are replaced, and by what.
    pub redactor: Redactor,
}

impl ColumnRules {
    /// Whether it applies to no column.
    pub(crate) fn is_empty(&self) -> bool {
        self.drop.is_empty() && !self.redactor.has_keys()
    }

    /// Whether the column is left out.
    pub(crate) fn drops(&self, schema: &str, table: &str, column: &str) -> bool {
        self.drop.iter().any(|pattern| pattern.matches(schema, table, column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_columns() {
        let drops = |pattern: &str, name: &str| {
            let [schema, table, column] = name.split('.').collect::<Vec<_>>()[..] else { panic!("{name}") };
            pattern.parse::<ColumnPattern>().unwrap().matches(schema, table, column)
        };
        assert!(drops("ssn", "shop.users.SSN") && drops("users.ssn", "any.users.ssn") && drops("*.*.ssn", "a.b.ssn"));
        assert!(drops("shop.*.ssn", "shop.users.ssn") && !drops("shop.*.ssn", "hr.users.ssn"));
        assert!(!drops("users.ssn", "shop.orders.ssn") && !drops("shop.users.ssn", "shop.users.ssn2"));
        for wrong in ["", "a..b", "*", "a.b.*", "a.b.c.d", "us*.ssn"] {
            assert!(wrong.parse::<ColumnPattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_in_backticks_may_have_any_character() {
        let pattern: ColumnPattern = "`a.b`.`c*`.`d,``e`".parse().unwrap();
        assert!(pattern.matches("a.b", "c*", "D,`E") && !pattern.matches("a.b", "cc", "d,`e"));
        assert!("`a.b`".parse::<ColumnPattern>().unwrap().matches("any", "any", "a.b"));
    }
}
