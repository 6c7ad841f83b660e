//! Which columns' values are left out or made unreadable.

use std::str::FromStr;

/// Columns that are left out: `column` in every table, `table.column` in every schema, or `schema.table.column`; schema and table may
/// be `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnPattern {
    schema: Option<String>,
    table: Option<String>,
    column: String,
}

impl FromStr for ColumnPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts: Vec<&str> = text.split('.').collect();
        let column = parts.pop().unwrap_or_default();
        let (table, schema) = (parts.pop(), parts.pop());
        let named = |part: Option<&str>| part.filter(|part| *part != "*").map(str::to_owned);
        let is_wrong = |part: &str| part.is_empty() || (part.contains('*') && part != "*");
        if !parts.is_empty() || column == "*" || text.split('.').any(is_wrong) {
            return Err("it is COLUMN, TABLE.COLUMN or SCHEMA.TABLE.COLUMN, where SCHEMA and TABLE may be *".into());
        }
        Ok(Self { schema: named(schema), table: named(table), column: column.to_owned() })
    }
}

impl ColumnPattern {
    /// Columns' names are the same in any case; those of schemas and tables are taken as they are.
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
    /// Values of columns whose names contain one of these texts, in any case, become [`ColumnRules::redact_value`].
    pub redact_keys: Vec<String>,
    /// What stands in their place.
    pub redact_value: String,
}

impl ColumnRules {
    /// Whether no column is concerned.
    pub(super) fn is_empty(&self) -> bool {
        self.drop.is_empty() && self.redact_keys.is_empty()
    }

    /// Whether the column is left out.
    pub(super) fn drops(&self, schema: &str, table: &str, column: &str) -> bool {
        self.drop.iter().any(|pattern| pattern.matches(schema, table, column))
    }

    /// Whether the column's values are replaced.
    pub(super) fn redacts(&self, column: &str) -> bool {
        let column = column.to_lowercase();
        self.redact_keys.iter().any(|key| !key.is_empty() && column.contains(&key.to_lowercase()))
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
    fn keys_are_parts_of_names() {
        let rules = ColumnRules { redact_keys: vec!["Passw".into(), String::new()], ..ColumnRules::default() };
        assert!(rules.redacts("user_PASSWORD") && !rules.redacts("name"));
    }
}
