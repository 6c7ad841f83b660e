//! Tables in files: what a table was when its rows came, for who reads them later.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::binlog::event::table_map::TableMap;
use crate::binlog::table::schema::{Column, Meaning, Table};
use crate::binlog::value::column::Storage;
use crate::mysql::charset::Charset;

/// A table without what the options of a run make of it.
#[derive(Debug, Serialize, Deserialize)]
struct StoredTable {
    map: TableMap,
    columns: Vec<StoredColumn>,
    key: Vec<usize>,
    #[serde(rename = "hasNames")]
    has_names: bool,
    #[serde(rename = "lacksCharsets")]
    lacks_charsets: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredColumn {
    name: String,
    storage: Storage,
    unsigned: bool,
    charset: Option<String>,
    members: Vec<String>,
    meaning: Meaning,
}

impl Table {
    /// All of it but what is hidden ([`Table::hide`]).
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let column = |column: &Column| StoredColumn {
            name: column.name.clone(),
            storage: column.storage,
            unsigned: column.unsigned,
            charset: column.charset.map(|charset| charset.name().to_owned()),
            members: column.members.clone(),
            meaning: column.meaning,
        };
        let stored = StoredTable {
            map: TableMap::clone(&self.map),
            columns: self.columns.iter().map(column).collect(),
            key: self.primary_key.clone(),
            has_names: self.has_names,
            lacks_charsets: self.lacks_charsets,
        };
        // Texts and numbers can always be written as JSON.
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    /// What [`Table::to_json`] has written, with nothing hidden; none of other bytes.
    pub(crate) fn from_json(bytes: &[u8]) -> Option<Self> {
        let stored: StoredTable = serde_json::from_slice(bytes).ok()?;
        let column = |stored: StoredColumn| Column {
            json_key: Column::json_key(&stored.name),
            name: stored.name,
            storage: stored.storage,
            unsigned: stored.unsigned,
            charset: stored.charset.as_deref().and_then(Charset::from_name),
            members: stored.members,
            meaning: stored.meaning,
            redaction: None,
        };
        let columns = stored.columns.into_iter().map(column).collect();
        let mut table = Self::of(Arc::new(stored.map), columns, stored.key);
        (table.has_names, table.lacks_charsets) = (stored.has_names, stored.lacks_charsets);
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::output::fixture::{INT, VARCHAR, table};
    use crate::binlog::table::catalog::CatalogColumn;
    use crate::rules::columns::ColumnRules;

    #[test]
    fn a_table_comes_back_as_it_was_with_nothing_hidden() {
        let mut table = table("shop", "orders", &[("id", INT, false), ("text", VARCHAR, true)], &[0]);
        let mut map = TableMap::clone(&table.map);
        map.columns[1].members = Some(vec![b"a\xff".to_vec()]);
        map.columns[1].storage = Storage::Enum { bytes: 1 };
        table.map = Arc::new(map);
        let again = Table::from_json(&table.to_json()).unwrap();
        assert_eq!(Table { number: table.number, ..again.clone() }, table);
        assert_ne!(again.number, table.number);
        table.hide(&ColumnRules {
            redactor: crate::rules::redaction::Redactor::new(&["text".into()], "***"),
            ..ColumnRules::default()
        });
        assert_eq!(Table { number: again.number, ..Table::from_json(&table.to_json()).unwrap() }, again);
        for wrong in [&b""[..], b"{}", b"\xff"] {
            assert_eq!(Table::from_json(wrong), None);
        }
    }

    #[test]
    fn what_only_the_catalogue_knew_comes_back_too() {
        let named = table("d", "t", &[("a", INT, false), ("b", Storage::Fixed { max_bytes: 16 }, true)], &[0]);
        let mut map = TableMap::clone(&named.map);
        map.columns.iter_mut().for_each(|column| (column.name, column.unsigned) = (None, None));
        map.primary_key = None;
        let column = |name: &str, data_type: &str, place| CatalogColumn {
            name: name.into(),
            data_type: data_type.into(),
            column_type: format!("{data_type} unsigned"),
            primary_key_place: place,
            ..CatalogColumn::default()
        };
        let catalog = [column("a\"b", "int", Some(1)), column("u", "uuid", None)];
        for catalog in [Some(&catalog[..]), None] {
            let table = Table::resolve(&Arc::new(map.clone()), catalog);
            let again = Table::from_json(&table.to_json()).unwrap();
            assert_eq!(Table { number: table.number, ..again }, table);
        }
    }
}
