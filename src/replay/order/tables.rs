//! Which tables a text touches.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;

use crate::mysql::sql::{Lexis, tables_named};

/// Tables, by their names in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tables {
    /// These.
    Known(Arc<BTreeSet<String>>),
    /// Any: the text does not tell.
    All,
}

impl Default for Tables {
    fn default() -> Self {
        Self::Known(Arc::default())
    }
}

impl Tables {
    /// Whether a table is in both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Known(one), Self::Known(two)) => !one.is_disjoint(two),
            (Self::Known(known), Self::All) | (Self::All, Self::Known(known)) => !known.is_empty(),
            (Self::All, Self::All) => true,
        }
    }

    /// Those of both.
    pub(super) fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Known(one), Self::Known(two)) if two.is_subset(one) => Self::Known(Arc::clone(one)),
            (Self::Known(one), Self::Known(two)) => Self::Known(Arc::new(one.union(two).cloned().collect())),
            _ => Self::All,
        }
    }
}

/// Longer texts are not remembered.
const LONGEST: usize = 16 << 10;
const MOST: usize = 4096;

/// Finds out, and remembers.
#[derive(Debug)]
pub(super) struct TablesOf {
    known: LruCache<(Option<String>, Box<[u8]>), Tables>,
}

impl Default for TablesOf {
    fn default() -> Self {
        Self { known: LruCache::new(NonZeroUsize::new(MOST).unwrap_or(NonZeroUsize::MIN)) }
    }
}

impl TablesOf {
    /// Of a text in a session with this current database.
    pub(super) fn text(&mut self, sql: &[u8], database: Option<&str>, lexis: Lexis) -> Tables {
        let key = (database.map(str::to_owned), Box::from(sql));
        if let Some(tables) = self.known.get(&key) {
            return tables.clone();
        }
        let tables = tables_of(sql, database, lexis);
        if sql.len() <= LONGEST {
            self.known.put(key, tables.clone());
        }
        tables
    }
}

fn tables_of(sql: &[u8], database: Option<&str>, lexis: Lexis) -> Tables {
    let Some(names) = tables_named(sql, lexis) else { return Tables::All };
    let full = |parts: Vec<String>| match (parts.as_slice(), database) {
        ([table], Some(database)) => format!("{}.{table}", database.to_lowercase()),
        (parts, _) => parts.join("."),
    };
    Tables::Known(Arc::new(names.into_iter().map(full).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sql: &str) -> Option<String> {
        match TablesOf::default().text(sql.as_bytes(), Some("Db"), Lexis::default()) {
            Tables::Known(names) => Some(names.iter().cloned().collect::<Vec<_>>().join(" ")),
            Tables::All => None,
        }
    }

    #[test]
    fn names_are_completed_by_the_current_database() {
        assert_eq!(of("SELECT * FROM A JOIN other.b ON a.x = b.x").as_deref(), Some("db.a other.b"));
        assert_eq!(of("CALL p()"), None);
    }

    #[test]
    fn a_union_is_all_if_one_is() {
        let known = |name: &str| Tables::Known(Arc::new(BTreeSet::from([name.to_owned()])));
        assert_eq!(known("a").union(&Tables::All), Tables::All);
        assert_eq!(known("a").union(&known("a")), known("a"));
        assert!(known("a").meets(&known("a")) && !known("a").meets(&known("b")) && known("a").meets(&Tables::All));
        assert!(!Tables::default().meets(&Tables::All) && Tables::All.meets(&Tables::All));
        assert!(matches!(known("a").union(&known("b")), Tables::Known(names) if names.len() == 2));
        assert_eq!(Tables::default().union(&known("a")), known("a"));
    }
}
